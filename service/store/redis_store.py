"""The store on the Redis protocol: each step of the article path is one script, one round trip.

`RedisClusterStore.probe` reads, `RedisClusterStore.commit` checks and writes; a script runs alone
on the server, so what it checked still holds when it writes. ``keys`` names what is kept where.
"""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np

from clustering.articles import UInt8Array, UInt64Array
from clustering.propose import BucketLimits, rank_shared
from service.store import (
    Commit,
    ConflictError,
    ExistingArticle,
    Probe,
    Rewrite,
    StoredArticle,
    StoredCandidate,
    StoreError,
    StoreMismatchError,
    keys,
)
from service.store.check import find_contradictions
from service.store.connection import Connection
from service.store.constraints import ConstraintStore
from service.store.encoding import (
    check_minted_id,
    existing_article,
    flat_pairs,
    lineage_arguments,
    pack_buckets,
    pack_handles,
    pack_header,
    unpack_assignment,
    unpack_entries,
)
from service.store.kept_records import KeptRecords
from service.store.plans import PlanStore

_OLDEST_SERVER: Final = (7, 0)
PARTITIONS_PER_RETENTION: Final = 4
_SECONDS_PER_DAY: Final = 86_400
_DELETE_ATTEMPTS: Final = 100

BucketIdsOfRecord = Callable[[bytes], UInt64Array]


