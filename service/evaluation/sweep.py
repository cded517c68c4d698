"""The same articles clustered under stricter and laxer thresholds.

What is swept is the decision threshold of the verifier: at a shift of +0.1 every pair counts as 0.1
less alike, so that 0.1 more is needed to join. How much that is depends on the groups
(`clustering.refine.MergeRule`).

The sweep clusters all articles at once, as the nightly job does, whether or not the evaluation
beside it was made online.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from clustering.articles import ArticleFeatures
from clustering.batch import recluster
from clustering.columns import FeatureColumns
from clustering.learning import with_looseness
from clustering.metrics import bcubed
from clustering.prepare import FrequencyTable, ObservedFrequencies
from clustering.propose import SignatureScheme
from clustering.refine import Refinement
from service.evaluation.outcome import Outcome

SHIFTS: tuple[float, ...] = tuple(round(0.025 * step, 3) for step in range(-8, 9))
"""What is added to the similarity every merge needs; 0 is the default."""

STEADY_RANGE = 0.1
"""Within this of the default F1 should hardly move."""


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """BCubed at one decision threshold.

    Attributes
    ----------
    similarity_threshold_shift
        Added to the similarity that every pair needs.
    pair_similarity_threshold
        What two single articles need at this shift, in [0, 1] where it can be met.
    precision, recall, f1
        In [0, 1].
    """

    similarity_threshold_shift: float
    pair_similarity_threshold: float
    precision: float
    recall: float
    f1: float
    clusters: int

    def as_json(self) -> dict[str, float]:
        """Return the fields, cut to four digits behind the point."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def refinement_of(features: Sequence[ArticleFeatures]) -> Refinement:
    """Return the refinement of these articles clustered at once, by what they show themselves."""
    columns, shipped = FeatureColumns.of(features), FrequencyTable.shipped()
    observed = with_looseness(ObservedFrequencies.of_columns(columns), shipped, columns)
    return Refinement.shipped(shipped.with_observed(observed))


def sweep(
    outcome: Outcome,
    *,
    by_lang: bool = False,
    shifts: Sequence[float] = SHIFTS,
    on_progress: Callable[[str, float | None], None] | None = None,
) -> list[SweepPoint]:
    """Cluster the articles once for each shift of the decision threshold.

    Parameters
    ----------
    outcome
        Whose articles and labels to use.
    by_lang
        Average over languages instead of measuring all articles together.
    shifts
        See `SweepPoint`.
    on_progress
        Told how far the work is.
    """
    base = refinement_of(outcome.features)
    groups = list(outcome.languages().values()) if by_lang else [list(range(len(outcome.labels)))]
    scheme = SignatureScheme()
    points = []
    for number, shift in enumerate(shifts):
        if on_progress is not None:
            on_progress("sweeping", number / len(shifts))
        refinement = Refinement(base.frequencies, base.verifier.shifted(shift))
        labels = recluster(outcome.features, refinement, scheme).labels.tolist()
        figures = [
            bcubed([outcome.labels[k] for k in group], [labels[k] for k in group])
            for group in groups
        ]
        points.append(
            SweepPoint(
                similarity_threshold_shift=shift,
                pair_similarity_threshold=base.rule.required_similarity(1, 1) + shift,
                precision=float(np.mean([figure.precision for figure in figures])),
                recall=float(np.mean([figure.recall for figure in figures])),
                f1=float(np.mean([figure.f1 for figure in figures])),
                clusters=len(set(labels)),
            )
        )
    return points


def largest_move(points: Sequence[SweepPoint]) -> float:
    """Return by how much F1 departs most from the default's within ``STEADY_RANGE`` of it."""
    default = next(point.f1 for point in points if point.similarity_threshold_shift == 0)
    return max(
        abs(point.f1 - default)
        for point in points
        if abs(point.similarity_threshold_shift) <= STEADY_RANGE + 1e-9
    )
