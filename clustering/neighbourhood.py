"""The new article and the clusters it touches, compared with one another and linked again.

Articles are linked in *units*: the new article, a near-duplicate group (its copies stay together
whatever the rest does), or a whole cluster that is too large to be divided here, represented by
some of its members.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from clustering.constraints import Constraints, Projection
from clustering.refine import Refinement
from clustering.unpacking import Comparable

NEW = -1
"""Stands for the new article among handles, which are never negative."""


class Neighbour(NamedTuple):
    """A stored article as the decision sees it. A tuple: a posting makes a hundred of them."""

    handle: int
    cluster_id: str
    duplicate_group_id: str
    features: Comparable


@dataclass(frozen=True, slots=True)
class TouchedCluster:
    """A cluster near the new article.

    ``size`` counts all its articles, ``members`` may hold fewer: then the cluster is linked as one
    block, represented by those members, and cannot be divided by this decision. ``hidden`` are the
    handles of others in it, as far as constraints name them.
    """

    cluster_id: str
    size: int
    members: tuple[Neighbour, ...]
    hidden: tuple[int, ...] = ()

    @property
    def is_block(self) -> bool:
        """Whether some of its members are not known here."""
        return self.size > len(self.members)


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """The best cluster that the article did not join, and its mean similarity to it, 0..1."""

    cluster_id: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of an article where the clusters around it stay what they are.

    Attributes
    ----------
    cluster_id
        The one that it joins; empty where it stays alone.
    similarity
        Its mean similarity to the known members, 0..1; ``None`` when alone.
    runner_up
        As `Neighbourhood.runner_up`.
    """

    cluster_id: str
    similarity: float | None
    runner_up: RunnerUp | None


