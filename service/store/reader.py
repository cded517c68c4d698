"""Reading what is stored: articles, clusters, listings, the snapshot. Writes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from service.store import (
    ClusterMembers,
    SnapshotArticle,
    StoredArticle,
    StoredCluster,
    StoredMember,
    keys,
)
from service.store.bookkeeping import Bookkeeping
from service.store.encoding import (
    pack_handles,
    stored_article,
    stored_cluster,
    unpack_assignment,
    unpack_handles,
    unpack_header,
)

# Four assignment shards: 512 articles, about a megabyte with their features.
_SNAPSHOT_SHARDS: Final = 4
_ARTICLES_PER_CALL: Final = 200
_CLUSTER_PARTS: Final = 5


def clusters_of(flat: Iterator[Any]) -> Iterator[tuple[ClusterMembers, bool]]:
    """Yield clusters from what ``cluster_members.lua`` answers, and whether members are told."""
    for cluster_id in flat:
        revision, size, count, also = islice(flat, 4)
        members = []
        for _ in range(count):
            handle, assignment, record = islice(flat, 3)
            _, group_id = unpack_assignment(assignment)
            members.append(StoredMember(handle, group_id, record))
        given = {member.handle for member in members}
        cluster = ClusterMembers(
            cluster_id=cluster_id.decode("ascii"),
            revision=revision,
            size=size,
            members=tuple(members),
            named=tuple(handle for handle in unpack_handles(also) if handle not in given),
        )
        yield cluster, count >= 0


class StoreReader(Bookkeeping):
    """The reading part of `service.store.ClusterStore`."""

    async def members(
        self,
        cluster_ids: Sequence[str],
        *,
        known: Sequence[int],
        limit: int,
        named: Sequence[int] = (),
    ) -> dict[str, ClusterMembers]:
        """Members of open clusters (each up to ``limit``, newest first); others are left out.

        Of clusters with more members, those of ``named`` that are in them are told besides.
        """
        if not cluster_ids:
            return {}
        flat = iter(
            await self._connection.run(
                "members",
                limit,
                len(cluster_ids),
                *cluster_ids,
                pack_handles(known),
                pack_handles(named),
            )
        )
        return {cluster.cluster_id: cluster for cluster, _ in clusters_of(flat)}

    async def article(self, article_id: str) -> StoredArticle | None:
        """Return the article of that id; ``None`` when there is none."""
        digest = keys.digest_article_id(article_id)
        flat = await self._connection.run(
            "articles", "digest", 1, keys.article_id_shard(digest), digest
        )
        return stored_article(*flat) if flat else None

    async def articles(self, handles: Sequence[int]) -> list[StoredArticle]:
        """Those of ``handles`` that exist, in the order asked."""
        found: list[StoredArticle] = []
        for start in range(0, len(handles), _ARTICLES_PER_CALL):
            some = handles[start : start + _ARTICLES_PER_CALL]
            flat = await self._connection.run("articles", "handle", len(some), *some)
            found += [stored_article(*flat[i : i + 3]) for i in range(0, len(flat), 3)]
        return found

    async def records(self, handles: Sequence[int]) -> list[bytes | None]:
        """Packed features of each of ``handles``; ``None`` for those that do not exist."""
        found: list[bytes | None] = []
        for start in range(0, len(handles), _ARTICLES_PER_CALL):
            names = [self._keys.record(h) for h in handles[start : start + _ARTICLES_PER_CALL]]
            found += await self._connection.execute("MGET", *names)
        return found

    async def cluster(self, cluster_id: str) -> StoredCluster | None:
        """Return a cluster, or what is left of it; a merged one names the one there is now."""
        parts = await self._connection.run("clusters", "ids", 1, cluster_id)
        return stored_cluster(parts) if parts else None

    async def clusters(
        self, *, before: tuple[float, str] | None, limit: int
    ) -> list[StoredCluster]:
        """Open clusters by last update, newest first, strictly after ``before`` in that order.

        Clusters updated at the same moment come by id, highest first.
        """
        if limit < 1:
            return []
        updated, cluster_id = ("", "") if before is None else (repr(float(before[0])), before[1])
        flat = await self._connection.run("clusters", "page", limit, updated, cluster_id)
        return [
            stored_cluster(flat[i : i + _CLUSTER_PARTS])
            for i in range(0, len(flat), _CLUSTER_PARTS)
        ]

    async def cluster_handles(self, cluster_id: str, *, after: int, limit: int) -> list[int]:
        """Member handles greater than ``after``, ascending."""
        raw = await self._connection.run("cluster_handles", cluster_id)
        return sorted(handle for handle in map(int, raw) if handle > after)[: max(limit, 0)]

    async def snapshot(self) -> AsyncIterator[SnapshotArticle]:
        """Every article that was stored when it began, in handle order.

        One that is deleted or replaced before its turn is left out, and cluster ids are those of
        the moment of reading: `reassign` checks them again.
        """
        horizon = int(
            await self._connection.execute("HGET", self._keys.key(keys.META), "handle") or 0
        )
        shards = horizon // keys.HANDLES_PER_SHARD + 1
        for first in range(0, shards, _SNAPSHOT_SHARDS):
            flat = await self._connection.run("snapshot", first, _SNAPSHOT_SHARDS, horizon)
            batch = []
            for start in range(0, len(flat), 4):
                handle, assignment, header, record = flat[start : start + 4]
                cluster_id, group_id = unpack_assignment(assignment)
                _, _, received, article_id, _ = unpack_header(header)
                batch.append(
                    SnapshotArticle(handle, article_id, cluster_id, group_id, received, record)
                )
            batch.sort(key=lambda article: article.handle)
            for article in batch:
                yield article

    async def counts(self) -> dict[str, int]:
        """Return ``articles``, ``indexed_articles``, ``clusters``, ``buckets``, ``last_handle``.

        ``buckets`` counts the entries in them: one for each bucket of each article.
        """
        meta, clusters = await self._connection.batch(
            [
                ("HMGET", self._keys.key(keys.META), "articles", "indexed", "handle", "entries"),
                ("ZCARD", self._keys.key(keys.OPEN_CLUSTERS)),
            ]
        )
        articles, indexed, handle, entries = (int(value or 0) for value in meta)
        return {
            "articles": articles,
            "indexed_articles": indexed,
            "clusters": int(clusters),
            "buckets": entries,
            "last_handle": handle,
        }
