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
from clustering.prepare.line_patterns import headline_key, is_plain, squeezed_blanks
from clustering.prepare.literals import required_literals
from clustering.prepare.needles import NeedleTable
from clustering.prepare.whole_texts import find_needles

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
        folded, folded_row = "", -1
        for row, number in find_needles(rows, self.needles):
            if row != folded_row:
                folded, folded_row = rows[row].replace("’", "'").casefold(), row
            if number >= 0:
                owners = self.needles.owners[number]
            else:
                owners = tuple([("", owner) for owner in range(len(self.notices))])
            for literal, owner in owners:
                if literal in folded and (row, owner) not in tried:
                    tried.add((row, owner))
                    yield row, owner

    def is_of_error(self, title: str) -> bool:
        """Whether a headline is that of an error page."""
        return self.error_title.match(title.strip()) is not None


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


def text_kind(title: str, body: str, distinct_terms: int, least_words: float = 0.0) -> TextKind:
    """Say what a cleaned text is worth to the clustering.

    Parameters
    ----------
    title
        Cleaned headline; may be empty.
    body
        Cleaned body; may be empty.
    distinct_terms
        Distinct content terms (stop words left out) of title and body together, at least 0.
    least_words
        Words that the body surely has, of one that `clean_dump` gave; 0 where nobody counted.

    Returns
    -------
    TextKind
        ``EMPTY`` if neither has a word; ``STUB`` if the body is a notice instead of an article;
        ``TINY`` if there are fewer than ``MIN_DISTINCT_TERMS`` terms; else ``ORDINARY``. A stub
        that is also tiny is a stub.
    """
    return text_kinds([title], [body], [distinct_terms], [least_words])[0]


def text_kinds(
    titles: Sequence[str],
    bodies: Sequence[str],
    distinct_terms: Sequence[int],
    least_words: Sequence[float],
) -> list[TextKind]:
    """Do as `text_kind` does, for texts together."""
    kinds: list[TextKind] = []
    short: list[int] = []
    given = zip(titles, bodies, distinct_terms, least_words, strict=True)
    for place, (title, body, terms, words) in enumerate(given):
        if not _has_word(body) and not _has_word(title):
            kinds.append(TextKind.EMPTY)
            continue
        kinds.append(TextKind.TINY if terms < MIN_DISTINCT_TERMS else TextKind.ORDINARY)
        if not _is_long(title, body, words):
            short.append(place)
    if not short:
        return kinds
    patterns = _patterns()
    # What was counted was measured, so its characters were met.
    counted = [place for place in short if least_words[place]]
    rows = patterns.suspects_among([bodies[place] for place in counted])
    suspects = {counted[row] for row, _ in rows}
    for place in short:
        title = titles[place]
        may_be = not least_words[place] or place in suspects or patterns.is_of_error(title)
        if may_be and is_stub(title, bodies[place]):
            kinds[place] = TextKind.STUB
    return kinds


def _has_word(text: str) -> bool:
    first = text[:1]
    return (first.isascii() and first.isalnum()) or _WORD.search(text) is not None


def _is_long(title: str, body: str, least_words: float) -> bool:
    """Whether a body surely has more words than a notice."""
    # Sums of words and of their parts, in whatever order.
    spare = least_words - (MAX_STUB_WORDS + 1.0)
    if spare <= 0:
        return False
    key = headline_key(title)
    if not key:
        return True
    # Sentences that repeat the headline do not count. There are no more of them than places where
    # its key stands, and of its characters every other one is a word at most, or one in itself
    # where words are written without spaces.
    times = body.replace("’", "'").casefold().count(key)
    return spare > times * (len(key) // 2 + 1 if key.isascii() else len(key))


def is_stub(title: str, body: str) -> bool:
    """Whether a text is a placeholder: mostly a notice, or a few words beside one.

    Sentences are judged one by one, so that an article that ends in "Subscribe to continue
    reading" after two paragraphs keeps its worth, and so does a report about captchas.
    """
    patterns = _patterns()
    is_error_title = patterns.is_of_error(title)
    parts = (part.strip() for line in dump_lines(body) for part in _sentences_in(line))
    sentences = [part for part in parts if part]
    found = patterns.notices_among(sentences)
    if not found and not is_error_title:
        return False
    # The title is the first of them; one without letters has the key of those without letters.
    own_title = squeezed_blanks(title) if headline_key(title) else _NO_WORDS
    measured = measure_rows([own_title, *sentences])
    title_key, *keys = measured.keys.tolist()
    _, *words = measured.word_counts.tolist()
    counted = {row: words[row] for row, key in enumerate(keys) if key != title_key}
    total = sum(counted.values())
    if total > MAX_STUB_WORDS:
        return False
    if is_error_title and total <= _MAX_ERROR_PAGE_WORDS:
        return True
    notice = sum(counted.get(row, 0.0) for row in sorted(found))
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
