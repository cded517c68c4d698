"""Which lines belong to the article, in plain Python: what `judge_lines` is compared with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tests.clustering.prepare.reference_lines import ReferenceLine, content_terms


def kept_lines(
    lines: Sequence[ReferenceLine],
    probabilities: NDArray[np.float64],
    certain: Sequence[bool],
    ends: Sequence[bool],
) -> list[bool]:
    if all(line.is_solid for line in lines):
        probabilities = np.ones(len(lines))
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
    _drop_tail(lines, ends, kept)
    _drop_islands(lines, kept)
    kept_words = _words_of(lines, kept)
    figures = sum(map(_is_row_of_figures, lines))
    is_short = len(lines) <= 4
    is_table = len(lines) <= 3 * 4 or 3 * figures >= len(lines)
    doubtful = is_short or (kept_words < 12.0 and is_table)
    if doubtful and furniture <= max(1, len(lines) // 4):
        return [not junk and not inside for junk, inside in zip(certain, rail, strict=True)]
    if furniture <= max(2, len(lines) // 5):
        _restore_figures(lines, kept, certain, rail)
    _rescue(lines, kept, certain, rail)
    if not any(kept):
        # No line reads like prose. What is neither furniture nor in a rail is all there is.
        kept = [not junk and not inside for junk, inside in zip(certain, rail, strict=True)]
        if sum(certain) + sum(rail) > len(lines) // 2:
            kept = [keep and line.is_sentence for keep, line in zip(kept, lines, strict=True)]
    return kept


def _cuts(
    probabilities: NDArray[np.float64], certain: Sequence[bool], *, shows_page: bool
) -> list[float]:
    cuts = [0.5] * len(certain)
    if shows_page:
        return cuts
    start = 0
    for index in range(len(certain) + 1):
        if index < len(certain) and probabilities[index] < 0.5:
            continue
        if index - start <= 2:
            cuts[start:index] = [0.1] * (index - start)
        start = index + 1
    return cuts


def _rails(lines: Sequence[ReferenceLine], probabilities: NDArray[np.float64]) -> list[bool]:
    inside = False
    rail: list[bool] = []
    for line, probability in zip(lines, probabilities, strict=True):
        if line.is_rail_header:
            inside = True
        elif inside and (
            line.is_solid or (line.is_sentence and line.is_final and probability >= 0.8)
        ):
            inside = False
        rail.append(inside)
    return rail


def _drop_tail(lines: Sequence[ReferenceLine], ends: Sequence[bool], kept: list[bool]) -> None:
    for index, is_end in enumerate(ends):
        if not is_end:
            continue
        kept[index] = False
        before = _words_of(lines[:index], kept[:index])
        after = _words_of(lines[index + 1 :], kept[index + 1 :])
        if before >= 30.0 and after <= 0.4 * before:
            kept[index + 1 :] = [False] * (len(lines) - index - 1)
            return


def _drop_islands(lines: Sequence[ReferenceLine], kept: list[bool]) -> None:
    whole = _words_of(lines, kept)
    start = 0
    while start < len(kept):
        if not kept[start]:
            start += 1
            continue
        end = start
        while end < len(kept) and kept[end]:
            end += 1
        words = _words_of(lines[start:end], kept[start:end])
        alone = start >= 4 and not any(kept[start - 4 : start])
        if alone and words < 30.0 and whole >= 5.0 * words:
            after = kept[end : end + 4]
            if not any(after) and (len(after) == 4 or end == len(kept)):
                kept[start:end] = [False] * (end - start)
        start = end


def _words_of(lines: Sequence[ReferenceLine], kept: Sequence[bool]) -> float:
    return sum(line.word_count for line, keep in zip(lines, kept, strict=True) if keep)


def _restore_figures(
    lines: Sequence[ReferenceLine], kept: list[bool], certain: Sequence[bool], rail: Sequence[bool]
) -> None:
    dropped = [
        index
        for index, line in enumerate(lines)
        if not (kept[index] or certain[index] or rail[index]) and line.words
    ]
    with_figures = sum(_is_row_of_figures(lines[index]) for index in dropped)
    if 2 * with_figures >= len(dropped):
        for index in dropped:
            kept[index] = True


def _is_row_of_figures(line: ReferenceLine) -> bool:
    digits = line.digit_count
    return digits >= 2 and 10 * digits >= digits + line.letter_count


def _rescue(
    lines: Sequence[ReferenceLine], kept: list[bool], certain: Sequence[bool], rail: Sequence[bool]
) -> None:
    if all(map(any, zip(kept, certain, rail, strict=True))):
        return
    known: set[str] = set()
    for line, keep in zip(lines, kept, strict=True):
        if keep:
            known |= content_terms(line)
    last_kept = max((i for i, keep in enumerate(kept) if keep), default=-1)
    first_kept = next((i for i, keep in enumerate(kept) if keep and lines[i].is_sentence), -1)
    seen = {line.key for line, keep in zip(lines, kept, strict=True) if keep}
    for index, line in enumerate(lines):
        if kept[index] or certain[index] or rail[index] or index > last_kept or line.key in seen:
            continue
        # Short lines above the first paragraph name who is in the picture; standfirsts are longer.
        if index < first_kept and line.word_count < 7.0:
            continue
        terms = content_terms(line)
        if len(terms) >= 3 and len(terms & known) >= 0.6 * len(terms):
            kept[index] = True
            seen.add(line.key)
