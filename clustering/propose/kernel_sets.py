"""The compiled loops that compare sets of hashes exactly: who meets whom, and what they share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt64Array
from clustering.compiled import compiled


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

    Parameters and results are laid out as the results of `clustering.prepare.window_hashes64`, and
    none is 0, either, which stands for an empty slot here. Of their higher halves it is taken that
    they are evenly spread.
    """
    found = np.empty(hashes.size, dtype=np.uint64)
    found_ends = np.empty(hash_ends.size, dtype=np.int64)
    used = 0
    begin = 0
    for document in range(hash_ends.size):
        slots = _slots_for(hash_ends[document] - begin)
        table = np.zeros(slots, dtype=np.uint64)
        last = np.uint64(slots - 1)
        for at in range(begin, hash_ends[document]):
            wanted = hashes[at]
            slot = (wanted >> np.uint64(32)) & last
            while table[slot] != wanted and table[slot] != 0:
                slot = (slot + np.uint64(1)) & last
            # Written whether it is new or not, which nobody can foresee.
            found[used] = wanted
            used += table[slot] == 0
            table[slot] = wanted
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
        uint64: set s is ``hashes[begins[s] : begins[s + 1]]``, as `distinct_hashes` gives it.
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
    table = np.zeros(4, dtype=np.uint64)
    last = np.uint64(3)
    current = -1
    for pair in range(first.size):
        begin, end = begins[first[pair]], begins[first[pair] + 1]
        if first[pair] != current:
            current = first[pair]
            slots = _slots_for(end - begin)
            last = np.uint64(slots - 1)
            if slots > table.size:
                table = np.zeros(slots, dtype=np.uint64)
            else:
                table[:slots] = 0
            for at in range(begin, end):
                wanted = hashes[at]
                slot = (wanted >> np.uint64(32)) & last
                while table[slot] != 0:
                    slot = (slot + np.uint64(1)) & last
                table[slot] = wanted
        shared = 0
        for at in range(begins[second[pair]], begins[second[pair] + 1]):
            wanted = hashes[at]
            slot = (wanted >> np.uint64(32)) & last
            while table[slot] != wanted and table[slot] != 0:
                slot = (slot + np.uint64(1)) & last
            shared += table[slot] == wanted
        union = end - begin + begins[second[pair] + 1] - begins[second[pair]] - shared
        if union > 0:
            similarities[pair] = shared / union
    return similarities
