"""Reads the clusters that a constraint touches, and links them again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import numpy as np

from clustering.constraints import Constraints
from clustering.neighbourhood import Neighbour, TouchedCluster
from clustering.packing import unpack_features
from clustering.relinking import Relinking, relink
from service.clusterer import Clusterer
from service.identifiers import mint_cluster_id, mint_duplicate_group_id
from service.store.constraints import ConstrainedStore

# Compared pair by pair: 240 articles make 28,680 pairs, a tenth of a second.
_RELINKED_ARTICLES = 240
_LEAST_COMPARED_ARTICLES = 16
_EVERYONE = 1 << 31


async def relink_stored(
    store: ConstrainedStore,
    clusterer: Clusterer,
    cluster_ids: Iterable[str],
    constraints: Constraints[int],
    involved: Sequence[int],
) -> tuple[Relinking, dict[str, int]]:
    """Return what linking stored clusters again changes, and the revisions that it rests on.

    Parameters
    ----------
    store, clusterer
        Where they are, and the configuration in force.
    cluster_ids
        The clusters; those that are gone or not open are left out.
    constraints
        What editors said, by handle.
    involved
        Handles of the articles that it is about: they, and what constraints say of them, are
        compared whatever the size of their cluster.
    """
    names = sorted(cluster_ids)
    if not names:
        return Relinking(), {}
    # A probe for nothing tells which tables are in force.
    probe = await store.probe("", np.zeros(0, dtype=np.uint64), limit=0)
    await clusterer.follow(store, probe.frequency_epoch)
    wanted = {mate for handle in involved for mate in constraints.together(handle)}
    wanted |= {
        mate
        for handle in list(wanted)
        for other in constraints.apart(handle, {})
        for mate in constraints.together(other)
    }
    limit = max(_LEAST_COMPARED_ARTICLES, _RELINKED_ARTICLES // len(names))
    touched: list[TouchedCluster] = []
    hidden_groups: dict[int, str] = {}
    revisions: dict[str, int] = {}
    for name in names:
        handles = await store.cluster_handles(name, after=0, limit=_EVERYONE)
        compared = {*handles[-limit:], *[h for h in handles if h in wanted][:limit]}
        found = await store.members(
            [name], known=[h for h in handles if h not in compared], limit=_EVERYONE
        )
        cluster = found.get(name)
        if cluster is None:
            continue
        revisions[name] = cluster.revision
        members = tuple(
            Neighbour(item.handle, name, item.duplicate_group_id, unpack_features(item.record))
            for item in cluster.members
            if item.record
        )
        hidden = {i.handle: i.duplicate_group_id for i in cluster.members if not i.record}
        hidden_groups |= hidden
        touched.append(TouchedCluster(name, cluster.size, members, tuple(hidden)))
    relinking = await asyncio.to_thread(
        relink,
        clusterer.decider.refinement,
        touched,
        constraints,
        hidden_groups=hidden_groups,
        mint_cluster_id=mint_cluster_id,
        mint_duplicate_group_id=mint_duplicate_group_id,
    )
    return relinking, revisions
