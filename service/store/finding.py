"""What is near an article: which articles share buckets with it, and the clusters of those.

The part of the store that answers for every post, for one article or for many in one round trip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from clustering.articles import UInt8Array, UInt64Array
from clustering.propose import BucketLimits
from service.store import (
    BucketQuery,
    ClusterMembers,
    ExistingArticle,
    Finding,
    FoundArticle,
    Neighbours,
    Probe,
    SharedBuckets,
    StoredCandidate,
    StoredMember,
    StoreError,
    Surroundings,
    keys,
)
from service.store.bucket_reading import Found, query_of
from service.store.connection import Argument, Connection
from service.store.encoding import existing_article, flat_pairs, pack_handles, unpack_assignment
from service.store.kept_clusters import KeptClusters
from service.store.newcomers import NewcomerReader
from service.store.reader import clusters_of


class FindingStore(NewcomerReader):
    """The part of `service.store.ClusterStore` that finds what is near an article.

    Parameters
    ----------
    connection, names, limits
        As `BucketReader`.
    """

    def __init__(self, connection: Connection, names: keys.Keys, limits: BucketLimits) -> None:
        super().__init__(connection, names, limits)
        self._clusters = KeptClusters()

    async def probe(
        self,
        article_id: str,
        bucket_ids: UInt64Array,
        bucket_weights: UInt8Array | None = None,
        *,
        limit: int,
    ) -> Probe:
        """Existing article of that id, and the ``limit`` candidates sharing most buckets."""
        (found,) = await self._read_buckets(
            [query_of(article_id, bucket_ids, bucket_weights, limit)]
        )
        existing: ExistingArticle | None = None
        candidates: tuple[StoredCandidate, ...] = ()
        if found.handles or found.existing:
            ((existing, candidates),) = await self._candidates([(found, found.handles)])
        state = found.state
        return Probe(
            state.horizon, state.frequency_epoch, existing, candidates, state.constraint_epoch
        )

    async def find(self, queries: Sequence[BucketQuery]) -> list[Finding]:
        """Do as `probe` for each, and leave open in which clusters the candidates are."""
        read = await self._read_buckets(
            [query_of(q.article_id, q.bucket_ids, q.bucket_weights, q.limit) for q in queries]
        )
        existing: dict[int, ExistingArticle | None] = {}
        posted_again = [(found, ()) for found in read if found.existing]
        if posted_again:
            answers = await self._candidates(posted_again)
            existing = {
                id(found): told for (found, _), (told, _) in zip(posted_again, answers, strict=True)
            }
        records = await self._records_of(read)
        return [
            self._finding(found, known, existing.get(id(found)))
            for found, known in zip(read, records, strict=True)
        ]

    async def _records_of(self, read: Sequence[Found]) -> list[list[bytes | None]]:
        """Return the records of those found for each; ``None`` for one that is gone."""
        records = [self._records.get_many(found.handles, found.state.mark) for found in read]
        missing = [
            [place for place, record in enumerate(known) if record is None] for known in records
        ]
        some = [number for number, places in enumerate(missing) if places]
        answers = await self._connection.together(
            [
                ("MGET", *(self._keys.record(read[number].handles[k]) for k in missing[number]))
                for number in some
            ]
        )
        for number, answer in zip(some, answers, strict=True):
            found, known = read[number], records[number]
            for place, record in zip(missing[number], answer, strict=True):
                if record is not None:
                    known[place] = record
                    self._records.put(found.handles[place], record, found.state.mark)
        return records

    def _finding(
        self,
        found: Found,
        records: Sequence[bytes | None],
        existing: ExistingArticle | None,
    ) -> Finding:
        state = found.state
        articles = [
            FoundArticle(handle, weight, record)
            for handle, weight, record in zip(found.handles, found.weights, records, strict=True)
            if record is not None
        ]
        return Finding(
            horizon=state.horizon,
            frequency_epoch=state.frequency_epoch,
            existing=existing,
            candidates=tuple(articles),
            constraint_epoch=state.constraint_epoch,
            mark=state.mark,
            buckets=SharedBuckets(
                found.query.ids, found.query.weights, found.sizes, state.indexed, self._limits
            ),
        )

    async def neighbours(self, asked: Sequence[tuple[Finding, Surroundings]]) -> list[Neighbours]:
        """For each article, clusters of candidates, and the members of some of them."""
        known = [
            self._clusters.revisions(wanted.naming, (finding.mark, wanted.members))
            for finding, wanted in asked
        ]
        # As they are now: until the answer is here, others may take their place.
        kept = [{name: self._clusters.get(name) for name in names} for names in known]
        answers = await self._connection.run_many(
            [
                ("neighbours", [*self._neighbours_arguments(*one), *flat_pairs(revisions)])
                for one, revisions in zip(asked, known, strict=True)
            ]
        )
        found = []
        for one, clusters, answer in zip(asked, kept, answers, strict=True):
            if isinstance(answer, StoreError):
                raise answer
            found.append(await self._neighbours(*one, clusters, answer))
        return found

    def _neighbours_arguments(self, finding: Finding, wanted: Surroundings) -> list[Argument]:
        return [
            pack_handles([*wanted.naming, *wanted.others]),
            len(wanted.naming),
            wanted.most_clusters,
            wanted.members,
            wanted.besides,
            pack_handles(wanted.named),
            *self._records.held(finding.mark),
        ]

    async def _neighbours(
        self,
        finding: Finding,
        wanted: Surroundings,
        kept: Mapping[str, ClusterMembers],
        answer: list[Any],
    ) -> Neighbours:
        handles = [*wanted.naming, *wanted.others]
        cluster_ids = {
            handle: unpack_assignment(assignment)[0]
            for handle, assignment in zip(handles, answer, strict=False)
            if assignment
        }
        clusters: dict[str, ClusterMembers] = {}
        for told, with_members in clusters_of(iter(answer[len(handles) :])):
            name = told.cluster_id
            if with_members:
                cluster = await self._with_records(finding, told)
                if len(cluster.members) == len(told.members):
                    self._clusters.put(replace(cluster, named=()), (finding.mark, wanted.members))
            else:
                given = {member.handle for member in kept[name].members}
                named = tuple(handle for handle in told.named if handle not in given)
                cluster = replace(kept[name], named=named)
            clusters[name] = cluster
        return Neighbours(cluster_ids, clusters)

    async def _with_records(self, finding: Finding, cluster: ClusterMembers) -> ClusterMembers:
        """Put in the records that did not travel; one that is gone takes its member with it."""
        records: dict[int, bytes | None] = {}
        for member in cluster.members:
            records[member.handle] = member.record or self._records.get(member.handle, finding.mark)
            if member.record:
                self._records.put(member.handle, member.record, finding.mark)
        # Those that were forgotten since it was said that they are here.
        lacking = [handle for handle, record in records.items() if record is None]
        if lacking:
            records |= dict(zip(lacking, await self.records(lacking), strict=True))
        members = tuple(
            member
            if member.record
            else StoredMember(member.handle, member.duplicate_group_id, told)
            for member in cluster.members
            if (told := records[member.handle]) is not None
        )
        return replace(cluster, members=members)

    async def _candidates(
        self, asked: Sequence[tuple[Found, Sequence[int]]]
    ) -> list[tuple[ExistingArticle | None, tuple[StoredCandidate, ...]]]:
        """Return where articles are, with their records: kept ones need not travel again."""
        kept = [self._records.get_many(handles, found.state.mark) for found, handles in asked]
        answers = await self._connection.run_many(
            [
                (
                    "candidates",
                    [
                        pack_handles(handles),
                        "".join("1" if record is None else "0" for record in records),
                        found.existing,
                    ],
                )
                for (found, handles), records in zip(asked, kept, strict=True)
            ]
        )
        told = []
        for (found, handles), records, whole_answer in zip(asked, kept, answers, strict=True):
            if isinstance(whole_answer, StoreError):
                raise whole_answer
            *answer, assignment, header = whole_answer
            existing = None
            if assignment:
                existing = existing_article(found.existing, header, assignment)
            weight_of = dict(zip(found.handles, found.weights, strict=True))
            candidates = []
            for k, handle in enumerate(handles):
                if not answer[2 * k]:
                    continue
                record = records[k]
                if record is None:
                    record = answer[2 * k + 1]
                    self._records.put(handle, record, found.state.mark)
                candidates.append(
                    StoredCandidate(
                        handle, *unpack_assignment(answer[2 * k]), weight_of[handle], record
                    )
                )
            told.append((existing, tuple(candidates)))
        return told
