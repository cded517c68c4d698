"""Cluster everything in a window at once, weighted by what the window itself has shown.

The nightly job and ``samestory cluster`` are this one function, so a file is clustered as the
service would cluster it by night.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from clustering.articles import ArticleFeatures
from clustering.batch import Clustering, Digests, recluster
from clustering.columns import FeatureColumns
from clustering.learning import with_looseness
from clustering.pair_finding import PairFinder, find_pairs_here
from clustering.prepare import FrequencyTable, ObservedFrequencies
from clustering.propose import SignatureScheme
from clustering.refine import Refinement


@dataclass(frozen=True, slots=True)
class WindowClustering:
    """The clustering of a window, and the document frequencies it was made with."""

    clustering: Clustering
    observed: ObservedFrequencies


def cluster_window(
    features: Sequence[ArticleFeatures],
    shipped: FrequencyTable,
    scheme: SignatureScheme,
    *,
    observed: ObservedFrequencies | None = None,
    must_link: Sequence[Sequence[int]] = (),
    cannot_link: Sequence[tuple[int, int]] = (),
    threads: int | None = None,
    find_pairs: PairFinder = find_pairs_here,
    on_progress: Callable[[str, int, int], None] | None = None,
    digests: Digests | None = None,
) -> WindowClustering:
    """Count the window's document frequencies, measure how loose its events are, then cluster it.

    Parameters
    ----------
    features
        The articles, in any order; the partition does not depend on it.
    shipped
        The prior that the counts are added to.
    scheme
        Of the signatures.
    observed
        Document frequencies to use; by default those of ``features``.
    must_link, cannot_link
        What editors said, by position: as in `clustering.batch.recluster`.
    threads
        How many to use; ``None`` for one a core. The result does not depend on it.
    find_pairs
        As in `clustering.batch.recluster`; the result does not depend on it.
    on_progress
        Called with a stage, how much of it is done, and how much there is.
    digests
        As in `clustering.batch.recluster`.
    """
    cores = threads or os.cpu_count() or 1
    columns = FeatureColumns.of(features)

    @cache
    def counted() -> ObservedFrequencies:
        counts = observed or ObservedFrequencies.of_columns(columns, threads=cores)
        return with_looseness(counts, shipped, columns, threads=cores)

    clustering = recluster(
        columns,
        lambda: Refinement.shipped(shipped.with_observed(counted())),
        scheme,
        must_link=must_link,
        cannot_link=cannot_link,
        threads=threads,
        find_pairs=find_pairs,
        on_progress=on_progress,
        digests=digests,
    )
    return WindowClustering(clustering, counted())
