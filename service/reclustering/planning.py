"""From a snapshot to a plan: cluster it, lay the old ids onto the outcome, count what changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from clustering.border import keep_older_apart, older_blocks
from clustering.metrics import id_churn
from clustering.pair_finding import PairFinder, find_pairs_here
from clustering.prepare import ObservedFrequencies
from clustering.reasons import Reason, ReasonKind, Reasons
from clustering.reconcile import Reconciliation, reconcile
from clustering.refine import Refinement
from clustering.window import cluster_window
from service.clusterer import Clusterer
from service.identifiers import mint_cluster_id, mint_duplicate_group_id
from service.reclustering.plan import Plan
from service.reclustering.progress import Progress
from service.reclustering.snapshot import Snapshot

_FLOWS = 10
_EXPLAINED = 500
"""Largest changes whose reasons are looked for: some 10 ms each."""
_SAMPLES = 3

_Places: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Flow:
    """Articles that go from one cluster to another, as a review tells of them.

    Attributes
    ----------
    kind
        ``merged``: their old cluster ends; ``split``: into a new one; ``moved``: neither.
    articles
        How many.
    moved, joined, left
        Handles of a few of them, of those they are put with, and of those they are parted from.
    reason
        Why; ``None`` where it was not looked for.
    """

    kind: str
    from_cluster_id: str
    to_cluster_id: str
    articles: int
    moved: tuple[int, ...]
    joined: tuple[int, ...]
    left: tuple[int, ...]
    reason: Reason | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Flow:
        """Return a flow from its fields as JSON keeps them."""
        handles = {name: tuple(values[name]) for name in ("moved", "joined", "left")}
        told = values.get("reason")
        return cls(**{**values, **handles, "reason": None if told is None else _reason_of(told)})


@dataclass(frozen=True, slots=True)
class Counts:
    """A plan in figures; the names are those of `service.views.Reclustering`."""

    article_count: int
    cluster_count_before: int
    cluster_count_after: int
    merged: int
    split: int
    minted: int
    moved: int
    unexplained: int
    id_churn: float


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, its figures, its largest changes, and the document frequencies it was made with."""

    plan: Plan
    counts: Counts
    flows: tuple[Flow, ...]
    observed: ObservedFrequencies


def make_plan(
    snapshot: Snapshot,
    clusterer: Clusterer,
    progress: Progress,
    *,
    must_link: Sequence[Sequence[int]] = (),
    cannot_link: Sequence[tuple[int, int]] = (),
    stale_handles: Collection[int] = (),
    find_pairs: PairFinder = find_pairs_here,
) -> Planned:
    """Cluster a snapshot and name the outcome. Takes long; writes nothing.

    Parameters
    ----------
    snapshot
        Its features may have been prepared anew.
    clusterer
        The configuration.
    progress
        Told of the stages from ``candidates`` to ``keeping ids``.
    must_link, cannot_link
        What editors said, by handle; handles that are not in the snapshot are ignored.
    stale_handles
        Articles whose features in the snapshot are not those that are stored.
    find_pairs
        As in `clustering.batch.recluster`.
    """
    position = {handle: k for k, handle in enumerate(snapshot.handles)}
    older = snapshot.older_clusters()
    current = [snapshot.cluster_of[handle] for handle in snapshot.handles]
    observed = snapshot.observed()
    blocks = [[position[h] for h in block if h in position] for block in must_link]
    apart = [(position[a], position[b]) for a, b in cannot_link if a in position and b in position]
    outcome = cluster_window(
        snapshot.features,
        clusterer.shipped,
        clusterer.scheme,
        observed=observed,
        must_link=_united([*blocks, *older_blocks(older)]),
        cannot_link=apart,
        find_pairs=find_pairs,
        on_progress=progress.report,
    )
    clustering = keep_older_apart(outcome.clustering, older, current)
    progress.report("keeping ids")
    clusters = reconcile(
        snapshot.cluster_of,
        _groups(snapshot.handles, clustering.labels.tolist()),
        mint_cluster_id,
        pinned=snapshot.older,
    )
    groups = reconcile(
        snapshot.group_of,
        _groups(snapshot.handles, clustering.duplicate_labels.tolist()),
        mint_duplicate_group_id,
    )
    after = [clusters.assignment[handle] for handle in snapshot.handles]
    plan = _plan_of(snapshot, clusters, groups, stale_handles)
    flows = _flows(snapshot, clusters)
    reasons = _reasons_of(
        list(flows)[:_EXPLAINED],
        Reasons(
            Refinement.shipped(clusterer.shipped.with_observed(snapshot.observed_before)),
            Refinement.shipped(clusterer.shipped.with_observed(outcome.observed)),
            features_before=snapshot.stored_features or snapshot.features,
            features_after=snapshot.features,
            labels_before=current,
            labels_after=after,
            arrived=[
                k
                for k, handle in enumerate(snapshot.handles)
                if handle > snapshot.standing.applied_handle
            ],
            kept_apart=apart,
            kept_together=[pair for block in blocks for pair in pairwise(block)],
        ),
    )
    counts = Counts(
        article_count=len(snapshot.handles),
        cluster_count_before=len(set(current)),
        cluster_count_after=len(set(after)),
        merged=len(clusters.merged_into),
        split=len(clusters.split_into),
        minted=len(clusters.minted),
        moved=sum(old != new for old, new in plan.moves.values()),
        unexplained=sum(
            len(flows[places])
            for places, reason in reasons.items()
            if reason is None or reason.kind is None
        ),
        id_churn=id_churn(current, after) if after else 0.0,
    )
    return Planned(plan, counts, _described(snapshot, clusters, flows, reasons), outcome.observed)


