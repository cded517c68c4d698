"""Fills a collection that never held an article with many at once, in one step that others see.

Articles that come one by one are each found a place among those before them. An archive that comes
first of all has been clustered whole by then, so nothing is left to be decided, and every string of
the store is written once, in its final form. While that goes on nobody else may write: commits are
refused, and whoever posts is told to come back. Nobody can see any of it either: ``meta`` says that
there is no article, and what everything else is found by, the ids of articles and the list of
clusters, waits under other names. The last script renames these, and from then on it is all there.

A writer holds a lease, and every script of it checks that the founding is still its own. One that
died leaves what it wrote, which whoever comes next clears away: another founding, or the service's
housekeeping.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt64Array
from service.store import StoreError, StoreUnavailableError, keys
from service.store.connection import Argument, Connection
from service.store.encoding import (
    check_minted_id,
    distinct_buckets,
    pack_assignment,
    pack_cluster,
    pack_handles,
    pack_header,
    pack_ids,
)
from service.store.founded_buckets import FoundedBuckets, Layout

_LEASE_SECONDS: Final = 30.0
_LEASE_RENEWED_SECONDS: Final = 5.0
# Of one call: some milliseconds of the server.
_BYTES_PER_CALL: Final = 1 << 19
_ARGUMENTS_PER_CALL: Final = 4_000
_FIELDS_AT_ONCE: Final = 500
_KEYS_AT_ONCE: Final = 1_000
_NO_WAVE: Final = bytes(8)
_WRITTEN_KINDS: Final = (
    keys.RECORD,
    keys.DOCUMENT,
    keys.FORWARD,
    keys.ASSIGNMENTS,
    keys.CLUSTERS,
    keys.MEMBERS,
    keys.BUCKETS,
    keys.LONG_BUCKETS,
    keys.FOUNDED,
)
_WRITTEN_KEYS: Final = (keys.LONG_LIST, keys.NEWEST)


class StoreNotEmptyError(StoreError):
    """The collection holds articles, or did.

    Attributes
    ----------
    article_count
        How many were ever stored.
    """

    def __init__(self, collection: str, article_count: int) -> None:
        super().__init__(
            f"collection {collection!r} is not new: {article_count:,} articles were stored in it"
        )
        self.article_count = article_count


class FoundingInProgressError(StoreUnavailableError):
    """Somebody founds the collection."""

    def __init__(self, collection: str) -> None:
        super().__init__(
            f"an archive is being imported into collection {collection!r}: try again when that "
            "has ended"
        )


@dataclass(frozen=True, slots=True, eq=False)
class FoundedChunk:
    """Articles whose handles follow one another.

    Attributes
    ----------
    article_ids
        All different, those of other chunks too.
    content_digests
        16 bytes each.
    records, documents
        As in `service.store.Commit`.
    bucket_ends
        int64: how many buckets there are up to the end of each article.
    bucket_ids
        Article after article.
    cluster_ids, duplicate_group_ids
        Freshly minted ones.
    """

    article_ids: Sequence[str]
    content_digests: Sequence[bytes]
    records: Sequence[bytes]
    documents: Sequence[bytes]
    bucket_ends: NDArray[np.int64]
    bucket_ids: UInt64Array
    cluster_ids: Sequence[str]
    duplicate_group_ids: Sequence[str]

    def __len__(self) -> int:
        return len(self.article_ids)


@dataclass(frozen=True, slots=True)
class Ground:
    """What founding needs of an opened store.

    Attributes
    ----------
    partition_number
        Tells which time partition a moment, in Unix seconds, belongs to.
    keeps_buckets
        Whether an article's buckets are stored because they cannot be told from its record.
    """

    connection: Connection
    names: keys.Keys
    fingerprint: str
    partition_number: Callable[[float], int]
    keeps_buckets: bool
    checked: Callable[[list[Any]], list[Any]]


class FoundableStore(Protocol):
    """A store that can be founded."""

    def ground(self) -> Ground:
        """Return what that takes."""
        ...

    async def acquire_lease(self, name: str, holder: str, *, ttl_seconds: float) -> bool:
        """Take or renew a lease; ``False`` while another holder has it."""
        ...

    async def release_lease(self, name: str, holder: str) -> None:
        """Give a lease back."""
        ...


class Founder:
    """Founds a collection, or clears away what somebody left who died over it.

    Parameters
    ----------
    store
        An opened store.
    """

    def __init__(self, store: FoundableStore) -> None:
        self._store = store
        self._ground = store.ground()
        self._token = secrets.token_hex(8)

    async def check_is_new(self) -> None:
        """Return if the collection never held an article.

        Raises
        ------
        StoreNotEmptyError
            It did.
        """
        stored = await self._ground.connection.execute(
            "HGET", self._ground.names.key(keys.META), "handle"
        )
        if int(stored or 0):
            raise StoreNotEmptyError(self._ground.names.collection, int(stored))

    @contextlib.asynccontextmanager
    async def founding(self, *, now_seconds: float) -> AsyncIterator[Founding]:
        """Keep the collection for oneself; when the block ends without `Founding.finish`, clear it.

        Parameters
        ----------
        now_seconds
            When the articles were received, Unix time.

        Raises
        ------
        StoreNotEmptyError
            The collection holds articles, or did.
        FoundingInProgressError
            Somebody else is at it.
        """
        ground = self._ground
        async with self._held_lease() as is_ours:
            if not is_ours:
                raise FoundingInProgressError(ground.names.collection)
            await self._clear()
            founding = Founding(ground, self._token, now_seconds)
            try:
                # Whoever is interrupted here may have begun all the same.
                answer = ground.checked(
                    await ground.connection.run("founding_begin", ground.fingerprint, self._token)
                )
                if answer[0] == b"holds":
                    raise StoreNotEmptyError(ground.names.collection, answer[1])
                yield founding
            finally:
                with contextlib.suppress(StoreError):
                    await founding.stop_writing()
                if not founding.is_finished:
                    await self._clear()

    async def clear_abandoned(self) -> bool:
        """Clear away what somebody left who died; ``False`` where there is nothing of the kind."""
        left = await self._ground.connection.execute(
            "HEXISTS", self._ground.names.key(keys.META), "founding"
        )
        if not left:
            return False
        async with self._held_lease() as is_ours:
            return is_ours and await self._clear()

    @contextlib.asynccontextmanager
    async def _held_lease(self) -> AsyncIterator[bool]:
        """Keep the lease for as long as the block runs; ``False`` while somebody else has it."""
        if not await self._hold_lease():
            yield False
            return
        renewing = asyncio.create_task(self._renew_lease(), name="founding-lease")
        try:
            yield True
        finally:
            renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewing
            with contextlib.suppress(StoreError):
                await self._store.release_lease(keys.FOUNDING_LEASE, self._token)

    async def _clear(self) -> bool:
        """Take over what was begun, remove all of it, and let others write again."""
        connection, prefix = self._ground.connection, self._ground.names.prefix
        if not await connection.run("founding_take", self._token, ""):
            return False
        cursor = 0
        while True:
            cursor, found = await connection.execute(
                "SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", _KEYS_AT_ONCE
            )
            written = [key for key in found if _is_written(key, prefix)]
            if written:
                await connection.execute("UNLINK", *written)
            if not int(cursor):
                break
        await connection.run("founding_take", "", self._token)
        return True

    async def _hold_lease(self) -> bool:
        return await self._store.acquire_lease(
            keys.FOUNDING_LEASE, self._token, ttl_seconds=_LEASE_SECONDS
        )

    async def _renew_lease(self) -> None:
        while True:
            await asyncio.sleep(_LEASE_RENEWED_SECONDS)
            # Every script checks that the founding is still ours: whoever takes it over stops it.
            with contextlib.suppress(StoreError):
                await self._hold_lease()


class Founding:
    """A collection being filled; `Founder.founding` gives it.

    Parameters
    ----------
    ground
        Where.
    token
        Ours.
    now_seconds
        When its articles were received.
    """

    def __init__(self, ground: Ground, token: str, now_seconds: float) -> None:
        self.is_finished = False
        self._ground = ground
        self._token = token
        self._now_seconds = now_seconds
        self._articles = 0
        self._buckets = FoundedBuckets()
        self._members: dict[str, list[int]] = {}
        self._digests: dict[str, list[Argument]] = {}
        # Of the newest articles, by where they are noted: handle and buckets.
        self._newest: dict[int, tuple[int, UInt64Array]] = {}
        self._writing: asyncio.Task[None] | None = None

    async def put(self, chunk: FoundedChunk) -> None:
        """Write the articles that come next; the first of all has the handle 1.

        Returns once those before are written, so that more can be made meanwhile.

        Raises
        ------
        ValueError
            As `service.store.ClusterStore.commit`, or where the fields differ in length.
        FoundingInProgressError
            Somebody took the founding over, since this process was halted for too long.
        StoreUnavailableError, StoreFullError
            The server did not take it.
        """
        first = self._articles + 1
        strings: list[Argument] = []
        fields: dict[str, list[Argument]] = {}
        bucket_begin = 0
        rows = zip(
            chunk.article_ids,
            chunk.content_digests,
            chunk.records,
            chunk.documents,
            chunk.cluster_ids,
            chunk.duplicate_group_ids,
            chunk.bucket_ends.tolist(),
            strict=True,
        )
        for handle, (article_id, content, record, document, cluster_id, group_id, end) in enumerate(
            rows, start=first
        ):
            check_minted_id("cluster id", cluster_id)
            check_minted_id("group id", group_id)
            header = pack_header(content, 1, self._now_seconds, article_id)
            strings += (
                f"{keys.RECORD}{handle}",
                record,
                f"{keys.DOCUMENT}{handle}",
                header + document,
            )
            shard, slot = divmod(handle, keys.HANDLES_PER_SHARD)
            fields.setdefault(f"{keys.ASSIGNMENTS}{shard}", []).extend(
                (slot, pack_assignment(cluster_id, group_id))
            )
            digest = keys.digest_article_id(article_id)
            self._digests.setdefault(keys.article_id_shard(digest), []).extend((digest, handle))
            self._members.setdefault(cluster_id, []).append(handle)
            ids = chunk.bucket_ids[bucket_begin:end]
            if ids.size and self._ground.keeps_buckets:
                strings += (f"{keys.FORWARD}{handle}", pack_ids(distinct_buckets(ids)[0]))
            self._newest[handle % keys.NEWEST_ARTICLES] = handle, ids
            bucket_begin = end
        self._buckets.add(first, chunk.bucket_ends, chunk.bucket_ids)
        self._articles += len(chunk)
        calls = [part for key, each in fields.items() for part in ("HSET", key, len(each), *each)]
        await self._write([len(strings) // 2, *strings, *calls])

    async def finish(
        self, *, frequencies: bytes, repeated_lines: bytes, line_counts: bytes
    ) -> None:
        """Write what the articles are found by, and let everybody see them.

        Parameters
        ----------
        frequencies, repeated_lines, line_counts
            As `service.store.ClusterStore.set_learned`.

        Raises
        ------
        FoundingInProgressError, StoreUnavailableError, StoreFullError
            As `put`.
        """
        layout = await asyncio.to_thread(self._buckets.lay_out)
        rest = self._rest(layout)
        # Made in a thread, so that what was made before is sent meanwhile.
        while arguments := await asyncio.to_thread(next, rest, None):
            await self._write(arguments)
        renamed = [f"{keys.ARTICLE_IDS}{shard}" for shard in self._digests]
        if self._members:
            renamed.append(keys.OPEN_CLUSTERS)
        await self.stop_writing()
        connection = self._ground.connection
        answer = await connection.run(
            "founding_finish",
            self._token,
            self._articles,
            self._ground.partition_number(self._now_seconds),
            frequencies,
            repeated_lines,
            line_counts,
            len(renamed),
            *renamed,
            *("indexed", layout.indexed, "shards", layout.shards, "light", layout.light_bytes),
            *("entries", layout.entries, "longs", layout.long_count, "founded", self._token),
        )
        if answer[0] != b"ok":
            # It may have run although its answer was lost, and have been asked for again.
            founded = await connection.execute("HGET", self._ground.names.key(keys.META), "founded")
            if founded != self._token.encode():
                raise FoundingInProgressError(self._ground.names.collection)
        self.is_finished = True

    async def stop_writing(self) -> None:
        """Wait for what is being written, however that ends."""
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing

    def _notes(self) -> list[Argument]:
        """Return the notes of the newest articles, as commits write them."""
        notes: list[Argument] = []
        for slot, (handle, ids) in self._newest.items():
            if ids.size:
                packed = pack_ids(distinct_buckets(ids)[0])
                notes += (slot, pack_handles([handle]) + _NO_WAVE + packed)
        return notes

    def _rest(self, layout: Layout) -> Iterator[list[Argument]]:
        """Make what articles are found by, in pieces for `_write`."""
        now = repr(float(self._now_seconds))
        clusters: dict[str, list[Argument]] = {}
        for cluster_id, members in self._members.items():
            packed = pack_cluster(size=len(members), now_seconds=self._now_seconds)
            clusters.setdefault(keys.cluster_shard(cluster_id), []).extend((cluster_id, packed))
        listed: list[Argument] = [part for name in self._members for part in (now, name)]
        pairs = 2 * _FIELDS_AT_ONCE
        yield from _collected(
            chain(
                _divided("HSET", f"{keys.FOUNDED}{keys.ARTICLE_IDS}", self._digests, pairs),
                _divided("HSET", keys.CLUSTERS, clusters, pairs),
                _divided("SADD", keys.MEMBERS, self._members, _FIELDS_AT_ONCE),
                _divided("ZADD", f"{keys.FOUNDED}{keys.OPEN_CLUSTERS}", {"": listed}, pairs),
                _divided("HSET", keys.NEWEST, {"": self._notes()}, pairs),
            )
        )
        prefix = len(self._ground.names.prefix)
        long_groups: list[bytes] = []
        strings: list[Argument] = []
        size = 0
        for found, items in self._buckets.strings(self._ground.names, layout):
            long_groups.append(items)
            for key, value in found:
                strings += (key[prefix:], value)
                size += len(value)
            if size > _BYTES_PER_CALL or len(strings) > _ARGUMENTS_PER_CALL:
                yield [len(strings) // 2, *strings]
                strings, size = [], 0
        if layout.long_count:
            strings += (keys.LONG_LIST, b"".join(long_groups))
        yield [len(strings) // 2, *strings]

    async def _write(self, arguments: Sequence[Argument]) -> None:
        """Begin to write, once what was begun before is written."""
        await self.stop_writing()
        self._writing = asyncio.create_task(self._written((self._token, *arguments)))
        await asyncio.sleep(0)  # so that it is sent before more is made

    async def _written(self, arguments: Sequence[Argument]) -> None:
        answer = await self._ground.connection.run("founding_write", *arguments)
        if answer[0] != b"ok":
            raise FoundingInProgressError(self._ground.names.collection)


def _divided(
    command: str, prefix: str, wanted: Mapping[str, Sequence[Argument]], most: int
) -> Iterator[list[Argument]]:
    """Return commands as ``founding_write.lua`` reads them, each of so many arguments at most."""
    for name, each in wanted.items():
        for at in range(0, len(each), most):
            some = each[at : at + most]
            yield [command, f"{prefix}{name}", len(some), *some]


def _collected(commands: Iterable[list[Argument]]) -> Iterator[list[Argument]]:
    """Return commands some at a time, for a call that writes no strings."""
    some: list[Argument] = [0]
    for command in commands:
        some += command
        if len(some) > _ARGUMENTS_PER_CALL:
            yield some
            some = [0]
    yield some


def _is_written(key: bytes, prefix: str) -> bool:
    """Whether a key of the collection is one that a founding writes."""
    name = key.decode("utf-8").removeprefix(prefix)
    return name in _WRITTEN_KEYS or name.startswith(_WRITTEN_KINDS)
