"""All pairs of a neighbourhood at once: what two articles share, met term by term.

``kernels`` goes through a list of each pair, past all that the two do not share: most of it. Of n
articles, whose every list would be gone through n - 1 times, it is quicker to sort the entries of
all lists together once. Then the articles that share a term stand side by side, and only what is
shared is visited. Terms come in ascending order here as there, so the sums are the same to the bit.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array, UInt64Array
from clustering.compiled import compiled
from clustering.refine.kernels import PART_COUNT, RARE_IDF, TOP, are_seldom_asked, write_parts

_Float32Array = NDArray[np.float32]
_Float64Array = NDArray[np.float64]
_Int64Array = NDArray[np.int64]

_SUMS: Final = 5
"""Lead, title, numbers, highest idf of a number, rare terms."""
_SELDOM: Final = 7
"""Body, title-body, body-title, lead-body, body-lead, names, idf: for `SELDOM_ASKED` alone."""


@compiled
def by_id(
    rows: _Int64Array, offsets: _Int64Array, ids: UInt32Array
) -> tuple[UInt64Array, _Int64Array, _Int64Array]:
    """Return a number for each entry of some lists that sorts by its id, then by its list.

    Parameters
    ----------
    rows
        Which lists, n of them, in order.
    offsets, ids
        List k is ``ids[offsets[k] : offsets[k + 1]]``.

    Returns
    -------
    The numbers, whose lower 32 bits count the entries; and of each entry, by that count, which of
    the n lists it is in, and its place in ``ids``.
    """
    total = 0
    for row in rows:
        total += offsets[row + 1] - offsets[row]
    entries = np.empty(total, dtype=np.uint64)
    owners = np.empty(total, dtype=np.int64)
    places = np.empty(total, dtype=np.int64)
    at = 0
    for number in range(rows.size):
        for place in range(offsets[rows[number]], offsets[rows[number] + 1]):
            entries[at] = (np.uint64(ids[place]) << np.uint64(32)) | np.uint64(at)
            owners[at] = number
            places[at] = place
            at += 1
    return entries, owners, places


@compiled
def _end_of_run(entries: UInt64Array, begin: int) -> int:
    end = begin + 1
    while end < entries.size and entries[end] >> np.uint64(32) == entries[begin] >> np.uint64(32):
        end += 1
    return end


@compiled
def all_pair_logits(
    rows: _Int64Array,
    terms: UInt64Array,
    term_owners: _Int64Array,
    term_places: _Int64Array,
    bigrams: UInt64Array,
    bigram_owners: _Int64Array,
    bigram_places: _Int64Array,
    idf: _Float32Array,
    weights: _Float32Array,
    flags: UInt8Array,
    bigram_weights: _Float32Array,
    summaries: _Float32Array,
    intercept: float,
    linear: _Float64Array,
    roots: _Float64Array,
) -> _Float64Array:
    """Return what ``kernels.pair_logits`` returns, for all pairs i < j in order of i, then j.

    Parameters
    ----------
    rows
        The articles, n of them, by their place among those that the weights are of.
    terms, term_owners, term_places, bigrams, bigram_owners, bigram_places
        What `by_id` returns, the numbers sorted.
    """
    count = rows.size
    pairs = count * (count - 1) // 2
    are_asked = are_seldom_asked(linear, roots)
    sums = np.zeros((pairs, _SUMS), dtype=np.float64)
    seldom = np.zeros((pairs if are_asked else 1, _SELDOM), dtype=np.float64)
    tops = np.zeros((pairs, TOP), dtype=np.float64)
    cosines = np.zeros(pairs, dtype=np.float64)
    shared_bigrams = np.zeros(pairs, dtype=np.int64)
    low = np.uint64(0xFFFFFFFF)

    begin = 0
    while begin < terms.size:
        end = _end_of_run(terms, begin)
        for x in range(begin, end - 1):
            entry = np.int64(terms[x] & low)
            a = term_places[entry]
            i = term_owners[entry]
            # Pair (i, j) follows those of all smaller i, of which k has count - 1 - k.
            row = i * (2 * count - i - 1) // 2 - i - 1
            for y in range(x + 1, end):
                entry = np.int64(terms[y] & low)
                b = term_places[entry]
                # No views of a row: making one takes longer than what is done with it.
                pair = row + term_owners[entry]
                product = weights[a, 0] * weights[b, 0]
                sums[pair, 0] += weights[a, 1] * weights[b, 1]
                sums[pair, 1] += weights[a, 2] * weights[b, 2]
                flag = flags[a] & flags[b]
                value = 0.5 * (idf[a] + idf[b])
                if flag & 1:
                    sums[pair, 2] += product
                    sums[pair, 3] = max(sums[pair, 3], value)
                if value >= RARE_IDF:
                    sums[pair, 4] += 1.0
                if are_asked:
                    seldom[pair, 0] += product
                    seldom[pair, 1] += weights[a, 2] * weights[b, 0]
                    seldom[pair, 2] += weights[a, 0] * weights[b, 2]
                    seldom[pair, 3] += weights[a, 1] * weights[b, 0]
                    seldom[pair, 4] += weights[a, 0] * weights[b, 1]
                    if flag & 2:
                        seldom[pair, 5] += product
                    seldom[pair, 6] += value
                if value > tops[pair, TOP - 1]:
                    k = TOP - 1
                    while k > 0 and tops[pair, k - 1] < value:
                        tops[pair, k] = tops[pair, k - 1]
                        k -= 1
                    tops[pair, k] = value
        begin = end

    begin = 0
    while begin < bigrams.size:
        end = _end_of_run(bigrams, begin)
        for x in range(begin, end - 1):
            entry = np.int64(bigrams[x] & low)
            a = bigram_places[entry]
            i = bigram_owners[entry]
            row = i * (2 * count - i - 1) // 2 - i - 1
            for y in range(x + 1, end):
                entry = np.int64(bigrams[y] & low)
                pair = row + bigram_owners[entry]
                cosines[pair] += bigram_weights[a] * bigram_weights[bigram_places[entry]]
                shared_bigrams[pair] += 1
        begin = end

    logits = np.empty(pairs, dtype=np.float64)
    parts = np.empty(PART_COUNT, dtype=np.float64)
    pair = 0
    for i in range(count):
        for j in range(i + 1, count):
            own, other = sums[pair], seldom[pair if are_asked else 0]
            write_parts(
                rows[i],
                rows[j],
                other[0],
                own[0],
                own[1],
                other[1],
                other[2],
                other[3],
                other[4],
                own[2],
                other[5],
                other[6],
                own[3],
                int(own[4]),
                cosines[pair],
                shared_bigrams[pair],
                summaries,
                tops[pair],
                parts,
            )
            logit = intercept
            for k in range(PART_COUNT):
                # Rounding in the sums of products may leave -1e-9 where 0 is meant.
                part = max(parts[k], 0.0)
                logit += linear[k] * part + roots[k] * np.sqrt(part)
            logits[pair] = logit
            pair += 1
    return logits
