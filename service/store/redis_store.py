"""The store on the Redis protocol: each step of the article path is one round trip.

`finding` reads, `RedisClusterStore.commit` checks and writes; a script runs alone on the server, so
what it checked still holds when it writes. ``keys`` names what is kept where.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, Final

import numpy as np

from clustering.articles import UInt64Array
from clustering.propose import BucketLimits
from service.store import (
    Commit,
    ConflictError,
    OvertakenError,
    Rewrite,
    StoredArticle,
    StoreError,
    StoreMismatchError,
    keys,
)
from service.store.bucket_reading import is_stale
from service.store.buckets import groups_of
from service.store.check import find_contradictions
from service.store.connection import Argument, Connection
from service.store.constraints import ConstraintStore
from service.store.encoding import (
    check_minted_id,
    distinct_buckets,
    flat_pairs,
    lineage_arguments,
    pack_buckets,
    pack_header,
    pack_ids,
    unpack_buckets,
)
from service.store.finding import FindingStore
from service.store.founding import Founder, FoundingInProgressError, Ground
from service.store.plans import PlanStore

_OLDEST_SERVER: Final = (7, 0)
PARTITIONS_PER_RETENTION: Final = 4
_SECONDS_PER_DAY: Final = 86_400
_DELETE_ATTEMPTS: Final = 100
_NO_WAVE: Final = bytes(8)

BucketIdsOfRecord = Callable[[bytes], UInt64Array]


@dataclass(frozen=True, slots=True)
class Traces:
    """Handle (0 for none), record and packed buckets of a stored article."""

    handle: int = 0
    record: bytes = b""
    buckets: bytes = b""


class RedisClusterStore(FindingStore, PlanStore, ConstraintStore):
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
        super().__init__(
            Connection(url, names.prefix, timeout_seconds=timeout_seconds),
            names,
            BucketLimits() if bucket_limits is None else bucket_limits,
        )
        days = math.ceil(retention_days / PARTITIONS_PER_RETENTION)
        self._partition_days = days
        self._bucket_ids_of = bucket_ids_of
        self._fingerprint = ""

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

    def ground(self) -> Ground:
        """Return what founding the collection takes."""
        return Ground(
            connection=self._connection,
            names=self._keys,
            fingerprint=self._opened(),
            partition_number=self._partition_number,
            keeps_buckets=self._bucket_ids_of is None,
            checked=self._checked,
        )

    async def clear_abandoned_founding(self) -> bool:
        """Clear away an import at once that was cut off; ``False`` where there is none."""
        return await Founder(self).clear_abandoned()

    async def close(self) -> None:
        """Close the connections; closing twice does nothing."""
        await self._connection.close()

    async def ping(self) -> None:
        """Return within a second, or raise."""
        await self._connection.ping()

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
        (outcome,) = await self._commit_all([commit])
        if isinstance(outcome, StoreError):
            raise outcome
        return outcome

    async def commit_many(self, commits: Sequence[Commit]) -> list[StoredArticle | StoreError]:
        """Do as `commit` for each, in order, in one round trip; errors are in their place."""
        return await self._commit_all(commits)

    async def _commit_all(self, commits: Sequence[Commit]) -> list[StoredArticle | StoreError]:
        outcomes: dict[int, StoredArticle | StoreError] = {}
        ready: dict[int, Callable[[], list[Argument]]] = {}
        for k, commit in enumerate(commits):
            traces = Traces()
            if commit.replaces is not None:
                found = await self._traces(keys.digest_article_id(commit.article_id))
                if found.handle != commit.replaces.handle:
                    outcomes[k] = ConflictError(f"article {commit.article_id!r} changed meanwhile")
                    continue
                traces = found
            ready[k] = self._commit_arguments(commit, traces)
        answers = await self._connection.run_many(
            [("commit", arguments()) for arguments in ready.values()]
        )
        for (k, arguments), given in zip(ready.items(), answers, strict=True):
            try:
                answer = given
                if isinstance(answer, StoreError):
                    raise answer
                if is_stale(answer):
                    await self._learn_buckets()
                    answer = await self._run_placed("commit", arguments)
                handle = self._checked(answer)[1]
            except StoreError as error:
                outcomes[k] = error
            else:
                commit = commits[k]
                outcomes[k] = StoredArticle(
                    handle=handle,
                    article_id=commit.article_id,
                    cluster_id=commit.cluster_id,
                    duplicate_group_id=commit.duplicate_group_id,
                    revision=_revision_of(commit),
                    received_at_seconds=commit.now_seconds,
                    document=commit.document,
                )
        return [outcomes[k] for k in range(len(commits))]

    def _commit_arguments(self, commit: Commit, traces: Traces) -> Callable[[], list[Argument]]:
        """Check a commit, and return what makes the script's arguments."""
        for name, given in (
            ("cluster id", chain([commit.cluster_id], commit.moves.values())),
            ("group id", chain([commit.duplicate_group_id], commit.group_moves.values())),
        ):
            for value in given:
                check_minted_id(name, value)
        ids, weights = distinct_buckets(
            commit.bucket_ids, commit.bucket_weights if len(commit.bucket_weights) else None
        )
        digest = keys.digest_article_id(commit.article_id)
        header = pack_header(
            commit.content_digest, _revision_of(commit), commit.now_seconds, commit.article_id
        )
        old_ids = unpack_buckets(traces.buckets)
        packed_ids, packed_weights = pack_ids(ids), weights.tobytes()

        def arguments() -> list[Argument]:
            placement = self._placement(ids, weights)
            old: Sequence[bytes] = (b"", b"", b"")
            if old_ids.size:
                _, _, *old = self._placed(old_ids)
            return [
                self._opened(),
                commit.horizon,
                repr(float(commit.now_seconds)),
                self._partition_number(commit.now_seconds),
                keys.article_id_shard(digest),
                digest,
                header,
                commit.document,
                commit.record,
                commit.cluster_id,
                commit.duplicate_group_id,
                packed_ids,
                packed_weights,
                "1" if self._bucket_ids_of is None else "0",
                *placement.arguments(),
                self._buckets.due(placement),
                self._limits.min_bucket_articles,
                repr(float(self._limits.max_bucket_share)),
                commit.least_candidate_weight,
                commit.wave or _NO_WAVE,
                -1 if commit.wave_articles is None else commit.wave_articles,
                "" if commit.constraint_epoch is None else commit.constraint_epoch,
                traces.handle,
                *old,
                _name_of(traces.record),
                len(commit.expected_revisions),
                *flat_pairs(commit.expected_revisions),
                len(commit.moves),
                *flat_pairs(commit.moves),
                len(commit.group_moves),
                *flat_pairs(commit.group_moves),
                *lineage_arguments(commit.merged_into, commit.split_into),
            ]

        return arguments

    async def delete_article(self, article_id: str, *, now_seconds: float) -> bool:
        """Remove every trace of an article; ``False`` when there is none."""
        digest = keys.digest_article_id(article_id)
        for _ in range(_DELETE_ATTEMPTS):
            found = await self._traces(digest)
            if not found.handle:
                return False
            with contextlib.suppress(ConflictError):
                await self._run_placed(
                    "delete", partial(self._deletion, digest, found, now_seconds)
                )
                return True
        raise ConflictError(f"article {article_id!r} is being replaced again and again")

    def _deletion(self, digest: bytes, found: Traces, now_seconds: float) -> list[Argument]:
        return [
            self._opened(),
            repr(float(now_seconds)),
            keys.article_id_shard(digest),
            digest,
            found.handle,
            _name_of(found.record),
            *self._placed(unpack_buckets(found.buckets)),
        ]

    async def rewrite(self, rewrite: Rewrite) -> bool:
        """Write an article anew; ``False`` when it is gone or was written by another meanwhile."""
        old, new = (
            distinct_buckets(ids)[0] for ids in (rewrite.replaced_bucket_ids, rewrite.bucket_ids)
        )
        # What is written down together changes together.
        changed = groups_of(np.setxor1d(old, new))
        left, entered = (ids[np.isin(groups_of(ids), changed)] for ids in (old, new))

        def arguments() -> list[Argument]:
            _, _, *added = self._placed(entered)
            return [
                self._opened(),
                repr(float(rewrite.now_seconds)),
                self._partition_number(rewrite.now_seconds),
                rewrite.handle,
                _name_of(rewrite.replaced_record),
                rewrite.record,
                rewrite.document,
                int(new.size > 0) - int(old.size > 0),
                pack_ids(new),
                "1" if self._bucket_ids_of is None else "0",
                *self._placed(left),
                *added,
            ]

        answer = await self._run_placed("rewrite", arguments)
        return bool(answer[1])

    async def check(self) -> list[str]:
        """Return one sentence for each contradiction in what is stored; see `service.store.check`.

        Reads everything. Nobody may write meanwhile.
        """
        await self.settle()
        await self.clear_abandoned_founding()
        return await find_contradictions(self._connection, self._keys, self._bucket_ids_of)

    async def _traces(self, digest: bytes) -> Traces:
        """Return what removing an article needs to know of it."""
        shard = keys.article_id_shard(digest)
        found: Sequence[Any] = await self._connection.run("traces", shard, digest)
        if not found:
            return Traces()
        handle, record, buckets = found
        if not buckets and self._bucket_ids_of is not None:
            buckets, _ = pack_buckets(self._bucket_ids_of(record))
        return Traces(handle, record, buckets)

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
            case b"overtaken":
                raise OvertakenError(answer[1].decode("utf-8", "replace"))
            case b"founding":
                raise FoundingInProgressError(self._keys.collection)
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


def _revision_of(commit: Commit) -> int:
    return 1 if commit.replaces is None else commit.replaces.revision + 1


def _name_of(record: bytes) -> str:
    """Return what names a record where a script must find it as it was read; none for no record.

    SHA-1 because it is the one hash that scripts have built in.
    """
    return hashlib.sha1(record, usedforsecurity=False).hexdigest() if record else ""
