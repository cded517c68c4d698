"""What a reclustering reads: the articles of its window, and what they stand beside.

An article is of the window when it was published or received within it. Older articles keep their
cluster; those whose cluster has articles in the window are read as well, to be compared with. Of
all others only their terms are counted, so that document frequencies speak for everything stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from clustering.articles import ArticleFeatures, TermVector
from clustering.packing import unpack_features
from clustering.prepare import ObservedFrequencies
from service.clusterer import unpack_frequencies
from service.reclustering.progress import Progress
from service.store.plans import ReclusteringStore, Standing

_SECONDS_PER_DAY = 86_400
_COUNTED_AT_ONCE = 2_000
_RECORDS_AT_ONCE = 1_000


@dataclass(slots=True)
class Snapshot:
    """The articles to cluster, in handle order.

    Attributes
    ----------
    standing
        Of the store before anything was read.
    horizon
        Highest handle given out when it began.
    all_handles
        Of everything stored.
    handles, features
        Those of the window, and the older ones beside them.
    older
        Handles among them that are older than the window.
    cluster_of, group_of
        Ids by handle.
    observed_older
        Document frequencies of everything older than the window.
    stored_features
        Those of ``features`` that were stored, in the same order, where some were prepared anew.
    observed_before
        Document frequencies that the clusters were made with.
    """

    standing: Standing
    horizon: int
    all_handles: list[int] = field(default_factory=list)
    handles: list[int] = field(default_factory=list)
    features: list[ArticleFeatures] = field(default_factory=list)
    older: set[int] = field(default_factory=set)
    cluster_of: dict[int, str] = field(default_factory=dict)
    group_of: dict[int, str] = field(default_factory=dict)
    observed_older: ObservedFrequencies = field(default_factory=ObservedFrequencies)
    stored_features: list[ArticleFeatures] = field(default_factory=list)
    observed_before: ObservedFrequencies = field(default_factory=ObservedFrequencies)

    def older_clusters(self) -> dict[int, str]:
        """Position → cluster id of the older articles."""
        return {
            position: self.cluster_of[handle]
            for position, handle in enumerate(self.handles)
            if handle in self.older
        }

    def observed(self) -> ObservedFrequencies:
        """Return the document frequencies of everything stored, as it is known here."""
        window = ObservedFrequencies.of(
            item.vector
            for handle, item in zip(self.handles, self.features, strict=True)
            if handle not in self.older
        )
        return window if not self.observed_older.article_count else self.observed_older.plus(window)


async def read_snapshot(
    store: ReclusteringStore, *, window_days: float, now_seconds: float, progress: Progress
) -> Snapshot:
    """Read what is stored.

    Parameters
    ----------
    store
        An opened store.
    window_days
        Length of the window, which ends now.
    now_seconds
        Unix time.
    progress
        Told how many articles were read.
    """
    begin = now_seconds - window_days * _SECONDS_PER_DAY
    standing = await store.standing()
    counts = await store.counts()
    total = max(1, counts["articles"])
    snapshot = Snapshot(standing=standing, horizon=counts["last_handle"])
    _, snapshot.observed_before = unpack_frequencies((await store.learned()).frequencies)
    young: dict[int, ArticleFeatures] = {}
    waiting: list[TermVector] = []
    async for article in store.snapshot():
        handle, features = article.handle, unpack_features(article.record)
        snapshot.all_handles.append(handle)
        snapshot.cluster_of[handle] = article.cluster_id
        snapshot.group_of[handle] = article.duplicate_group_id
        if max(features.published_at_seconds or 0, article.received_at_seconds) >= begin:
            young[handle] = features
        else:
            snapshot.older.add(handle)
            waiting.append(features.vector)
            if len(waiting) == _COUNTED_AT_ONCE:
                snapshot.observed_older = _counted(snapshot.observed_older, waiting)
                waiting = []
        progress.report("reading", len(snapshot.all_handles), total)
    if waiting:
        snapshot.observed_older = _counted(snapshot.observed_older, waiting)
    if snapshot.all_handles:
        # Articles that arrived between the count and the first page are in it as well.
        snapshot.horizon = max(snapshot.horizon, snapshot.all_handles[-1])
    await _read_older(store, snapshot, young)
    return snapshot


def _counted(observed: ObservedFrequencies, vectors: Sequence[TermVector]) -> ObservedFrequencies:
    return observed.plus(ObservedFrequencies.of(vectors))


async def _read_older(
    store: ReclusteringStore, snapshot: Snapshot, young: dict[int, ArticleFeatures]
) -> None:
    """Read the older articles whose cluster has articles in the window; forget the others."""
    spanning = {snapshot.cluster_of[handle] for handle in young}
    beside = [h for h in sorted(snapshot.older) if snapshot.cluster_of[h] in spanning]
    features = dict(young)
    for start in range(0, len(beside), _RECORDS_AT_ONCE):
        some = beside[start : start + _RECORDS_AT_ONCE]
        for handle, record in zip(some, await store.records(some), strict=True):
            if record is not None:
                features[handle] = unpack_features(record)
    snapshot.handles = sorted(features)
    snapshot.features = [features[handle] for handle in snapshot.handles]
    snapshot.stored_features = snapshot.features
    snapshot.older &= features.keys()
    for ids in (snapshot.cluster_of, snapshot.group_of):
        for handle in ids.keys() - features.keys():
            del ids[handle]
