"""All buckets of a new collection laid out at once, as if its articles had been written in turn.

Where entries lie says ``scripts/buckets.lua``. A commit appends to sixty strings and moves on what
has grown too large for its place; here every string is made once, in its final place: rows (group,
handle, slot) are dealt out by *heads*, the lowest bits of a group's name, which choose the shard,
and sorted head by head. What comes out differs from what commits leave only in that a group is long
as soon as it has `LONG_FROM` articles, that there are never too few shards, and that no string
keeps room at its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from clustering.articles import UInt8Array, UInt64Array
from clustering.compiled import compiled
from clustering.propose import SLOT_BITS
from service.store import keys
from service.store.bucket_loops import HEAD_BITS, LIGHT, LONG, SPREAD, Int64Array
from service.store.keys import BYTES_PER_SHARD, FIRST_SHARDS, LONG_FROM, SPREAD_FROM_BYTES

_HEADS: Final = 1 << HEAD_BITS
_HEAD_SHIFT: Final = np.uint64(SLOT_BITS)
_HEAD_MASK: Final = np.uint64(_HEADS - 1)
# A row: the rest of the group's name (24 bits), the handle (32), the slot (8).
_REST_OF_ID: Final = np.uint64(SLOT_BITS + HEAD_BITS)
_REST_SHIFT: Final = np.uint64(40)
_GROUP_AND_HANDLE: Final = np.uint64(SLOT_BITS)
_SLOT_MASK: Final = np.uint64((1 << SLOT_BITS) - 1)
_HANDLE_MASK: Final = np.uint64(0xFFFFFFFF)
_HANDLE_BITS: Final = np.uint64(0xFFFFFFFF00)
_TEXT_REST: Final = np.uint64(1 << 23)
_LIST_ITEM: Final = np.dtype([("head", "<u2"), ("low", "<u2"), ("high", "u1"), ("kind", "u1")])
_KIND, _REST, _SLOT, _END = range(4)


@dataclass(frozen=True, slots=True)
class Layout:
    """Counters of ``meta`` that go with the buckets."""

    shards: int
    light_bytes: int
    entries: int
    long_count: int
    indexed: int


class FoundedBuckets:
    """The buckets of articles that come in ascending order of handles.

    Eight bytes for each bucket of an article until they are laid out, and as much again then.
    """

    def __init__(self) -> None:
        self._chunks: list[tuple[int, Int64Array, UInt64Array]] = []
        self._sizes: Int64Array = np.zeros(_HEADS + 1, dtype=np.int64)
        self._rows: list[UInt64Array] = []
        self._indexed = 0

    def add(self, first_handle: int, ends: Int64Array, ids: UInt64Array) -> None:
        """Take the buckets of articles whose handles follow one another.

        Parameters
        ----------
        first_handle
            Of the first of them: above all that came before.
        ends
            int64, shape (n,): how many buckets there are up to the end of each article.
        ids
            Article after article; of equal ones of an article one counts.
        """
        heads = ((ids >> _HEAD_SHIFT) & _HEAD_MASK).astype(np.int64)
        self._sizes[1:] += np.bincount(heads, minlength=_HEADS)
        self._indexed += int((np.diff(ends, prepend=0) > 0).sum())
        self._chunks.append((first_handle, ends, ids))

    def lay_out(self) -> Layout:
        """Deal the rows out and sort them; to be called once, when all articles are there."""
        begins = np.cumsum(self._sizes)
        rows = np.empty(int(begins[-1]), dtype=np.uint64)
        following = begins[:-1].copy()
        self._chunks.reverse()
        while self._chunks:
            _deal_out(*self._chunks.pop(), rows, following)
        counts = np.zeros(3, dtype=np.int64)
        self._rows = []
        for begin, end in pairwise(begins.tolist()):
            own = rows[begin:end]
            own.sort()
            self._rows.append(own[: _without_repeats(own)])
            counts += _measured(self._rows[-1])
        light_bytes, entries, long_count = (int(count) for count in counts)
        shards = max(FIRST_SHARDS, -(-light_bytes // BYTES_PER_SHARD))
        return Layout(shards, light_bytes, entries, long_count, self._indexed)

    def strings(
        self, names: keys.Keys, layout: Layout
    ) -> Iterator[tuple[list[tuple[str, bytes]], bytes]]:
        """Yield, head by head, keys and what they hold, and the items of the list of long groups.

        Parameters
        ----------
        names
            Keys of the collection.
        layout
            What `lay_out` returned.
        """
        power = FIRST_SHARDS << ((layout.shards // FIRST_SHARDS).bit_length() - 1)
        shard_prefix, long_prefix = names.key(keys.BUCKETS), names.key(keys.LONG_BUCKETS)
        for head, rows in enumerate(self._rows):
            data, pieces = _long_strings(rows)
            listed = _listed(head, pieces)
            content = data.tobytes()
            found: list[tuple[str, bytes]] = []
            start = 0
            for kind, rest, slot, end in pieces.tolist():
                key = f"{long_prefix}{head}.{rest}"
                found.append((key if kind == LONG else f"{key}.{slot}", content[start:end]))
                start = end
            shards, firsts = _light_entries(rows, head, layout.shards, power)
            # By shard, then by handle.
            order = np.lexsort((rows[firsts] & _HANDLE_BITS, shards))
            shards = shards[order]
            data, ends = _light_strings(rows, firsts[order])
            content = data.tobytes()
            lasts = np.flatnonzero(np.diff(shards, append=-1))
            start = 0
            for shard, end in zip(shards[lasts].tolist(), ends[lasts].tolist(), strict=True):
                found.append((f"{shard_prefix}{shard}", content[start:end]))
                start = end
            yield found, listed


def _listed(head: int, pieces: Int64Array) -> bytes:
    """Return the items of the list of long groups that speak of a head's."""
    # The strings of a spread group stand together.
    groups = pieces[np.diff(pieces[:, _REST], prepend=-1) != 0]
    items = np.empty(groups.shape[0], dtype=_LIST_ITEM)
    items["head"] = head
    items["low"] = groups[:, _REST] & 0xFFFF
    items["high"] = groups[:, _REST] >> 16
    items["kind"] = groups[:, _KIND]
    return items.tobytes()


