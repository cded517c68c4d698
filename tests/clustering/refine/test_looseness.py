"""Looseness: the silhouette against scikit-learn's, and what is found in made-up evidence."""

from __future__ import annotations

import random

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import silhouette_samples

from clustering.articles import Article, TextKind
from clustering.columns import FeatureColumns
from clustering.metrics import bcubed
from clustering.prepare import FrequencyTable, ObservedFrequencies
from clustering.preparer import Preparer
from clustering.refine import Comparison, Refinement, Verifier, newest
from clustering.refine.linkage import link_dense
from clustering.refine.looseness import (
    DENSER,
    LEAST_ARTICLES,
    _middle_of_best_steps,
    silhouettes,
)
from tests.clustering.refine.made import made_article
from tests.clustering.test_batch import made_news

RULE = Verifier.shipped().rule


@pytest.mark.parametrize("seed", range(20))
def test_silhouettes_are_those_of_scikit_learn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    count = int(generator.integers(3, 40))
    points = generator.normal(size=(count, 3))
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    labels = np.unique(generator.integers(0, count - 1, size=count), return_inverse=True)[1]
    if labels.max() == 0:
        labels[0] = 1
        labels = np.unique(labels, return_inverse=True)[1]
    expected = silhouette_samples(distances, labels, metric="precomputed")
    assert silhouettes(distances, labels) == pytest.approx(expected, abs=1e-12)


def test_silhouettes_where_there_is_nothing_to_compare() -> None:
    distances = 1.0 - np.eye(3)
    assert silhouettes(distances, np.zeros(3, dtype=np.int64)).tolist() == [0, 0, 0]
    assert silhouettes(distances, np.arange(3)).tolist() == [0, 0, 0]
    # Copies at distance 0 of each other and of a third article.
    assert silhouettes(np.zeros((3, 3)), np.array([0, 0, 1])).tolist() == [0, 0, 0]


