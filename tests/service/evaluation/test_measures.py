from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from clustering.metrics import bcubed
from service.evaluation.measures import Evaluation, evaluate, evaluate_languages, mean_of
from service.evaluation.outcome import Candidates
from tests.service.evaluation.made import bare, samples


def pairs(*found: tuple[int, int]) -> Candidates:
    first, second = np.array(found or np.zeros((0, 2)), dtype=np.int64).T
    return Candidates(first, second)


def test_perfect_clusters_have_ones_throughout() -> None:
    found = evaluate(samples(), Candidates.among(samples().features))
    assert found.articles == len(samples().labels)
    assert found.events == found.clusters == len(set(samples().labels))
    assert found.bcubed_f1 == found.pairwise_f1 == found.adjusted_rand_index == 1.0
    # The candidates are not made from the clusters, so they need not be perfect.
    assert 0.9 <= found.candidate_pair_recall <= 1.0


def test_positions_measure_as_if_the_others_were_not_there() -> None:
    outcome = bare(list("aabbcc"), list("xxxyyz"))
    candidates = pairs((0, 1), (1, 2), (2, 3), (4, 5))
    part = evaluate(outcome, candidates, [0, 1, 2, 3])
    alone = evaluate(bare(list("aabb"), list("xxxy")), pairs((0, 1), (1, 2), (2, 3)))
    assert part == alone
    assert part != evaluate(outcome, candidates)
    assert part.bcubed_f1 == pytest.approx(bcubed("aabb", "xxxy").f1)


def test_languages_are_measured_each_by_itself() -> None:
    outcome = bare(list("aaaa"), list("xxyz"), ["en", "en", "fr-CA", "fr"])
    found = evaluate_languages(outcome, pairs((0, 1), (1, 2)))
    assert list(found) == ["en", "fr"]
    assert found["en"].bcubed_f1 == 1.0
    assert found["fr"].bcubed_recall == 0.5
    assert found["en"].candidate_pair_recall == 1.0
    assert found["fr"].candidate_pair_recall == 0.0


def test_parted_by_language_no_label_spans_two() -> None:
    parted = bare(list("ab"), list("xy"), ["en", "fr"]).parted_by_language()
    assert parted.labels == ("a [en]", "b [fr]")
    assert parted.cluster_ids == ("x", "y")


def test_means_weigh_each_alike_and_counts_are_summed() -> None:
    small = evaluate(bare(list("aa"), list("xx")), pairs((0, 1)))
    large = evaluate(bare(list("aabbcc"), list("xyxyxy")), pairs())
    mean = mean_of([small, large])
    assert mean.articles == 8
    assert mean.clusters == 3
    for item in fields(Evaluation):
        if isinstance(getattr(mean, item.name), float):
            expected = (getattr(small, item.name) + getattr(large, item.name)) / 2
            assert getattr(mean, item.name) == pytest.approx(expected)
    with pytest.raises(ValueError, match="no mean"):
        mean_of([])
