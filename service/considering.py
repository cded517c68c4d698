"""What an article is decided on: how alike its candidates are, and what is known around it.

The steps between the round trips of `service.placing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from clustering.neighbourhood import NEW, Neighbour, TouchedCluster
from clustering.online import CandidateSimilarities, Decider
from clustering.unpacking import PackedFeatures
from service.constraints_in_force import ConstraintsInForce
from service.sketches import Prepared, Sketch
from service.store import (
    ClusterMembers,
    ExistingArticle,
    Finding,
    FoundArticle,
    StoredMember,
    Surroundings,
)
from service.waves import Fellow, Wave, ranked

_FEATURE_CACHE_ARTICLES = 100_000
_FEATURE_CACHE_CLUSTERS = 4_096
_KEY_BYTES = 12


@dataclass(frozen=True, slots=True)
class Considered:
    """An article compared with its candidates.

    Attributes
    ----------
    decider
        What it was compared by, and is to be decided by.
    given, sketch, new
        The article.
    found, said
        What the store told of it, and the constraints in force then.
    handles, compared
        Its candidates, and how alike each is; `clustering.neighbourhood.NEW` stands for articles of
        its wave, of which none is like it.
    least_candidate_weight, wave, wave_articles
        As in `service.store.Commit`.
    wanted
        What must be known around it.
    """

    decider: Decider
    given: Prepared
    sketch: Sketch
    new: PackedFeatures
    found: Finding
    said: ConstraintsInForce
    handles: list[int]
    compared: CandidateSimilarities
    least_candidate_weight: int
    wanted: Surroundings
    wave: bytes
    wave_articles: int | None

    @property
    def asks(self) -> bool:
        """Whether there is anything to be known around it."""
        return bool(self.wanted.naming or self.wanted.others or self.wanted.besides)


def consider(
    decider: Decider,
    features: FeatureCache,
    given: Prepared,
    sketch: Sketch,
    found: Finding,
    said: ConstraintsInForce,
    wave: Wave,
) -> Considered | None:
    """Compare an article with its candidates; ``None`` where one of its wave is like it.

    Also ``None`` where that cannot be told (`service.waves.Wave.fellows`); never in an empty wave.
    """
    existing = found.existing
    limit = decider.limits.candidates
    fellows = wave.fellows(found)
    if fellows is None:
        return None
    both = ranked(found.candidates, fellows, limit)
    near: Sequence[FoundArticle | Fellow] = both
    if existing is not None:
        near = [item for item in both if isinstance(item, Fellow) or item.handle != existing.handle]
    # An article of the wave has no handle yet; none of these is like the new one, see below.
    handles = [NEW if isinstance(item, Fellow) else item.handle for item in near]
    of_wave = [k for k, handle in enumerate(handles) if handle == NEW]
    new = features.features(sketch.record)
    compared = decider.compare_candidates(new, features.many([item.record for item in near]))
    for number in of_wave:
        if compared.similarities[number] >= decider.limits.touch_similarity or (
            compared.look_alike is not None and compared.refused == number
        ):
            return None
    return Considered(
        decider=decider,
        given=given,
        sketch=sketch,
        new=new,
        found=found,
        said=said,
        handles=handles,
        compared=compared,
        least_candidate_weight=_least_weight(both, limit),
        wanted=_surroundings(decider, handles, compared, existing, said),
        wave=wave.name,
        wave_articles=wave.expected_articles if of_wave else None,
    )


def holding(features: FeatureCache, considered: Considered, wave: Wave) -> Considered | None:
    """Return an article as considered before, now that those of a wave are there besides.

    ``None`` where what was found may no longer lead to the decision that was made: one of them is
    like the article, or pushes one that is like it from the list of candidates, or it cannot be
    told.
    """
    found, compared, decider = considered.found, considered.compared, considered.decider
    limits = decider.limits
    fellows = wave.fellows(found)
    if fellows is None:
        return None
    both = ranked(found.candidates, fellows, limits.candidates)
    similarity_of = dict(zip(considered.handles, compared.similarities, strict=True))
    if compared.look_alike is not None:
        # Whoever is refused bears on the answer.
        similarity_of[considered.handles[compared.refused]] = 1.0
    if found.existing is not None:
        similarity_of[found.existing.handle] = 0.0
    listed = {item.handle for item in both if isinstance(item, FoundArticle)}
    for item in found.candidates:
        # One may not have been compared, for the sake of another that is not there after all.
        known = similarity_of.get(item.handle)
        if known is None or (item.handle not in listed and known >= limits.touch_similarity):
            return None
    news = [item for item in both if isinstance(item, Fellow)]
    again = decider.compare_candidates(
        considered.new, features.many([item.record for item in news])
    )
    if again.look_alike is not None or any(
        similarity >= limits.touch_similarity for similarity in again.similarities
    ):
        return None
    return replace(
        considered,
        least_candidate_weight=_least_weight(both, limits.candidates),
        wave=wave.name,
        wave_articles=wave.expected_articles if news else None,
    )


def _least_weight(both: Sequence[FoundArticle | Fellow], limit: int) -> int:
    # With a full list of candidates, a newcomer that shares less than the last of them would not
    # have been one.
    return both[-1].shared_weight if len(both) == limit else 1


def _surroundings(
    decider: Decider,
    handles: Sequence[int],
    compared: CandidateSimilarities,
    existing: ExistingArticle | None,
    said: ConstraintsInForce,
) -> Surroundings:
    """Return what must be known around an article: the likest candidates first."""
    limits = decider.limits
    likest = sorted(
        (-similarity, handle)
        for handle, similarity in zip(handles, compared.similarities, strict=True)
        if similarity >= limits.touch_similarity
    )
    naming = [handle for _, handle in likest]
    refused = [] if compared.look_alike is None else [handles[compared.refused]]
    return Surroundings(
        naming=naming,
        others=[handle for handle in refused if handle not in naming],
        besides="" if existing is None else existing.cluster_id,
        most_clusters=limits.touched_clusters,
        members=limits.relinked_cluster_articles,
        named=said.named,
    )


def more_tie(
    handles: Sequence[int],
    compared: CandidateSimilarities,
    cluster_ids: Mapping[int, str],
    wanted: Surroundings,
) -> bool:
    """Tell whether the last cluster that may be touched is as alike as the first that may not."""
    most = wanted.most_clusters
    if len(set(cluster_ids.values())) <= most:
        return False  # most of the time
    similarity_of = dict(zip(handles, compared.similarities, strict=True))
    best: dict[str, float] = {}
    for handle in wanted.naming:
        if handle in cluster_ids:
            best.setdefault(cluster_ids[handle], similarity_of[handle])
    in_order = list(best.values())
    return len(in_order) > most and in_order[most - 1] == in_order[most]


def touched_clusters(
    names: Sequence[str],
    clusters: Mapping[str, ClusterMembers],
    existing: ExistingArticle | None,
    features: FeatureCache,
) -> tuple[list[TouchedCluster], dict[str, int]]:
    """Return those of some clusters that are there, as the decision sees them, and revisions."""
    replaced = -1 if existing is None else existing.handle
    touched = []
    revisions: dict[str, int] = {}
    for cluster_id in names:
        cluster = clusters.get(cluster_id)
        if cluster is None:
            continue
        revisions[cluster_id] = cluster.revision
        members = features.neighbours(cluster)
        if existing is not None:
            members = tuple(item for item in members if item.handle != replaced)
        size = cluster.size - (existing is not None and existing.cluster_id == cluster_id)
        hidden = tuple(handle for handle in cluster.named if handle != replaced)
        touched.append(TouchedCluster(cluster_id, size, members, hidden))
    return touched, revisions


class FeatureCache:
    """Features of the articles met last, by their records.

    By the bytes themselves, so that a store that was emptied and filled anew can never be answered
    from what its predecessor held under the same handle. The same record always gives the same
    object: what is worked out of it can be kept, too (`clustering.refine`).

    Parameters
    ----------
    most_articles
        How many to keep at most: those met last, and those met before them, each a half.
    most_clusters
        How many clusters' members to keep besides, a hundred bytes each; beyond it, all are
        forgotten.
    """

    def __init__(
        self,
        most_articles: int = _FEATURE_CACHE_ARTICLES,
        most_clusters: int = _FEATURE_CACHE_CLUSTERS,
    ) -> None:
        self._half = max(1, most_articles // 2)
        # By the first bytes, which hold a checksum of the others: most records are met once, and
        # to hash a thousand bytes takes longer than all else here. Of two records that begin alike
        # the one met last is kept.
        self._last: dict[bytes, PackedFeatures] = {}
        self._before: dict[bytes, PackedFeatures] = {}
        self._most_clusters = most_clusters
        self._neighbours: dict[str, tuple[tuple[StoredMember, ...], tuple[Neighbour, ...]]] = {}

    def __len__(self) -> int:
        return len(self._last.keys() | self._before.keys())

    def features(self, record: bytes) -> PackedFeatures:
        """Return what a record holds."""
        return self.many((record,))[0]

    def many(self, records: Iterable[bytes]) -> list[PackedFeatures]:
        """Return what records hold."""
        last, before = self._last, self._before
        found = []
        for record in records:
            key = record[:_KEY_BYTES]
            item = last.get(key)
            if item is None or item.record is not record:
                if item is None:
                    item = before.get(key)
                if item is None or item.record != record:
                    item = PackedFeatures(record)
                else:
                    # The bytes from the store will come again, and are known by themselves.
                    item.record = record
                if len(last) >= self._half and key not in last:
                    self._before, self._last = before, last = last, {}
                last[key] = item
            found.append(item)
        return found

    def neighbours(self, cluster: ClusterMembers) -> tuple[Neighbour, ...]:
        """Return the members of a cluster as a decision sees them, the oldest first.

        They are the same as long as the store says that the members are.
        """
        known = self._neighbours.get(cluster.cluster_id)
        if known is not None and known[0] is cluster.members:
            return known[1]
        in_order = sorted(cluster.members, key=attrgetter("handle"))
        made = tuple(
            Neighbour(item.handle, cluster.cluster_id, item.duplicate_group_id, features)
            for item, features in zip(
                in_order, self.many([item.record for item in in_order]), strict=True
            )
        )
        if len(self._neighbours) >= self._most_clusters:
            self._neighbours.clear()
        self._neighbours[cluster.cluster_id] = (cluster.members, made)
        return made
