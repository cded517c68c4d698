"""Plain-text page dumps to title and body: what stands around the article goes, the article stays.

Three judges, from the surest to the weakest: the form of a line (`boilerplate_rules`), its
repetition across the publisher's pages (`repeats`), and a logistic classifier over the line and
its neighbours (`boilerplate_features`, trained by ``clustering.training.boilerplate``). What they
say is mended by where a line stands (`kernel_judge`): a dropped line that shares its words with
the kept text comes back, and a kept one far from all others goes. Where little would be kept, the
weakest judge is not heard.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array
from clustering.prepare.boilerplate_features import (
    Float64Array,
    context_feature_names,
    line_features,
)
from clustering.prepare.boilerplate_lines import MeasuredLines, measure_rows, measure_texts
from clustering.prepare.boilerplate_rules import (
    trim_end,
    trim_start,
)
from clustering.prepare.boilerplate_titles import clean_title, find_title
from clustering.prepare.boilerplate_verdicts import line_verdicts
from clustering.prepare.kernel_judge import FURNITURE, REPEATED, judge_lines
from clustering.prepare.line_numbers import (
    ASKS_END_TRIM,
    ASKS_START_TRIM,
    IS_FINAL,
    IS_SENTENCE,
    N_BITS,
)
from clustering.prepare.line_patterns import headline_key, line_key
from clustering.prepare.repeats import RepeatedLines, key_hash, remember_line_hashes

__all__ = ["CleanedText", "clean_dump", "clean_dumps", "clean_title", "prose_probabilities"]

_LEAST_LEFT_SHARES = ((4, 0.6), (16, 0.4))
"""Of a text of up to so many lines, the least share that repeated lines may leave. Where they leave
less, and nothing else looks like a page, they are none: a recurring notice, or a short item sent
again, is made of lines that came before."""

_REMEMBERED_HEADLINES: Final = 256
_CHARACTERS_AT_ONCE: Final = 1 << 18
"""Of texts cleaned together: what their arrays take fits the processor's cache."""
_HEADLINE_WORDS: Final = 30.0
_HEADLINE_EXTRA_TERMS: Final = 6


@dataclass(frozen=True, slots=True)
class CleanedText:
    """Title and body of a page dump; either may be empty. Paragraphs are parted by blank lines.

    ``repeated_mark`` is what `RepeatedLines.mark` gives for the text's lines; 0 without a table.
    The body surely has ``least_words`` words; 0 where they were not counted.
    """

    title: str
    body: str
    repeated_mark: int = 0
    least_words: float = 0.0


def clean_dump(
    text: str,
    title: str = "",
    *,
    publisher: str = "",
    repeated: RepeatedLines | None = None,
) -> CleanedText:
    """Take an article out of a plain-text dump of its page.

    Parameters
    ----------
    text
        Plain text in any language: an article, or a page with its navigation in it.
    title
        Headline, if it is known; otherwise the dump is searched for one.
    publisher
        As `publisher_of` names it; only used with ``repeated``.
    repeated
        Lines that repeat across publishers' articles. It is read, never changed.

    Returns
    -------
    CleanedText
        Without navigation, lists of other articles, captions, datelines and lines that hold only
        a date. The body is empty only if the text holds nothing but page furniture.
    """
    return clean_dumps([text], [title], [publisher], repeated=repeated)[0]


def clean_dumps(
    texts: Sequence[str],
    titles: Sequence[str],
    publishers: Sequence[str],
    *,
    repeated: RepeatedLines | None = None,
) -> list[CleanedText]:
    """Do as `clean_dump` does, for texts together: what is the same for each is then paid once."""
    cleaned: list[CleanedText] = []
    begin, characters = 0, 0
    for end, text in enumerate(texts):
        if characters and characters + len(text) > _CHARACTERS_AT_ONCE:
            chosen = slice(begin, end)
            cleaned += _cleaned(texts[chosen], titles[chosen], publishers[chosen], repeated)
            begin, characters = end, 0
        characters += len(text)
    if begin < len(texts):
        cleaned += _cleaned(texts[begin:], titles[begin:], publishers[begin:], repeated)
    return cleaned


def _cleaned(
    texts: Sequence[str],
    titles: Sequence[str],
    publishers: Sequence[str],
    repeated: RepeatedLines | None,
) -> list[CleanedText]:
    lines = measure_texts(texts)
    ends = lines.text_lines.tolist()
    spans = list(pairwise([0, *ends]))
    remember_line_hashes(texts, lines.hashes, spans)
    own_verdicts = line_verdicts(lines)
    marks = [0] * len(texts)
    page_lines: dict[int, NDArray[np.bool_]] = {}
    if repeated is not None and len(repeated):
        for text, publisher in enumerate(publishers):
            if publisher:
                marks[text], is_page = _page_lines(lines, *spans[text], publisher, repeated)
                if is_page.any():
                    page_lines[text] = is_page
    kept = _kept(lines, own_verdicts, page_lines, spans)
    picked = kept.tolist()
    cleaned = []
    for (begin, end), given, publisher, mark in zip(spans, titles, publishers, marks, strict=True):
        title = clean_title(given, publisher)
        if begin == end:
            cleaned.append(CleanedText(title, ""))
            continue
        if not title:
            title = find_title(lines, own_verdicts, picked, begin, end)
        body, words = _body(lines, picked, title, begin, end)
        if not body:
            # Nothing was left but the headline's own words: better a short body than none.
            body, words = _body(lines, picked, "", begin, end)
        cleaned.append(CleanedText(title, body, mark, words))
    return cleaned


