"""The compiled loops behind a pair's similarity and its being a copy, once the parts are measured.

``kernels`` measures what two articles share; here it becomes the numbers that decide. One pass over
the pairs and no array on the way: of sixty candidates, or of a million pairs.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array
from clustering.compiled import compiled
from clustering.refine.lookalike_rules import look_alike_kinds
from clustering.refine.verifier import LOGIT_OFFSET, LOGIT_SPAN

_BoolArray = NDArray[np.bool_]
_Float32Array = NDArray[np.float32]
_Float64Array = NDArray[np.float64]
_Int16Array = NDArray[np.int16]
_Int64Array = NDArray[np.int64]

_DAY_SECONDS: Final = 86_400.0
_FREE_DAYS: Final = 2.0
_PENALTY_PER_LOG_DAY: Final = 0.05
_GREATEST_PENALTY: Final = 0.15


@compiled
def are_positions(first: _Int64Array, second: _Int64Array, count: int) -> bool:
    """Return whether all numbers are at least 0 and below ``count``."""
    wrong = 0
    for k in range(first.size):
        wrong += not (0 <= first[k] < count and 0 <= second[k] < count)
    return wrong == 0


@compiled
def _penalty(seconds: float, other_seconds: float) -> float:
    """Return what distance in time takes off: nothing up to two days, at most .15.

    Soft on purpose: dates are often wrong (a scraper's, an archive's), and some events last.
    Nothing either where a date is unknown (nan).
    """
    days = abs(seconds - other_seconds) / _DAY_SECONDS
    if not days > _FREE_DAYS:
        return 0.0
    return float(min(_GREATEST_PENALTY, _PENALTY_PER_LOG_DAY * np.log1p(days - _FREE_DAYS)))


@compiled
def time_penalties(
    first: _Int64Array, second: _Int64Array, published_at_seconds: _Float64Array
) -> _Float64Array:
    """Return what distance in time takes off the similarity of pairs; shape (m,), in [0, .15]."""
    result = np.empty(first.size, dtype=np.float64)
    for k in range(first.size):
        result[k] = _penalty(published_at_seconds[first[k]], published_at_seconds[second[k]])
    return result


@compiled
def _is_comparable(i: int, j: int, usable: _BoolArray, languages: _Int16Array) -> bool:
    """Return whether two articles are ordinary texts in one language, as far as it is known."""
    a, b = languages[i], languages[j]
    return bool(usable[i] and usable[j] and (a < 0 or b < 0 or a == b))


@compiled
def are_comparable(
    first: _Int64Array, second: _Int64Array, usable: _BoolArray, languages: _Int16Array
) -> _BoolArray:
    """Return which pairs are of ordinary texts in one language; bool, shape (m,)."""
    result = np.empty(first.size, dtype=np.bool_)
    for k in range(first.size):
        result[k] = _is_comparable(first[k], second[k], usable, languages)
    return result


@compiled
def weigh_pairs(
    first: _Int64Array,
    second: _Int64Array,
    logits: _Float64Array,
    looseness: _Float32Array,
    usable: _BoolArray,
    languages: _Int16Array,
    term_offsets: _Int64Array,
    term_ids: UInt32Array,
    idf: _Float32Array,
    weights: _Float32Array,
    flags: UInt8Array,
    bigram_offsets: _Int64Array,
    bigram_ids: UInt32Array,
    published_at_seconds: _Float64Array,
    publishers: _Int64Array,
    token_counts: _Int64Array,
    figures: _Float32Array,
) -> tuple[_Float32Array, UInt8Array]:
    """Return similarities as if there were no look-alikes, and which of the pairs are.

    Parameters
    ----------
    logits
        The verifier's, shape (m,).
    figures
        What ``lookalike_rules.summarise`` returns.

    Returns
    -------
    float32 (m,), in [0, 1]; uint8 (m,), the `LookAlikeKind`, 0 where the similarity is 0 anyway.
    """
    similarities = np.zeros(first.size, dtype=np.float32)
    kinds = np.zeros(first.size, dtype=np.uint8)
    alike = np.empty(first.size, dtype=np.int64)
    count = 0
    for k in range(first.size):
        i, j = first[k], second[k]
        evidence = (logits[k] + LOGIT_OFFSET) / LOGIT_SPAN
        evidence += np.float32(looseness[i] + looseness[j])
        # Most candidates are not alike, and what follows can only make them less so.
        if not evidence > 0.0 or not _is_comparable(i, j, usable, languages):
            continue
        similarity = min(evidence, 1.0) - _penalty(published_at_seconds[i], published_at_seconds[j])
        if similarity > 0.0:
            similarities[k] = similarity
            alike[count] = k
            count += 1
    left = alike[:count]
    found = look_alike_kinds(
        first[left],
        second[left],
        term_offsets,
        term_ids,
        idf,
        weights,
        flags,
        bigram_offsets,
        bigram_ids,
        published_at_seconds,
        publishers,
        token_counts,
        figures,
    )
    for k in range(count):
        kinds[left[k]] = found[k]
    return similarities, kinds
