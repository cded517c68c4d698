"""Articles for the store's tests: their record is their buckets, so that they can be recomputed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from clustering.articles import UInt64Array
from clustering.propose import bucket_weights
from service.store import Commit, ExistingArticle, StoredArticle
from service.store.redis_store import RedisClusterStore

FINGERPRINT = "f00d"
NOW = 1_700_000_000.25


def bucket_array(ids: Iterable[int]) -> UInt64Array:
    return np.array(sorted(set(ids)), dtype=np.uint64)


def record_of(ids: UInt64Array) -> bytes:
    return b"record" + ids.astype("<u8").tobytes()


def buckets_of_record(record: bytes) -> UInt64Array:
    return np.frombuffer(record[6:], dtype="<u8").astype(np.uint64)


def commit_of(
    article_id: str,
    ids: Iterable[int],
    *,
    cluster_id: str,
    horizon: int,
    group_id: str = "d_1",
    expected: Mapping[str, int] | None = None,
    moves: Mapping[int, str] | None = None,
    group_moves: Mapping[int, str] | None = None,
    merged_into: Mapping[str, str] | None = None,
    split_into: Mapping[str, Sequence[str]] | None = None,
    replaces: ExistingArticle | None = None,
    now: float = NOW,
    digest: bytes = b"",
    least_candidate_weight: int = 1,
) -> Commit:
    buckets = bucket_array(ids)
    return Commit(
        article_id=article_id,
        content_digest=digest or article_id.encode()[:16].ljust(16, b"."),
        record=record_of(buckets),
        document=b"document of " + article_id.encode(),
        bucket_ids=buckets,
        bucket_weights=bucket_weights(buckets),
        cluster_id=cluster_id,
        duplicate_group_id=group_id,
        horizon=horizon,
        now_seconds=now,
        expected_revisions=expected or {},
        moves=moves or {},
        group_moves=group_moves or {},
        merged_into=merged_into or {},
        split_into=split_into or {},
        replaces=replaces,
        least_candidate_weight=least_candidate_weight,
    )


async def put(
    store: RedisClusterStore,
    article_id: str,
    ids: Iterable[int] = (),
    *,
    cluster_id: str,
    now: float = NOW,
    group_id: str = "d_1",
) -> StoredArticle:
    """Put an article into a cluster, new or not, replacing what stands under its id."""
    ids = list(ids)
    probe = await store.probe(article_id, bucket_array(ids), limit=0)
    cluster = await store.cluster(cluster_id)
    return await store.commit(
        commit_of(
            article_id,
            ids,
            cluster_id=cluster_id,
            group_id=group_id,
            horizon=probe.horizon,
            expected={} if cluster is None else {cluster_id: cluster.revision},
            replaces=probe.existing,
            now=now,
        )
    )
