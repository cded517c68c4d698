"""Compiled loops over buckets as the store keeps them: where they are, and which entries count.

How entries are laid out says `service.store.buckets`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array, UInt64Array
from clustering.compiled import compiled
from clustering.propose import SLOT_BITS, TEXT_BIT

BoolArray = NDArray[np.bool_]
Int64Array = NDArray[np.int64]

_EMPTY: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
_LEAST_SLOTS: Final = 1024
# Odd, about 2^64 divided by the golden ratio (Knuth, "The Art of Computer Programming", 6.4).
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(20)

LIGHT: Final = 0
LONG: Final = 1
SPREAD: Final = 2
"""Where a group of buckets is: in a shard, in a string of its own, in one string a bucket."""

BUCKET_BITS: Final = 44
NO_FAULT: Final = 0
BEYOND_BITS: Final = 1
TEXT_WITH_SLOT: Final = 2
NO_WEIGHT: Final = 3
"""What may be wrong with a bucket."""

HEAD_BITS: Final = 12
"""The lowest bits of a group's name, which the number of its shard tells."""
_SLOT_SHIFT: Final = np.uint64(SLOT_BITS)
_SLOT_MASK: Final = np.uint64((1 << SLOT_BITS) - 1)
_HEAD_MASK: Final = np.uint64((1 << HEAD_BITS) - 1)
_REST_SHIFT: Final = np.uint64(SLOT_BITS + HEAD_BITS)
_FIRST_TEXT: Final = np.uint64(TEXT_BIT)
_TEXT_BYTE: Final = TEXT_BIT >> (SLOT_BITS + HEAD_BITS + 16)
_BYTE: Final = np.uint64(0xFF)
_BITS_SHIFT: Final = np.uint64(BUCKET_BITS)


class BucketSet:
    """A set of groups of buckets, 16 to 32 bytes each, asked for many at a time.

    A hash table with open addressing and linear probing, at most half full.

    Attributes
    ----------
    slots
        The table, for compiled loops.
    """

    def __init__(self) -> None:
        self.slots: UInt64Array = np.full(_LEAST_SLOTS, _EMPTY, dtype=np.uint64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, ids: UInt64Array) -> None:
        """Add numbers below 2^44; those that are in it already change nothing."""
        if 2 * (self._count + ids.size) > self.slots.size:
            slots = _LEAST_SLOTS
            while slots < 4 * (self._count + ids.size):
                slots *= 2
            old = self.slots[self.slots != _EMPTY]
            self.slots = np.full(slots, _EMPTY, dtype=np.uint64)
            _insert(self.slots, old)
        self._count += _insert(self.slots, ids)

    def contains(self, ids: UInt64Array) -> BoolArray:
        """Return bool, shape (n,): which of ``ids`` are in it."""
        return _contains(self.slots, ids)


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
def _has(slots: UInt64Array, wanted: np.uint64) -> bool:
    mask = np.uint64(slots.size - 1)
    at = ((wanted * _MULTIPLIER) >> _SHIFT) & mask
    while slots[at] != _EMPTY and slots[at] != wanted:
        at = (at + np.uint64(1)) & mask
    return bool(slots[at] == wanted)


@compiled
def _contains(slots: UInt64Array, ids: UInt64Array) -> BoolArray:
    found = np.zeros(ids.size, dtype=np.bool_)
    for i in range(ids.size):
        found[i] = _has(slots, ids[i])
    return found


@compiled
def sorted_buckets(ids: UInt64Array, weights: UInt8Array) -> tuple[UInt64Array, UInt8Array, int]:
    """Return an article's distinct buckets in ascending order, with their weights.

    By insertion: there are some hundred, and they come in a few ascending runs of text and event
    buckets or as they were sorted before. Of equal ones the first counts.

    Returns
    -------
    ids, weights
        shape (m,).
    fault
        `NO_FAULT`, or what is wrong with one of them.
    """
    in_order = np.empty_like(ids)
    weights_in_order = np.empty_like(weights)
    count = 0
    fault = NO_FAULT
    for i in range(ids.size):
        bucket = ids[i]
        if bucket >> _BITS_SHIFT:
            fault = BEYOND_BITS
        elif bucket >= _FIRST_TEXT and bucket & _SLOT_MASK:
            fault = TEXT_WITH_SLOT
        elif weights[i] == 0:
            fault = NO_WEIGHT
        at = count
        while at > 0 and in_order[at - 1] > bucket:
            at -= 1
        if at > 0 and in_order[at - 1] == bucket:
            continue
        for k in range(count, at, -1):
            in_order[k] = in_order[k - 1]
            weights_in_order[k] = weights_in_order[k - 1]
        in_order[at] = bucket
        weights_in_order[at] = weights[i]
        count += 1
    return in_order[:count], weights_in_order[:count], fault


