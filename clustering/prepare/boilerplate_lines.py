"""A page dump as lines that can be judged: unwrapped and measured.

A judge of lines needs lines that are paragraphs, headlines or menu entries. Telegraphic wires and
e-mail wrap paragraphs at a fixed width, so wrapping is undone first. What is measured of a line
must mean the same in scripts without spaces or capitals; where it cannot, it takes a neutral value
instead of a misleading zero.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import regex

from clustering.prepare.line_patterns import (
    digits_in,
    ends_sentence,
    is_plain,
    line_key,
    sentence_breaks_in,
    squeezed_blanks,
    words_in,
)

# Words of a script written without spaces, estimated from its letters: Chinese and Japanese words
# average about 1.6 characters in news, Thai, Lao, Khmer and Burmese words about 4.
_HAN_WORDS_PER_CHARACTER = 0.6
_SOUTHEAST_ASIAN_WORDS_PER_CHARACTER = 0.25

_SPACELESS = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}]|[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
)
HAN = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]")
BULLET = regex.compile(r"^(?:[-–—*•·▪‣◦►▶→>+]|\d{1,2}[.)]|#)\s*")
_INVISIBLE = regex.compile(r"[\p{Cf}--[\u200c\u200d]]|[\p{Cc}--[\n\t]]|[\p{Cs}\p{Co}]", regex.V1)
_DEVANAGARI_BAR = regex.compile(r"(?<=[\p{Devanagari}\d])\s*\|")
# A line has to be this long before it can have been broken at a margin.
_MIN_WRAP_WIDTH = 36
_MAX_WRAP_WIDTH = 110


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
    )


@dataclass(frozen=True, slots=True)
class Line:
    """One unwrapped line and what the judges ask of it.

    Attributes
    ----------
    text
        Stripped, never empty.
    key
        See `line_key`; empty for a line of marks alone.
    words
        Tokens written with letters or digits, case folded. Empty in spaceless scripts.
    word_count
        Their number, or an estimate of it in scripts without spaces.
    is_final
        Whether it ends as a sentence does.
    sentence_count
        Sentence ends inside it, the last included.
    letter_count, digit_count
        Characters of its words that are letters or marks, and that are digits.
    plain
        See `is_plain`.
    """

    text: str
    key: str
    words: tuple[str, ...]
    word_count: float
    is_final: bool
    sentence_count: int
    letter_count: int
    digit_count: int
    plain: bool

    @property
    def is_solid(self) -> bool:
        """Whether it can only be a paragraph: long, and ending (or breaking) as sentences do."""
        return self.word_count >= 25 and (self.is_final or self.sentence_count >= 2)

    @property
    def is_sentence(self) -> bool:
        """Whether it reads like at least one full sentence."""
        return self.word_count >= 10 and (self.is_final or self.sentence_count >= 2)


def measure_line(text: str) -> Line:
    """Measure one stripped, non-empty line."""
    plain = is_plain(text)
    raw = words_in(text, plain=plain)
    is_final = ends_sentence(text)
    digits = digits_in(text, plain=plain)
    return Line(
        text=text,
        key=line_key(text),
        words=tuple(map(str.casefold, raw)),
        word_count=float(len(raw)) if plain else _word_count(text, raw),
        is_final=is_final,
        sentence_count=sentence_breaks_in(text, plain=plain) + is_final,
        letter_count=sum(map(len, raw)) - digits,
        digit_count=digits,
        plain=plain,
    )


def count_words(text: str) -> float:
    """Return the ``word_count`` that `measure_line` gives, and nothing else of it."""
    plain = is_plain(text)
    raw = words_in(text, plain=plain)
    return float(len(raw)) if plain else _word_count(text, raw)


def _word_count(text: str, raw: Sequence[str]) -> float:
    """Count the words, estimated where scripts have no spaces."""
    letters = _SPACELESS.findall(text)
    if not letters:
        return float(len(raw))
    han = sum(1 for letter in letters if HAN.match(letter))
    spaced = len(words_in(_SPACELESS.sub(" ", text), plain=False))
    return (
        spaced
        + _HAN_WORDS_PER_CHARACTER * han
        + _SOUTHEAST_ASIAN_WORDS_PER_CHARACTER * (len(letters) - han)
    )


def dump_lines(text: str) -> list[str]:
    """Split a text into stripped, non-empty lines, joining lines that were broken at a margin.

    Parameters
    ----------
    text
        Plain text, any line endings. Control and invisible characters are dropped.

    Returns
    -------
    list of str
        In order; empty for a text without visible characters. `measure_line` takes them as
        they are.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n")
    text = text.replace("\u2029", "\n\n").replace("\x0c", "\n").replace("\x0b", "\n")
    given = text.split("\n")
    if not all(row.isprintable() or not row for row in given):  # or else none is invisible
        text = _INVISIBLE.sub("", text)
        given = text.split("\n")
    rows = [squeezed_blanks(_danda(row)).rstrip() for row in given]
    indents = [len(row) - len(row.lstrip()) for row in text.expandtabs(4).split("\n")]
    stripped = [row.strip() for row in rows]
    width = _wrap_width(stripped, indents)
    lines: list[str] = []
    joinable = False
    for index, row in enumerate(stripped):
        if not row:
            joinable = False
            continue
        if joinable and _continues(lines[-1], stripped[index - 1], row, indents, index, width):
            lines[-1] = _join(lines[-1], row)
        else:
            lines.append(row)
        joinable = True
    return lines


