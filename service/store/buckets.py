"""What a process knows of where buckets are, so that the server need not look for them.

An article has some 150 buckets, and each is asked for at every post and written at every commit.
So the server does nothing about a bucket but read or append a string, by names that the caller
works out (``scripts/buckets.lua`` says what is in them):

- a bucket of few articles lies in a shard, whose number follows from the bucket's id and from how
  many shards there are. One ``MGET`` reads all shards of an article, and the entries of other
  buckets in them are passed over here, in a compiled loop: some 50 a shard;
- a *long* bucket has a string of its own. Which ones are long is a list on the server that only
  grows; every process keeps it as a set and reads with every probe what came to it since.

What a process knows may be behind by what others wrote in the last milliseconds. A probe reads the
state of both last, and asks again where it bears on a bucket of its own. A commit names the list it
knew, and the script puts right what has changed. The list is written anew when it is swept
(``scripts/sweep_buckets.lua``): then its *generation* changes, and everybody reads it again.

Measured beside the layout before it (hashes of buckets, read and written one bucket at a time
within scripts, a table for each time partition), on a busy machine, in one run each: with 20,000
articles in five partitions a post took 2.0 ms of the server's time, and 5.3 before; with 5,000, 1.4
and 3.1. Of what is left the appends are half: 1.7 µs each with what the script and the append-only
file add. Memory grew, because APPEND keeps room for as much again: by 320 bytes an article at
20,000 (everything but the text: 3,160), by 100 at 100,000 (2,850).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from clustering.articles import UInt8Array, UInt32Array, UInt64Array
from service.store import keys
from service.store.bucket_loops import BoolArray, BucketSet, Int64Array, counted_entries
from service.store.encoding import pack_ids, unpack_buckets
from service.store.keys import FIRST_SHARDS, LONG_FROM

BUCKET_BYTES: Final = 6
# A long bucket whose string has more bytes than this is read from its end, as far as can matter.
_WHOLE_BYTES: Final = 2048

STATE_FIELDS: Final = ("shards", "longs", "born", "generation")
"""Fields of ``meta`` that `KnownBuckets.learn` wants, in this order."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the buckets of an article are, as far as is known.

    Attributes
    ----------
    ids, weights
        uint64 and uint8, shape (n,): ascending, distinct.
    is_long
        bool, shape (n,).
    shards
        int64, shape (n,): of those that are not long; -1 for the others.
    generation, long_count
        The list of long buckets that it was told from.
    """

    ids: UInt64Array
    weights: UInt8Array
    is_long: BoolArray
    shards: Int64Array
    generation: bytes
    long_count: int

    def is_as(self, other: Placement) -> bool:
        """Whether every bucket is in the same place."""
        return bool((self.is_long == other.is_long).all() and (self.shards == other.shards).all())

    def arguments(self) -> tuple[bytes, int, bytes, bytes]:
        """Return what scripts want: generation and count of the list, light and long buckets."""
        return (
            self.generation,
            self.long_count,
            pack_ids(self.ids[~self.is_long]),
            pack_ids(self.ids[self.is_long]),
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """What to read of an article's buckets, in their order.

    Attributes
    ----------
    placement
        Where they are.
    whole
        Keys that are read whole, with one ``MGET``.
    tails
        Keys of which the last ``tail_bytes`` are read.
    order
        int64, shape (n,): per bucket its number among ``whole`` and, after them, ``tails``.
    tail_bytes
        See there.
    """

    placement: Placement
    whole: list[str]
    tails: list[str]
    order: Int64Array
    tail_bytes: int


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
        self._large = BucketSet()

    def place(self, ids: UInt64Array, weights: UInt8Array) -> Placement:
        """Return where buckets are; ``ids`` ascending and distinct."""
        is_long = self._longs.contains(ids)
        power = FIRST_SHARDS << ((self._shards // FIRST_SHARDS).bit_length() - 1)
        head, rest = ids >> np.uint64(32), ids & np.uint64(0xFFFFF)
        mixed = head + np.uint64(FIRST_SHARDS) * rest
        shards = (mixed & np.uint64(2 * power - 1)).astype(np.int64)
        shards[shards >= self._shards] -= power
        shards[is_long] = -1
        return Placement(ids, weights, is_long, shards, self._generation, self.long_count)

    @property
    def known(self) -> tuple[bytes, int]:
        """Generation of the list of long buckets, and how many of it are known."""
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
        if asked[0] == generation and asked[1] <= self.long_count:
            # The generation never returns, so that what was read between is of this one.
            fresh = unpack_buckets(some)[self.long_count - asked[1] :]
            if fresh.size:
                self._longs.add(fresh)
                self.long_count += fresh.size
        return self.long_count >= count

    def plan(self, placement: Placement, most_entries: int) -> Reading:
        """Return what to read. Of a long bucket more than ``most_entries`` never matter."""
        shard, long, ids = self._shard_prefix, self._long_prefix, placement.ids
        lights = [f"{shard}{number}" for number in placement.shards[~placement.is_long].tolist()]
        long_ids = ids[placement.is_long]
        longs = [
            f"{long}{head}.{rest}"
            for head, rest in zip(
                (long_ids >> np.uint64(32)).tolist(),
                (long_ids & np.uint64(0xFFFFFFFF)).tolist(),
                strict=True,
            )
        ]
        is_tail = self._large.contains(long_ids)
        whole = lights + [
            name for name, tail in zip(longs, is_tail.tolist(), strict=True) if not tail
        ]
        tails = [name for name, tail in zip(longs, is_tail.tolist(), strict=True) if tail]
        order = np.empty(ids.size, dtype=np.int64)
        order[~placement.is_long] = np.arange(len(lights))
        # Those read whole come before those read from their end.
        places = np.where(is_tail, len(whole) + np.cumsum(is_tail) - 1, 0)
        places[~is_tail] = len(lights) + np.arange(len(whole) - len(lights))
        order[placement.is_long] = places
        return Reading(placement, whole, tails, order, 4 * most_entries)

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

        See `service.store.bucket_loops.counted_entries`. Buckets that ought to be long are
        remembered for `due`, and those that are very long for `plan`.
        """
        placement = reading.placement
        read = [*whole, *tails]
        values = [read[place] or b"" for place in reading.order.tolist()]
        sizes = np.fromiter(map(len, values), dtype=np.int64, count=len(values))
        handles, weights, counts = counted_entries(
            np.frombuffer(b"".join(values), dtype="<u4"),
            np.cumsum(sizes >> 2),
            placement.ids,
            placement.is_long,
            placement.weights,
            floor,
            horizon,
            overfull,
            newest,
        )
        large = placement.is_long & (sizes > max(_WHOLE_BYTES, 2 * reading.tail_bytes))
        if large.any():
            self._large.add(placement.ids[large])
        due = ~placement.is_long & (counts >= LONG_FROM - 1)
        if due.any():
            if len(self._due) > 4 * LONG_FROM * FIRST_SHARDS:
                self._due = BucketSet()
            self._due.add(placement.ids[due])
        return handles, weights, counts

    def due(self, placement: Placement) -> bytes:
        """Return the packed buckets that a commit should make long."""
        return pack_ids(placement.ids[~placement.is_long & self._due.contains(placement.ids)])