@compiled
def _placed(
    ids: UInt64Array, longs: UInt64Array, spreads: UInt64Array, shard_count: int, power: int
) -> tuple[Int64Array, UInt8Array, Int64Array]:
    begins = np.zeros(ids.size + 1, dtype=np.int64)
    kinds = np.empty(ids.size, dtype=np.uint8)
    shards = np.empty(ids.size, dtype=np.int64)
    places = 0
    for i in range(ids.size):
        name = ids[i] >> _SLOT_SHIFT
        if i > 0 and name == ids[i - 1] >> _SLOT_SHIFT and kinds[places - 1] != SPREAD:
            continue
        shard = -1
        if _has(spreads, name):
            kind = SPREAD
        elif _has(longs, name):
            kind = LONG
        else:
            kind = LIGHT
            shard = int(name) & (2 * power - 1)
            if shard >= shard_count:
                shard -= power
        begins[places] = i
        kinds[places] = kind
        shards[places] = shard
        places += 1
    begins[places] = ids.size
    return begins[: places + 1], kinds[:places], shards[:places]


def placed(
    ids: UInt64Array, longs: BucketSet, spreads: BucketSet, shard_count: int, power: int
) -> tuple[Int64Array, UInt8Array, Int64Array]:
    """Tell where buckets are.

    Parameters
    ----------
    ids
        uint64, shape (n,): ascending, distinct.
    longs, spreads
        Groups that are long, and those of them that are spread.
    shard_count, power
        Shards, and the largest power of two (times the shards at first) that is not more.

    Returns
    -------
    begins, kinds, shards
        As `service.store.buckets.Placement`.
    """
    return _placed(ids, longs.slots, spreads.slots, shard_count, power)


