"""Plain-text page dumps to title and body: what stands around the article goes, the article stays.

Three judges, from the surest to the weakest: the form of a line (`boilerplate_rules`), its
repetition across the publisher's pages (`repeats`), and a logistic classifier over the line and
its neighbours (`boilerplate_features`, trained by ``clustering.training.boilerplate``). What they
say is mended by where a line stands (`boilerplate_mending`): a dropped line that shares its words
with the kept text comes back, and a kept one far from all others goes. Where little would be kept,
the weakest judge is not heard.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from clustering.prepare.boilerplate_features import (
    Float64Array,
    context_feature_names,
    line_features,
)
from clustering.prepare.boilerplate_lines import (
    Line,
    content_terms,
    dump_lines,
    measure_line,
)
from clustering.prepare.boilerplate_mending import (
    drop_islands,
    drop_tail,
    is_row_of_figures,
    rescue,
    restore_figures,
    words_of,
)
from clustering.prepare.boilerplate_rules import (
    is_caption,
    is_furniture,
    is_rail_header,
    trim_end,
    trim_start,
)
from clustering.prepare.boilerplate_titles import clean_title, find_title
from clustering.prepare.line_patterns import line_key
from clustering.prepare.repeats import RepeatedLines, line_hashes

__all__ = ["CleanedText", "clean_dump", "clean_title", "prose_probabilities"]

PROSE_PROBABILITY = 0.5
LONE_PROSE_PROBABILITY = 0.1
"""Lists of links have three lines or more. One or two doubtful lines between paragraphs, in a text
that shows no sign of having been a page, are subheads and quotes: they must look unlike prose."""

# A rail goes on until something that no rail holds: a paragraph, not a teaser.
_RAIL_END_PROBABILITY = 0.8
# Fewer words kept than this, out of a text without page furniture, and the classifier is wrong
# about this kind of text (tables of figures, verses, notes).
_FEW_KEPT_WORDS = 12.0
_LEAST_LEFT_SHARES = ((4, 0.6), (16, 0.4))
"""Of a text of up to so many lines, the least share that repeated lines may leave. Where they leave
less, and nothing else looks like a page, they are none: a recurring notice, or a short item sent
again, is made of lines that came before."""
_FEW_LINES = 4


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
    lines = [measure_line(row) for row in dump_lines(text)]
    title = clean_title(title, publisher)
    if not lines:
        return CleanedText(title, "")
    mark = 0
    nothing = [False] * len(lines)
    again = nothing
    if repeated is not None and publisher:
        hashes = line_hashes(lines)
        mark = repeated.mark(publisher, hashes)
        again = _page_lines(
            lines,
            repeated.among(publisher, hashes).tolist(),
            repeated.common_among(publisher, hashes).tolist(),
        )
    kept = _kept_lines(lines, again)
    may_be_whole = len(lines) <= _LEAST_LEFT_SHARES[-1][0] and not any(map(is_furniture, lines))
    if any(again) and may_be_whole:
        least = next(share for most, share in _LEAST_LEFT_SHARES if len(lines) <= most)
        without_repeats = _kept_lines(lines, nothing)
        if words_of(lines, kept) < least * words_of(lines, without_repeats):
            kept = without_repeats
    if not title:
        title = find_title(lines, kept)
    body = _body(lines, kept, title)
    if not body:
        # Nothing was left but the headline's own words: better a short body than none.
        body = _body(lines, kept, "")
    return CleanedText(title, body, mark)


@cache
def _weights() -> tuple[Float64Array, float]:
    text = (
        files("clustering.prepare").joinpath("tables/boilerplate_weights.json").read_text("utf-8")
    )
    table = json.loads(text)
    names = context_feature_names()
    weights = np.array([table["weights"][name] for name in names], dtype=np.float64)
    return weights, float(table["intercept"])


def prose_probabilities(lines: Sequence[Line]) -> Float64Array:
    """Probability of each line to belong to the article, float64 of shape (n,), in [0, 1]."""
    weights, intercept = _weights()
    logits = line_features(lines) @ weights + intercept
    probabilities: Float64Array = 1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0)))
    return probabilities


def _kept_lines(lines: Sequence[Line], again: Sequence[bool]) -> list[bool]:
    """Decide which lines belong to the article; ``again`` are those of the publisher's page."""
    if all(line.is_solid for line in lines):
        # Paragraphs are kept whatever the classifier says, and no rail begins without a header.
        probabilities = np.ones(len(lines), dtype=np.float64)
    else:
        probabilities = prose_probabilities(lines)
    certain = [is_furniture(line) or is_caption(line) for line in lines]
    certain = [junk or repeats for junk, repeats in zip(certain, again, strict=True)]
    rail = _rails(lines, probabilities)
    furniture = sum(certain) + sum(rail)
    shows_page = furniture > max(1, len(lines) // 15)
    cuts = _cuts(probabilities, certain, shows_page=shows_page)
    seen: set[str] = set()
    kept: list[bool] = []
    for line, junk, in_rail, probability, cut in zip(
        lines, certain, rail, probabilities, cuts, strict=True
    ):
        keep = not junk and not in_rail and bool(probability >= cut or line.is_solid)
        kept.append(keep and line.key not in seen)
        seen.add(line.key)
    drop_tail(lines, kept)
    drop_islands(lines, kept)
    kept_words = words_of(lines, kept)
    figures = sum(map(is_row_of_figures, lines))
    is_short = len(lines) <= _FEW_LINES
    is_table = len(lines) <= 3 * _FEW_LINES or 3 * figures >= len(lines)
    doubtful = is_short or (kept_words < _FEW_KEPT_WORDS and is_table)
    if doubtful and furniture <= max(1, len(lines) // 4):
        return [not junk and not inside for junk, inside in zip(certain, rail, strict=True)]
    if furniture <= max(2, len(lines) // 5):
        restore_figures(lines, kept, certain, rail)
    rescue(lines, kept, certain, rail)
    if not any(kept):
        # No line reads like prose. What is neither furniture nor in a rail is all there is.
        kept = [not junk and not inside for junk, inside in zip(certain, rail, strict=True)]
        if sum(certain) + sum(rail) > len(lines) // 2:
            kept = [keep and line.is_sentence for keep, line in zip(kept, lines, strict=True)]
    return kept


def _cuts(probabilities: Float64Array, certain: Sequence[bool], *, shows_page: bool) -> list[float]:
    """Probability that each line needs, by the length of the doubtful run it stands in."""
    cuts = [PROSE_PROBABILITY] * len(certain)
    if shows_page:
        return cuts
    start = 0
    for index in range(len(certain) + 1):
        if index < len(certain) and probabilities[index] < PROSE_PROBABILITY:
            continue
        if index - start <= 2:
            cuts[start:index] = [LONE_PROSE_PROBABILITY] * (index - start)
        start = index + 1
    return cuts


def _page_lines(lines: Sequence[Line], again: list[bool], common: Sequence[bool]) -> list[bool]:
    """Of the lines that repeat, those that are the publisher's page.

    Where most of an article's sentences came before, it is a corrected or updated version, and
    they are its own, but for the ``common`` ones, which stand in more articles than it has
    versions.
    """
    own = [
        (line.word_count, hit)
        for line, hit, often in zip(lines, again, common, strict=True)
        if line.is_sentence and not often
    ]
    if sum(words for words, hit in own if hit) > 0.5 * sum(words for words, _ in own):
        return [
            hit and (often or not line.is_sentence)
            for line, hit, often in zip(lines, again, common, strict=True)
        ]
    return again


def _rails(lines: Sequence[Line], probabilities: Float64Array) -> list[bool]:
    """Lines under a header such as "Related", up to the next paragraph."""
    inside = False
    rail: list[bool] = []
    for line, probability in zip(lines, probabilities, strict=True):
        if is_rail_header(line):
            inside = True
        elif inside and (
            line.is_solid
            or (line.is_sentence and line.is_final and probability >= _RAIL_END_PROBABILITY)
        ):
            inside = False
        rail.append(inside)
    return rail


def _body(lines: Sequence[Line], kept: Sequence[bool], title: str) -> str:
    """Join the kept lines, without datelines, credits and the repeated headline."""
    title_key = line_key(title)
    paragraphs: list[str] = []
    title_terms = content_terms(measure_line(title)) if title else set()
    for line, keep in zip(lines, kept, strict=True):
        if not keep or (title_key and line.key == title_key):
            continue
        if not paragraphs and title_terms and not line.is_final and line.word_count <= 30.0:
            # The headline with the site's name or a breadcrumb glued on.
            terms = content_terms(line)
            if title_terms <= terms and len(terms) <= len(title_terms) + 6:
                continue
        paragraphs.append(trim_end(trim_start(line.text)))
    return "\n\n".join(paragraphs)