@compiled
def _deal_out(
    first_handle: int,
    ends: Int64Array,
    ids: UInt64Array,
    rows: UInt64Array,
    following: Int64Array,
) -> None:
    """Put the rows of articles where those of their heads are; ``following`` goes on with them."""
    at = 0
    for article in range(ends.size):
        handle = np.uint64(first_handle + article) << np.uint64(SLOT_BITS)
        while at < ends[article]:
            head = np.int64((ids[at] >> _HEAD_SHIFT) & _HEAD_MASK)
            rest = (ids[at] >> _REST_OF_ID) << _REST_SHIFT
            rows[following[head]] = rest | handle | (ids[at] & _SLOT_MASK)
            following[head] += 1
            at += 1


@compiled
def _end_of_group(rows: UInt64Array, begin: int) -> tuple[int, int, int]:
    """Return where a group ends, how many articles it has, and the bytes of it as a long one."""
    rest = rows[begin] >> _REST_SHIFT
    is_text = rest >= _TEXT_REST
    articles, size = 0, 0
    end = begin
    while end < rows.size and rows[end] >> _REST_SHIFT == rest:
        if end == begin or rows[end] >> _GROUP_AND_HANDLE != rows[end - 1] >> _GROUP_AND_HANDLE:
            articles += 1
            size += 4 if is_text else 5
        if not is_text:
            size += 1
        end += 1
    return end, articles, size


@compiled
def _kind_of_group(rows: UInt64Array, begin: int, articles: int, size: int) -> int:
    if articles < LONG_FROM:
        return LIGHT
    if size > SPREAD_FROM_BYTES and rows[begin] >> _REST_SHIFT < _TEXT_REST:
        return SPREAD
    return LONG


@compiled
def _without_repeats(rows: UInt64Array) -> int:
    """Keep of equal rows, which stand together, one; return how many are left at the front."""
    kept = 0
    for at in range(rows.size):
        if at == 0 or rows[at] != rows[kept - 1]:
            rows[kept] = rows[at]
            kept += 1
    return kept


@compiled
def _measured(rows: UInt64Array) -> Int64Array:
    """Return the bytes of light groups, the rows, and the groups that are not light."""
    counts = np.zeros(3, dtype=np.int64)
    begin = 0
    while begin < rows.size:
        end, articles, size = _end_of_group(rows, begin)
        if _kind_of_group(rows, begin, articles, size) == LIGHT:
            counts[0] += size + 3 * articles
        else:
            counts[2] += 1
        begin = end
    counts[1] = rows.size
    return counts


@compiled
def _put(data: UInt8Array, at: int, value: np.uint64, width: int) -> int:
    """Write a number, its lowest byte first; return where it ends."""
    for byte in range(width):
        data[at + byte] = np.uint8((value >> np.uint64(8 * byte)) & np.uint64(0xFF))
    return at + width


