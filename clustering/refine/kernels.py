"""The compiled loops over pairs of articles: one walk along two sorted lists of term ids.

Whatever is asked of a pair (its parts by name, its verifier's logit, whether it is a copy), the
numbers come from the same few functions here, so the online decision (1 x 60 pairs), the batch
(millions) and the explanation of one pair cannot disagree.

The walk advances in both lists without branching on which id is smaller (``a += x <= y``): ids are
hashes, so that branch would be mispredicted every second time.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array
from clustering.compiled import compiled

_Float32Array = NDArray[np.float32]
_Float64Array = NDArray[np.float64]
_Int64Array = NDArray[np.int64]

PART_COUNT: Final = 20
"""Parts that `pair_parts` measures; named in ``similarity.PART_NAMES``."""

_TOP: Final = 5
_RARE_IDF: Final = 6.0
"""A term in less than one article of four hundred: e^-6 = .0025."""


@compiled
def _measure(
    i: int,
    j: int,
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
    """Write the parts of one pair into ``parts``; ``top`` is scratch space of five numbers."""
    a, last_a = term_offsets[i], term_offsets[i + 1]
    b, last_b = term_offsets[j], term_offsets[j + 1]
    body, lead, title = 0.0, 0.0, 0.0
    title_body, body_title, lead_body, body_lead = 0.0, 0.0, 0.0, 0.0
    numbers, names = 0.0, 0.0
    shared_idf, highest_number = 0.0, 0.0
    rare = 0
    for k in range(top.size):
        top[k] = 0.0
    while a < last_a and b < last_b:
        x, y = term_ids[a], term_ids[b]
        if x == y:
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
            if value >= _RARE_IDF:
                rare += 1
            if value > top[_TOP - 1]:
                k = _TOP - 1
                while k > 0 and top[k - 1] < value:
                    top[k] = top[k - 1]
                    k -= 1
                top[k] = value
        a += x <= y
        b += y <= x

    bigram_cosine = 0.0
    shared_bigrams = 0
    a, last_a = bigram_offsets[i], bigram_offsets[i + 1]
    b, last_b = bigram_offsets[j], bigram_offsets[j + 1]
    while a < last_a and b < last_b:
        x, y = bigram_ids[a], bigram_ids[b]
        if x == y:
            bigram_cosine += bigram_weights[a] * bigram_weights[b]
            shared_bigrams += 1
        a += x <= y
        b += y <= x

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
    top = np.empty(_TOP, dtype=np.float64)
    parts = np.empty(PART_COUNT, dtype=np.float64)
    for row in range(first.size):
        _measure(
            first[row],
            second[row],
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
    top = np.empty(_TOP, dtype=np.float64)
    parts = np.empty(PART_COUNT, dtype=np.float64)
    for row in range(first.size):
        _measure(
            first[row],
            second[row],
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
