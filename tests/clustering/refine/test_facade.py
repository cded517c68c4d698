"""The facade: blocks stand for their articles, samples for their clusters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clustering.errors import ConfigurationError
from clustering.refine import Comparison, Refinement, Verifier
from clustering.refine.linkage import link_dense
from tests.clustering.refine.made import MadeFrequencies, made_articles


@pytest.fixture(scope="module")
def refinement() -> Refinement:
    return Refinement(MadeFrequencies(), Verifier.shipped())


@pytest.fixture(scope="module")
def comparison(refinement: Refinement) -> Comparison:
    return refinement.compare(made_articles(10, seed=4))


def test_without_blocks_every_article_is_linked(
    refinement: Refinement, comparison: Comparison
) -> None:
    expected = link_dense(comparison.similarity_matrix(), refinement.rule)
    assert refinement.link(comparison).tolist() == expected.tolist()
    singles = [[k] for k in range(10)]
    assert refinement.link(comparison, blocks=singles).tolist() == expected.tolist()


def test_blocks_are_compared_by_the_mean_over_their_pairs(
    refinement: Refinement, comparison: Comparison
) -> None:
    blocks = [[0, 4, 7], [1, 2], [3], [5, 6, 8, 9]]
    means = np.zeros((4, 4))
    for a, left in enumerate(blocks):
        for b, right in enumerate(blocks):
            if a != b:
                means[a, b] = np.mean(
                    [comparison.similarities([x], [y])[0] for x in left for y in right]
                )
    for sizes in ([3, 2, 1, 4], [300, 2, 1, 4]):
        expected = link_dense(means, refinement.rule, sizes=sizes)
        found = refinement.link(comparison, blocks=blocks, block_sizes=sizes)
        assert found.tolist() == expected.tolist()


def test_cannot_link_names_blocks(refinement: Refinement) -> None:
    article = made_articles(1, seed=5)[0]
    comparison = refinement.compare([article, article, article])
    assert refinement.link(comparison).tolist() == [0, 0, 0]
    labels = refinement.link(comparison, blocks=[[0, 1], [2]], cannot_link=[(0, 1)])
    assert labels.tolist() == [0, 1]


def test_duplicate_groups_are_the_copies(refinement: Refinement) -> None:
    articles = made_articles(4, seed=6)
    copies = [replace(articles[k], publisher="again") for k in (2, 0, 2)]
    groups = refinement.duplicate_groups(refinement.compare([*articles, *copies]))
    assert groups.tolist() == [0, 1, 2, 3, 2, 0, 2]


def test_blocks_must_cover_every_article_once(
    refinement: Refinement, comparison: Comparison
) -> None:
    rest = list(range(1, 10))
    with pytest.raises(ConfigurationError, match="exactly one block"):
        refinement.link(comparison, blocks=[[0], rest[:-1]])
    with pytest.raises(ConfigurationError, match="exactly one block"):
        refinement.link(comparison, blocks=[[0, 1], rest])
    with pytest.raises(ConfigurationError, match="has no articles"):
        refinement.link(comparison, blocks=[[0, *rest], []])
    with pytest.raises(ConfigurationError, match="names article 10"):
        refinement.link(comparison, blocks=[[0, 10], rest])
    with pytest.raises(ConfigurationError, match="its sample or more"):
        refinement.link(comparison, blocks=[[0], rest], block_sizes=[1, 3])
