"""The compiled loops over pairs of articles: what the sorted term ids of the two have in common.

Whatever is asked of a pair (its parts by name, its verifier's logit, whether it is a copy), the
numbers come from the same few functions here, so the online decision (1 x 60 pairs), the batch
(millions) and the explanation of one pair cannot disagree.

Candidates of one article come one after the other, and most terms of each are not among its own.
So the article is indexed once: ids are hashes, so their highest bits say where in its sorted list
an id would stand, and for most ids of another article that there is none. The other's list is then
looked up id by id, without any step depending on the one before, as in a walk along both lists.

Among many articles every candidate lies somewhere else in memory, and waiting for it takes longer
than the work. So candidates are taken some dozens at a time: first the places of what they share
with the article are written down, for which their ids are enough, and what stands at those places
is sent for; then the parts are made of it. Most of a candidate's weights are never read.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array
from clustering.compiled import compiled, prefetch

_Float32Array = NDArray[np.float32]
_Float64Array = NDArray[np.float64]
_Int64Array = NDArray[np.int64]

PART_COUNT: Final = 20
"""Parts that `pair_parts` measures; named in ``similarity.PART_NAMES``."""

_HEAD_BITS: Final = 12
HEADS: Final = 1 << _HEAD_BITS
HEAD_SHIFT: Final = np.uint32(32 - _HEAD_BITS)
"""32 kB of heads for terms and bigrams stay in the processor's nearest cache; an article of 130
terms leaves 97 of 100 empty."""

_BLOCK: Final = 32
"""Candidates of an article whose shared terms are written down before any is measured."""
_FAR_TERMS: Final = 1 << 16
_LEAST_ROOM: Final = 1 << 12
"""Shared terms that can be written down: more only where a single article has more terms."""
_PAIRS_AHEAD: Final = 12
"""So many pairs ahead the ids of an article are fetched, and twice as many where they begin."""

SELDOM_ASKED: Final = (0, 3, 4, 7, 11, 12, 18)
"""Parts with coefficients of 0 in the verifier that ships: the cosines of body and lead with body,
titles and names, and the shares of what is shared."""

TOP: Final = 5
RARE_IDF: Final = 6.0
"""A term in less than one article of four hundred: e^-6 = .0025."""


class _Scratch(NamedTuple):
    """What `_measure_block` writes to.

    ``term_heads`` and ``bigram_heads``, int32, are those of the article whose turn it is;
    ``likely``, int64, has one place more than any list; ``own`` and ``others``, ``own_bigrams`` and
    ``other_bigrams``, int64, shape (room,), hold places of what is shared, in the article's list
    and in the candidate's, and ``ends``, int64, shape (`_BLOCK`, 2), how many there are of both up
    to the end of each candidate; ``top`` and ``parts``, float64, are for one candidate.
    """

    term_heads: NDArray[np.int32]
    bigram_heads: NDArray[np.int32]
    likely: _Int64Array
    own: _Int64Array
    others: _Int64Array
    own_bigrams: _Int64Array
    other_bigrams: _Int64Array
    ends: _Int64Array
    top: _Float64Array
    parts: _Float64Array


@compiled
def index_heads(ids: UInt32Array, begin: int, end: int, heads: NDArray[np.int32]) -> None:
    """Write where in a sorted list each value of the highest bits begins; -1 where none has it."""
    heads[:] = -1
    for at in range(end - 1, begin - 1, -1):
        heads[ids[at] >> HEAD_SHIFT] = at - begin


@compiled
def are_seldom_asked(linear: _Float64Array, roots: _Float64Array) -> bool:
    """Return whether a verifier asks for any of the parts in `SELDOM_ASKED`.

    Half of what there is to add up for each shared term is for these alone; what is multiplied by 0
    in the end need not be right.
    """
    asked = 0
    for k in SELDOM_ASKED:
        asked += linear[k] != 0.0 or roots[k] != 0.0
    return asked > 0


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
    parts[6] = numbers / number_norms if number_norms > 0.0 else 0.0
    parts[7] = names / name_norms if name_norms > 0.0 else 0.0
    parts[8] = top[0] / 10.0
    parts[9] = (top[0] + top[1] + top[2] + top[3] + top[4]) / 50.0
    parts[10] = np.log(1.0 + rare) / 4.0
    parts[11] = shared_idf / union_sum if union_sum > 0.0 else 0.0
    parts[12] = shared_idf / smaller_sum if smaller_sum > 0.0 else 0.0
    parts[14] = highest_number / 10.0
    parts[15] = shorter / 7.0
    parts[16] = (longer - shorter) / 4.0
    parts[17] = 1.0 if number_norms == 0.0 else 0.0
    parts[18] = min(title_body, body_title)
    parts[19] = 1.0 - summaries[i, 4] * summaries[j, 4]
    write_bigram_parts(bigram_cosine, shared_bigrams, parts)


@compiled
def write_bigram_parts(cosine: float, shared: int, parts: _Float64Array) -> None:
    """Write the parts that hang on the bigrams of one pair."""
    parts[5] = cosine
    parts[13] = np.log(1.0 + shared) / 4.0


@compiled
def enter_top(top: _Float64Array, value: float) -> None:
    """Enter a value among the highest ones, which are in order."""
    if value > top[TOP - 1]:
        k = TOP - 1
        while k > 0 and top[k - 1] < value:
            top[k] = top[k - 1]
            k -= 1
        top[k] = value


@compiled
def _meet(
    ids: UInt32Array,
    first_a: int,
    last_a: int,
    first_b: int,
    last_b: int,
    heads: NDArray[np.int32],
    likely: _Int64Array,
    own: _Int64Array,
    others: _Int64Array,
    found: int,
) -> int:
    """Write where two sorted lists have the same id, from place ``found`` on; return the end.

    The heads are what `index_heads` wrote for the first list, whose places go into ``own``;
    ``likely`` is scratch space of one place more than the second list has.
    """
    count = 0
    for b in range(first_b, last_b):
        # Written whether it is likely or not, and written over: nobody can foresee which it is.
        likely[count] = b
        count += heads[ids[b] >> HEAD_SHIFT] >= 0
    a = first_a
    for k in range(count):
        b = likely[k]
        y = ids[b]
        # Never back, whatever many ids have the same highest bits.
        a = max(a, first_a + heads[y >> HEAD_SHIFT])
        while a < last_a and ids[a] < y:
            a += 1
        if a < last_a and ids[a] == y:
            own[found] = a
            others[found] = b
            found += 1
    return found


@compiled
def _measure(
    i: int,
    j: int,
    own: _Int64Array,
    others: _Int64Array,
    begin: int,
    end: int,
    own_bigrams: _Int64Array,
    other_bigrams: _Int64Array,
    begin_bigrams: int,
    end_bigrams: int,
    idf: _Float32Array,
    weights: _Float32Array,
    flags: UInt8Array,
    bigram_weights: _Float32Array,
    summaries: _Float32Array,
    top: _Float64Array,
    parts: _Float64Array,
) -> None:
    """Write the parts of one pair into ``parts``; ``top`` is scratch space of five numbers.

    ``own[begin:end]`` and ``others[begin:end]`` are the places of the terms that they share; in the
    same way those of the bigrams.
    """
    body, lead, title = 0.0, 0.0, 0.0
    title_body, body_title, lead_body, body_lead = 0.0, 0.0, 0.0, 0.0
    numbers, names = 0.0, 0.0
    shared_idf, highest_number = 0.0, 0.0
    rare = 0
    for k in range(top.size):
        top[k] = 0.0
    for at in range(begin, end):
        a, b = own[at], others[at]
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
        enter_top(top, value)

    bigram_cosine = 0.0
    for at in range(begin_bigrams, end_bigrams):
        bigram_cosine += bigram_weights[own_bigrams[at]] * bigram_weights[other_bigrams[at]]

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
        end_bigrams - begin_bigrams,
        summaries,
        top,
        parts,
    )


@compiled
def _measure_block(
    first: _Int64Array,
    second: _Int64Array,
    begin: int,
    term_offsets: _Int64Array,
    term_ids: UInt32Array,
    idf: _Float32Array,
    weights: _Float32Array,
    flags: UInt8Array,
    bigram_offsets: _Int64Array,
    bigram_ids: UInt32Array,
    bigram_weights: _Float32Array,
    summaries: _Float32Array,
    scratch: _Scratch,
    block: _Float64Array,
) -> int:
    """Write the parts of the pairs from ``begin`` on; return where they end.

    They are of one article, and up to `_BLOCK` in number; ``block`` has that many rows.
    """
    term_heads, bigram_heads, likely, own, others, own_bigrams, other_bigrams, ends, top, parts = (
        scratch
    )
    i = first[begin]
    first_term, last_term = term_offsets[i], term_offsets[i + 1]
    first_bigram, last_bigram = bigram_offsets[i], bigram_offsets[i + 1]
    if begin == 0 or i != first[begin - 1]:
        index_heads(term_ids, first_term, last_term, term_heads)
        index_heads(bigram_ids, first_bigram, last_bigram, bigram_heads)
    # Of a few hundred articles everything is in the cache.
    is_far = term_ids.size > _FAR_TERMS
    found, found_bigrams = 0, 0
    row = begin
    while (
        row < min(begin + _BLOCK, first.size)
        and first[row] == i
        and found + last_term - first_term <= own.size
        and found_bigrams + last_bigram - first_bigram <= own_bigrams.size
    ):
        if is_far and row + 2 * _PAIRS_AHEAD < first.size:
            j = second[row + 2 * _PAIRS_AHEAD]
            prefetch(term_offsets, j, j + 2)
            prefetch(bigram_offsets, j, j + 2)
        if is_far and row + _PAIRS_AHEAD < first.size:
            j = second[row + _PAIRS_AHEAD]
            prefetch(term_ids, term_offsets[j], term_offsets[j + 1])
            prefetch(bigram_ids, bigram_offsets[j], bigram_offsets[j + 1])
        j = second[row]
        begins = found, found_bigrams
        found = _meet(
            term_ids,
            first_term,
            last_term,
            term_offsets[j],
            term_offsets[j + 1],
            term_heads,
            likely,
            own,
            others,
            found,
        )
        found_bigrams = _meet(
            bigram_ids,
            first_bigram,
            last_bigram,
            bigram_offsets[j],
            bigram_offsets[j + 1],
            bigram_heads,
            likely,
            own_bigrams,
            other_bigrams,
            found_bigrams,
        )
        if is_far:
            prefetch(summaries, 5 * j, 5 * j + 5)
            for at in range(begins[0], found):
                b = others[at]
                prefetch(idf, b, b + 1)
                prefetch(weights, 3 * b, 3 * b + 3)
                prefetch(flags, b, b + 1)
            for at in range(begins[1], found_bigrams):
                prefetch(bigram_weights, other_bigrams[at], other_bigrams[at] + 1)
        ends[row - begin, 0], ends[row - begin, 1] = found, found_bigrams
        row += 1
    found, found_bigrams = 0, 0
    for k in range(row - begin):
        _measure(
            i,
            second[begin + k],
            own,
            others,
            found,
            ends[k, 0],
            own_bigrams,
            other_bigrams,
            found_bigrams,
            ends[k, 1],
            idf,
            weights,
            flags,
            bigram_weights,
            summaries,
            top,
            parts,
        )
        # By way of a small array: to make a view of a row takes longer.
        for part in range(PART_COUNT):
            block[k, part] = parts[part]
        found, found_bigrams = ends[k, 0], ends[k, 1]
    return row


@compiled
def _scratch_for(
    first: _Int64Array,
    second: _Int64Array,
    term_offsets: _Int64Array,
    bigram_offsets: _Int64Array,
) -> _Scratch:
    """Return what `_measure_block` writes to, large enough for all articles of these pairs."""
    most = 0
    for articles in (first, second):
        for article in articles:
            most = max(
                most,
                term_offsets[article + 1] - term_offsets[article],
                bigram_offsets[article + 1] - bigram_offsets[article],
            )
    room = max(_LEAST_ROOM, most)
    return _Scratch(
        np.empty(HEADS, dtype=np.int32),
        np.empty(HEADS, dtype=np.int32),
        np.empty(most + 1, dtype=np.int64),
        np.empty(room, dtype=np.int64),
        np.empty(room, dtype=np.int64),
        np.empty(room, dtype=np.int64),
        np.empty(room, dtype=np.int64),
        np.empty((_BLOCK, 2), dtype=np.int64),
        np.empty(TOP, dtype=np.float64),
        np.empty(PART_COUNT, dtype=np.float64),
    )


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
    scratch = _scratch_for(first, second, term_offsets, bigram_offsets)
    block = np.empty((_BLOCK, PART_COUNT), dtype=np.float64)
    begin = 0
    while begin < first.size:
        end = _measure_block(
            first,
            second,
            begin,
            term_offsets,
            term_ids,
            idf,
            weights,
            flags,
            bigram_offsets,
            bigram_ids,
            bigram_weights,
            summaries,
            scratch,
            block,
        )
        for row in range(begin, end):
            for k in range(PART_COUNT):
                result[row, k] = block[row - begin, k]
        begin = end
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

    The parts stay in one small buffer: at millions of pairs a matrix of them would take more time
    to write and read than to compute.
    """
    result = np.empty(first.size, dtype=np.float64)
    scratch = _scratch_for(first, second, term_offsets, bigram_offsets)
    block = np.empty((_BLOCK, PART_COUNT), dtype=np.float64)
    begin = 0
    while begin < first.size:
        end = _measure_block(
            first,
            second,
            begin,
            term_offsets,
            term_ids,
            idf,
            weights,
            flags,
            bigram_offsets,
            bigram_ids,
            bigram_weights,
            summaries,
            scratch,
            block,
        )
        for row in range(begin, end):
            logit = intercept
            for k in range(PART_COUNT):
                # Rounding in the sums of products may leave -1e-9 where 0 is meant.
                part = max(block[row - begin, k], 0.0)
                logit += linear[k] * part + roots[k] * np.sqrt(part)
            result[row] = logit
        begin = end
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
