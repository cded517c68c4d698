"""What the use cases need from storage: ``ClusterStore``, the values it speaks in, its errors.

The only implementation that serves is ``redis_store.RedisClusterStore``; nothing outside this
folder knows a key. An article costs three round trips: `ClusterStore.find` (which articles share
buckets with it), `ClusterStore.neighbours` (the clusters of those that are like it; none where
nothing is) and `ClusterStore.commit`. One more where `find` meets records that this process has
not read yet.

::

    StoreError
    ├── StoreUnavailableError       no answer from the server; try again later
    │   └── FoundingInProgressError an archive is being imported at once (``founding``)
    ├── ConflictError               something relevant arrived since the probe: decide again
    │   └── OvertakenError          articles that share buckets with it; no cluster that was read
    ├── StoreNotEmptyError          what only a new collection takes (``founding``)
    ├── StoreFullError              the server refuses writes (out of memory, read-only replica)
    └── StoreMismatchError          the data was written under another configuration or engine
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt64Array
from clustering.propose import BucketLimits


class StoreError(Exception):
    """Base of all storage errors."""


class StoreUnavailableError(StoreError):
    """The server does not answer. Nothing is known to have been written."""


class ConflictError(StoreError):
    """Something that bears on the decision was written after the probe. Nothing was written."""


class OvertakenError(ConflictError):
    """Articles that share buckets with it were written after the probe, or others of its wave not.

    The clusters that were read are what they were. Nothing was written.
    """


class StoreFullError(StoreError):
    """The server refuses writes. Nothing was written."""


class StoreMismatchError(StoreError):
    """The stored data was written under another configuration, or by another engine."""


@dataclass(frozen=True, slots=True)
class StoredCandidate:
    """An article that shares buckets with the one being decided.

    ``handle`` is the store's own small integer for an article, in order of arrival, never reused.
    ``shared_weight`` is the weighted count of shared buckets. ``record`` is the packed
    `clustering.articles.ArticleFeatures`.
    """

    handle: int
    cluster_id: str
    duplicate_group_id: str
    shared_weight: int
    record: bytes


@dataclass(frozen=True, slots=True)
class ExistingArticle:
    """What is already stored under an article's id."""

    handle: int
    content_digest: bytes
    cluster_id: str
    duplicate_group_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class Probe:
    """Answer of `ClusterStore.probe`. ``horizon`` is the highest handle given out so far."""

    horizon: int
    frequency_epoch: int
    existing: ExistingArticle | None
    candidates: tuple[StoredCandidate, ...]
    constraint_epoch: int = 0


class FoundArticle(NamedTuple):
    """A candidate, as `StoredCandidate`, wherever it is. A tuple: a posting makes sixty of them."""

    handle: int
    shared_weight: int
    record: bytes


@dataclass(frozen=True, slots=True)
class BucketQuery:
    """A question of `ClusterStore.find`; see `ClusterStore.probe`."""

    article_id: str
    bucket_ids: UInt64Array
    bucket_weights: UInt8Array
    limit: int


@dataclass(frozen=True, slots=True)
class SharedBuckets:
    """The buckets of an article, and how full they were.

    Attributes
    ----------
    ids, weights
        uint64 and uint8, shape (n,): distinct, ascending.
    sizes
        int64, shape (n,): articles in each; of one that is over-full perhaps not all.
    indexed_articles, limits
        What the candidate rule (`clustering.propose.lsh`) went by.
    """

    ids: UInt64Array
    weights: UInt8Array
    sizes: NDArray[np.int64]
    indexed_articles: int
    limits: BucketLimits


@dataclass(frozen=True, slots=True)
class Finding:
    """Answer of `ClusterStore.find`, as `Probe`.

    ``mark`` names the state of the records, for `ClusterStore.neighbours`; ``buckets`` are those
    that were asked for.
    """

    horizon: int
    frequency_epoch: int
    existing: ExistingArticle | None
    candidates: tuple[FoundArticle, ...]
    constraint_epoch: int
    mark: bytes
    buckets: SharedBuckets


@dataclass(frozen=True, slots=True)
class Newcomer:
    """An article that was stored after another one's buckets were read."""

    handle: int
    bucket_ids: UInt64Array
    record: bytes