def _kept(
    lines: MeasuredLines,
    own_verdicts: UInt8Array,
    page_lines: Mapping[int, NDArray[np.bool_]],
    spans: Sequence[tuple[int, int]],
) -> NDArray[np.bool_]:
    """Decide which lines belong to the articles, where some texts have lines of their page."""
    if not page_lines:
        return _judged(lines, own_verdicts)
    verdicts = own_verdicts.copy()
    for text, is_page in page_lines.items():
        begin, end = spans[text]
        verdicts[begin:end] |= is_page.astype(np.uint8) * np.uint8(REPEATED)
    kept = _judged(lines, verdicts)
    without_repeats = None
    for text in page_lines:
        begin, end = spans[text]
        count = end - begin
        if count > _LEAST_LEFT_SHARES[-1][0] or (own_verdicts[begin:end] & FURNITURE).any():
            continue
        if without_repeats is None:
            without_repeats = _judged(lines, own_verdicts)
        least = next(share for most, share in _LEAST_LEFT_SHARES if count <= most)
        words = lines.word_counts[begin:end]
        otherwise = without_repeats[begin:end]
        if sum(words[kept[begin:end]].tolist()) < least * sum(words[otherwise].tolist()):
            kept[begin:end] = otherwise
    return kept


@cache
def _weights() -> Float64Array:
    """Weights of the line classifier, its intercept last."""
    text = (
        files("clustering.prepare").joinpath("tables/boilerplate_weights.json").read_text("utf-8")
    )
    table = json.loads(text)
    weights = [table["weights"][name] for name in context_feature_names()]
    return np.array([*weights, table["intercept"]], dtype=np.float64)


def prose_probabilities(lines: MeasuredLines) -> Float64Array:
    """Probability of each line to belong to the article, float64 of shape (n,), in [0, 1]."""
    weights = _weights()
    logits = line_features(lines) @ weights[:-1] + weights[-1]
    probabilities: Float64Array = 1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0)))
    return probabilities


def _judged(lines: MeasuredLines, verdicts: UInt8Array) -> NDArray[np.bool_]:
    return judge_lines(
        lines.text_lines,
        lines.word_counts,
        lines.features,
        lines.numbers,
        lines.keys,
        lines.terms,
        verdicts,
        _weights(),
    )


def _page_lines(
    lines: MeasuredLines, begin: int, end: int, publisher: str, repeated: RepeatedLines
) -> tuple[int, NDArray[np.bool_]]:
    """Return the mark of a text's lines, and of those that repeat, which are the publisher's page.

    Where most of an article's sentences came before, it is a corrected or updated version, and
    they are its own, but for the common ones, which stand in more articles than it has versions.
    """
    again, common, mark = repeated.look_up(publisher, lines.hashes[begin:end])
    if not again.any():
        return mark, again
    is_sentence = lines.numbers[begin:end, N_BITS] & IS_SENTENCE != 0
    is_own = is_sentence & ~common
    words = lines.word_counts[begin:end]
    if sum(words[is_own & again].tolist()) > 0.5 * sum(words[is_own].tolist()):
        return mark, again & (common | ~is_sentence)
    return mark, again


@lru_cache(_REMEMBERED_HEADLINES)
def _known_headline(title: str) -> tuple[str, int]:
    """Return the key of a headline and that key's hash, -1 for a headline without letters."""
    key = headline_key(title)
    return key, key_hash(key) if key else -1


def _body(
    lines: MeasuredLines, kept: Sequence[bool], title: str, begin: int, end: int
) -> tuple[str, float]:
    """Join a text's kept lines, without datelines, credits and the repeated headline.

    Returns how many words are surely left in them, too.
    """
    title_key, title_hash = _known_headline(title)
    paragraphs: list[str] = []
    least_words = 0.0
    for index in range(begin, end):
        if not kept[index]:
            continue
        bits, text = lines.bits[index], lines.texts[index]
        if lines.key_hashes[index] == title_hash and line_key(text) == title_key:
            continue
        if (
            title
            and not paragraphs
            and not bits & IS_FINAL
            and lines.word_counts[index] <= _HEADLINE_WORDS
        ):
            # The headline with the site's name or a breadcrumb glued on.
            title_terms = measure_rows([title]).content_terms(0)
            terms = lines.content_terms(index)
            most = len(title_terms) + _HEADLINE_EXTRA_TERMS
            if title_terms and title_terms <= terms and len(terms) <= most:
                continue
        words = lines.words[index]
        if bits & (ASKS_START_TRIM | ASKS_END_TRIM):
            whole = len(text)
            if bits & ASKS_START_TRIM:
                text = trim_start(text)
            if bits & ASKS_END_TRIM:
                text = trim_end(text)
            # A character that was cut off was a word at most.
            words = max(0.0, words - (whole - len(text)))
        least_words += words
        paragraphs.append(text)
    return "\n\n".join(paragraphs), least_words
