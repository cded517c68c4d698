"""Plain-text page dumps to title and body: what stands around the article goes, the article stays.

Three judges, from the surest to the weakest: the form of a line (`boilerplate_rules`), its
repetition across the publisher's pages (`repeats`), and a logistic classifier over the line and
its neighbours (`boilerplate_features`, trained by ``clustering.training.boilerplate``). What they
say is mended by where a line stands (`kernel_judge`): a dropped line that shares its words with
the kept text comes back, and a kept one far from all others goes. Where little would be kept, the
weakest judge is not heard.

Most lines are never shown to a pattern, for the compiled pass saw that none can match; of the
others the verdicts are remembered, since the furniture of a site stands on all of its pages.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array
from clustering.prepare.boilerplate_features import (
    Float64Array,
    context_feature_names,
    line_features,
)
from clustering.prepare.boilerplate_lines import MeasuredLines, measure_rows, measure_text
from clustering.prepare.boilerplate_rules import (
    is_caption,
    is_end_mark,
    is_furniture,
    trim_end,
    trim_start,
)
from clustering.prepare.boilerplate_titles import clean_title, find_title
from clustering.prepare.kernel_judge import CAPTION, END_MARK, FURNITURE, REPEATED, judge_lines
from clustering.prepare.line_numbers import (
    ASKS_CAPTION,
    ASKS_END,
    ASKS_END_TRIM,
    ASKS_FURNITURE,
    ASKS_START_TRIM,
    IS_FINAL,
    IS_FURNITURE,
    IS_SENTENCE,
)
from clustering.prepare.line_patterns import line_key
from clustering.prepare.repeats import KEY_BITS, RepeatedLines, key_hash

__all__ = ["CleanedText", "clean_dump", "clean_title", "prose_probabilities"]

_LEAST_LEFT_SHARES = ((4, 0.6), (16, 0.4))
"""Of a text of up to so many lines, the least share that repeated lines may leave. Where they leave
less, and nothing else looks like a page, they are none: a recurring notice, or a short item sent
again, is made of lines that came before."""

_ASKS: Final = ASKS_FURNITURE | ASKS_CAPTION | ASKS_END
_REMEMBERED_LINES: Final = 1 << 15
_REMEMBERED_CHARACTERS: Final = 300
"""What is remembered takes at most some 20 MB, and mostly 5."""
_HEADLINE_WORDS: Final = 30.0
_HEADLINE_EXTRA_TERMS: Final = 6


@dataclass(frozen=True, slots=True)
class CleanedText:
    """Title and body of a page dump; either may be empty. Paragraphs are parted by blank lines.

    ``repeated_mark`` is what `RepeatedLines.mark` gives for the text's lines; 0 without a table.
    """

    title: str
    body: str
    repeated_mark: int = 0


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
    title = clean_title(title, publisher)
    lines = measure_text(text)
    count = lines.ends.size
    if not count:
        return CleanedText(title, "")
    mark = 0
    own_verdicts = verdicts = _verdicts(lines)
    is_again = False
    if repeated is not None and publisher:
        again, common, mark = repeated.look_up(publisher, lines.hashes)
        page_lines = _page_lines(lines, again.tolist(), common.tolist()) if again.any() else ()
        is_again = any(page_lines)
        if is_again:
            verdicts = own_verdicts | np.array(page_lines, dtype=np.uint8) * np.uint8(REPEATED)
    kept = _judged(lines, verdicts)
    if is_again and count <= _LEAST_LEFT_SHARES[-1][0] and not (own_verdicts & FURNITURE).any():
        least = next(share for most, share in _LEAST_LEFT_SHARES if count <= most)
        without_repeats = _judged(lines, own_verdicts)
        if _words_of(lines, kept) < least * _words_of(lines, without_repeats):
            kept = without_repeats
    picked = kept.tolist()
    if not title:
        title = find_title(lines, own_verdicts, picked)
    body = _body(lines, picked, title)
    if not body:
        # Nothing was left but the headline's own words: better a short body than none.
        body = _body(lines, picked, "")
    return CleanedText(title, body, mark)


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


_remembered: dict[str, int] = {}
"""Verdicts on lines that were shown to the patterns: they depend on nothing but the line."""


def _verdicts(lines: MeasuredLines) -> UInt8Array:
    """Tell what each line's form makes certain: uint8 of shape (n,), bits of `kernel_judge`."""
    found = bytearray(lines.ends.size)
    for index, bits in enumerate(lines.bits):
        if bits & IS_FURNITURE:
            found[index] = FURNITURE
        if not bits & _ASKS:
            continue
        text = lines.texts[index]
        verdict = _remembered.get(text)
        if verdict is None:
            verdict = _verdict(lines, index)
            if len(text) <= _REMEMBERED_CHARACTERS:
                if len(_remembered) >= _REMEMBERED_LINES:
                    _remembered.clear()
                _remembered[text] = verdict
        found[index] |= verdict
    return np.frombuffer(found, dtype=np.uint8)


def _verdict(lines: MeasuredLines, index: int) -> int:
    bits = lines.bits[index]
    line = lines.line(index)
    verdict = 0
    if bits & ASKS_FURNITURE and is_furniture(line, bits):
        verdict |= FURNITURE
    if bits & ASKS_CAPTION and is_caption(line):
        verdict |= CAPTION
    if bits & ASKS_END and is_end_mark(line):
        verdict |= END_MARK
    return verdict


def _judged(lines: MeasuredLines, verdicts: UInt8Array) -> NDArray[np.bool_]:
    return judge_lines(
        lines.word_counts,
        lines.features,
        lines.numbers,
        lines.keys,
        lines.terms,
        verdicts,
        _weights(),
    )


def _words_of(lines: MeasuredLines, kept: NDArray[np.bool_]) -> float:
    """Count the words of the lines that are kept."""
    return float(sum(lines.word_counts[kept].tolist()))


def _page_lines(
    lines: MeasuredLines, again: Sequence[bool], common: Sequence[bool]
) -> Sequence[bool]:
    """Of the lines that repeat, those that are the publisher's page.

    Where most of an article's sentences came before, it is a corrected or updated version, and
    they are its own, but for the ``common`` ones, which stand in more articles than it has
    versions.
    """
    is_sentence = [bits & IS_SENTENCE != 0 for bits in lines.bits]
    own = [
        (words, hit)
        for words, hit, often, sentence in zip(
            lines.word_counts.tolist(), again, common, is_sentence, strict=True
        )
        if sentence and not often
    ]
    if sum(words for words, hit in own if hit) > 0.5 * sum(words for words, _ in own):
        return [
            hit and (often or not sentence)
            for hit, often, sentence in zip(again, common, is_sentence, strict=True)
        ]
    return again


def _body(lines: MeasuredLines, kept: Sequence[bool], title: str) -> str:
    """Join the kept lines, without datelines, credits and the repeated headline."""
    title_key = line_key(title)
    title_hash = key_hash(title_key)
    hashes = (lines.hashes & KEY_BITS).tolist() if title_key else ()
    paragraphs: list[str] = []
    for index, keep in enumerate(kept):
        if not keep:
            continue
        bits, text = lines.bits[index], lines.texts[index]
        if title_key and hashes[index] == title_hash and line_key(text) == title_key:
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
        if bits & ASKS_START_TRIM:
            text = trim_start(text)
        if bits & ASKS_END_TRIM:
            text = trim_end(text)
        paragraphs.append(text)
    return "\n\n".join(paragraphs)
