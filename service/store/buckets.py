"""What a process knows of where buckets are, so that the server need not look for them.

An article has some 150 buckets, and each is asked for at every post and written at every commit.
They belong to some 60 *groups*: the name of a group is what is left of a bucket's id without its
slot (`clustering.propose.lsh.bucket_ids`), and those of an article's buckets that are of one group
are written down together. So the server does nothing about a group but read or append a string, by
names that the caller works out (``scripts/buckets.lua`` says what is in them):

- a *light* group, one of few articles, lies in a shard, whose number follows from the group's name
  and from how many shards there are. One ``MGET`` reads all shards of an article, and the entries
  of other groups in them are passed over here, in a compiled loop;
- a *long* group has a string of its own, which is read whole;
- a *spread* group, one of more articles than one wants to read for the few buckets of it that are
  asked for, has a string for each of its buckets.

Which groups are long or spread is a list on the server that only grows; every process keeps it as
sets and reads with every probe what came to it since.

What a process knows may be behind by what others wrote in the last milliseconds. A probe reads the
state of both last, and asks again where it bears on a group of its own. A commit names the list it
knew, and the script puts right what has changed. The list is written anew when it is swept
(``scripts/sweep_buckets.lua``): then its *generation* changes, and everybody reads it again.

Measured beside one entry for each bucket (the layout before), on a busy machine, the same commands
given to both with 20,000 articles stored: of the server's time a find took 63 µs (166 before), a
commit 386 (654), of which some 100 are the appends. Of an article everything but the text took
2,260 bytes at 20,000 (3,180 before) and 2,180 at 100,000 (2,850); of what buckets take, a quarter
is room that APPEND keeps. Groups are spread early, as most of what they hold is not asked for; and
buckets that are known to be over-full are not read at all (`service.store.overfull_buckets`). So a
find among 98,000 reads 49 kB where it read 92, and takes three quarters of the time of worker and
server; an article takes some 10 bytes more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from clustering.articles import UInt8Array, UInt32Array, UInt64Array
from clustering.propose import SLOT_BITS, TEXT_BIT
from service.store import keys
from service.store.bucket_loops import (
    HEAD_BITS,
    LIGHT,
    LONG,
    SPREAD,
    BoolArray,
    BucketSet,
    Int64Array,
    counted_entries,
    packed_places,
    placed,
)
from service.store.keys import FIRST_SHARDS, LONG_FROM

LIST_ITEM_BYTES: Final = 6
# A bucket's string that has more bytes than this is read from its end, as far as can matter.
_WHOLE_BYTES: Final = 2048
_SLOT_SHIFT: Final = np.uint64(SLOT_BITS)
_SLOT_MASK: Final = (1 << SLOT_BITS) - 1
_HEAD_MASK: Final = (1 << HEAD_BITS) - 1
_MOST_SLOTS: Final = 255
# What the list says of a group: that it is long, or that it is spread from now on.
_LIST_ITEM: Final = np.dtype([("head", "<u2"), ("low", "<u2"), ("high", "u1"), ("kind", "u1")])

STATE_FIELDS: Final = ("shards", "longs", "born", "generation")
"""Fields of ``meta`` that `KnownBuckets.learn` wants, in this order."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the buckets of an article are, as far as is known.

    Attributes
    ----------
    ids, weights
        uint64 and uint8, shape (n,): ascending, distinct.
    begins
        int64, shape (p + 1,): the buckets ``begins[k]`` to ``begins[k + 1] - 1`` are in one place:
        those of a group, or one bucket of a group that is spread.
    kinds
        uint8, shape (p,): LIGHT, LONG or SPREAD.
    shards
        int64, shape (p,): of those that are light; -1 for the others.
    generation, long_count
        The list of long groups that it was told from.
    """

    ids: UInt64Array
    weights: UInt8Array
    begins: Int64Array
    kinds: UInt8Array
    shards: Int64Array
    generation: bytes
    long_count: int

    def is_as(self, other: Placement) -> bool:
        """Whether every bucket is in the same place."""
        return np.array_equal(self.kinds, other.kinds) and np.array_equal(self.shards, other.shards)

    def arguments(self) -> tuple[bytes, int, bytes, bytes, bytes]:
        """Return what scripts want: generation and count of the list, buckets of each kind.

        Light and long ones are packed group by group, those of groups that are spread one by one.
        """
        ids, begins, kinds = self.ids, self.begins, self.kinds
        return (
            self.generation,
            self.long_count,
            packed_places(ids, begins, kinds, LIGHT, False).tobytes(),
            packed_places(ids, begins, kinds, LONG, False).tobytes(),
            packed_places(ids, begins, kinds, SPREAD, True).tobytes(),
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """What to read of an article's buckets, place by place.

    Attributes
    ----------
    placement
        Where they are.
    whole
        Keys that are read whole, with one ``MGET``.
    tails
        Keys of which the last ``tail_bytes`` are read.
    order
        int64, shape (p,): per place its number among ``whole`` and, after them, ``tails``; -1
        where nothing is read.
    tail_bytes
        See there.
    unread
        bool, shape (n,): buckets that are known to be over-full and not read; ``None`` for none.
    """

    placement: Placement
    whole: list[str]
    tails: list[str]
    order: Int64Array
    tail_bytes: int
    unread: BoolArray | None = None


class KnownBuckets:
    """Where buckets are, as far as a process knows; begins with nothing.

    Parameters
    ----------
    names
        Keys of the collection.
    """

    def __init__(self, names: keys.Keys) -> None:
        self._shard_prefix = names.key(keys.BUCKETS)
        self._long_prefix = names.key(keys.LONG_BUCKETS)
        self._shards = FIRST_SHARDS
        self._forget(b"")
        self._due = BucketSet()

    def _forget(self, generation: bytes) -> None:
        self._generation = generation
        self.long_count = 0
        self._longs = BucketSet()
        self._spreads = BucketSet()
        self._large = BucketSet()

    def place(self, ids: UInt64Array, weights: UInt8Array) -> Placement:
        """Return where buckets are; ``ids`` ascending and distinct.

        Raises
        ------
        ValueError
            For an article in more than 255 buckets of one group.
        """
        power = FIRST_SHARDS << ((self._shards // FIRST_SHARDS).bit_length() - 1)
        begins, kinds, shards = placed(ids, self._longs, self._spreads, self._shards, power)
        if ids.size > _MOST_SLOTS and np.diff(begins).max() > _MOST_SLOTS:
            raise ValueError(f"an article has more than {_MOST_SLOTS} buckets of one group")
        return Placement(ids, weights, begins, kinds, shards, self._generation, self.long_count)

    @property
    def known(self) -> tuple[bytes, int]:
        """Generation of the list of long groups, and how many items of it are known."""
        return self._generation, self.long_count

    @property
    def state(self) -> tuple[bytes, int, int]:
        """As long as this is the same, every bucket is where it was."""
        return self._generation, self.long_count, self._shards

    def learn(self, asked: tuple[bytes, int], some: bytes, state: Sequence[bytes | None]) -> bool:
        """Take over what was read; ``False`` when it is to be asked for again.

        Parameters
        ----------
        asked
            What was `known` when it was asked for.
        some
            The list from there on, read before ``state``.
        state
            `STATE_FIELDS` of ``meta``.
        """
        shards, longs, born, number = state
        self._shards = int(shards or FIRST_SHARDS)
        generation = (born or b"") + b"." + (number or b"0")
        count = int(longs or 0)
        if generation != self._generation:
            self._forget(generation)
        if some and asked[0] == generation and asked[1] <= self.long_count:
            # The generation never returns, so that what was read between is of this one.
            names, kinds = listed_groups(some)
            known = self.long_count - asked[1]
            names, kinds = names[known:], kinds[known:]
            if names.size:
                self._longs.add(names)
                self._spreads.add(names[kinds == SPREAD])
                self.long_count += names.size
        return self.long_count >= count

    def plan(
        self, placement: Placement, most_entries: int, overfull: BoolArray | None = None
    ) -> Reading:
        """Return what to read. Of a bucket more than ``most_entries`` never matter.

        Places all of whose buckets are known to be ``overfull`` (bool, shape (n,)) are left out.
        """
        kinds, firsts = placement.kinds, placement.ids[placement.begins[:-1]]
        shard, long = self._shard_prefix, self._long_prefix
        keys_of = [
            f"{shard}{number}" if number >= 0 else _long_key(long, first, kind)
            for number, first, kind in zip(
                placement.shards.tolist(), firsts.tolist(), kinds.tolist(), strict=True
            )
        ]
        tail_bytes = 4 * most_entries
        is_read = np.ones(kinds.size, dtype=np.bool_)
        unread = None
        if overfull is not None:
            is_read = ~np.logical_and.reduceat(overfull, placement.begins[:-1])
            if not is_read.all():
                unread = np.repeat(~is_read, np.diff(placement.begins))
        is_tail = np.zeros(kinds.size, dtype=np.bool_)
        if len(self._large):
            is_tail = self._large.contains(firsts) & (kinds != LIGHT) & is_read
        if unread is None and not is_tail.any():
            return Reading(placement, keys_of, [], np.arange(kinds.size), tail_bytes)
        # Those read whole come before those read from their end.
        is_whole = is_read & ~is_tail
        whole, tails = np.flatnonzero(is_whole), np.flatnonzero(is_tail)
        order = np.full(kinds.size, -1)
        order[whole] = np.arange(whole.size)
        order[tails] = np.arange(whole.size, whole.size + tails.size)
        return Reading(
            placement,
            [keys_of[at] for at in whole.tolist()],
            [keys_of[at] for at in tails.tolist()],
            order,
            tail_bytes,
            unread,
        )

    def entries(
        self,
        reading: Reading,
        whole: list[bytes | None],
        tails: list[bytes],
        *,
        floor: int,
        horizon: int,
        overfull: int,
        newest: int,
    ) -> tuple[UInt32Array, UInt32Array, Int64Array]:
        """Return the handles in an article's buckets, what each entry weighs, and buckets' sizes.

        See `service.store.bucket_loops.counted_entries`. Of buckets that were not read the size is
        one more than ``overfull``. Groups that ought to be long are
        remembered for `due`, and buckets whose strings are very long for `plan`.
        """
        placement = reading.placement
        read = [*whole, *tails, b""]  # the last one for those that are not read
        values = [read[place] or b"" for place in reading.order.tolist()]
        bytes_read = np.array([len(value) for value in values], dtype=np.int64)
        handles, weights, sizes, articles = counted_entries(
            np.frombuffer(b"".join(values), dtype=np.uint8),
            np.cumsum(bytes_read),
            placement.ids,
            placement.weights,
            placement.begins,
            placement.kinds,
            floor,
            horizon,
            overfull,
            newest,
        )
        if bytes_read.size and bytes_read.max() > max(_WHOLE_BYTES, 2 * reading.tail_bytes):
            self._note_large(reading, bytes_read)
        # Some long group nearly always has as many, so that all are looked through.
        due = (articles >= LONG_FROM - 1) & (placement.kinds == LIGHT)
        if due.any():
            if len(self._due) > 4 * LONG_FROM * FIRST_SHARDS:
                self._due = BucketSet()
            self._due.add(groups_of(placement.ids[placement.begins[:-1][due]]))
        if reading.unread is not None:
            sizes[reading.unread] = overfull + 1
        return handles, weights, sizes

    def _note_large(self, reading: Reading, bytes_read: Int64Array) -> None:
        placement = reading.placement
        firsts = placement.ids[placement.begins[:-1]]
        # Entries of one size, so that what is read from the end begins with a whole one.
        is_even = (placement.kinds == SPREAD) | (
            (placement.kinds == LONG) & (firsts >= np.uint64(TEXT_BIT))
        )
        large = is_even & (bytes_read > max(_WHOLE_BYTES, 2 * reading.tail_bytes))
        if large.any():
            self._large.add(firsts[large])

    def due(self, placement: Placement) -> bytes:
        """Return the packed groups that a commit should make long."""
        if not len(self._due):
            return b""
        names = groups_of(placement.ids[placement.begins[:-1]])
        is_due = (placement.kinds == LIGHT) & self._due.contains(names)
        if not is_due.any():
            return b""
        kinds = np.where(is_due, LIGHT, SPREAD).astype(np.uint8)
        return packed_places(placement.ids, placement.begins, kinds, LIGHT, False).tobytes()


def _long_key(prefix: str, first: int, kind: int) -> str:
    """Return the key of a long group, or of a bucket of one that is spread."""
    name = first >> SLOT_BITS
    key = f"{prefix}{name & _HEAD_MASK}.{name >> HEAD_BITS}"
    return f"{key}.{first & _SLOT_MASK}" if kind == SPREAD else key


def groups_of(ids: UInt64Array) -> UInt64Array:
    """Return the names of the groups that buckets belong to."""
    return ids >> _SLOT_SHIFT


def listed_groups(packed: bytes) -> tuple[UInt64Array, UInt8Array]:
    """Return the names of groups in the list of long ones, and what it says of each."""
    items = np.frombuffer(packed, dtype=_LIST_ITEM)
    names = items["low"].astype(np.uint64) | (items["high"].astype(np.uint64) << np.uint64(16))
    return (names << np.uint64(HEAD_BITS)) | items["head"].astype(np.uint64), items["kind"]
