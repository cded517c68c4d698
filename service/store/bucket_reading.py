"""Reads buckets, for one article or for many in one round trip, wherever they are by then.

What it is about, and why it takes no script, says `service.store.buckets`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from clustering.articles import UInt8Array, UInt64Array
from clustering.propose import BucketLimits, rank_shared
from service.store import StoreError, StoreMismatchError, keys
from service.store.bucket_loops import Int64Array
from service.store.buckets import LIST_ITEM_BYTES, STATE_FIELDS, KnownBuckets, Placement, Reading
from service.store.connection import Argument, Connection
from service.store.encoding import distinct_buckets
from service.store.kept_records import KeptRecords
from service.store.overfull_buckets import SLACK_ENTRIES, OverfullBuckets
from service.store.reader import StoreReader

_ATTEMPTS: Final = 100
# Of very long buckets so many entries more are read than can matter: for those that arrive while
# they are read, and so that the number of articles may grow until it is asked for again.
_ENTRIES_MORE: Final = 128
# Records of so many newest articles are read ahead, and so many may have come since the last time.
_READ_AHEAD: Final = 64
_LIKELY_SINCE: Final = 8
META_FIELDS: Final = (
    "fingerprint",
    "handle",
    "epoch",
    "indexed",
    "constraint_epoch",
    "floor",
    "born",
    "rewritten",
    "articles",
)


@dataclass(frozen=True, slots=True)
class Query:
    """A question for the buckets of an article, distinct and in ascending order."""

    digest: bytes
    ids: UInt64Array
    weights: UInt8Array
    limit: int


@dataclass(frozen=True, slots=True)
class State:
    """What holds for all that was found in one exchange.

    ``removed`` is how often an article was removed or replaced since the collection began.
    """

    horizon: int
    frequency_epoch: int
    indexed: int
    constraint_epoch: int
    floor: int
    mark: bytes
    overfull: int
    removed: int


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in buckets; ``existing`` is the handle under the id, 0 for none."""

    query: Query
    state: State
    existing: int
    handles: list[int]
    weights: list[int]
    sizes: Int64Array