def _danda(row: str) -> str:
    """Read the bar that Hindi keyboards give for a full stop as one; a menu's bars stay bars."""
    if "|" in row and _DEVANAGARI_BAR.search(row):
        parts = row.split("|")
        if len(row.split()) >= 5 * max(1, len([part for part in parts if part.strip()])):
            return _DEVANAGARI_BAR.sub("।", row)
    return row


def _join(head: str, tail: str) -> str:
    """Undo one break; a hyphen at the margin stays, for it may belong to the word."""
    if head.endswith("-") and not head.endswith(" -"):
        return head + tail
    if HAN.match(head[-1]) and HAN.match(tail[0]):
        return head + tail
    return f"{head} {tail}"


def _wrap_width(rows: Sequence[str], indents: Sequence[int]) -> int:
    """Width in characters at which a text was wrapped, or 0 if it was not.

    Wrapped text shows itself twice: no line passes the margin, and most lines that are followed
    by another one without a blank between stop close to it. A list of headlines has ragged ends.
    """
    pairs = [
        (rows[i], rows[i + 1])
        for i in range(len(rows) - 1)
        if rows[i] and rows[i + 1] and indents[i + 1] <= indents[i] + 1
    ]
    lengths = sorted(len(row) for row in rows if row)
    if not lengths or not _MIN_WRAP_WIDTH <= lengths[-1] <= _MAX_WRAP_WIDTH or not pairs:
        return 0
    width = lengths[-1]
    lowered = sum(1 for _, below in pairs if below[0].islower())
    if lowered >= 0.35 * len(pairs):
        return width
    full_open = sum(1 for a, _ in pairs if len(a) >= 0.7 * width and not ends_sentence(a))
    if max(indents) >= 2 and min(indents) == 0 and full_open >= 0.5 * len(pairs):
        # Indented paragraphs, and rows that run up to the margin with their sentence open.
        return width
    if any(any(c.isupper() or c.islower() for c in row) for row in rows):
        return 0
    full = sum(1 for above, _ in pairs if len(above) >= 0.8 * width)
    open_ends = sum(1 for above, _ in pairs if not ends_sentence(above))
    return width if len(pairs) >= 3 and full >= 0.7 * len(pairs) <= open_ends else 0


def _continues(
    head: str, above: str, row: str, indents: Sequence[int], index: int, width: int
) -> bool:
    """Whether ``row`` goes on with the paragraph that the row above belongs to."""
    if BULLET.match(row) and not row[0].isdigit():
        return False
    if not width:
        # Pages put links on lines of their own inside a sentence; what goes on in lower case
        # after an open end was one sentence. Menus in lower case have short lines.
        return row[0].islower() and len(above) >= 40 and not ends_sentence(above)
    if indents[index] >= indents[index - 1] + 2:
        return False
    if row[0].islower():
        return True
    # The line would have had room for the next word, so the break was meant.
    next_word = row.split(" ", 1)[0]
    if len(above) + 1 + len(next_word) > 0.85 * width and len(head) >= 0.6 * width:
        return True
    # Where paragraphs begin with an indent, a row without one goes on; the first row of a wire
    # is short because its dateline was cut.
    return max(indents) >= 2 and not ends_sentence(above) and len(above) >= 0.4 * width


_HAN_PAIR = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}](?=([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]))"
)


def content_terms(line: Line) -> set[str]:
    """Content terms for comparing lines: words that are no function words, or character pairs."""
    function_words = vocabulary().function_words
    terms = {word for word in line.words if len(word) > 1 and word not in function_words}
    if line.plain:
        return terms
    pairs = {match.group() + match.group(1) for match in _HAN_PAIR.finditer(line.text)}
    return {term for term in terms if not _HAN_PAIR.search(term)} | pairs
