"""The compiled loops against the same formulas in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from clustering.articles import TextKind
from clustering.errors import ConfigurationError
from clustering.refine import Comparison, LookAlikeKind, Refinement
from clustering.refine.duplicates import (
    LEAST_ESTIMATE,
    LEAST_MARKED_OVERLAP,
    LEAST_TEMPLATE_TITLE_OVERLAP,
    LEAST_TERM_OVERLAP,
    LEAST_TEXT_CONTENT_WORDS,
    SAME_TEXT_ESTIMATE,
    TEMPLATE_CONTENT_WORDS,
    are_near_duplicates,
)
from clustering.refine.kernel_pairs import (
    are_comparable,
    are_positions,
    settled,
    time_penalties,
)
from clustering.refine.linkage import mean_between
from clustering.refine.verifier import LOGIT_OFFSET, LOGIT_SPAN, Verifier
from tests.clustering.refine.made import MadeFrequencies, made_article, made_articles

_DAY = 86_400.0


def test_penalties_grow_with_the_logarithm_of_days_and_stop() -> None:
    generator = np.random.default_rng(1)
    seconds = np.concatenate([generator.random(300) * 100 * _DAY, np.full(20, np.nan)])
    first, second = generator.integers(0, seconds.size, (2, 4000))
    days = np.abs(seconds[first] - seconds[second]) / _DAY
    expected = np.minimum(0.15, 0.05 * np.log1p(np.maximum(0.0, days - 2.0)))
    found = time_penalties(first, second, seconds)
    np.testing.assert_allclose(found, np.nan_to_num(expected, nan=0.0), rtol=1e-15)
    assert (found == 0.15).any()
    assert (found == 0.0).any()


def test_ordinary_texts_in_one_known_language_are_comparable() -> None:
    usable = np.array([True, True, True, True, False])
    languages = np.array([0, 1, -1, 0, 0], dtype=np.int16)
    first, second = (part.ravel() for part in np.indices((5, 5)))
    found = are_comparable(first, second, usable, languages).reshape(5, 5)
    assert (found == found.T).all()
    assert np.argwhere(np.triu(found)).tolist() == [
        [0, 0],
        [0, 2],
        [0, 3],
        [1, 1],
        [1, 2],
        [2, 2],
        [2, 3],
        [3, 3],
    ]


@pytest.mark.parametrize(("first", "second"), [([-1], [0]), ([0], [3]), ([0, 5], [1, 1])])
def test_positions_out_of_range_are_told(first: list[int], second: list[int]) -> None:
    assert not are_positions(np.array(first), np.array(second), 3)
    comparison = Comparison(made_articles(3, seed=1), MadeFrequencies(), Verifier.shipped())
    with pytest.raises(ConfigurationError, match="3 articles are here"):
        comparison.similarities(first, second)


def test_similarity_is_the_clipped_logit_less_the_penalty() -> None:
    generator = np.random.default_rng(9)
    articles = [
        made_article(
            generator,
            lang=("en", "fr", "und")[number % 3],
            kind=TextKind.TINY if number % 10 == 0 else TextKind.ORDINARY,
            published_at_seconds=None if number % 4 == 0 else int(number * 2 * _DAY),
        )
        for number in range(60)
    ]
    comparison = Refinement(MadeFrequencies(), Verifier.shipped()).compare(articles)
    first, second = np.triu_indices(60, k=1)
    corpus = comparison.corpus
    expected = np.clip((comparison.logits(first, second) + LOGIT_OFFSET) / LOGIT_SPAN, 0.0, 1.0)
    expected -= time_penalties(first, second, corpus.published_at_seconds)
    expected = np.maximum(expected, 0.0)
    expected[~are_comparable(first, second, corpus.usable, corpus.languages)] = 0.0
    found, kinds = comparison.look_alikes(first, second)
    np.testing.assert_array_equal(found, expected.astype(np.float32))
    assert 0 < np.count_nonzero(expected) < expected.size
    expected[kinds != LookAlikeKind.NONE] = 0.0
    np.testing.assert_array_equal(
        comparison.similarities(first, second), expected.astype(np.float32)
    )


def test_copies_are_told_as_the_constants_say() -> None:
    """At every constant itself too: 13 of 20 is .65, in the evidence's own precision."""
    generator = np.random.default_rng(4)
    edges = np.array(
        [
            [LEAST_ESTIMATE, SAME_TEXT_ESTIMATE, 0.656, 0.5],
            [LEAST_TERM_OVERLAP, 13 / 20, 0.649, 0.9],
            [LEAST_MARKED_OVERLAP, 9 / 20, 0.44, 1.0],
            [LEAST_TEMPLATE_TITLE_OVERLAP, 0.0, 0.339, 1.0],
            [TEMPLATE_CONTENT_WORDS, LEAST_TEXT_CONTENT_WORDS, 29, 59],
        ],
        dtype=np.float32,
    )
    evidence = np.stack([generator.choice(column, 4000) for column in edges], axis=1)
    short = evidence[:, 4] < TEMPLATE_CONTENT_WORDS
    same_text = (evidence[:, 0] >= SAME_TEXT_ESTIMATE) & (
        evidence[:, 4] >= LEAST_TEXT_CONTENT_WORDS
    )
    expected = (
        (evidence[:, 0] >= LEAST_ESTIMATE)
        & (evidence[:, 1] >= LEAST_TERM_OVERLAP)
        & (evidence[:, 2] >= LEAST_MARKED_OVERLAP)
        & (~short | same_text | (evidence[:, 3] >= LEAST_TEMPLATE_TITLE_OVERLAP))
    )
    np.testing.assert_array_equal(are_near_duplicates(evidence), expected)
    assert 0 < expected.sum() < expected.size


def test_means_between_blocks_are_those_of_the_matrices() -> None:
    generator = np.random.default_rng(6)
    for blocks, count in ((1, 1), (1, 5), (4, 4), (7, 30)):
        block_of = np.concatenate(
            [np.arange(blocks), generator.integers(0, blocks, count - blocks)]
        )
        half = np.triu(generator.random((count, count)), k=1)
        similarities = (half + half.T).astype(np.float32)
        members = (block_of == np.arange(blocks)[:, None]).astype(np.float64)
        counts = members.sum(axis=1)
        sums = members @ similarities.astype(np.float64) @ members.T
        means, within = mean_between(
            similarities + np.eye(count, dtype=np.float32), block_of, counts.astype(np.int64)
        )
        np.testing.assert_allclose(means, sums / np.outer(counts, counts), rtol=1e-12)
        expected = np.diag(sums) / np.maximum(1.0, counts * (counts - 1.0))
        np.testing.assert_allclose(within, np.where(counts > 1, expected, 0.0), rtol=1e-12)


def test_what_candidates_come_to() -> None:
    """Look-alikes count for nothing unless they are copies; the likest of them is named."""
    alike = np.array([0.5, 0.9, 0.9, 0.0, 0.3], dtype=np.float32)
    kinds = np.array([0, 1, 2, 1, 0], dtype=np.uint8)
    copies = np.array([False, False, True, False, True])
    similarities, likest = settled(alike, kinds, copies)
    assert similarities.tolist() == [0.5, 0.0, 1.0, 0.0, 1.0]
    assert likest == 1
    _, likest = settled(alike, np.where(alike > 0, 0, kinds).astype(np.uint8), copies)
    assert likest == -1
