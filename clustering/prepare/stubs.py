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
from clustering.prepare.boilerplate_lines import count_words, dump_lines
from clustering.prepare.line_patterns import is_plain, line_key

MIN_DISTINCT_TERMS = 5
"""Fewer distinct content words than this cannot tell one event from another of its kind: "Bomb
kills five in Baghdad" has four, and has been the headline of hundreds of articles."""

MAX_STUB_WORDS = 150.0
"""Notices are short; a longer text is an article, whatever it says about subscriptions."""

_NOTICE_SHARE = 0.6
_MAX_OTHER_WORDS = 8.0

_SENTENCE = regex.compile(r"(?<=[.!?…。！？؟।])['\"”’»」)]*\s+|(?<=[。！？।])")
_PLAIN_SENTENCE_END = re.compile(r"([.!?…])['\"”’»)]*\s+")
_WORD = regex.compile(r"[\p{L}\p{N}]")


_ESCAPE = regex.compile(r"\\p\{\w+\}|\\\w")
_LATIN_OR_DIGIT = regex.compile(r"[\p{Latin}\d]")
_FOLDED_APART: Final = "ſıİ"
"""Plain letters that patterns ignoring case take for other letters, too: "ı" for "I" and "i"."""


@dataclass(frozen=True, slots=True)
class _Patterns:
    """What a sentence of a notice contains, and what headlines error pages have.

    Two hundred alternatives take long. Half of them cannot be in plain text, and most of the others
    are within the quicker ones of the two libraries, given lower case.
    """

    notice: regex.Pattern[str]
    quick_notice: re.Pattern[str]
    other_plain_notice: regex.Pattern[str]
    error_title: regex.Pattern[str]

    def is_notice(self, sentence: str) -> bool:
        """Whether a sentence is one of a notice."""
        sentence = sentence.replace("’", "'")
        if is_plain(sentence) and not any(letter in sentence for letter in _FOLDED_APART):
            found = self.quick_notice.search(sentence.lower())
            return bool(found or self.other_plain_notice.search(sentence))
        return bool(self.notice.search(sentence))


@cache
def _patterns() -> _Patterns:
    text = (
        files("clustering.prepare").joinpath("tables/boilerplate_notices.json").read_text("utf-8")
    )
    table = json.loads(text)
    notices = [pattern for group in table["notices"].values() for pattern in group]
    plain = [each for each in notices if _LATIN_OR_DIGIT.search(_ESCAPE.sub("", each))]
    quick = [each for each in plain if "\\p" not in each and not set(_FOLDED_APART) & set(each)]
    return _Patterns(
        notice=regex.compile(_any_of(notices), regex.IGNORECASE),
        quick_notice=re.compile(_any_of(quick)),
        other_plain_notice=regex.compile(
            _any_of([each for each in plain if each not in quick]), regex.IGNORECASE
        ),
        error_title=regex.compile(f"^(?:{_any_of(table['error_titles'])})$", regex.IGNORECASE),
    )


def _any_of(patterns: Sequence[str]) -> str:
    return "|".join(f"(?:{pattern})" for pattern in patterns)


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
    counted: list[tuple[str, float]] = []
    total = 0.0
    for line in dump_lines(body):
        for part in _sentences_in(line):
            sentence = part.strip()
            if not sentence or line_key(sentence) == own_title:
                continue
            words = count_words(sentence)
            counted.append((sentence, words))
            total += words
            if total > MAX_STUB_WORDS:
                return False
    patterns = _patterns()
    notice = sum(words for sentence, words in counted if patterns.is_notice(sentence))
    if patterns.error_title.match(title.strip()) and total <= 60.0:
        return True
    if notice == 0.0:
        return False
    # A sentence of news has eight words or more; less than that beside a notice is a label.
    return notice >= _NOTICE_SHARE * total or total - notice <= _MAX_OTHER_WORDS


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
