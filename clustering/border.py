"""Clusters across the border of a window: their older articles stay where they are.

A window is clustered together with the older articles of every cluster that has articles in it,
so that the younger ones are compared with what they were put with. The older ones are not up for
decision: those of one cluster stay together, those of two clusters stay apart, and the cluster
keeps its id. Staying together is a must-link; staying apart is restored here, after clustering,
since forbidding it beforehand would take a pair for every two of such clusters.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from clustering.batch import Clustering
from clustering.refine.linkage import first_appearance


def older_blocks(old_cluster: Mapping[int, str]) -> list[list[int]]:
    """Return the positions of older articles that stay together: one list a cluster.

    Parameters
    ----------
    old_cluster
        Position → cluster id, of the articles older than the window.
    """
    blocks: dict[str, list[int]] = defaultdict(list)
    for position in sorted(old_cluster):
        blocks[old_cluster[position]].append(position)
    return list(blocks.values())


def keep_older_apart(
    clustering: Clustering, old_cluster: Mapping[int, str], current: Sequence[str]
) -> Clustering:
    """Divide clusters that hold older articles of several clusters.

    Each article of the window goes with the older ones of the cluster it is in; those that were in
    none of them go with the largest part, on a tie with the one whose id is smaller.

    Parameters
    ----------
    clustering
        Of the window and the older articles beside it; those of one cluster are together.
    old_cluster
        Position → cluster id, of the articles older than the window.
    current
        The cluster id of every position.
    """
    older: dict[int, set[str]] = defaultdict(set)
    for position, cluster_id in old_cluster.items():
        older[int(clustering.labels[position])].add(cluster_id)
    divided = {label: ids for label, ids in older.items() if len(ids) > 1}
    if not divided:
        return clustering
    members: dict[int, list[int]] = defaultdict(list)
    for position, label in enumerate(clustering.labels.tolist()):
        if label in divided:
            members[label].append(position)
    parts = clustering.labels.copy()
    fresh = int(parts.max()) + 1
    for label in sorted(divided):
        ids = sorted(divided[label])
        part_of = {cluster_id: fresh + number for number, cluster_id in enumerate(ids)}
        fresh += len(ids)
        sizes = Counter(current[k] for k in members[label] if current[k] in part_of)
        largest = min(ids, key=lambda cluster_id: -sizes[cluster_id])
        for position in members[label]:
            home = current[position]
            parts[position] = part_of[home if home in part_of else largest]
    # A near-duplicate group lies within one cluster.
    pairs = np.stack([parts, clustering.duplicate_labels], axis=1)
    _, groups = np.unique(pairs, axis=0, return_inverse=True)
    return Clustering(
        labels=first_appearance(parts),
        duplicate_labels=first_appearance(groups.reshape(-1).astype(np.int64)),
        candidate_pair_count=clustering.candidate_pair_count,
    )
