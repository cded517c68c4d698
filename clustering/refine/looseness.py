"""How loosely the articles of one event hang together in a stream, found without labels.

Reports of one event are less alike in one corpus than in another: in some languages, and for some
kinds of event, by more than any one threshold can bear. No pair tells which corpus it is from, but
the corpus does. With too little asked of a pair, clusters come to lie close to one another; with
too much, articles are left as near to another cluster as to their own. The silhouette (Rousseeuw
1987, J. Computational and Applied Mathematics 20, section 2) sees both: with a(i) the mean distance
of article i to the others of its cluster, and b(i) the least mean distance to another one,

    s(i) = (b(i) - a(i)) / max(a(i), b(i)),    0 for an article that is alone.

So a sample is linked once for each of a few *steps*, all similarities raised or lowered by it. The
mean of the steps whose mean silhouette comes near the highest is what pairs of that language get
from then on. As s is a ratio, it weighs how much more alike the articles of a cluster are than they
are to others, and not how alike they are: what changes from corpus to corpus cancels out.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.columns import UNDATED, FeatureColumns
from clustering.refine.linkage import Float64Array, Int64Array, MergeRule, link_dense
from clustering.refine.similarity import Comparison

Float32Array = NDArray[np.float32]

LOOSER: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
DENSER: Final = (-0.1, -0.2)
"""Steps tried; the labelled sets are best between -.25 and .5."""

LEAST_ARTICLES: Final = 40
"""Fewer articles of a language say nothing: it is then taken to be like those of training."""

_NEAR: Final = 0.008
"""Silhouettes this close to the highest are as good: the middle of a plateau is chosen and not its
peak, so that neither chance nor another threshold moves the clusters much."""

_NO_STRUCTURE: Final = 0.25
"""A mean silhouette up to this says that there are no clusters to speak of (Kaufman and Rousseeuw
1990, Finding Groups in Data, table 4 of chapter 2), so nothing can be learned from them: where most
articles are strangers to each other, joining any two would seem to gain a little."""

_WORSE: Final = 0.03
"""A silhouette this far below the best ends the search in its direction. Further on all articles
fall into one cluster, which also takes long to link."""

_LEAST_EVIDENCE: Final = -1.0
"""Log odds of -12. Distances are 1 - evidence, with evidence clipped to [-1, 1], and not
1 - similarity: most pairs have similarity 0, and how far they are from more is what b(i) is."""


def newest(features: FeatureColumns, most: int) -> FeatureColumns:
    """Return the newest ``most`` articles, oldest first.

    Not any: thinned out at random, events are small. Undated articles count as the oldest and are
    taken in the order of their signatures, which keeps near-duplicates side by side. So the sample
    follows from the set of articles, not from their order.
    """
    dates = np.where(features.published_at_seconds == UNDATED, 0, features.published_at_seconds)
    signed = features.has_signature
    first = np.zeros(len(features), dtype=np.uint32)
    first[signed] = features.text_signatures[features.signature_offsets[:-1][signed]]
    order = np.lexsort((features.token_counts, first, dates))
    return features.taken(order[max(0, order.size - most) :])


def measure_looseness(
    comparison: Comparison, features: FeatureColumns, rule: MergeRule, *, threads: int = 1
) -> dict[str, float]:
    """Return language → what to add to similarities, for those where it is not 0.

    Parameters
    ----------
    comparison
        The sample, made ready to be compared.
    features
        The same articles.
    rule
        When two groups may join.
    threads
        Threads that compare pairs; does not change the result.
    """
    measured = {}
    for number, lang in enumerate(features.language_names):
        chosen = np.flatnonzero(features.is_ordinary & (features.languages == number))
        if chosen.size >= LEAST_ARTICLES:
            step = _middle_of_best_steps(*_matrices(comparison, chosen, threads), rule)
            if step:
                measured[lang] = step
    return measured


def silhouettes(distances: NDArray[np.floating], labels: Int64Array) -> Float64Array:
    """Return the silhouette of each article.

    Parameters
    ----------
    distances
        Shape (n, n), symmetric, at least 0; the diagonal is 0.
    labels
        Shape (n,): 0, 1, …, every number up to the largest.

    Returns
    -------
    float64, shape (n,), in [-1, 1]; 0 for an article that is alone in its cluster, and for all of
    them where there is only one cluster.
    """
    count, sizes = labels.size, np.bincount(labels)
    if sizes.size < 2:
        return np.zeros(count)
    order = np.argsort(labels, kind="stable")
    begins = np.cumsum(sizes) - sizes
    sums = np.add.reduceat(distances[:, order], begins, axis=1, dtype=np.float64)
    rows = np.arange(count)
    own_sizes = sizes[labels]
    inside = sums[rows, labels] / np.maximum(own_sizes - 1, 1)
    means = sums / sizes
    means[rows, labels] = np.inf
    outside = means.min(axis=1)
    larger = np.maximum(inside, outside)
    ratios = np.divide(outside - inside, larger, out=np.zeros(count), where=larger > 0)
    return np.where(own_sizes > 1, ratios, 0.0)


def _matrices(
    comparison: Comparison, chosen: Int64Array, threads: int
) -> tuple[Float32Array, Float32Array]:
    """Return evidence and time penalties of all pairs; shape (n, n), zeros on the diagonal."""
    i, j = np.triu_indices(chosen.size, k=1)
    evidence, penalties = np.zeros((2, chosen.size, chosen.size), dtype=np.float32)
    evidence[i, j], penalties[i, j] = comparison.evidence(chosen[i], chosen[j], threads=threads)
    evidence[j, i], penalties[j, i] = evidence[i, j], penalties[i, j]
    return evidence, penalties


def _middle_of_best_steps(
    evidence: Float32Array, penalties: Float32Array, rule: MergeRule
) -> float:
    distances = 1.0 - np.clip(evidence - penalties, _LEAST_EVIDENCE, 1.0)
    np.fill_diagonal(distances, 0.0)
    means: dict[float, float] = {}
    highest = -np.inf
    for steps in (LOOSER, DENSER):
        for step in steps:
            similarities = np.clip(evidence + np.float32(step), 0.0, 1.0) - penalties
            labels = link_dense(np.maximum(similarities, 0.0), rule)
            means[step] = float(silhouettes(distances, labels).mean())
            highest = max(highest, means[step])
            if means[step] < highest - _WORSE:
                break
    if highest <= _NO_STRUCTURE:
        return 0.0
    near = [step for step, mean in means.items() if mean >= highest - _NEAR]
    return round(sum(near) / len(near), 4)