def made_evidence(
    inside: float, outside: float, *, events: int = 8, reports: int = 9, seed: int = 1
) -> tuple[NDArray[np.float32], list[int]]:
    """Evidence of articles whose events are so much alike inside and outside, with some noise."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(events), reports)
    noise = generator.normal(scale=0.15, size=(labels.size, labels.size))
    evidence = np.where(labels[:, None] == labels[None], inside, outside) + (noise + noise.T) / 2
    np.fill_diagonal(evidence, 0.0)
    return evidence.astype(np.float32), labels.tolist()


def found(evidence: NDArray[np.float32], step: float) -> list[int]:
    labels: list[int] = link_dense(np.clip(evidence + step, 0, 1), RULE).tolist()
    return labels


def test_loose_events_are_brought_together() -> None:
    evidence, events = made_evidence(-0.05, -0.7)
    nothing = np.zeros_like(evidence)
    step = _middle_of_best_steps(evidence, nothing, RULE)
    assert step >= 0.2
    assert bcubed(events, found(evidence, 0.0)).f1 < 0.6
    assert bcubed(events, found(evidence, step)).f1 > 0.95


def test_dense_events_stay_apart() -> None:
    """Events that resemble each other more than usual, as in a corpus of one subject."""
    evidence, events = made_evidence(0.95, 0.42)
    nothing = np.zeros_like(evidence)
    step = _middle_of_best_steps(evidence, nothing, RULE)
    assert step <= 0
    assert bcubed(events, found(evidence, step)).f1 >= bcubed(events, found(evidence, 0.3)).f1


def test_strangers_are_not_brought_together() -> None:
    generator = np.random.default_rng(5)
    noise = generator.normal(-0.5, 0.25, size=(150, 150))
    evidence = ((noise + noise.T) / 2).astype(np.float32)
    assert _middle_of_best_steps(evidence, np.zeros_like(evidence), RULE) == 0
    # A step up would join some of them, and gain silhouette by it.
    labels = link_dense(np.clip(evidence + 0.4, 0, 1), RULE)
    distances = 1 - np.clip(evidence, -1, 1)
    np.fill_diagonal(distances, 0)
    assert 0 < silhouettes(distances, labels).mean() < 0.25


def test_time_speaks_as_in_the_similarity() -> None:
    """What distance in time takes off counts after clipping: as evidence it would say nothing."""
    evidence, _ = made_evidence(0.1, -0.7)
    late = np.full_like(evidence, 0.15)
    steps = [_middle_of_best_steps(evidence, penalty, RULE) for penalty in (0 * late, late)]
    assert steps[1] > steps[0] - 0.05


def articles(event_share: float, lang: str = "en", seeds: int = 2) -> list[Article]:
    made = []
    for seed in range(seeds):
        made += made_news(seed, event_share=event_share)[0]
    return [Article(text=item.text, title=item.title, lang=lang) for item in made]


def columns(made: list[Article]) -> FeatureColumns:
    return FeatureColumns.of([item.features for item in Preparer.shipped().prepare_all(made)])


def refinement_of(features: FeatureColumns) -> Refinement:
    observed = ObservedFrequencies.of_columns(features)
    return Refinement.shipped(FrequencyTable.shipped().with_observed(observed))


def test_each_language_is_measured_by_itself() -> None:
    """English reports here share most of their words with other events, German ones do not."""
    alike, usual = articles(0.08), articles(0.5, "de")
    features = columns([*alike, *usual])
    refinement = refinement_of(features)
    measured = refinement.measure_looseness(features)
    assert min(DENSER) <= measured["en"] < measured.get("de", 0.0)
    assert refinement.measure_looseness(columns(alike)) == {"en": measured["en"]}
    assert "en" not in refinement.measure_looseness(columns(usual))
    assert refinement.measure_looseness(features, threads=2) == measured


def test_too_few_articles_say_nothing() -> None:
    features = columns(articles(0.08))
    few = features[: LEAST_ARTICLES - 1]
    assert refinement_of(features).measure_looseness(features)
    assert refinement_of(features).measure_looseness(few) == {}
    assert refinement_of(features).measure_looseness(features[:0]) == {}


def test_texts_that_are_not_ordinary_do_not_count() -> None:
    generator = np.random.default_rng(2)
    made = [made_article(generator, kind=TextKind.TINY) for _ in range(LEAST_ARTICLES)]
    features = FeatureColumns.of(made)
    assert refinement_of(features).measure_looseness(features) == {}


def test_the_newest_articles_whatever_their_order() -> None:
    generator = np.random.default_rng(3)
    made = [
        made_article(generator, published_at_seconds=None if k < 5 else 1_000 + k)
        for k in range(30)
    ]
    dates = [item.published_at_seconds for item in newest(FeatureColumns.of(made), 10)]
    assert dates == list(range(1_020, 1_030))
    random.Random(1).shuffle(made)
    shuffled = newest(FeatureColumns.of(made), 28)
    random.Random(2).shuffle(made)
    again = newest(FeatureColumns.of(made), 28)
    assert shuffled.term_ids.tolist() == again.term_ids.tolist()
    assert len(newest(FeatureColumns.of(made), 100)) == 30
    assert len(newest(FeatureColumns.of([]), 100)) == 0


def test_looseness_is_added_before_clipping() -> None:
    features = columns(articles(0.2, seeds=1))
    plain = refinement_of(features)
    assert isinstance(plain.frequencies, FrequencyTable)
    observed = plain.frequencies.observed
    i, j = np.triu_indices(len(features), k=1)
    evidence, penalties = plain.compare(features).evidence(i, j)
    for step in (0.25, -0.15):
        table = plain.frequencies.with_observed(observed.with_looseness({"en": step, "fr": 0.5}))
        # Kept ready from one comparison to the next, and built for this one alone.
        kept = Refinement.shipped(table).compare(list(features))
        built = Comparison(features, table, plain.verifier)
        for comparison in (kept, built):
            expected = np.maximum(np.clip(evidence + step, 0, 1) - penalties, 0)
            assert comparison.similarities(i, j) == pytest.approx(expected, abs=1e-6)
            assert comparison.explain(0, 1).looseness == pytest.approx(step)
    assert plain.compare(features).explain(0, 1).looseness == 0
