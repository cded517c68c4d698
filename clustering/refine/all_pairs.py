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
from clustering.refine.kernels import PART_COUNT, RARE_IDF, TOP, write_parts

_Float32Array = NDArray[np.float32]
_Float64Array = NDArray[np.float64]
_Int64Array = NDArray[np.int64]

_SUMS: Final = 12
"""Body, lead, title, title-body, body-title, lead-body, body-lead, numbers, names, idf, highest idf
of a number, rare terms."""


@compiled
def by_id(offsets: _Int64Array, ids: UInt32Array) -> UInt64Array:
    """Return a number for each entry of all lists that sorts by its id, then by its place."""
    entries = np.empty(offsets[-1], dtype=np.uint64)
    for place in range(offsets[-1]):
        entries[place] = (np.uint64(ids[place]) << np.uint64(32)) | np.uint64(place)
    return entries


@compiled
def _articles_of(offsets: _Int64Array) -> _Int64Array:
    owners = np.empty(offsets[-1], dtype=np.int64)
    for article in range(offsets.size - 1):
        owners[offsets[article] : offsets[article + 1]] = article
    return owners


@compiled
def _end_of_run(entries: UInt64Array, begin: int) -> int:
    end = begin + 1
    while end < entries.size and entries[end] >> np.uint64(32) == entries[begin] >> np.uint64(32):
        end += 1
    return end


@compiled
def all_pair_logits(
    terms: UInt64Array,
    bigrams: UInt64Array,
    term_offsets: _Int64Array,
    idf: _Float32Array,
    weights: _Float32Array,
    flags: UInt8Array,
    bigram_offsets: _Int64Array,
    bigram_weights: _Float32Array,
    summaries: _Float32Array,
    intercept: float,
    linear: _Float64Array,
    roots: _Float64Array,
) -> _Float64Array:
    """Return what ``kernels.pair_logits`` returns, for all pairs i < j in order of i, then j.

    Parameters
    ----------
    terms, bigrams
        What `by_id` returns, sorted.
    """
    count = term_offsets.size - 1
    pairs = count * (count - 1) // 2
    sums = np.zeros((pairs, _SUMS), dtype=np.float64)
    tops = np.zeros((pairs, TOP), dtype=np.float64)
    cosines = np.zeros(pairs, dtype=np.float64)
    shared_bigrams = np.zeros(pairs, dtype=np.int64)
    low = np.uint64(0xFFFFFFFF)

    owners = _articles_of(term_offsets)
    begin = 0
    while begin < terms.size:
        end = _end_of_run(terms, begin)
        for x in range(begin, end - 1):
            a = np.int64(terms[x] & low)
            i = owners[a]
            # Pair (i, j) follows those of all smaller i, of which k has count - 1 - k.
            row = i * (2 * count - i - 1) // 2 - i - 1
            for y in range(x + 1, end):
                b = np.int64(terms[y] & low)
                # No views of a row: making one takes longer than what is done with it.
                pair = row + owners[b]
                product = weights[a, 0] * weights[b, 0]
                sums[pair, 0] += product
                sums[pair, 1] += weights[a, 1] * weights[b, 1]
                sums[pair, 2] += weights[a, 2] * weights[b, 2]
                sums[pair, 3] += weights[a, 2] * weights[b, 0]
                sums[pair, 4] += weights[a, 0] * weights[b, 2]
                sums[pair, 5] += weights[a, 1] * weights[b, 0]
                sums[pair, 6] += weights[a, 0] * weights[b, 1]
                flag = flags[a] & flags[b]
                value = 0.5 * (idf[a] + idf[b])
                if flag & 1:
                    sums[pair, 7] += product
                    sums[pair, 10] = max(sums[pair, 10], value)
                if flag & 2:
                    sums[pair, 8] += product
                sums[pair, 9] += value
                if value >= RARE_IDF:
                    sums[pair, 11] += 1.0
                if value > tops[pair, TOP - 1]:
                    k = TOP - 1
                    while k > 0 and tops[pair, k - 1] < value:
                        tops[pair, k] = tops[pair, k - 1]
                        k -= 1
                    tops[pair, k] = value
        begin = end

    owners = _articles_of(bigram_offsets)
    begin = 0
    while begin < bigrams.size:
        end = _end_of_run(bigrams, begin)
        for x in range(begin, end - 1):
            a = np.int64(bigrams[x] & low)
            i = owners[a]
            row = i * (2 * count - i - 1) // 2 - i - 1
            for y in range(x + 1, end):
                b = np.int64(bigrams[y] & low)
                cosines[row + owners[b]] += bigram_weights[a] * bigram_weights[b]
                shared_bigrams[row + owners[b]] += 1
        begin = end

    logits = np.empty(pairs, dtype=np.float64)
    parts = np.empty(PART_COUNT, dtype=np.float64)
    pair = 0
    for i in range(count):
        for j in range(i + 1, count):
            own = sums[pair]
            write_parts(
                i,
                j,
                own[0],
                own[1],
                own[2],
                own[3],
                own[4],
                own[5],
                own[6],
                own[7],
                own[8],
                own[9],
                own[10],
                int(own[11]),
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
