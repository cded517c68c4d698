"""What a text is worth: an article, too little to tell an event, a placeholder, or nothing.

Pages behind a paywall, a cookie wall or an error all say the same few words, so they resemble each
other far more than two reports of one event do. They must be told apart before they get signatures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import regex

from clustering.articles import TextKind
from clustering.prepare.boilerplate_lines import dump_lines, measure_rows
from clustering.prepare.line_classes import NeedleTable
from clustering.prepare.line_patterns import is_plain, line_key, squeezed_blanks
from clustering.prepare.literals import required_literals
from clustering.prepare.whole_texts import find_needles, has_more_words

MIN_DISTINCT_TERMS = 5
"""Fewer distinct content words than this cannot tell one event from another of its kind: "Bomb
kills five in Baghdad" has four, and has been the headline of hundreds of articles."""

MAX_STUB_WORDS = 150.0
"""Notices are short; a longer text is an article, whatever it says about subscriptions."""

_NOTICE_SHARE = 0.6
_MAX_OTHER_WORDS = 8.0
_MAX_ERROR_PAGE_WORDS = 60.0
_NO_WORDS: Final = "-"

_SENTENCE = regex.compile(r"(?<=[.!?…。！？؟।])['\"”’»」)]*\s+|(?<=[。！？।])")
_PLAIN_SENTENCE_END = re.compile(r"([.!?…])['\"”’»)]*\s+")
_WORD = regex.compile(r"[\p{L}\p{N}]")


@dataclass(frozen=True, slots=True, eq=False)
class _Patterns:
    """What a sentence of a notice contains, and what headlines error pages have.

    Attributes
    ----------
    notices
        The patterns. To try two hundred takes long, so they are tried where a text stands that
        they cannot do without.
    needles
        Those texts, and which patterns they are of.
    error_title
        All of an error page's headline.
    """

    notices: tuple[str, ...]
    needles: NeedleTable
    error_title: regex.Pattern[str]

    def notices_among(self, sentences: Sequence[str]) -> set[int]:
        """Tell which sentences are of a notice, by their positions."""
        found: set[int] = set()
        for row, owner in self.suspects_among(sentences):
            sentence = sentences[row].replace("’", "'")
            if row not in found and _notice(self.notices[owner]).search(sentence):
                found.add(row)
        return found

    def suspects_among(self, rows: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Yield the position of a row, and that of a pattern that may be found in it, once each.

        A part of a row has no others than the row.
        """
        tried: set[tuple[int, int]] = set()
        everything = [("", owner) for owner in range(len(self.notices))]
        for row, number in find_needles(rows, self.needles):
            folded = rows[row].replace("’", "'").casefold()
            for literal, owner in self.needles.owners[number] if number >= 0 else everything:
                if literal in folded and (row, owner) not in tried:
                    tried.add((row, owner))
                    yield row, owner


@cache
def _notice(pattern: str) -> regex.Pattern[str]:
    return regex.compile(pattern, regex.IGNORECASE)


@cache
def _patterns() -> _Patterns:
    text = (
        files("clustering.prepare").joinpath("tables/boilerplate_notices.json").read_text("utf-8")
    )
    table = json.loads(text)
    notices = tuple(pattern for group in table["notices"].values() for pattern in group)
    needles = NeedleTable.of(
        # Patterns that ignore case take a dotless i, and a capital with a dot, for an "i".
        (literal.casefold().replace("ı", "i").replace("i\u0307", "i"), owner)
        for owner, pattern in enumerate(notices)
        for literal in required_literals(pattern)
    )
    titles = "|".join(f"(?:{pattern})" for pattern in table["error_titles"])
    return _Patterns(notices, needles, regex.compile(f"^(?:{titles})$", regex.IGNORECASE))


def text_kind(title: str, body: str, distinct_terms: int) -> TextKind:
    """Say what a cleaned text is worth to the clustering.

    Parameters
    ----------
    title
        Cleaned headline; may be empty.
    body
        Cleaned body; may be empty.
    distinct_terms
        Distinct content terms (stop words left out) of title and body together, at least 0.

    Returns
    -------
    TextKind
        ``EMPTY`` if neither has a word; ``STUB`` if the body is a notice instead of an article;
        ``TINY`` if there are fewer than ``MIN_DISTINCT_TERMS`` terms; else ``ORDINARY``. A stub
        that is also tiny is a stub.
    """
    if not _WORD.search(body) and not _WORD.search(title):
        return TextKind.EMPTY
    if is_stub(title, body):
        return TextKind.STUB
    if distinct_terms < MIN_DISTINCT_TERMS:
        return TextKind.TINY
    return TextKind.ORDINARY


def is_stub(title: str, body: str) -> bool:
    """Whether a text is a placeholder: mostly a notice, or a few words beside one.

    Sentences are judged one by one, so that an article that ends in "Subscribe to continue
    reading" after two paragraphs keeps its worth, and so does a report about captchas.
    """
    own_title = line_key(title)
    # Most texts are long, and counting words costs little beside the patterns.
    if has_more_words(body, MAX_STUB_WORDS, left_out=own_title):
        return False
    lines = dump_lines(body)
    patterns = _patterns()
    is_error_title = patterns.error_title.match(title.strip()) is not None
    if not is_error_title and next(patterns.suspects_among(lines), None) is None:
        return False
    parts = (part.strip() for line in lines for part in _sentences_in(line))
    sentences = [part for part in parts if part]
    # The title is the first of them; one without letters has the key of those without letters.
    measured = measure_rows([squeezed_blanks(title) if own_title else _NO_WORDS, *sentences])
    title_key, *keys = measured.keys.tolist()
    _, *words = measured.word_counts.tolist()
    counted = [
        (count, sentence)
        for count, sentence, key in zip(words, sentences, keys, strict=True)
        if key != title_key
    ]
    total = sum(count for count, _ in counted)
    if total > MAX_STUB_WORDS:
        return False
    if is_error_title and total <= _MAX_ERROR_PAGE_WORDS:
        return True
    found = patterns.notices_among([sentence for _, sentence in counted])
    notice = sum(counted[row][0] for row in sorted(found))
    if notice == 0.0:
        return False
    # A sentence of news has eight words or more; less than that beside a notice is a label.
    return bool(notice >= _NOTICE_SHARE * total or total - notice <= _MAX_OTHER_WORDS)


def _sentences_in(line: str) -> Iterator[str]:
    """Split a line into sentences, one after the other as they are asked for."""
    if not is_plain(line):
        yield from _SENTENCE.split(line)
        return
    begin = 0
    for end in _PLAIN_SENTENCE_END.finditer(line):
        yield line[begin : end.end(1)]
        begin = end.end()
    yield line[begin:]