@dataclass(frozen=True, slots=True)
class Newcomers:
    """Answer of `ClusterStore.newcomers`: those up to ``horizon``, by handle."""

    horizon: int
    frequency_epoch: int
    constraint_epoch: int
    articles: tuple[Newcomer, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What to ask `ClusterStore.neighbours` for.

    Attributes
    ----------
    naming
        Handles whose clusters are told with their members: of the first ``most_clusters`` distinct
        ones in this order.
    others
        Handles of which only the cluster is asked.
    besides
        Id of a cluster that is told in any case; empty for none.
    members
        Most members of each cluster, the newest.
    named
        As in `ClusterStore.members`.
    """

    naming: Sequence[int]
    others: Sequence[int] = ()
    besides: str = ""
    most_clusters: int = 0
    members: int = 0
    named: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class StoredMember:
    """A member of a touched cluster; ``record`` is empty for handles the caller already holds."""

    handle: int
    duplicate_group_id: str
    record: bytes


@dataclass(frozen=True, slots=True)
class ClusterMembers:
    """A touched cluster: its revision, its whole size, and its members up to the asked limit.

    ``named`` are others in it, among the handles that were asked for by name.
    """

    cluster_id: str
    revision: int
    size: int
    members: tuple[StoredMember, ...]
    named: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Answer of `ClusterStore.neighbours`: handle → cluster id, and clusters with members.

    Handles that are gone are left out, and clusters that are not open. Every member has its record.
    """

    cluster_ids: Mapping[int, str]
    clusters: Mapping[str, ClusterMembers]


def _no_weights() -> UInt8Array:
    return np.zeros(0, dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Commit:
    """One decided article, to be written whole or not at all.

    Attributes
    ----------
    article_id, content_digest, record, document, bucket_ids
        The article: packed features, and the packed document (text and what people read).
    bucket_weights
        As in `ClusterStore.probe`.
    least_candidate_weight
        Shared weight from which a newer article is a conflict. Where the probe gave as many
        candidates as it was asked for, that of the last one: a newer article that shares less would
        not have been among them. Else 1.
    cluster_id, duplicate_group_id
        Where it goes. Created if they are not there.
    horizon
        Of the probe that the decision rests on. A newer article in the same buckets is a conflict.
    expected_revisions
        Cluster id → revision, of every cluster that the decision read. Another revision, or a
        cluster that is gone, is a conflict.
    moves, group_moves
        Handle → cluster id / near-duplicate group id, for members that the decision moves.
    merged_into
        Old cluster id → the cluster its members went to, for clusters left empty.
    split_into
        Old cluster id → cluster ids that were divided from it.
    replaces
        The existing article this posting updates, whose old buckets, vectors and membership go
        in the same step; its handle must still be current, or it is a conflict.
    constraint_epoch
        Of the probe: with other constraints in force by now, it is a conflict. ``None`` asks for
        none in particular.
    now_seconds
        Unix time of the commit, from the caller's clock.
    wave
        8 bytes that name a wave: articles that were decided together and are committed in order.
        The decision knows of those of its wave before it, which are no conflict. Empty for none.
    wave_articles
        How many of them, of those that have buckets, must be stored for the decision to hold; else
        it is a conflict. ``None`` where it does not rest on them.
    """

    article_id: str
    content_digest: bytes
    record: bytes
    document: bytes
    bucket_ids: UInt64Array
    cluster_id: str
    duplicate_group_id: str
    horizon: int
    now_seconds: float
    expected_revisions: Mapping[str, int] = field(default_factory=dict)
    moves: Mapping[int, str] = field(default_factory=dict)
    group_moves: Mapping[int, str] = field(default_factory=dict)
    merged_into: Mapping[str, str] = field(default_factory=dict)
    split_into: Mapping[str, Sequence[str]] = field(default_factory=dict)
    replaces: ExistingArticle | None = None
    bucket_weights: UInt8Array = field(default_factory=_no_weights)
    least_candidate_weight: int = 1
    constraint_epoch: int | None = None
    wave: bytes = b""
    wave_articles: int | None = None


@dataclass(frozen=True, slots=True)
class StoredArticle:
    """An article as `GET /v1/articles/{id}` needs it."""

    handle: int
    article_id: str
    cluster_id: str
    duplicate_group_id: str
    revision: int
    received_at_seconds: float
    document: bytes


@dataclass(frozen=True, slots=True)
class StoredCluster:
    """A cluster, or what is left of one.

    ``state`` is ``"open"``, ``"merged"`` or ``"empty"`` (all its articles were deleted).
    A merged one names its successor in ``merged_into``.
    """

    cluster_id: str
    state: str
    revision: int
    size: int
    created_at_seconds: float
    updated_at_seconds: float
    merged_into: str = ""
    split_into: tuple[str, ...] = ()
    split_from: str = ""


@dataclass(frozen=True, slots=True)
class SnapshotArticle:
    """One article as the nightly job reads it."""

    handle: int
    article_id: str
    cluster_id: str
    duplicate_group_id: str
    received_at_seconds: float
    record: bytes


@dataclass(frozen=True, slots=True)
class Reassignment:
    """What a reclustering changes, applied in one step.

    Articles not named keep their cluster. An article that changed cluster or vanished since the
    snapshot (its current cluster is not ``expected``) is left where it is.

    Attributes
    ----------
    moves
        Handle → (expected current cluster id, new cluster id).
    group_moves
        Handle → new near-duplicate group id.
    merged_into, split_into
        As in `Commit`.
    horizon
        Highest handle of the snapshot. Articles above it follow the ones they were put with: most
        of their near-duplicate group, else more than half of their cluster, else they stay.
        ``None`` where there are none to follow.
    """

    moves: Mapping[int, tuple[str, str]]
    group_moves: Mapping[int, str]
    merged_into: Mapping[str, str]
    split_into: Mapping[str, Sequence[str]]
    now_seconds: float
    horizon: int | None = None


@dataclass(frozen=True, slots=True)
class Rewrite:
    """An article that is written anew under its handle: prepared otherwise from the same posting.

    Attributes
    ----------
    handle
        Of the article.
    replaced_record, replaced_bucket_ids
        What the new record rests on; if another one is stored by now, nothing is written.
    record, document, bucket_ids
        As in `Commit`.
    """

    handle: int
    replaced_record: bytes
    replaced_bucket_ids: UInt64Array
    record: bytes
    document: bytes
    bucket_ids: UInt64Array
    now_seconds: float


@dataclass(frozen=True, slots=True)
class LearnedTables:
    """What the stream has shown, packed: what every worker follows. Empty before the first epoch.

    ``repeated_lines`` are small; the counts that they come from are another key, which only the
    one that counts reads (`ClusterStore.line_counts`).
    """

    epoch: int
    frequencies: bytes
    repeated_lines: bytes


@dataclass(frozen=True, slots=True)
class ReassignmentResult:
    """How many articles moved, how many had changed since the snapshot and were left.

    ``followed`` are articles later than the snapshot that went along.
    """

    moved: int
    left: int
    followed: int = 0


class ClusterStore(Protocol):
    """Storage of one collection. Every method may raise `StoreUnavailableError`."""

    async def open(self, fingerprint: str) -> None:
        """Connect; claim an empty store for ``fingerprint``, or check the one that is there."""
        ...

    async def close(self) -> None:
        """Close the connections; closing twice does nothing."""
        ...

    async def ping(self) -> None:
        """Return within a second, or raise."""
        ...

    async def probe(
        self,
        article_id: str,
        bucket_ids: UInt64Array,
        bucket_weights: UInt8Array | None = None,
        *,
        limit: int,
    ) -> Probe:
        """Existing article of that id, and the ``limit`` candidates sharing most buckets.

        ``bucket_weights`` is aligned with ``bucket_ids``: what sharing each of them counts; all
        count 1 without it. The order, and which buckets are over-full, are those of
        `clustering.propose.lsh.CandidateIndex`.
        """
        ...

    async def find(self, queries: Sequence[BucketQuery]) -> list[Finding]:
        """Do as `probe` for each, and leave open in which clusters the candidates are."""
        ...

    async def newcomers(self, finding: Finding) -> Newcomers | None:
        """Return the articles with buckets that were stored since `find` answered.

        ``None`` where that cannot be told: too many came, or articles were written anew.
        """
        ...

    async def neighbours(self, asked: Sequence[tuple[Finding, Surroundings]]) -> list[Neighbours]:
        """For each article, clusters of candidates, and the members of some of them."""
        ...

    async def commit_many(self, commits: Sequence[Commit]) -> list[StoredArticle | StoreError]:
        """Do as `commit` for each, in order, in one round trip; errors are in their place."""
        ...

    async def members(
        self,
        cluster_ids: Sequence[str],
        *,
        known: Sequence[int],
        limit: int,
        named: Sequence[int] = (),
    ) -> dict[str, ClusterMembers]:
        """Members of clusters (each up to ``limit``, newest first); missing ones are left out.

        Of clusters with more members, those of ``named`` that are in them are told besides.
        """
        ...

    async def commit(self, commit: Commit) -> StoredArticle:
        """Write a decided article whole.

        Raises
        ------
        ConflictError
            Something that bears on the decision was written after the probe; nothing was written.
        OvertakenError
            Of these: only articles that share buckets with it.
        StoreFullError
            The server refuses writes; nothing was written.
        StoreMismatchError
            Another configuration has claimed the store meanwhile.
        """
        ...

    async def article(self, article_id: str) -> StoredArticle | None:
        """Return the article of that id; ``None`` when there is none."""
        ...

    async def articles(self, handles: Sequence[int]) -> list[StoredArticle]:
        """Those of ``handles`` that exist, in the order asked."""
        ...

    async def records(self, handles: Sequence[int]) -> list[bytes | None]:
        """Packed features of each of ``handles``; ``None`` for those that do not exist."""
        ...

    async def delete_article(self, article_id: str, *, now_seconds: float) -> bool:
        """Remove every trace of an article; ``False`` when there is none."""
        ...

    async def cluster(self, cluster_id: str) -> StoredCluster | None:
        """Return a cluster, or what is left of it; a merged one names the one there is now."""
        ...

    async def clusters(
        self, *, before: tuple[float, str] | None, limit: int
    ) -> list[StoredCluster]:
        """Open clusters by last update, newest first, strictly after ``before`` in that order."""
        ...

    async def cluster_handles(self, cluster_id: str, *, after: int, limit: int) -> list[int]:
        """Member handles greater than ``after``, ascending."""
        ...

    def snapshot(self) -> AsyncIterator[SnapshotArticle]:
        """Every article that was stored when it began, in handle order."""
        ...

    async def reassign(self, reassignment: Reassignment) -> ReassignmentResult:
        """Apply a reclustering in one step."""
        ...

    async def rewrite(self, rewrite: Rewrite) -> bool:
        """Write an article anew; ``False`` when it is gone or was written by another meanwhile.

        It keeps its handle, its cluster and its place in time. The cluster's revision goes up, so
        that no decision is taken on what the article was.
        """
        ...

    async def learned(self) -> LearnedTables:
        """Return what the stream has shown, both tables of one epoch."""
        ...

    async def line_counts(self) -> tuple[int, bytes]:
        """Epoch, and the counts that its ``repeated_lines`` come from; empty before the first."""
        ...

    async def set_learned(
        self,
        *,
        frequencies: bytes,
        repeated_lines: bytes,
        line_counts: bytes,
        expected_epoch: int | None = None,
    ) -> int:
        """Store what was counted, all of it in one step; returns the epoch in force then.

        With an ``expected_epoch``, nothing is written when it is no longer the one in force.
        """
        ...

    async def put_job(self, job_id: str, payload: bytes) -> None:
        """Store a job, new or changed. The newest 200 are kept."""
        ...

    async def job(self, job_id: str) -> bytes | None:
        """Return a job's payload; ``None`` when there is none."""
        ...

    async def jobs(self, *, limit: int) -> list[tuple[str, bytes]]:
        """Newest first."""
        ...

    async def acquire_lease(self, name: str, holder: str, *, ttl_seconds: float) -> bool:
        """Take or renew a lease; ``False`` while another holder has it."""
        ...

    async def release_lease(self, name: str, holder: str) -> None:
        """Give a lease back; nothing happens when another holder has it."""
        ...

    async def counts(self) -> dict[str, int]:
        """``articles``, ``clusters`` and what else is cheap to count."""
        ...
