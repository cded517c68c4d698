"""Members of clusters that a process has read before, so that they need not be told again.

Whatever changes a cluster, its members or their near-duplicate groups raises its revision. So what
was read at a revision holds for as long as the cluster has it, and a process that says which
revisions it knows is told only what has changed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from service.store import ClusterMembers

_MOST_CLUSTERS: Final = 4096


class KeptClusters:
    """The members of the clusters met last.

    Parameters
    ----------
    most_clusters
        How many to keep, some 150 bytes a member; of more, those used longest ago are forgotten.
    """

    def __init__(self, most_clusters: int = _MOST_CLUSTERS) -> None:
        self._most_clusters = most_clusters
        # The state of the store that they are of, and how many members each may have.
        self._of: tuple[bytes, int] = (b"", 0)
        self._clusters: OrderedDict[str, ClusterMembers] = OrderedDict()
        self._cluster_of: dict[int, str] = {}

    def revisions(self, handles: Iterable[int], of: tuple[bytes, int]) -> dict[str, int]:
        """Return cluster id → revision, of the clusters known that these articles were in."""
        if of != self._of:
            return {}
        names = dict.fromkeys(self._cluster_of.get(handle, "") for handle in handles)
        return {name: self._clusters[name].revision for name in names if name}

    def get(self, cluster_id: str) -> ClusterMembers:
        """Return a cluster that `revisions` named, and that was not put since."""
        self._clusters.move_to_end(cluster_id)
        return self._clusters[cluster_id]

    def put(self, cluster: ClusterMembers, of: tuple[bytes, int]) -> None:
        """Keep a cluster as it was read."""
        if of != self._of:
            self._of = of
            self._clusters.clear()
            self._cluster_of.clear()
        self._forget(cluster.cluster_id)
        self._clusters[cluster.cluster_id] = cluster
        for member in cluster.members:
            self._cluster_of[member.handle] = cluster.cluster_id
        if len(self._clusters) > self._most_clusters:
            self._forget(next(iter(self._clusters)))

    def _forget(self, cluster_id: str) -> None:
        before = self._clusters.pop(cluster_id, None)
        if before is not None:
            for member in before.members:
                # Another cluster may have it by now.
                if self._cluster_of.get(member.handle) == cluster_id:
                    del self._cluster_of[member.handle]