@compiled
def counted_entries(
    data: UInt8Array,
    ends: Int64Array,
    ids: UInt64Array,
    weights: UInt8Array,
    begins: Int64Array,
    kinds: UInt8Array,
    floor: int,
    horizon: int,
    overfull: int,
    newest: int,
) -> tuple[UInt32Array, UInt32Array, Int64Array, Int64Array]:
    """Read the entries that count of an article's buckets: steps 2 and 3 of the candidate rule.

    Parameters
    ----------
    data
        uint8: what was read for each piece, one after the other: a shard, the string of a long
        group, or of a bucket that has one (or as many of the last handles as can matter).
    ends
        int64, shape (p,): where each piece's bytes end.
    ids, weights
        shape (n,): the buckets, ascending.
    begins, kinds
        int64, shape (p + 1,), and uint8, shape (p,): piece k is about the buckets ``begins[k]`` to
        ``begins[k + 1] - 1``, which are of one group; and it is LIGHT, LONG or SPREAD.
    floor, horizon
        Only handles above the floor and up to the horizon are there.
    overfull
        An event bucket (weight 1) with more handles than that counts for nothing.
    newest
        Of any other bucket, so many of the highest handles count.

    Returns
    -------
    handles, weights
        uint32, shape (m,): an entry for each piece that an article counts in, and its weight.
    sizes
        int64, shape (n,): handles read of each bucket.
    articles
        int64, shape (p,): entries read of each piece's group.
    """
    handles = np.empty(data.size // 4 + 1, dtype=np.uint32)
    entry_weights = np.empty(handles.size, dtype=np.uint32)
    sizes = np.zeros(ids.size, dtype=np.int64)
    articles = np.zeros(kinds.size, dtype=np.int64)
    # By slot; of slots that are not asked for, the weight is 0 and the others are never looked at.
    slot_weights = np.zeros(1 << SLOT_BITS, dtype=np.uint32)
    slot_sizes = np.zeros(1 << SLOT_BITS, dtype=np.int64)
    left_out = np.zeros(1 << SLOT_BITS, dtype=np.int64)
    rest_bytes = np.empty(3, dtype=np.uint8)
    count = 0
    begin = 0
    for k in range(kinds.size):
        low, high = begins[k], begins[k + 1]
        for bucket in range(low, high):
            slot = ids[bucket] & _SLOT_MASK
            slot_weights[slot] = weights[bucket]
            slot_sizes[slot] = 0
        only_slot = ids[low] & _SLOT_MASK
        rest = ids[low] >> _REST_SHIFT
        for part in range(3):
            rest_bytes[part] = (rest >> np.uint64(8 * part)) & _BYTE
        is_light = kinds[k] == LIGHT
        has_slots = kinds[k] == LONG and rest_bytes[2] < _TEXT_BYTE
        first = count
        # Again where that shows that not all of it counts.
        for attempt in range(2):
            at = begin
            while at < ends[k]:
                entry = at
                at += 4
                wanted = True
                if is_light:
                    wanted = (
                        data[at] == rest_bytes[0]
                        and data[at + 1] == rest_bytes[1]
                        and data[at + 2] == rest_bytes[2]
                    )
                    has_slots = data[at + 2] < _TEXT_BYTE
                    at += 3
                slots_begin = at
                if has_slots:
                    slots_begin += 1
                    at = slots_begin + data[at]
                if not wanted:
                    continue
                handle = (
                    np.uint32(data[entry])
                    | np.uint32(data[entry + 1]) << np.uint32(8)
                    | np.uint32(data[entry + 2]) << np.uint32(16)
                    | np.uint32(data[entry + 3]) << np.uint32(24)
                )
                if not floor < handle <= horizon:
                    continue
                weight = np.uint32(0)
                if attempt == 1:
                    for place in range(slots_begin, max(at, slots_begin + 1)):
                        slot = np.uint64(data[place]) if has_slots else only_slot
                        if left_out[slot] > 0:
                            left_out[slot] -= 1
                        else:
                            weight += slot_weights[slot]
                elif has_slots:
                    articles[k] += 1
                    for place in range(slots_begin, at):
                        weight += slot_weights[data[place]]
                        slot_sizes[data[place]] += 1
                else:
                    articles[k] += 1
                    weight = slot_weights[only_slot]
                    slot_sizes[only_slot] += 1
                handles[count] = handle
                entry_weights[count] = weight
                count += int(weight > 0)
            if attempt == 1:
                break
            again = False
            for bucket in range(low, high):
                slot = ids[bucket] & _SLOT_MASK
                sizes[bucket] = slot_sizes[slot]
                left_out[slot] = 0
                if weights[bucket] == 1:
                    if sizes[bucket] > overfull:
                        left_out[slot] = sizes[bucket]
                        again = True
                elif sizes[bucket] > newest:
                    left_out[slot] = sizes[bucket] - newest
                    again = True
            if not again:
                break
            count = first
        for bucket in range(low, high):
            slot_weights[ids[bucket] & _SLOT_MASK] = 0
        begin = ends[k]
    return handles[:count], entry_weights[:count], sizes, articles


@compiled
def packed_places(
    ids: UInt64Array, begins: Int64Array, kinds: UInt8Array, wanted: int, by_bucket: bool
) -> UInt8Array:
    """Write those of an article's buckets that are of one kind as scripts read them.

    Parameters
    ----------
    ids, begins, kinds
        As `counted_entries`.
    wanted
        The kind.
    by_bucket
        Write bucket by bucket, not group by group.

    Returns
    -------
    packed
        uint8. Of each group: the lower 12 bits of its name and the upper 24 (2 and 3 bytes), how
        many slots follow, and they; none of a text bucket. Of each bucket the lower 32 bits of its
        id and the upper 12 (4 and 2 bytes).
    """
    packed = np.empty(6 * kinds.size + ids.size, dtype=np.uint8)
    size = 0
    for k in range(kinds.size):
        if kinds[k] != wanted:
            continue
        low, high = begins[k], begins[k + 1]
        if by_bucket:
            for byte in range(6):
                packed[size + byte] = (ids[low] >> np.uint64(8 * byte)) & _BYTE
            size += 6
            continue
        rest = ids[low] >> _REST_SHIFT
        head = (ids[low] >> _SLOT_SHIFT) & _HEAD_MASK
        packed[size] = head & _BYTE
        packed[size + 1] = head >> np.uint64(8)
        packed[size + 2] = rest & _BYTE
        packed[size + 3] = (rest >> np.uint64(8)) & _BYTE
        packed[size + 4] = rest >> np.uint64(16)
        packed[size + 5] = 0
        size += 6
        if ids[low] < _FIRST_TEXT:
            packed[size - 1] = high - low
            for bucket in range(low, high):
                packed[size] = ids[bucket] & _SLOT_MASK
                size += 1
    return packed[:size]
