"""The compiled loops that compare sets of hashes exactly: who meets whom, and what they share."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt64Array
from clustering.compiled import compiled

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)


@compiled
def pairs_in_buckets(
    bucket_of: UInt64Array, order: NDArray[np.int64], pairs_a_text: int
) -> NDArray[np.int64]:
    """Pairs of texts that share a bucket of one band.

    Parameters
    ----------
    bucket_of
        uint64, shape (texts,).
    order
        int64, shape (texts,): texts so that those of one bucket stand together.
    pairs_a_text
        In a bucket each text meets the first and so many of those before it, at least 1.

    Returns
    -------
    keys
        int64: ``first * texts + second``, first < second, each pair once.
    """
    texts = bucket_of.size
    wanted = 0
    begin = 0
    for turn in range(2):
        keys = np.empty(wanted if turn else 0, dtype=np.int64)
        found = 0
        begin = 0
        while begin < texts:
            end = begin + 1
            while end < texts and bucket_of[order[end]] == bucket_of[order[begin]]:
                end += 1
            if end - begin > 1 and turn == 0:
                for at in range(1, end - begin):
                    wanted += min(at, pairs_a_text + 1)
            elif end - begin > 1:
                members = np.sort(order[begin:end])
                for at in range(1, members.size):
                    lowest = max(0, at - pairs_a_text)
                    if lowest > 0:
                        keys[found] = members[0] * texts + members[at]
                        found += 1
                    for other in range(lowest, at):
                        keys[found] = members[other] * texts + members[at]
                        found += 1
            begin = end
    return keys[:found]


@compiled
def _slots_for(size: int) -> int:
    """Return a power of two at least twice as large."""
    slots = 4
    while slots < 2 * size:
        slots *= 2
    return slots


@compiled
def distinct_hashes(
    hashes: UInt64Array, hash_ends: NDArray[np.int64]
) -> tuple[UInt64Array, NDArray[np.int64]]:
    """Each document's hashes without repetitions, in order of first occurrence.

    Parameters and results are laid out as those of `clustering.prepare.window_hashes`.
    """
    found = np.empty(hashes.size, dtype=np.uint64)
    found_ends = np.empty(hash_ends.size, dtype=np.int64)
    used = 0
    begin = 0
    for document in range(hash_ends.size):
        slots = _slots_for(hash_ends[document] - begin)
        table = np.full(slots, -1, dtype=np.int64)
        for at in range(begin, hash_ends[document]):
            slot = np.int64((hashes[at] * _MIX) >> np.uint64(32)) & (slots - 1)
            while table[slot] >= 0 and found[table[slot]] != hashes[at]:
                slot = (slot + 1) & (slots - 1)
            if table[slot] < 0:
                table[slot] = used
                found[used] = hashes[at]
                used += 1
        begin = hash_ends[document]
        found_ends[document] = used
    return found[:used], found_ends


@compiled
def jaccard_similarities(
    hashes: UInt64Array,
    begins: NDArray[np.int64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Jaccard similarity of pairs of sets.

    Parameters
    ----------
    hashes
        uint64: set s is ``hashes[begins[s] : begins[s + 1]]``, without repetitions.
    begins
        int64, shape (sets + 1,).
    first, second
        int64, shape (pairs,): sets. Pairs with the same ``first`` should stand together: its
        table is made once for them.

    Returns
    -------
    similarities
        float64, shape (pairs,), in [0, 1]; 0 for two empty sets.
    """
    similarities = np.zeros(first.size, dtype=np.float64)
    table = np.full(4, -1, dtype=np.int64)
    slots = 4
    current = -1
    for pair in range(first.size):
        begin, end = begins[first[pair]], begins[first[pair] + 1]
        if first[pair] != current:
            current = first[pair]
            slots = _slots_for(end - begin)
            if slots > table.size:
                table = np.full(slots, -1, dtype=np.int64)
            else:
                table[:slots] = -1
            for at in range(begin, end):
                slot = np.int64((hashes[at] * _MIX) >> np.uint64(32)) & (slots - 1)
                while table[slot] >= 0:
                    slot = (slot + 1) & (slots - 1)
                table[slot] = at
        shared = 0
        for at in range(begins[second[pair]], begins[second[pair] + 1]):
            slot = np.int64((hashes[at] * _MIX) >> np.uint64(32)) & (slots - 1)
            while table[slot] >= 0:
                if hashes[table[slot]] == hashes[at]:
                    shared += 1
                    break
                slot = (slot + 1) & (slots - 1)
        union = end - begin + begins[second[pair] + 1] - begins[second[pair]] - shared
        if union > 0:
            similarities[pair] = shared / union
    return similarities