def _plan_of(
    snapshot: Snapshot,
    clusters: Reconciliation,
    groups: Reconciliation,
    stale_handles: Collection[int],
) -> Plan:
    group_moves = {
        handle: group_id
        for handle, group_id in groups.assignment.items()
        if snapshot.group_of[handle] != group_id
    }
    # Where only the group changes the cluster is named too: by then the article may be elsewhere.
    moves = {
        handle: (snapshot.cluster_of[handle], cluster_id)
        for handle, cluster_id in clusters.assignment.items()
        if snapshot.cluster_of[handle] != cluster_id or handle in group_moves
    }
    return Plan(
        standing=snapshot.standing,
        horizon=snapshot.horizon,
        moves=moves,
        group_moves=group_moves,
        merged_into=clusters.merged_into,
        split_into=clusters.split_into,
        stale_handles=tuple(sorted(stale_handles)),
    )


def _flows(snapshot: Snapshot, clusters: Reconciliation) -> dict[_Places, list[int]]:
    """Return the handles that go from one cluster to another, most of them first."""
    moved: dict[_Places, list[int]] = defaultdict(list)
    for handle in snapshot.handles:
        places = snapshot.cluster_of[handle], clusters.assignment[handle]
        if places[0] != places[1]:
            moved[places] += [handle]
    return {
        places: moved[places]
        for places in sorted(moved, key=lambda places: (-len(moved[places]), places))
    }


def _reasons_of(flows: Sequence[_Places], reasons: Reasons) -> dict[_Places, Reason | None]:
    """Return why the articles of each flow left their cluster, or came to the other one."""
    parted: dict[str, dict[Hashable, Reason]] = {}
    found: dict[_Places, Reason | None] = {}
    for old, new in flows:
        if old not in parted:
            parted[old] = reasons.parted(old)
        told = parted[old].get(new) or reasons.joined(old, new)
        # The largest group of its cluster, with nobody else now: what left it says why.
        found[old, new] = told or next(iter(parted[old].values()), None)
    return found


def _described(
    snapshot: Snapshot,
    clusters: Reconciliation,
    flows: Mapping[_Places, Sequence[int]],
    reasons: Mapping[_Places, Reason | None],
) -> tuple[Flow, ...]:
    """Return the largest changes, each with a few handles to show it by."""
    largest = list(flows)[:_FLOWS]
    concerned = {cluster_id for places in largest for cluster_id in places}
    before: dict[str, list[int]] = defaultdict(list)
    after: dict[str, list[int]] = defaultdict(list)
    for handle in snapshot.handles:
        for listed, cluster_id in (
            (before, snapshot.cluster_of[handle]),
            (after, clusters.assignment[handle]),
        ):
            if cluster_id in concerned:
                listed[cluster_id].append(handle)
    minted = frozenset(clusters.minted)
    told = []
    for old, new in largest:
        gone = set(flows[old, new])
        kind = "merged" if old in clusters.merged_into else "split" if new in minted else "moved"
        told.append(
            Flow(
                kind=kind,
                from_cluster_id=old,
                to_cluster_id=new,
                articles=len(gone),
                moved=tuple(flows[old, new][:_SAMPLES]),
                joined=tuple([h for h in after[new] if h not in gone][:_SAMPLES]),
                left=tuple([h for h in before[old] if h not in gone][:_SAMPLES]),
                reason=reasons.get((old, new)),
            )
        )
    return tuple(told)


def _reason_of(values: Mapping[str, Any]) -> Reason:
    """Return a reason from its fields as JSON keeps them."""
    kind = values["kind"]
    return Reason(
        **{
            **values,
            "kind": None if kind is None else ReasonKind(kind),
            "term_ids": tuple(values["term_ids"]),
        }
    )


def _groups(handles: Sequence[int], labels: Sequence[int]) -> list[list[int]]:
    """Return the handles of each label, in order of first appearance."""
    groups: dict[int, list[int]] = {}
    for handle, label in zip(handles, labels, strict=True):
        groups.setdefault(label, []).append(handle)
    return list(groups.values())


def _united(blocks: Sequence[Sequence[int]]) -> list[list[int]]:
    """Unite blocks that share a position; blocks of one are left out."""
    home: dict[int, list[int]] = {}
    for block in blocks:
        united = sorted({k for member in block for k in home.get(member, [member])})
        home.update(dict.fromkeys(united, united))
    distinct: Mapping[int, list[int]] = {id(block): block for block in home.values()}
    return [block for block in distinct.values() if len(block) > 1]
