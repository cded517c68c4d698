"""Compiled loops over buckets as the store keeps them: which are long, and which entries count."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array, UInt64Array
from clustering.compiled import compiled

BoolArray = NDArray[np.bool_]
Int64Array = NDArray[np.int64]

_EMPTY: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
_LEAST_SLOTS: Final = 1024
# Odd, about 2^64 divided by the golden ratio (Knuth, "The Art of Computer Programming", 6.4).
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(20)


class BucketSet:
    """A set of bucket ids, 16 to 32 bytes each, asked for many at a time.

    A hash table with open addressing and linear probing, at most half full.
    """

    def __init__(self) -> None:
        self._slots: UInt64Array = np.full(_LEAST_SLOTS, _EMPTY, dtype=np.uint64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, ids: UInt64Array) -> None:
        """Add ids, each below 2^44; those that are in it already change nothing."""
        if 2 * (self._count + ids.size) > self._slots.size:
            slots = _LEAST_SLOTS
            while slots < 4 * (self._count + ids.size):
                slots *= 2
            old = self._slots[self._slots != _EMPTY]
            self._slots = np.full(slots, _EMPTY, dtype=np.uint64)
            _insert(self._slots, old)
        self._count += _insert(self._slots, ids)

    def contains(self, ids: UInt64Array) -> BoolArray:
        """Return bool, shape (n,): which of ``ids`` are in it."""
        return _contains(self._slots, ids)


@compiled
def _insert(slots: UInt64Array, ids: UInt64Array) -> int:
    mask = np.uint64(slots.size - 1)
    count = 0
    for i in range(ids.size):
        at = ((ids[i] * _MULTIPLIER) >> _SHIFT) & mask
        while slots[at] != _EMPTY and slots[at] != ids[i]:
            at = (at + np.uint64(1)) & mask
        if slots[at] == _EMPTY:
            slots[at] = ids[i]
            count += 1
    return count


@compiled
def _contains(slots: UInt64Array, ids: UInt64Array) -> BoolArray:
    mask = np.uint64(slots.size - 1)
    found = np.zeros(ids.size, dtype=np.bool_)
    for i in range(ids.size):
        at = ((ids[i] * _MULTIPLIER) >> _SHIFT) & mask
        while slots[at] != _EMPTY and slots[at] != ids[i]:
            at = (at + np.uint64(1)) & mask
        found[i] = slots[at] == ids[i]
    return found


@compiled
def counted_entries(
    words: UInt32Array,
    ends: Int64Array,
    ids: UInt64Array,
    is_long: BoolArray,
    weights: UInt8Array,
    floor: int,
    horizon: int,
    overfull: int,
    newest: int,
) -> tuple[UInt32Array, UInt32Array, Int64Array]:
    """Read the entries that count of an article's buckets: steps 2 and 3 of the candidate rule.

    Parameters
    ----------
    words
        uint32: what was read for each bucket, one after the other. Of a long bucket its handles (or
        as many of the last ones as can matter), of another one its whole shard: pairs of the lower
        32 bits of a bucket's id and a handle. Handles ascend.
    ends
        int64, shape (n,): where each bucket's words end.
    ids, is_long, weights
        shape (n,): the buckets.
    floor, horizon
        Only handles above the floor and up to the horizon are there.
    overfull
        An event bucket (weight 1) with more handles than that counts for nothing.
    newest
        Of any other bucket, so many of the highest handles count.

    Returns
    -------
    handles, weights
        uint32, shape (m,): an entry for each bucket that an article counts in, and its weight.
    sizes
        int64, shape (n,): handles read of each bucket.
    """
    handles = np.empty(words.size, dtype=np.uint32)
    entry_weights = np.empty(words.size, dtype=np.uint32)
    sizes = np.zeros(ids.size, dtype=np.int64)
    count = 0
    begin = 0
    for k in range(ids.size):
        first = count
        end = ends[k]
        if is_long[k]:
            for at in range(begin, end):
                handle = words[at]
                if floor < handle <= horizon:
                    handles[count] = handle
                    count += 1
        else:
            rest = np.uint32(ids[k] & np.uint64(0xFFFFFFFF))
            for at in range(begin, end, 2):
                if words[at] == rest:
                    handle = words[at + 1]
                    if floor < handle <= horizon:
                        handles[count] = handle
                        count += 1
        begin = end
        size = count - first
        sizes[k] = size
        if weights[k] == 1:
            if size > overfull:
                count = first
        elif size > newest:
            for at in range(newest):
                handles[first + at] = handles[count - newest + at]
            count = first + newest
        for at in range(first, count):
            entry_weights[at] = weights[k]
    return handles[:count], entry_weights[:count], sizes