class BucketReader(StoreReader):
    """The part of the store that knows where buckets are, and reads them.

    Parameters
    ----------
    connection, names
        As `StoreReader`.
    limits
        When a bucket is over-full: the rule of ``clustering.propose.lsh``.
    """

    def __init__(self, connection: Connection, names: keys.Keys, limits: BucketLimits) -> None:
        super().__init__(connection, names)
        self._limits = limits
        self._buckets = KnownBuckets(names)
        self._overfull = OverfullBuckets()
        self._records = KeptRecords()
        self._most_entries = 0
        self._horizon = 0
        self._read_up_to = 0

    @abstractmethod
    def _opened(self) -> str:
        """Return the fingerprint that the store was opened with."""

    @abstractmethod
    def _checked(self, answer: list[Any]) -> list[Any]:
        """Return a script's answer, or raise what it says."""

    @abstractmethod
    def _mismatch(self, stored: bytes | None, current: str) -> StoreMismatchError:
        """Return the error for data of another configuration."""

    async def _read_buckets(self, queries: Sequence[Query]) -> list[Found]:
        """Read the buckets of articles; again those that went elsewhere meanwhile."""
        done: dict[int, Found] = {}
        for _ in range(_ATTEMPTS):
            left = {k: query for k, query in enumerate(queries) if k not in done}
            if not left:
                return [done[k] for k in range(len(queries))]
            done |= await self._read_once(left)
        raise StoreError("the buckets of an article move faster than they can be read")

    async def _read_once(self, queries: dict[int, Query]) -> dict[int, Found]:
        meta = self._keys.key(keys.META)
        asked, known = self._buckets.known, self._buckets.state
        edition = self._overfull.edition
        readings = {
            k: self._buckets.plan(
                self._buckets.place(query.ids, query.weights),
                self._most_entries,
                self._overfull.among(query.ids, query.weights),
            )
            for k, query in queries.items()
        }
        fresh = self._to_read_ahead()
        # Others may write between two of these. Before all buckets is read up to which handle they
        # are complete; and after them, whether they were all still where they were read.
        answers = iter(
            await self._connection.together(
                [
                    ("HMGET", meta, *META_FIELDS),
                    *(
                        command
                        for k, query in queries.items()
                        for command in self._reading_commands(query, readings[k])
                    ),
                    ("GETRANGE", self._keys.key(keys.LONG_LIST), LIST_ITEM_BYTES * asked[1], -1),
                    ("HMGET", meta, *STATE_FIELDS),
                    ("MGET", *(self._keys.record(handle) for handle in fresh)),
                ]
            )
        )
        state = self._state_of(next(answers))
        found: dict[int, tuple[int, list[bytes | None], list[bytes]]] = {}
        for k, reading in readings.items():
            existing = int(next(answers) or 0)
            whole = next(answers) if reading.whole else []
            found[k] = (existing, whole, [next(answers) for _ in reading.tails])
        complete = self._buckets.learn(asked, next(answers), next(answers))
        for handle, record in zip(fresh, next(answers), strict=True):
            if record is not None:
                self._records.put(handle, record, state.mark)
        self._read_up_to, self._horizon = min(fresh[-1], state.horizon), state.horizon
        # With the margin spent, some of what matters may not have been read.
        needed = max(state.overfull, self._limits.max_text_bucket_articles) + _ENTRIES_MORE
        short = 4 * (needed - _ENTRIES_MORE // 2) > 4 * self._most_entries
        self._most_entries = needed if short else max(needed, self._most_entries)
        hold = self._overfull.hold(
            edition, (state.mark, state.floor), state.removed, state.overfull
        )
        done = {}
        for k, query in queries.items():
            reading = readings[k]
            if not complete or (short and reading.tails):
                continue
            if reading.unread is not None and not hold:
                continue
            if known == self._buckets.state or self._buckets.place(query.ids, query.weights).is_as(
                reading.placement
            ):
                done[k] = self._ranked(query, reading, state, *found[k])
        return done

    def _reading_commands(self, query: Query, reading: Reading) -> list[list[Argument]]:
        ids = self._keys.key(keys.ARTICLE_IDS, keys.article_id_shard(query.digest))
        commands: list[list[Argument]] = [["HGET", ids, query.digest]]
        if reading.whole:
            commands.append(["MGET", *reading.whole])
        commands += [["GETRANGE", name, -reading.tail_bytes, -1] for name in reading.tails]
        return commands

    def _state_of(self, values: list[bytes | None]) -> State:
        fingerprint, *numbers, born, rewritten, articles = values
        opened = self._opened()
        if fingerprint != opened.encode():
            raise self._mismatch(fingerprint, opened)
        horizon, epoch, indexed, constraint_epoch, floor = (int(n or 0) for n in numbers)
        return State(
            horizon=horizon,
            frequency_epoch=epoch,
            indexed=indexed,
            constraint_epoch=constraint_epoch,
            floor=floor,
            mark=(born or b"") + b"." + (rewritten or b""),
            overfull=self._limits.event_bucket_articles(indexed),
            removed=horizon - int(articles or 0),
        )

    def _ranked(
        self,
        query: Query,
        reading: Reading,
        state: State,
        existing: int,
        whole: list[bytes | None],
        tails: list[bytes],
    ) -> Found:
        entries, entry_weights, sizes = self._buckets.entries(
            reading,
            whole,
            tails,
            floor=state.floor,
            horizon=state.horizon,
            overfull=state.overfull,
            newest=self._limits.max_text_bucket_articles,
        )
        # Text buckets, of more weight, are never left out, however many are in them.
        noted = (sizes > state.overfull + SLACK_ENTRIES) & (query.weights == 1)
        if noted.any():
            of = state.mark, state.floor
            self._overfull.note(query.ids[noted], sizes[noted], of, state.removed)
        handles, weights = rank_shared(entries, entry_weights, query.limit)
        return Found(query, state, existing, handles, weights, sizes)

    def _to_read_ahead(self) -> range:
        """Return the handles that came, or may come by now, after those whose records were read.

        The newest articles are candidates most often; so their records come before they are asked
        for, those of other processes too.
        """
        newest = self._horizon + _LIKELY_SINCE
        return range(max(self._read_up_to, newest - _READ_AHEAD) + 1, newest + 1)

    async def _learn_buckets(self) -> None:
        """Take over where buckets are now."""
        for _ in range(_ATTEMPTS):
            asked = self._buckets.known
            some, state = await self._connection.together(
                [
                    ("GETRANGE", self._keys.key(keys.LONG_LIST), LIST_ITEM_BYTES * asked[1], -1),
                    ("HMGET", self._keys.key(keys.META), *STATE_FIELDS),
                ]
            )
            if self._buckets.learn(asked, some, state):
                return
        raise StoreError("the list of long buckets changes faster than it can be read")

    async def _run_placed(
        self, name: str, arguments: Callable[[], Sequence[Argument]]
    ) -> list[Any]:
        """Run a script that is told where buckets are; again when their list was written anew."""
        for _ in range(_ATTEMPTS):
            answer: list[Any] = await self._connection.run(name, *arguments())
            if not is_stale(answer):
                return self._checked(answer)
            await self._learn_buckets()
        raise StoreError("the list of long buckets changes faster than it can be read")

    def _placed(self, ids: UInt64Array) -> tuple[bytes, int, bytes, bytes, bytes]:
        """Return buckets as scripts want them that only need to know where they are."""
        return self._placement(ids, np.ones(ids.size, dtype=np.uint8)).arguments()

    def _placement(self, ids: UInt64Array, weights: UInt8Array) -> Placement:
        return self._buckets.place(ids, weights)


def is_stale(answer: list[Any]) -> bool:
    """Whether a script says that the caller must look again where buckets are."""
    return bool(answer[0] == b"stale")


def query_of(
    article_id: str, bucket_ids: UInt64Array, bucket_weights: UInt8Array | None, limit: int
) -> Query:
    """Return a question for the buckets of an article.

    Raises
    ------
    ValueError
        As `service.store.encoding.distinct_buckets`.
    """
    ids, weights = distinct_buckets(bucket_ids, bucket_weights)
    return Query(keys.digest_article_id(article_id), ids, weights, limit)
