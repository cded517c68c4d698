"""Decide one article at a time: which cluster it joins, and what that changes around it.

An article is never assigned to the nearest cluster and left there: that chains. Instead the
neighbourhood it touches is linked again, with the same similarity, linkage and merge rule as the
batch (``clustering.batch``), and the old ids are laid onto the outcome
(``clustering.reconcile``). So the article may join a cluster, found one, bring two together when
it bridges them, or part one when the evidence has turned against it.

``Decider``          the decision itself, pure: the service calls it between probe and commit.
``OnlineClusterer``  the same decision over clusters held in memory, for files and evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from clustering.articles import ArticleFeatures, TextKind
from clustering.columns import FeatureColumns
from clustering.constraints import Constraints
from clustering.learning import (
    LOOSENESS_ARTICLES,
    counting_is_due,
    looseness_is_due,
    with_looseness,
)
from clustering.neighbourhood import NEW, Neighbour, Neighbourhood, RunnerUp, TouchedCluster
from clustering.prepare import FrequencyTable, ObservedFrequencies
from clustering.propose import CandidateIndex, SignatureScheme, bucket_ids
from clustering.reconcile import reconcile
from clustering.refine import LookAlike, LookAlikeKind, Refinement, other_subjects, settled
from clustering.unpacking import Comparable, features_of


class Outcome(StrEnum):
    """What a decision did."""

    CREATED = "created"
    """The article founded a cluster."""
    JOINED = "joined"
    """It joined a cluster."""
    MERGED = "merged"
    """It joined, and clusters that it bridges became one."""
    RELINKED = "relinked"
    """The touched clusters were divided otherwise than before, or joined without it."""
    SET_APART = "set_apart"
    """Empty, tiny or stub text: stored alone, attracts nobody."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Where the article goes, and what else changes.

    Attributes
    ----------
    cluster_id, duplicate_group_id
        Where the article goes; freshly minted ones where nothing fits.
    similarity
        Mean similarity, in [0, 1], to the known other members of its cluster; ``None`` when alone.
    runner_up
        The best cluster among those linked again that it did not join.
    moves
        Handle → cluster id, for known members that change cluster.
    merged_into
        Old cluster id → the cluster that *all* its members go to, known here or not.
    split_into
        Old cluster id → the other clusters that some of its members went to.
    """

    outcome: Outcome
    cluster_id: str
    duplicate_group_id: str
    similarity: float | None = None
    runner_up: RunnerUp | None = None
    moves: Mapping[int, str] = field(default_factory=dict)
    merged_into: Mapping[str, str] = field(default_factory=dict)
    split_into: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OnlineLimits:
    """Bounds of the work one article may cause.

    Attributes
    ----------
    candidates
        Articles sharing most buckets that are compared at all.
    touched_clusters
        Best clusters that are linked again.
    touch_similarity
        Least similarity, in [0, 1], of a cluster's best candidate for it to be touched.
    relinked_cluster_articles
        Largest cluster whose members are linked one by one; a larger one is a block, represented
        by this many of its newest members.
    """

    candidates: int = 60
    touched_clusters: int = 8
    touch_similarity: float = 0.1
    relinked_cluster_articles: int = 64


@dataclass(frozen=True, slots=True)
class RefusedLookAlike:
    """The cluster whose article looks most like the new one and reports something else.

    Attributes
    ----------
    cluster_id
        Where that article is.
    similarity
        What it would have been, in [0, 1].
    look_alike
        In what they differ; the new article is the first of the two.
    """

    cluster_id: str
    similarity: float
    look_alike: LookAlike


@dataclass(frozen=True, slots=True)
class CandidateSimilarities:
    """How alike an article and its candidates are, whatever clusters these are in.

    Attributes
    ----------
    similarities
        Of each candidate, in [0, 1]; 0 for look-alikes that are not the same text, and it may be 0
        for those below `OnlineLimits.touch_similarity`.
    refused
        Number of the best look-alike that could have joined by its similarity; -1 without one.
    refused_similarity, look_alike
        What that similarity would have been, and in what they differ.
    """

    similarities: tuple[float, ...] = ()
    refused: int = -1
    refused_similarity: float = 0.0
    look_alike: LookAlike | None = None


@dataclass(frozen=True, slots=True)
class WeighedCandidates:
    """What became of the candidates of an article.

    Attributes
    ----------
    touched
        The clusters worth linking again, best first, with their best similarity.
    refused
        The best look-alike that could have joined by its similarity; ``None`` without one.
    """

    touched: dict[str, float] = field(default_factory=dict)
    refused: RefusedLookAlike | None = None


class Decider:
    """Decides one article against its candidates. Pure: ids are minted by the caller's functions.

    Parameters
    ----------
    refinement
        Similarity, near-duplicate test and linkage.
    limits
        Bounds of the work.
    """

    def __init__(self, refinement: Refinement, limits: OnlineLimits | None = None) -> None:
        self.refinement = refinement
        self.limits = OnlineLimits() if limits is None else limits

    def touched_clusters(
        self, new: Comparable, candidates: Sequence[Neighbour]
    ) -> dict[str, float]:
        """Return the clusters worth linking again, best first, with their best similarity."""
        return self.weigh(new, candidates).touched

    def weigh(self, new: Comparable, candidates: Sequence[Neighbour]) -> WeighedCandidates:
        """Return what becomes of the candidates.

        They come from LSH and are not trusted: each is compared here.
        """
        return self.gather(
            self.compare_candidates(new, [item.features for item in candidates]),
            [item.handle for item in candidates],
            [item.cluster_id for item in candidates],
        )

    def compare_candidates(
        self, new: Comparable, candidates: Sequence[Comparable]
    ) -> CandidateSimilarities:
        """Return how alike the new article and each candidate are."""
        each = [0.0] * len(candidates)
        if new.kind is not TextKind.ORDINARY or not candidates:
            return CandidateSimilarities(tuple(each))
        required = self.refinement.rule.required_similarity(1, 1)
        # Who is less alike bears on nothing, and needs not be compared.
        comparison, near = self.refinement.compare_near(
            new, candidates, min(self.limits.touch_similarity, required)
        )
        if not near:
            return CandidateSimilarities(tuple(each))
        alike, kinds, copies = comparison.candidates()
        # The linkage keeps these apart whatever else it links (`Refinement.link`).
        if comparison.begins_with_item:
            for a, b in other_subjects(comparison, np.zeros(len(comparison), dtype=np.int64)):
                if a == 0 and kinds[b - 1] == LookAlikeKind.NONE:
                    kinds[b - 1] = LookAlikeKind.OTHER_SUBJECT
        settled_similarities, likest = settled(alike, kinds, copies)
        for number, similarity in zip(near, settled_similarities.tolist(), strict=True):
            each[number] = similarity
        similarities = tuple(each)
        if likest < 0 or not alike[likest] > required:
            return CandidateSimilarities(similarities)
        return CandidateSimilarities(
            similarities,
            near[likest],
            round(float(alike[likest]), 4),
            comparison.difference(0, likest + 1, LookAlikeKind(int(kinds[likest]))),
        )

    def gather(
        self, compared: CandidateSimilarities, handles: Sequence[int], cluster_ids: Sequence[str]
    ) -> WeighedCandidates:
        """Return the clusters that candidates speak for.

        Parameters
        ----------
        compared
            From `compare_candidates`.
        handles, cluster_ids
            Of the candidates, in the same order; an empty id leaves one out.
        """
        refused = None
        if compared.look_alike is not None and cluster_ids[compared.refused]:
            refused = RefusedLookAlike(
                cluster_ids[compared.refused], compared.refused_similarity, compared.look_alike
            )
        best: dict[str, float] = {}
        oldest: dict[str, int] = {}
        for handle, name, similarity in zip(
            handles, cluster_ids, compared.similarities, strict=True
        ):
            if not name:
                continue
            oldest[name] = min(handle, oldest.get(name, handle))
            if similarity >= max(self.limits.touch_similarity, best.get(name, 0)):
                best[name] = similarity
        # Similarities of 1 are common. Among equals the handle decides: ids are random, and the
        # same stream must always end in the same clusters.
        ranked = sorted(best.items(), key=lambda item: (-item[1], oldest[item[0]]))
        return WeighedCandidates(dict(ranked[: self.limits.touched_clusters]), refused)

    def decide(
        self,
        new: Comparable,
        touched: Sequence[TouchedCluster],
        *,
        mint_cluster_id: Callable[[], str],
        mint_duplicate_group_id: Callable[[], str],
        previous_cluster_id: str = "",
        constraints: Constraints[int] | None = None,
        constrained_as: int = NEW,
    ) -> Decision:
        """Link the touched clusters again with the new article among them.

        Parameters
        ----------
        new
            The article.
        touched
            What `touched_clusters` named, with their members.
        mint_cluster_id, mint_duplicate_group_id
            Called for each new id needed.
        previous_cluster_id
            For an updated article, the cluster it was in, which must be among ``touched`` while
            it has other members: the article keeps that id where it can.
        constraints
            What editors said, by handle; it holds in the outcome as far as it held before.
        constrained_as
            For an updated article, the handle under which constraints name it.
        """
        said = Constraints[int]() if constraints is None else constraints
        if new.kind is not TextKind.ORDINARY and len(said.together(constrained_as)) == 1:
            alone = previous_cluster_id and not any(
                cluster.size and cluster.cluster_id == previous_cluster_id for cluster in touched
            )
            return Decision(
                outcome=Outcome.SET_APART,
                cluster_id=previous_cluster_id if alone else mint_cluster_id(),
                duplicate_group_id=mint_duplicate_group_id(),
            )
        if not touched and not previous_cluster_id and not said:
            # There is nothing to link; the first articles of all need not wait for what links.
            return Decision(
                outcome=Outcome.CREATED,
                cluster_id=mint_cluster_id(),
                duplicate_group_id=mint_duplicate_group_id(),
            )
        neighbourhood = Neighbourhood(
            self.refinement, new, touched, constraints=said, constrained_as=constrained_as
        )
        joined = None if previous_cluster_id else neighbourhood.joined()
        if joined is not None:
            # Most of the time. What follows would come to the same, and takes as long as the rest.
            return Decision(
                outcome=Outcome.JOINED if joined.cluster_id else Outcome.CREATED,
                cluster_id=joined.cluster_id or mint_cluster_id(),
                duplicate_group_id=neighbourhood.copied_group_id or mint_duplicate_group_id(),
                similarity=joined.similarity,
                runner_up=joined.runner_up,
            )
        groups = neighbourhood.link()
        old = neighbourhood.old_clusters()
        # Where as many articles speak for one cluster as for another, the oldest keeps the id. The
        # new article is the youngest, an updated one too: it takes no id from those that stayed.
        youngest = max(old, default=NEW) + 1
        before = dict(old)
        # Nor from a block: those of it that are not known follow its id, wherever that goes.
        if previous_cluster_id and not any(
            cluster.is_block and cluster.cluster_id == previous_cluster_id for cluster in touched
        ):
            before[youngest] = previous_cluster_id
        after = reconcile(
            before,
            [[youngest if handle == NEW else handle for handle in group] for group in groups],
            mint_cluster_id,
        )
        together = next(group for group in groups if NEW in group)
        sources = {old[handle] for handle in together if handle != NEW}
        merged_elsewhere = set(after.merged_into.values()) - {after.assignment[youngest]}
        if after.split_into or merged_elsewhere:
            outcome = Outcome.RELINKED
        elif len(together) == 1:
            outcome = Outcome.CREATED
        else:
            outcome = Outcome.MERGED if len(sources) > 1 else Outcome.JOINED
        return Decision(
            outcome=outcome,
            cluster_id=after.assignment[youngest],
            duplicate_group_id=neighbourhood.copied_group_id or mint_duplicate_group_id(),
            similarity=neighbourhood.similarity_to(together),
            runner_up=neighbourhood.runner_up(together),
            moves={
                handle: cluster_id
                for handle, cluster_id in after.assignment.items()
                if NEW < handle < youngest and cluster_id != old[handle]
            },
            merged_into=after.merged_into,
            split_into=after.split_into,
        )


class OnlineClusterer:
    """Clusters articles one by one in memory, each decided as the service would decide it.

    Parameters
    ----------
    shipped
        Document frequencies before any stream; the stream's own are learned on the way.
    scheme
        Of the signatures, for the buckets.
    limits
        Bounds of the work.
    """

    def __init__(
        self,
        shipped: FrequencyTable,
        scheme: SignatureScheme,
        limits: OnlineLimits | None = None,
    ) -> None:
        self._shipped = shipped
        self._scheme = scheme
        self._decider = Decider(Refinement.shipped(shipped), limits)
        self._observed = ObservedFrequencies()
        self._index = CandidateIndex()
        self._articles: list[Neighbour] = []
        self._members: dict[str, list[int]] = {}
        self._minted = 0

    def add(self, features: ArticleFeatures) -> Decision:
        """Place one article; its handle is the number of articles added before it."""
        self._learn()
        buckets = bucket_ids(features, self._scheme)
        found = self._index.candidates(buckets, limit=self._decider.limits.candidates)
        wanted = self._decider.touched_clusters(
            features, [self._articles[handle] for handle, _ in found]
        )
        decision = self._decider.decide(
            features,
            [self._touched(cluster_id) for cluster_id in wanted],
            mint_cluster_id=self._mint,
            mint_duplicate_group_id=self._mint,
        )
        for handle, cluster_id in decision.moves.items():
            self._move(handle, cluster_id)
        for old, successor in decision.merged_into.items():
            for handle in list(self._members[old]):
                self._move(handle, successor)
            del self._members[old]
        handle = len(self._articles)
        self._articles.append(
            Neighbour(handle, decision.cluster_id, decision.duplicate_group_id, features)
        )
        self._members.setdefault(decision.cluster_id, []).append(handle)
        self._index.add(handle, buckets)
        return decision

    def cluster_ids(self) -> list[str]:
        """Return the cluster id of each article, in the order added."""
        return [article.cluster_id for article in self._articles]

    def duplicate_group_ids(self) -> list[str]:
        """Return the near-duplicate group id of each article, in the order added."""
        return [article.duplicate_group_id for article in self._articles]

    @property
    def observed(self) -> ObservedFrequencies:
        """Document frequencies of the stream that are in use."""
        return self._observed

    def take_over(
        self,
        *,
        features: Mapping[int, ArticleFeatures],
        cluster_ids: Mapping[int, str],
        duplicate_group_ids: Mapping[int, str],
        observed: ObservedFrequencies,
    ) -> None:
        """Go on from what a night decided.

        Parameters
        ----------
        features
            Handle → features, of articles that were prepared anew.
        cluster_ids, duplicate_group_ids
            Handle → id, of articles that moved.
        observed
            Document frequencies of all articles added so far.
        """
        for handle, item in features.items():
            self._articles[handle] = self._articles[handle]._replace(features=item)
            self._index.remove(handle)
            self._index.add(handle, bucket_ids(item, self._scheme))
        for handle, cluster_id in cluster_ids.items():
            self._move(handle, cluster_id)
        self._members = {name: members for name, members in self._members.items() if members}
        for handle, group_id in duplicate_group_ids.items():
            self._articles[handle] = self._articles[handle]._replace(duplicate_group_id=group_id)
        self._take_frequencies(observed)

    def _learn(self) -> None:
        """Take over what the stream has shown, when it is time."""
        counted = self._observed.article_count
        if counting_is_due(counted, len(self._articles)):
            fresh = ObservedFrequencies.of(
                features_of(article.features).vector for article in self._articles[counted:]
            )
            observed = self._observed.plus(fresh)
            if looseness_is_due(observed):
                newest = [
                    features_of(article.features)
                    for article in self._articles[-LOOSENESS_ARTICLES:]
                ]
                observed = with_looseness(observed, self._shipped, FeatureColumns.of(newest))
            self._take_frequencies(observed)

    def _take_frequencies(self, observed: ObservedFrequencies) -> None:
        self._observed = observed
        refinement = Refinement.shipped(self._shipped.with_observed(observed))
        self._decider = Decider(refinement, self._decider.limits)

    def _move(self, handle: int, cluster_id: str) -> None:
        article = self._articles[handle]
        self._members[article.cluster_id].remove(handle)
        self._members.setdefault(cluster_id, []).append(handle)
        self._articles[handle] = article._replace(cluster_id=cluster_id)

    def _touched(self, cluster_id: str) -> TouchedCluster:
        handles = sorted(self._members[cluster_id], reverse=True)
        known = handles[: self._decider.limits.relinked_cluster_articles]
        return TouchedCluster(
            cluster_id=cluster_id,
            size=len(handles),
            members=tuple(self._articles[handle] for handle in known),
        )

    def _mint(self) -> str:
        self._minted += 1
        return f"n{self._minted}"
