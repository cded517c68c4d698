"""The compiled loops over pairs of articles: what the sorted term ids of the two have in common.

Whatever is asked of a pair (its parts by name, its verifier's logit, whether it is a copy), the
numbers come from the same few functions here, so the online decision (1 x 60 pairs), the batch
(millions) and the explanation of one pair cannot disagree.

Candidates of one article come one after the other, and most terms of each are not among its own.
So the article is indexed once: ids are hashes, so their highest bits say where in its sorted list
an id would stand, and for most ids of another article that there is none. The other's list is then
looked up id by id, without any step depending on the one before, as in a walk along both lists.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array
from clustering.compiled import compiled, prefetch

_Float32Array = NDArray[np.float32]
_Float64Array = NDArray[np.float64]
_Int64Array = NDArray[np.int64]

PART_COUNT: Final = 20
"""Parts that `pair_parts` measures; named in ``similarity.PART_NAMES``."""

_HEAD_BITS: Final = 11
_HEADS: Final = 1 << _HEAD_BITS
_HEAD_SHIFT: Final = np.uint32(32 - _HEAD_BITS)
"""16 kB of heads for terms and bigrams stay in the processor's nearest cache; an article of 130
terms leaves 94 of 100 empty."""

_PAIRS_AHEAD: Final = 6
"""So many pairs ahead an article is fetched."""
_FAR_TERMS: Final = 1 << 16

TOP: Final = 5
RARE_IDF: Final = 6.0
"""A term in less than one article of four hundred: e^-6 = .0025."""


@compiled
def _index(ids: UInt32Array, begin: int, end: int, heads: NDArray[np.int32]) -> None:
    """Write where in a sorted list each value of the highest bits begins; -1 where none has it."""
    heads[:] = -1
    for at in range(end - 1, begin - 1, -1):
        heads[ids[at] >> _HEAD_SHIFT] = at - begin


@compiled
def write_parts(
    i: int,
    j: int,
    body: float,
    lead: float,
    title: float,
    title_body: float,
    body_title: float,
    lead_body: float,
    body_lead: float,
    numbers: float,
    names: float,
    shared_idf: float,
    highest_number: float,
    rare: int,
    bigram_cosine: float,
    shared_bigrams: int,
    summaries: _Float32Array,
    top: _Float64Array,
    parts: _Float64Array,
) -> None:
    """Write the parts of one pair, given what the two share; ``top``: the highest shared idfs."""
    number_norms = summaries[i, 0] * summaries[j, 0]
    name_norms = summaries[i, 1] * summaries[j, 1]
    smaller_sum = min(summaries[i, 2], summaries[j, 2])
    union_sum = summaries[i, 2] + summaries[j, 2] - shared_idf
    shorter, longer = summaries[i, 3], summaries[j, 3]
    if shorter > longer:
        shorter, longer = longer, shorter

    parts[0] = body
    parts[1] = lead
    parts[2] = title
    parts[3] = max(title_body, body_title)
    parts[4] = 0.5 * (lead_body + body_lead)
    parts[5] = bigram_cosine
    parts[6] = numbers / number_norms if number_norms > 0.0 else 0.0
    parts[7] = names / name_norms if name_norms > 0.0 else 0.0
    parts[8] = top[0] / 10.0
    parts[9] = (top[0] + top[1] + top[2] + top[3] + top[4]) / 50.0
    parts[10] = np.log(1.0 + rare) / 4.0
    parts[11] = shared_idf / union_sum if union_sum > 0.0 else 0.0
    parts[12] = shared_idf / smaller_sum if smaller_sum > 0.0 else 0.0
    parts[13] = np.log(1.0 + shared_bigrams) / 4.0
    parts[14] = highest_number / 10.0
    parts[15] = shorter / 7.0
    parts[16] = (longer - shorter) / 4.0
    parts[17] = 1.0 if number_norms == 0.0 else 0.0
    parts[18] = min(title_body, body_title)
    parts[19] = 1.0 - summaries[i, 4] * summaries[j, 4]


@compiled
def _measure(
    i: int,
    j: int,
    term_heads: NDArray[np.int32],
    bigram_heads: NDArray[np.int32],
    term_offsets: _Int64Array,
    term_ids: UInt32Array,
    idf: _Float32Array,
    weights: _Float32Array,
    flags: UInt8Array,
    bigram_offsets: _Int64Array,
    bigram_ids: UInt32Array,
    bigram_weights: _Float32Array,
    summaries: _Float32Array,
    top: _Float64Array,
    parts: _Float64Array,
) -> None:
    """Write the parts of one pair into ``parts``; ``top`` is scratch space of five numbers.

    The heads are what `_index` wrote for article ``i``.
    """
    first_a, last_a = term_offsets[i], term_offsets[i + 1]
    a = first_a
    body, lead, title = 0.0, 0.0, 0.0
    title_body, body_title, lead_body, body_lead = 0.0, 0.0, 0.0, 0.0
    numbers, names = 0.0, 0.0
    shared_idf, highest_number = 0.0, 0.0
    rare = 0
    for k in range(top.size):
        top[k] = 0.0
    for b in range(term_offsets[j], term_offsets[j + 1]):
        y = term_ids[b]
        head = term_heads[y >> _HEAD_SHIFT]
        if head < 0:
            continue
        # Never back, whatever many ids have the same highest bits.
        a = max(a, first_a + head)
        while a < last_a and term_ids[a] < y:
            a += 1
        if a < last_a and term_ids[a] == y:
            product = weights[a, 0] * weights[b, 0]
            body += product
            lead += weights[a, 1] * weights[b, 1]
            title += weights[a, 2] * weights[b, 2]
            title_body += weights[a, 2] * weights[b, 0]
            body_title += weights[a, 0] * weights[b, 2]
            lead_body += weights[a, 1] * weights[b, 0]
            body_lead += weights[a, 0] * weights[b, 1]
            flag = flags[a] & flags[b]
            value = 0.5 * (idf[a] + idf[b])
            if flag & 1:
                numbers += product
                highest_number = max(highest_number, value)
            if flag & 2:
                names += product
            shared_idf += value
            if value >= RARE_IDF:
                rare += 1
            if value > top[TOP - 1]:
                k = TOP - 1
                while k > 0 and top[k - 1] < value:
                    top[k] = top[k - 1]
                    k -= 1
                top[k] = value

    bigram_cosine = 0.0
    shared_bigrams = 0
    first_a, last_a = bigram_offsets[i], bigram_offsets[i + 1]
    a = first_a
    for b in range(bigram_offsets[j], bigram_offsets[j + 1]):
        y = bigram_ids[b]
        head = bigram_heads[y >> _HEAD_SHIFT]
        if head < 0:
            continue
        a = max(a, first_a + head)
        while a < last_a and bigram_ids[a] < y:
            a += 1
        if a < last_a and bigram_ids[a] == y:
            bigram_cosine += bigram_weights[a] * bigram_weights[b]
            shared_bigrams += 1

    write_parts(
        i,
        j,
        body,
        lead,
        title,
        title_body,
        body_title,
        lead_body,
        body_lead,
        numbers,
        names,
        shared_idf,
        highest_number,
        rare,
        bigram_cosine,
        shared_bigrams,
        summaries,
        top,
        parts,
    )


@compiled
def _fetch(
    j: int,
    term_offsets: _Int64Array,
    term_ids: UInt32Array,
    idf: _Float32Array,
    weights: _Float32Array,
    flags: UInt8Array,
    bigram_offsets: _Int64Array,
    bigram_ids: UInt32Array,
    bigram_weights: _Float32Array,
) -> None:
    """Have what `_measure` reads of article ``j`` fetched.

    Among many articles every candidate lies somewhere else in memory, and waiting for it takes
    four times as long as the work.
    """
    begin, end = term_offsets[j], term_offsets[j + 1]
    prefetch(term_ids, begin, end)
    prefetch(idf, begin, end)
    prefetch(weights, 3 * begin, 3 * end)
    prefetch(flags, begin, end)
    begin, end = bigram_offsets[j], bigram_offsets[j + 1]
    prefetch(bigram_ids, begin, end)
    prefetch(bigram_weights, begin, end)


@compiled
def pair_parts(
    first: _Int64Array,
    second: _Int64Array,
    term_offsets: _Int64Array,
    term_ids: UInt32Array,
    idf: _Float32Array,
    weights: _Float32Array,
    flags: UInt8Array,
    bigram_offsets: _Int64Array,
    bigram_ids: UInt32Array,
    bigram_weights: _Float32Array,
    summaries: _Float32Array,
) -> _Float32Array:
    """Return the parts of pairs; float32, shape (m, ``PART_COUNT``)."""
    result = np.empty((first.size, PART_COUNT), dtype=np.float32)
    top = np.empty(TOP, dtype=np.float64)
    parts = np.empty(PART_COUNT, dtype=np.float64)
    term_heads = np.empty(_HEADS, dtype=np.int32)
    bigram_heads = np.empty(_HEADS, dtype=np.int32)
    for row in range(first.size):
        i = first[row]
        if row == 0 or i != first[row - 1]:
            _index(term_ids, term_offsets[i], term_offsets[i + 1], term_heads)
            _index(bigram_ids, bigram_offsets[i], bigram_offsets[i + 1], bigram_heads)
        _measure(
            i,
            second[row],
            term_heads,
            bigram_heads,
            term_offsets,
            term_ids,
            idf,
            weights,
            flags,
            bigram_offsets,
            bigram_ids,
            bigram_weights,
            summaries,
            top,
            parts,
        )
        for k in range(PART_COUNT):
            result[row, k] = parts[k]
    return result


@compiled
def pair_logits(
    first: _Int64Array,
    second: _Int64Array,
    term_offsets: _Int64Array,
    term_ids: UInt32Array,
    idf: _Float32Array,
    weights: _Float32Array,
    flags: UInt8Array,
    bigram_offsets: _Int64Array,
    bigram_ids: UInt32Array,
    bigram_weights: _Float32Array,
    summaries: _Float32Array,
    intercept: float,
    linear: _Float64Array,
    roots: _Float64Array,
) -> _Float64Array:
    """Return ``intercept + linear · x + roots · √x`` for the parts x of pairs; shape (m,).

    The parts stay in registers and one small buffer: at millions of pairs a matrix of them
    would take more time to write and read than to compute.
    """
    result = np.empty(first.size, dtype=np.float64)
    top = np.empty(TOP, dtype=np.float64)
    parts = np.empty(PART_COUNT, dtype=np.float64)
    term_heads = np.empty(_HEADS, dtype=np.int32)
    bigram_heads = np.empty(_HEADS, dtype=np.int32)
    # Of a few hundred articles everything is in the cache.
    is_far = term_ids.size > _FAR_TERMS
    for row in range(first.size):
        if is_far and row + _PAIRS_AHEAD < first.size:
            _fetch(
                second[row + _PAIRS_AHEAD],
                term_offsets,
                term_ids,
                idf,
                weights,
                flags,
                bigram_offsets,
                bigram_ids,
                bigram_weights,
            )
        i = first[row]
        if row == 0 or i != first[row - 1]:
            _index(term_ids, term_offsets[i], term_offsets[i + 1], term_heads)
            _index(bigram_ids, bigram_offsets[i], bigram_offsets[i + 1], bigram_heads)
        _measure(
            i,
            second[row],
            term_heads,
            bigram_heads,
            term_offsets,
            term_ids,
            idf,
            weights,
            flags,
            bigram_offsets,
            bigram_ids,
            bigram_weights,
            summaries,
            top,
            parts,
        )
        logit = intercept
        for k in range(PART_COUNT):
            # Rounding in the sums of products may leave -1e-9 where 0 is meant.
            part = max(parts[k], 0.0)
            logit += linear[k] * part + roots[k] * np.sqrt(part)
        result[row] = logit
    return result


@compiled
def copy_evidence(
    first: _Int64Array,
    second: _Int64Array,
    term_offsets: _Int64Array,
    term_ids: UInt32Array,
    weights: _Float32Array,
    counts: UInt8Array,
    flags: UInt8Array,
    text_signatures: UInt32Array,
    least_estimate: float,
) -> _Float32Array:
    """Return what tells whether pairs are copies of one text; float32, shape (m, 5).

    Columns:

    0. MinHash estimate of the Jaccard similarity of their shingles;
    1. Jaccard similarity of their bags of terms: sum of smaller counts over sum of larger ones;
    2. the same of numbers and names only, 1 where neither has any;
    3. Jaccard similarity of the titles' sets of terms, 1 where either has no title;
    4. sum of larger counts: how many content words the two texts have together.

    All but the first are 0 where the first is below ``least_estimate``: most pairs are no copies,
    and the signatures alone say so.
    """
    result = np.zeros((first.size, 5), dtype=np.float32)
    permutations = text_signatures.shape[1]
    for row in range(first.size):
        i, j = first[row], second[row]
        equal = 0
        for p in range(permutations):
            equal += text_signatures[i, p] == text_signatures[j, p]
        estimate = equal / permutations if permutations > 0 else 0.0
        result[row, 0] = estimate
        if estimate < least_estimate:
            continue
        a, last_a = term_offsets[i], term_offsets[i + 1]
        b, last_b = term_offsets[j], term_offsets[j + 1]
        smaller, larger, smaller_marked, larger_marked = 0, 0, 0, 0
        title_a, title_b, title_both = 0, 0, 0
        while a < last_a or b < last_b:
            count_a, count_b, flag = 0, 0, 0
            in_title_a, in_title_b = False, False
            # Whether each side stands at the smallest id not yet seen; both may.
            take_a = a < last_a and (b >= last_b or term_ids[a] <= term_ids[b])
            take_b = b < last_b and (a >= last_a or term_ids[b] <= term_ids[a])
            if take_a:
                count_a, in_title_a = int(counts[a]), weights[a, 2] > 0.0
                flag |= flags[a]
                a += 1
            if take_b:
                count_b, in_title_b = int(counts[b]), weights[b, 2] > 0.0
                flag |= flags[b]
                b += 1
            smaller += min(count_a, count_b)
            larger += max(count_a, count_b)
            if flag:
                smaller_marked += min(count_a, count_b)
                larger_marked += max(count_a, count_b)
            title_a += in_title_a
            title_b += in_title_b
            title_both += in_title_a and in_title_b
        result[row, 1] = smaller / larger if larger > 0 else 0.0
        result[row, 2] = smaller_marked / larger_marked if larger_marked > 0 else 1.0
        result[row, 3] = (
            title_both / (title_a + title_b - title_both) if title_a > 0 and title_b > 0 else 1.0
        )
        result[row, 4] = larger
    return result
