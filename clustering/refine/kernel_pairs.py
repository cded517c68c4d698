"""The compiled loops behind a pair's similarity and its being a copy, once the parts are measured.

``kernels`` measures what two articles share; here it becomes the numbers that decide. One pass over
the pairs and no array on the way: of sixty candidates, or of a million pairs.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array
from clustering.compiled import compiled, prefetch
from clustering.refine.duplicates import LEAST_ESTIMATE, are_near_duplicates
from clustering.refine.kernels import copy_evidence, pair_logits
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

_LIKELY_ENTRIES: Final = 48
"""Of a signature so many entries tell, mostly, that it is of another text."""


@compiled
def are_positions(first: _Int64Array, second: _Int64Array, count: int) -> bool:
    """Return whether all numbers are at least 0 and below ``count``."""
    wrong = 0
    for k in range(first.size):
        wrong += not (0 <= first[k] < count and 0 <= second[k] < count)
    return wrong == 0


@compiled
def time_penalty(seconds: float, other_seconds: float) -> float:
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
        result[k] = time_penalty(published_at_seconds[first[k]], published_at_seconds[second[k]])
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
        similarity = min(evidence, 1.0) - time_penalty(
            published_at_seconds[i], published_at_seconds[j]
        )
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


@compiled
def compare_rows(
    first: _Int64Array,
    second: _Int64Array,
    rows: _Int64Array,
    term_offsets: _Int64Array,
    term_ids: UInt32Array,
    idf: _Float32Array,
    weights: _Float32Array,
    counts: UInt8Array,
    flags: UInt8Array,
    bigram_offsets: _Int64Array,
    bigram_ids: UInt32Array,
    bigram_weights: _Float32Array,
    summaries: _Float32Array,
    languages: _Int16Array,
    usable: _BoolArray,
    published_at_seconds: _Float64Array,
    text_signatures: UInt32Array,
    has_text_signature: _BoolArray,
    looseness: _Float32Array,
    publishers: _Int64Array,
    token_counts: _Int64Array,
    figures: _Float32Array,
    intercept: float,
    linear: _Float64Array,
    roots: _Float64Array,
    least_estimate: float,
) -> tuple[_Float32Array, UInt8Array, _BoolArray]:
    """Compare articles in all ways that a decision asks for, at once.

    Parameters
    ----------
    first, second
        Pairs to be weighed, shape (m,).
    rows
        At least one article, whose copies are looked for among the others.
    least_estimate
        As in ``kernels.copy_evidence``.

    Returns
    -------
    What `weigh_pairs` returns of the pairs, and which of ``rows`` are copies of the first of them:
    bool, shape (rows - 1,).
    """
    for row in rows:
        # What most signatures are looked at, and what is known of the article by itself.
        begin = row * text_signatures.shape[1]
        prefetch(text_signatures, begin, begin + min(_LIKELY_ENTRIES, text_signatures.shape[1]))
        prefetch(summaries, 5 * row, 5 * row + 5)
        prefetch(figures, 5 * row, 5 * row + 5)
    logits = pair_logits(
        first,
        second,
        term_offsets,
        term_ids,
        idf,
        weights,
        flags,
        bigram_offsets,
        bigram_ids,
        bigram_weights,
        summaries,
        intercept,
        linear,
        roots,
    )
    similarities, kinds = weigh_pairs(
        first,
        second,
        logits,
        looseness,
        usable,
        languages,
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
    copies = np.zeros(rows.size - 1, dtype=np.bool_)
    near = np.empty(rows.size - 1, dtype=np.int64)
    count = 0
    for k in range(1, rows.size):
        if (
            has_text_signature[rows[0]]
            and has_text_signature[rows[k]]
            and _is_comparable(rows[0], rows[k], usable, languages)
            and _may_be_copies(text_signatures, rows[0], rows[k])
        ):
            near[count] = k - 1
            count += 1
    if count == 0:
        return similarities, kinds, copies
    near = near[:count]
    own, others = np.full(count, rows[0]), rows[1:][near]
    same = are_near_duplicates(
        copy_evidence(
            own,
            others,
            term_offsets,
            term_ids,
            weights,
            counts,
            flags,
            text_signatures,
            least_estimate,
        )
    )
    look_alikes = look_alike_kinds(
        own,
        others,
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
        copies[near[k]] = same[k] and look_alikes[k] == 0
    return similarities, kinds, copies


@compiled
def _may_be_copies(text_signatures: UInt32Array, i: int, j: int) -> bool:
    """Return whether the signatures agree in enough entries; of most pairs a few tell.

    A little less than enough: it is ``duplicates.are_near_duplicates`` that decides.
    """
    permutations = text_signatures.shape[1]
    most_unequal = permutations * (1.0 - LEAST_ESTIMATE) + 1.0
    unequal = 0
    for p in range(permutations):
        unequal += text_signatures[i, p] != text_signatures[j, p]
        if unequal > most_unequal:
            return False
    return True


@compiled
def settled(
    alike: _Float32Array, kinds: UInt8Array, copies: _BoolArray
) -> tuple[_Float32Array, int]:
    """Return similarities of candidates, 1 for copies, and the place of the likest look-alike.

    Look-alikes that are no copies have similarity 0. The place is that of the first among equals,
    -1 where none is alike.
    """
    similarities = np.empty(alike.size, dtype=np.float32)
    likest, most = -1, np.float32(0)
    for k in range(alike.size):
        if kinds[k] != 0 and alike[k] > most:
            likest, most = k, alike[k]
        value = alike[k] if kinds[k] == 0 else np.float32(0)
        similarities[k] = np.float32(1) if copies[k] else value
    return similarities, likest