@compiled
def _handle_of(row: np.uint64) -> np.uint64:
    return (row >> _GROUP_AND_HANDLE) & _HANDLE_MASK


@compiled
def _put_slots(data: UInt8Array, at: int, rows: UInt64Array, first: int) -> tuple[int, int]:
    """Write the slots of the entry that begins with a row; return where they end, and the next."""
    following = first + 1
    while (
        following < rows.size
        and rows[following] >> _GROUP_AND_HANDLE == rows[first] >> _GROUP_AND_HANDLE
    ):
        following += 1
    if rows[first] >> _REST_SHIFT < _TEXT_REST:
        at = _put(data, at, np.uint64(following - first), 1)
        for row in range(first, following):
            at = _put(data, at, rows[row] & _SLOT_MASK, 1)
    return at, following


@compiled
def _long_strings(rows: UInt64Array) -> tuple[UInt8Array, Int64Array]:
    """Make the strings of a head's groups that are not light.

    Returns
    -------
    data
        One string after the other.
    pieces
        int64, shape (m, 4): of each its kind, the rest of the group's name, the slot (of a spread
        group), and where it ends.
    """
    data = np.empty(6 * rows.size, dtype=np.uint8)
    pieces = np.zeros((rows.size, 4), dtype=np.int64)
    places = np.empty(1 << SLOT_BITS, dtype=np.int64)
    made, size, begin = 0, 0, 0
    while begin < rows.size:
        end, articles, bytes_of_long = _end_of_group(rows, begin)
        kind = _kind_of_group(rows, begin, articles, bytes_of_long)
        if kind == SPREAD:
            places[:] = 0
            for row in range(begin, end):
                places[np.int64(rows[row] & _SLOT_MASK)] += 4
            for slot in range(places.size):
                if places[slot] > 0:
                    pieces[made, _SLOT] = slot
                    pieces[made, _END] = size + places[slot]
                    pieces[made, _KIND] = SPREAD
                    pieces[made, _REST] = np.int64(rows[begin] >> _REST_SHIFT)
                    made += 1
                    places[slot], size = size, size + places[slot]
            for row in range(begin, end):
                own = np.int64(rows[row] & _SLOT_MASK)
                places[own] = _put(data, places[own], _handle_of(rows[row]), 4)
        elif kind == LONG:
            row = begin
            while row < end:
                size = _put(data, size, _handle_of(rows[row]), 4)
                size, row = _put_slots(data, size, rows, row)
            pieces[made, _KIND] = LONG
            pieces[made, _REST] = np.int64(rows[begin] >> _REST_SHIFT)
            pieces[made, _END] = size
            made += 1
        begin = end
    return data[:size], pieces[:made]


@compiled
def _light_entries(
    rows: UInt64Array, head: int, shard_count: int, power: int
) -> tuple[Int64Array, Int64Array]:
    """Return the shard of each entry of a head's light groups, and the row that it begins with."""
    shards = np.empty(rows.size, dtype=np.int64)
    firsts = np.empty(rows.size, dtype=np.int64)
    count, begin = 0, 0
    while begin < rows.size:
        end, articles, size = _end_of_group(rows, begin)
        if _kind_of_group(rows, begin, articles, size) == LIGHT:
            name = (np.int64(rows[begin] >> _REST_SHIFT) << HEAD_BITS) | head
            shard = name & (2 * power - 1)
            if shard >= shard_count:
                shard -= power
            for row in range(begin, end):
                if (
                    row == begin
                    or rows[row] >> _GROUP_AND_HANDLE != rows[row - 1] >> _GROUP_AND_HANDLE
                ):
                    shards[count] = shard
                    firsts[count] = row
                    count += 1
        begin = end
    return shards[:count], firsts[:count]


@compiled
def _light_strings(rows: UInt64Array, firsts: Int64Array) -> tuple[UInt8Array, Int64Array]:
    """Write entries of light groups in the order given; return them, and where each ends."""
    data = np.empty(9 * rows.size, dtype=np.uint8)
    ends = np.empty(firsts.size, dtype=np.int64)
    size = 0
    for k in range(firsts.size):
        size = _put(data, size, _handle_of(rows[firsts[k]]), 4)
        size = _put(data, size, rows[firsts[k]] >> _REST_SHIFT, 3)
        size, _ = _put_slots(data, size, rows, firsts[k])
        ends[k] = size
    return data[:size], ends
