"""A window is clustered with its own frequencies, whatever the order and the threads."""

from __future__ import annotations

import random

import numpy as np
import pytest

from clustering.articles import Article, ArticleFeatures
from clustering.batch import recluster
from clustering.metrics import bcubed
from clustering.preparer import Preparer
from clustering.refine import Refinement
from clustering.window import cluster_window
from tests.clustering.test_batch import made_news


@pytest.fixture(scope="module")
def preparer() -> Preparer:
    return Preparer.shipped()


@pytest.fixture(scope="module")
def features(preparer: Preparer) -> list[ArticleFeatures]:
    articles, _ = made_news()
    return [item.features for item in preparer.prepare_all([*articles, Article(text="Tiny.")])]


def test_an_empty_window(preparer: Preparer) -> None:
    window = cluster_window([], preparer.frequencies, preparer.scheme)
    assert window.clustering.labels.tolist() == []
    assert window.observed.article_count == 0


def test_it_counts_and_clusters_with_what_it_counted(
    preparer: Preparer, features: list[ArticleFeatures]
) -> None:
    window = cluster_window(features, preparer.frequencies, preparer.scheme)
    assert window.observed.article_count == len(features)
    # Counted by hand: in how many articles each term stands.
    terms, counts = np.unique(
        np.concatenate([item.vector.term_ids for item in features]), return_counts=True
    )
    assert np.array_equal(window.observed.term_ids, terms)
    assert np.array_equal(window.observed.term_counts, counts)
    refinement = Refinement.shipped(preparer.frequencies.with_observed(window.observed))
    expected = recluster(features, refinement, preparer.scheme)
    assert window.clustering.labels.tolist() == expected.labels.tolist()
    _, events = made_news()
    labels = window.clustering.labels.tolist()
    assert bcubed(events, labels[:-1]).f1 > 0.9
    assert labels.count(labels[-1]) == 1


def test_neither_order_nor_threads_show(
    preparer: Preparer, features: list[ArticleFeatures]
) -> None:
    def partition(order: list[int], threads: int | None) -> set[frozenset[int]]:
        window = cluster_window(
            [features[k] for k in order], preparer.frequencies, preparer.scheme, threads=threads
        )
        groups: dict[int, set[int]] = {}
        for k, label in zip(order, window.clustering.labels.tolist(), strict=True):
            groups.setdefault(label, set()).add(k)
        return {frozenset(group) for group in groups.values()}

    order = list(range(len(features)))
    expected = partition(order, 1)
    for seed, threads in ((1, 1), (2, 3), (3, None)):
        random.Random(seed).shuffle(order)
        assert partition(order, threads) == expected


def test_progress_is_told(preparer: Preparer, features: list[ArticleFeatures]) -> None:
    told: list[tuple[str, int, int]] = []
    cluster_window(
        features,
        preparer.frequencies,
        preparer.scheme,
        on_progress=lambda *report: told.append(report),
    )
    assert {stage for stage, _, _ in told} == {
        "candidates",
        "similarities",
        "linkage",
        "duplicates",
    }
    assert all(0 <= done <= total for _, done, total in told)
