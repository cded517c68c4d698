"""Words of pages and of running text, and the tables that the compiled passes look them up in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from clustering.prepare import line_classes
from clustering.prepare.dates import date_words
from clustering.prepare.line_classes import CharacterClasses, WordTable
from clustering.prepare.line_patterns import line_key


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words of pages, ready for lookup; see ``tables/boilerplate_vocabulary.json``."""

    rail_headers: frozenset[str]
    menu_entries: frozenset[str]
    menu_words: frozenset[str]
    furniture_starts: tuple[str, ...]
    furniture_phrases: tuple[str, ...]
    caption_marks: tuple[str, ...]
    agencies: tuple[str, ...]
    function_words: frozenset[str]
    function_characters: frozenset[str]
    inviting_words: frozenset[str]


@cache
def vocabulary() -> Vocabulary:
    """Load the packaged vocabulary once."""
    text = (
        files("clustering.prepare")
        .joinpath("tables/boilerplate_vocabulary.json")
        .read_text("utf-8")
    )
    table = json.loads(text)
    words = {word for line in table["function_words"].values() for word in line.split()}
    return Vocabulary(
        rail_headers=frozenset(map(line_key, table["rail_headers"])),
        menu_entries=frozenset(map(line_key, table["menu_entries"])),
        menu_words=frozenset(table["menu_words"]),
        furniture_starts=tuple(table["furniture_starts"]),
        furniture_phrases=tuple(table["furniture_phrases"]),
        caption_marks=tuple(table["caption_marks"]),
        agencies=tuple(table["agencies"]),
        function_words=frozenset(words),
        function_characters=frozenset(table["function_characters"]),
        inviting_words=frozenset(table["inviting_words"]),
    )


@cache
def character_classes() -> CharacterClasses:
    """Return the classes of the characters met so far, which all texts share: always of ASCII."""
    characters = CharacterClasses(vocabulary().function_characters)
    characters.meet(np.zeros(1, dtype=np.uint32))
    return characters


@cache
def word_table() -> WordTable:
    """Return the vocabulary as the compiled pass looks it up."""
    table = vocabulary()
    named = (
        (table.function_words, line_classes.FUNCTION_WORD),
        (table.menu_words, line_classes.MENU_WORD),
        (table.inviting_words, line_classes.INVITES),
        (table.menu_entries, line_classes.MENU_ENTRY),
        (table.rail_headers, line_classes.RAIL_HEADER),
        (date_words(), line_classes.DATE_WORD),
    )
    return WordTable.of(
        [(word, bits) for words, bits in named for word in words],
        table.furniture_phrases,
        table.caption_marks,
        table.furniture_starts,
    )
