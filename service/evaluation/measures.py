"""The measures of a clustering against labels: of all articles, of each language, and their means.

Averaging over languages gives each the same say, however many articles it has; so does averaging
over files ("macro" mean).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from clustering.metrics import adjusted_rand_index, bcubed, candidate_recall, pairwise
from service.evaluation.outcome import Candidates, Outcome


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The measures of one labelled file; all but the counts in [0, 1] (the Rand index from -.5).

    Attributes
    ----------
    candidate_pair_recall
        Of all pairs about one event, the share that LSH proposed.
    candidate_article_recall
        Of the articles that have a companion, the share with at least one of them proposed.
    """

    articles: int
    events: int
    clusters: int
    bcubed_precision: float
    bcubed_recall: float
    bcubed_f1: float
    pairwise_precision: float
    pairwise_recall: float
    pairwise_f1: float
    adjusted_rand_index: float
    candidate_pair_recall: float
    candidate_article_recall: float

    def as_json(self) -> dict[str, int | float]:
        """Return the measures by name, cut to four digits behind the point."""
        values = ((item.name, getattr(self, item.name)) for item in fields(self))
        return {
            name: round(value, 4) if isinstance(value, float) else value for name, value in values
        }


def evaluate(
    outcome: Outcome, candidates: Candidates, positions: Sequence[int] | None = None
) -> Evaluation:
    """Measure a clustering, and the candidates it was made from.

    Parameters
    ----------
    outcome
        The clustering.
    candidates
        Pairs proposed among all its articles.
    positions
        Measure these articles only, as if the others were not there; ``None`` for all.
    """
    chosen = range(len(outcome.labels)) if positions is None else positions
    labels = [outcome.labels[k] for k in chosen]
    cluster_ids = [outcome.cluster_ids[k] for k in chosen]
    place = np.full(len(outcome.labels), -1, dtype=np.int64)
    place[list(chosen)] = np.arange(len(labels))
    inside = (place[candidates.first] >= 0) & (place[candidates.second] >= 0)
    by_bcubed = bcubed(labels, cluster_ids)
    by_pairs = pairwise(labels, cluster_ids)
    proposed = candidate_recall(
        labels, place[candidates.first[inside]], place[candidates.second[inside]]
    )
    return Evaluation(
        articles=len(labels),
        events=len(set(labels)),
        clusters=len(set(cluster_ids)),
        bcubed_precision=by_bcubed.precision,
        bcubed_recall=by_bcubed.recall,
        bcubed_f1=by_bcubed.f1,
        pairwise_precision=by_pairs.precision,
        pairwise_recall=by_pairs.recall,
        pairwise_f1=by_pairs.f1,
        adjusted_rand_index=adjusted_rand_index(labels, cluster_ids),
        candidate_pair_recall=proposed.pair_recall,
        candidate_article_recall=proposed.articles_with_candidate,
    )


def evaluate_languages(outcome: Outcome, candidates: Candidates) -> dict[str, Evaluation]:
    """Measure the articles of each language by themselves; language → its measures."""
    return {
        lang: evaluate(outcome, candidates, positions)
        for lang, positions in outcome.languages().items()
    }


def mean_of(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Average measures, each evaluation counting alike; counts are summed.

    Raises
    ------
    ValueError
        If there is none.
    """
    if not evaluations:
        raise ValueError("there is no mean of no evaluations")
    values: dict[str, Any] = {}
    for item in fields(Evaluation):
        column = [getattr(evaluation, item.name) for evaluation in evaluations]
        whole = all(isinstance(value, int) for value in column)
        values[item.name] = sum(column) if whole else float(np.mean(column))
    return Evaluation(**values)