class Neighbourhood:
    """Compares the new article with the members of the touched clusters, and links them.

    Parameters
    ----------
    refinement
        Similarity, near-duplicate test and linkage.
    new
        The article to place.
    touched
        The clusters it touches, none of them empty of members.
    constraints
        What editors said, by handle.
    constrained_as
        The handle under which constraints name the new article, for one that is updated.
    """

    def __init__(
        self,
        refinement: Refinement,
        new: Comparable,
        touched: Sequence[TouchedCluster],
        *,
        constraints: Constraints[int] | None = None,
        constrained_as: int = NEW,
    ) -> None:
        self._constraints = Constraints[int]() if constraints is None else constraints
        self._constrained_as = constrained_as
        self._refinement = refinement
        # Oldest first: nothing below may depend on the order given, or on ids, which are random.
        self._touched = sorted(
            [_in_order(cluster) for cluster in touched if cluster.members], key=_oldest_handle
        )
        # Positions: 0 is the new article, members follow cluster by cluster.
        self._members = [member for cluster in self._touched for member in cluster.members]
        self._cluster_at = [
            number for number, cluster in enumerate(self._touched) for _ in cluster.members
        ]
        self._comparison = refinement.compare([new, *[item.features for item in self._members]])
        self._similarities, self._copies = self._comparison.neighbourhood()
        self._to_new: list[float] = np.maximum(self._similarities[0, 1:], self._copies).tolist()
        self.copied_group_id = self._find_copied_group() if self._copies.any() else ""
        self._linked: tuple[list[list[int]], list[int]] | None = None
        if self.copied_group_id and self._constraints and self._projected()[2].broken:
            # A copy of what an editor keeps apart from it: of one text, and in another cluster.
            self.copied_group_id = ""

    def _find_copied_group(self) -> str:
        """Return the near-duplicate group that the new article belongs to; empty when none.

        It must be a near-duplicate of at least half of the members known: one edited copy of an
        edited copy would otherwise chain a group away from the text it began with.
        """
        known: dict[str, int] = {}
        copied: dict[str, int] = {}
        for member, is_copy in zip(self._members, self._copies.tolist(), strict=True):
            group_id = member.duplicate_group_id
            known[group_id] = known.get(group_id, 0) + 1
            copied[group_id] = copied.get(group_id, 0) + is_copy
        fitting = [
            group_id for group_id, count in copied.items() if count and count * 2 >= known[group_id]
        ]
        # Of equals the first, whose cluster is the oldest.
        return max(fitting, key=copied.__getitem__, default="")

    def link(self) -> list[list[int]]:
        """Return the groups of handles that belong together; `NEW` stands for the article.

        Members of blocks that are not known here are in their block's group as stand-ins, the
        handles below `NEW`: ids go by how many members each side has, and they must count. The
        older the cluster, the lower they are.
        """
        groups: dict[int, list[int]] = {}
        label_of: dict[int, int] = {}
        for unit, label in zip(*self._link(), strict=True):
            handles = [NEW if place == 0 else self._members[place - 1].handle for place in unit]
            groups.setdefault(label, []).extend(handles)
            label_of.update(dict.fromkeys(handles, label))
        for cluster, stand_ins in self._stand_ins():
            groups[label_of[cluster.members[0].handle]].extend(stand_ins)
        return list(groups.values())

    def joined(self) -> Joined | None:
        """Return what became of the article where linking changes nothing else.

        ``None`` where an article changes cluster, or clusters become one: then `link` tells.
        """
        label_of: dict[int, int] = {}
        cluster_of: dict[int, int] = {}
        own = 0
        units, labels = self._link()
        for unit, label in zip(units, labels, strict=True):
            for place in unit:
                if place == 0:
                    own = label
                    continue
                cluster = self._cluster_at[place - 1]
                if (
                    label_of.setdefault(cluster, label) != label
                    or cluster_of.setdefault(label, cluster) != cluster
                ):
                    return None
        joined = cluster_of.get(own)
        ends = accumulate((len(cluster.members) for cluster in self._touched), initial=0)
        means = [_mean(self._to_new[begin:end]) for begin, end in pairwise(ends)]
        others = [
            RunnerUp(self._touched[number].cluster_id, mean)
            for number, mean in enumerate(means)
            if number != joined
        ]
        # Of equals the first, which is the oldest.
        runner_up = max(others, key=attrgetter("similarity"), default=None)
        if joined is None:
            return Joined("", None, runner_up)
        return Joined(self._touched[joined].cluster_id, means[joined], runner_up)

    def _link(self) -> tuple[list[list[int]], list[int]]:
        """Return the units, and the label of each."""
        if self._linked is None:
            units, sizes, projection = self._projected()
            labels = self._refinement.link(
                self._comparison,
                similarities=self._similarities,
                blocks=units,
                block_sizes=sizes,
                cannot_link=projection.cannot_link,
            )
            self._linked = units, labels.tolist()
        return self._linked

    def _projected(self) -> tuple[list[list[int]], list[int], Projection]:
        """Return the units after must-links, their sizes, and what is said of these units."""
        units, sizes = self._units()
        if not self._constraints:
            each_alone = tuple((number,) for number in range(len(units)))
            return units, sizes, Projection(each_alone, (), broken=False)
        cluster_of = {member.handle: member.cluster_id for member in self._members}
        hidden = {cluster.cluster_id: cluster.hidden for cluster in self._touched}
        for cluster_id, handles in hidden.items():
            cluster_of.update(dict.fromkeys(handles, cluster_id))
        projection = self._constraints.project(
            [self._handles(unit, hidden) for unit in units], cluster_of
        )
        return (
            [[place for number in block for place in units[number]] for block in projection.blocks],
            [sum(sizes[number] for number in block) for block in projection.blocks],
            projection,
        )

    def _handles(self, unit: Sequence[int], hidden: Mapping[str, tuple[int, ...]]) -> list[int]:
        """Return the handles of a unit as constraints name them, those not known here included."""
        members = [self._members[place - 1] for place in unit if place]
        blocks = {member.cluster_id for member in members}
        return [
            *([self._constrained_as] if 0 in unit else []),
            *(member.handle for member in members),
            *(handle for cluster_id in blocks for handle in hidden[cluster_id]),
        ]

    def _units(self) -> tuple[list[list[int]], list[int]]:
        """Return the positions of each unit and how many articles it stands for."""
        units: list[list[int]] = [[0]]
        sizes = [1]
        position = 1
        for cluster in self._touched:
            is_block = cluster.is_block
            parts: dict[str, list[int]] = {}
            for place, member in enumerate(cluster.members, start=position):
                key = "" if is_block else member.duplicate_group_id
                parts.setdefault(key, []).append(place)
            position += len(cluster.members)
            for key, places in parts.items():
                size = cluster.size if is_block else len(places)
                if self.copied_group_id and (
                    any(
                        self._members[place - 1].duplicate_group_id == self.copied_group_id
                        for place in places
                    )
                    if is_block
                    else key == self.copied_group_id
                ):
                    units[0].extend(places)
                    sizes[0] += size
                else:
                    units.append(places)
                    sizes.append(size)
        return units, sizes

    def _stand_ins(self) -> list[tuple[TouchedCluster, list[int]]]:
        result = []
        next_handle = NEW - 1
        for cluster in reversed(self._touched):
            if cluster.is_block:
                last = next_handle - (cluster.size - len(cluster.members))
                result.append((cluster, list(range(next_handle, last, -1))))
                next_handle = last
        return result

    def old_clusters(self) -> dict[int, str]:
        """Return handle → cluster id as it was before, stand-ins included."""
        old = {member.handle: member.cluster_id for member in self._members}
        for cluster, stand_ins in self._stand_ins():
            old.update(dict.fromkeys(stand_ins, cluster.cluster_id))
        return old

    def similarity_to(self, handles: Sequence[int]) -> float | None:
        """Return the mean similarity of the article to the known ones of ``handles``.

        In [0, 1]; ``None`` when none of them is known.
        """
        wanted = set(handles)
        values = [
            value
            for member, value in zip(self._members, self._to_new, strict=True)
            if member.handle in wanted
        ]
        return _mean(values) if values else None

    def runner_up(self, handles: Sequence[int]) -> RunnerUp | None:
        """Return the touched cluster most similar to the article that holds no ``handles``."""
        own = set(handles)
        ranked = []
        for cluster in self._touched:
            members = [member.handle for member in cluster.members]
            similarity = self.similarity_to(members)
            if similarity is not None and own.isdisjoint(members):
                ranked.append(RunnerUp(cluster.cluster_id, similarity))
        # Of equals the first, which is the oldest.
        return max(ranked, key=lambda item: item.similarity, default=None)


def _mean(similarities: Sequence[float]) -> float:
    return round(sum(similarities) / len(similarities), 4)


def _in_order(cluster: TouchedCluster) -> TouchedCluster:
    members = tuple(sorted(cluster.members, key=attrgetter("handle")))
    return TouchedCluster(cluster.cluster_id, cluster.size, members, cluster.hidden)


def _oldest_handle(cluster: TouchedCluster) -> int:
    return cluster.members[0].handle