class RedisClusterStore(PlanStore, ConstraintStore):
    """`service.store.ClusterStore` on Redis 7.0 or later, or Valkey.

    Parameters
    ----------
    url
        ``redis://``, ``rediss://`` or ``unix://``.
    collection
        Name of the collection; every key carries it.
    retention_days
        How long articles are meant to stay; sets the length of a time partition.
    bucket_ids_of
        Recomputes an article's bucket ids from its record, so that they need not be stored a
        second time to be found again when it is deleted (6 bytes a bucket). Without it, they are.
    bucket_limits
        When a bucket is over-full: the rule of ``clustering.propose.lsh``.
    timeout_seconds
        How long the server may take to answer.

    Raises
    ------
    ValueError
        For a malformed URL or collection name, or a retention that is not positive.
    """

    def __init__(
        self,
        url: str,
        *,
        collection: str = "default",
        retention_days: float = 30.0,
        bucket_ids_of: BucketIdsOfRecord | None = None,
        bucket_limits: BucketLimits | None = None,
        timeout_seconds: float = 5.0,
    ) -> None:
        if not retention_days > 0:
            raise ValueError(f"retention_days is {retention_days}: give more than 0")
        names = keys.Keys(collection)
        super().__init__(Connection(url, names.prefix, timeout_seconds=timeout_seconds), names)
        days = math.ceil(retention_days / PARTITIONS_PER_RETENTION)
        self._partition_days = days
        self._bucket_ids_of = bucket_ids_of
        limits = BucketLimits() if bucket_limits is None else bucket_limits
        self._overfull = (limits.min_bucket_articles, repr(float(limits.max_bucket_share)))
        self._newest_entries = limits.max_text_bucket_articles
        self._fingerprint = ""
        self._records = KeptRecords()

    async def open(self, fingerprint: str) -> None:
        """Connect; claim an empty collection for ``fingerprint``, or check the one that is there.

        Raises
        ------
        StoreMismatchError
            The collection was written under another fingerprint or layout, or the server is too
            old.
        """
        if not fingerprint:
            raise ValueError("a store is opened with the fingerprint of its configuration")
        engine, version = await self._connection.server_info()
        shown = ".".join(map(str, version))
        if version[:2] < _OLDEST_SERVER:
            raise StoreMismatchError(
                f"the server is {engine} {shown}: samestory needs Redis 7.0 or later, or Valkey"
            )
        layout, stored, _ = await self._connection.run(
            "claim",
            keys.LAYOUT_VERSION,
            fingerprint,
            f"{engine} {shown}",
            secrets.token_hex(8),
        )
        if layout is None or int(layout) != keys.LAYOUT_VERSION:
            shown_layout = "unknown" if layout is None else layout.decode("ascii", "replace")
            raise StoreMismatchError(
                f"collection {self._keys.collection!r} has storage layout {shown_layout}, this "
                f"version writes {keys.LAYOUT_VERSION}: start the version that wrote it, or use "
                "another collection"
            )
        if stored != fingerprint.encode("utf-8"):
            raise self._mismatch(stored, fingerprint)
        self._fingerprint = fingerprint

    async def close(self) -> None:
        """Close the connections; closing twice does nothing."""
        await self._connection.close()

    async def ping(self) -> None:
        """Return within a second, or raise."""
        await self._connection.ping()

    async def probe(
        self,
        article_id: str,
        bucket_ids: UInt64Array,
        bucket_weights: UInt8Array | None = None,
        *,
        limit: int,
    ) -> Probe:
        """Existing article of that id, and the ``limit`` candidates sharing most buckets."""
        digest = keys.digest_article_id(article_id)
        answer = self._checked(
            await self._connection.run(
                "probe",
                self._opened(),
                keys.article_id_shard(digest),
                digest,
                *pack_buckets(bucket_ids, bucket_weights),
                *self._overfull,
                self._newest_entries,
            )
        )
        _, horizon, epoch, constraint_epoch, mark, handle, header, assignment = answer[:8]
        existing: ExistingArticle | None = None
        if handle:
            existing = existing_article(handle, header, assignment)
        found = rank_shared(*unpack_entries(answer[8:]), limit)
        candidates = await self._candidates(mark, *found) if found[0] else ()
        return Probe(horizon, epoch, existing, candidates, constraint_epoch)

    async def _candidates(
        self, mark: bytes, handles: Sequence[int], weights: Sequence[int]
    ) -> tuple[StoredCandidate, ...]:
        """Return where articles are, with their records: kept ones need not travel again."""
        kept = [self._records.get(handle, mark) for handle in handles]
        answer = await self._connection.run(
            "candidates",
            pack_handles(handles),
            "".join("1" if record is None else "0" for record in kept),
        )
        candidates = []
        for k, handle in enumerate(handles):
            if not answer[2 * k]:
                continue
            record = kept[k]
            if record is None:
                record = answer[2 * k + 1]
                self._records.put(handle, record, mark)
            cluster_id, group_id = unpack_assignment(answer[2 * k])
            candidates.append(StoredCandidate(handle, cluster_id, group_id, weights[k], record))
        return tuple(candidates)

    async def commit(self, commit: Commit) -> StoredArticle:
        """Write a decided article whole.

        Raises
        ------
        ConflictError
            Something that bears on the decision was written after the probe; nothing was written.
        StoreFullError
            The server refuses writes; nothing was written.
        StoreMismatchError
            Another configuration has claimed the store meanwhile.
        ValueError
            For malformed ids, buckets or weights.
        """
        digest = keys.digest_article_id(commit.article_id)
        replaced, revision, old_buckets, old_record = 0, 1, b"", b""
        if commit.replaces is not None:
            replaced, revision = commit.replaces.handle, commit.replaces.revision + 1
            found, old_buckets, old_record = await self._traces(digest)
            if found != replaced:
                raise ConflictError(f"article {commit.article_id!r} changed meanwhile")
        for name, ids in (
            ("cluster id", chain([commit.cluster_id], commit.moves.values())),
            ("group id", chain([commit.duplicate_group_id], commit.group_moves.values())),
        ):
            for value in ids:
                check_minted_id(name, value)
        buckets, weights = pack_buckets(
            commit.bucket_ids, commit.bucket_weights if len(commit.bucket_weights) else None
        )
        answer = self._checked(
            await self._connection.run(
                "commit",
                self._opened(),
                commit.horizon,
                repr(float(commit.now_seconds)),
                self._partition_number(commit.now_seconds),
                keys.article_id_shard(digest),
                digest,
                pack_header(commit.content_digest, revision, commit.now_seconds, commit.article_id),
                commit.document,
                commit.record,
                commit.cluster_id,
                commit.duplicate_group_id,
                buckets,
                weights,
                "1" if self._bucket_ids_of is None else "0",
                *self._overfull,
                commit.least_candidate_weight,
                "" if commit.constraint_epoch is None else commit.constraint_epoch,
                replaced,
                old_buckets,
                _name_of(old_record),
                len(commit.expected_revisions),
                *flat_pairs(commit.expected_revisions),
                len(commit.moves),
                *flat_pairs(commit.moves),
                len(commit.group_moves),
                *flat_pairs(commit.group_moves),
                *lineage_arguments(commit.merged_into, commit.split_into),
            )
        )
        return StoredArticle(
            handle=answer[1],
            article_id=commit.article_id,
            cluster_id=commit.cluster_id,
            duplicate_group_id=commit.duplicate_group_id,
            revision=revision,
            received_at_seconds=commit.now_seconds,
            document=commit.document,
        )

    async def delete_article(self, article_id: str, *, now_seconds: float) -> bool:
        """Remove every trace of an article; ``False`` when there is none."""
        digest = keys.digest_article_id(article_id)
        for _ in range(_DELETE_ATTEMPTS):
            handle, buckets, record = await self._traces(digest)
            if not handle:
                return False
            try:
                self._checked(
                    await self._connection.run(
                        "delete",
                        self._opened(),
                        repr(float(now_seconds)),
                        keys.article_id_shard(digest),
                        digest,
                        handle,
                        buckets,
                        _name_of(record),
                    )
                )
            except ConflictError:
                continue
            return True
        raise ConflictError(f"article {article_id!r} is being replaced again and again")

    async def rewrite(self, rewrite: Rewrite) -> bool:
        """Write an article anew; ``False`` when it is gone or was written by another meanwhile."""
        old, new = rewrite.replaced_bucket_ids, rewrite.bucket_ids
        whole, _ = pack_buckets(new)
        removed, _ = pack_buckets(np.setdiff1d(old, new))
        added, _ = pack_buckets(np.setdiff1d(new, old))
        answer = self._checked(
            await self._connection.run(
                "rewrite",
                self._opened(),
                repr(float(rewrite.now_seconds)),
                self._partition_number(rewrite.now_seconds),
                rewrite.handle,
                _name_of(rewrite.replaced_record),
                rewrite.record,
                rewrite.document,
                removed,
                added,
                int(new.size > 0) - int(old.size > 0),
                b"" if self._bucket_ids_of is not None else whole,
            )
        )
        return bool(answer[1])

    async def check(self) -> list[str]:
        """Return one sentence for each contradiction in what is stored; see `service.store.check`.

        Reads everything. Nobody may write meanwhile.
        """
        await self.settle()
        return await find_contradictions(self._connection, self._keys, self._bucket_ids_of)

    async def _traces(self, digest: bytes) -> tuple[int, bytes, bytes]:
        """Return handle (0 for none), packed buckets and record of an article."""
        shard = keys.article_id_shard(digest)
        found: Sequence[Any] = await self._connection.run("traces", shard, digest)
        if not found:
            return 0, b"", b""
        handle, record, buckets = found
        if not buckets and self._bucket_ids_of is not None:
            buckets, _ = pack_buckets(self._bucket_ids_of(record))
        return handle, buckets, record

    def _partition_number(self, now_seconds: float) -> int:
        """Return the day that the time partition of a moment begins, counted from 1970.

        A day, not a count of partitions: so numbers go on rising when the retention is changed.
        """
        day = int(now_seconds // _SECONDS_PER_DAY)
        return day - day % self._partition_days

    def _opened(self) -> str:
        if not self._fingerprint:
            raise StoreError("the store is not open: call open() first")
        return self._fingerprint

    def _checked(self, answer: list[Any]) -> list[Any]:
        match answer[0]:
            case b"conflict":
                raise ConflictError(answer[1].decode("utf-8", "replace"))
            case b"mismatch":
                raise self._mismatch(answer[1], self._fingerprint)
            case _:
                return answer

    def _mismatch(self, stored: bytes | None, current: str) -> StoreMismatchError:
        collection = self._keys.collection
        if not stored:
            return StoreMismatchError(
                f"collection {collection!r} is no longer there: the server was emptied or "
                "replaced; restart samestory to begin anew"
            )
        return StoreMismatchError(
            f"collection {collection!r} was written under configuration "
            f"{stored.decode('utf-8', 'replace')}, this process runs {current}: start the version "
            "that wrote it, re-index with `samestory reindex`, or use another collection"
        )


def _name_of(record: bytes) -> str:
    """Return what names a record where a script must find it as it was read; none for no record.

    SHA-1 because it is the one hash that scripts have built in.
    """
    return hashlib.sha1(record, usedforsecurity=False).hexdigest() if record else ""
