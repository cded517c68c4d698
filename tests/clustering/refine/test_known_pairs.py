"""What is kept of pairs is what was put, and comparisons that use it say what fresh ones say."""

from __future__ import annotations

import numpy as np
import pytest

from clustering.refine import Comparison
from clustering.refine.known_pairs import KnownPairs
from clustering.refine.tfidf import Float32Array, Int64Array
from clustering.refine.verifier import Verifier
from clustering.refine.weighed import WeighedArticles
from tests.clustering.refine.made import MadeFrequencies, made_articles


def _pairs(generator: np.random.Generator, rows: int, count: int) -> tuple[Int64Array, Int64Array]:
    first, second = generator.integers(0, rows, (2, count))
    return first, second


def _put(pairs: KnownPairs, first: Int64Array, second: Int64Array, values: Float32Array) -> None:
    for begin in range(0, first.size, 100):
        some = slice(begin, begin + 100)
        rows = np.concatenate([first[some], second[some]])
        places = np.arange(rows.size // 2)
        matrix = np.zeros((rows.size, rows.size), dtype=np.float32)
        kinds = np.zeros(places.size, dtype=np.uint8)
        pairs.put_missing(rows, places, places + places.size, values[some], kinds, matrix)
        written = matrix[places, places + places.size]
        np.testing.assert_array_equal(written, values[some])
        np.testing.assert_array_equal(matrix, matrix.T)


def _expected(
    known: dict[frozenset[int], float], rows: Int64Array
) -> tuple[Float32Array, list[tuple[int, int]]]:
    matrix = np.eye(rows.size, dtype=np.float32)
    missing = []
    for i in range(rows.size):
        for j in range(i + 1, rows.size):
            pair = frozenset((int(rows[i]), int(rows[j])))
            matrix[i, j] = matrix[j, i] = known.get(pair, 0.0)
            if pair not in known:
                missing.append((i, j))
    return matrix, missing


@pytest.mark.parametrize("rows", [3, 200, 2**31 - 1])
def test_as_a_dictionary_of_unordered_pairs(rows: int) -> None:
    generator = np.random.default_rng(rows)
    pairs, known = KnownPairs(), dict[frozenset[int], float]()
    for count in (0, 1, 40, 3000, 17, 5000):
        first, second = _pairs(generator, rows, count)
        values = generator.random(count).astype(np.float32)
        _put(pairs, first, second, values)
        for a, b, value in zip(first.tolist(), second.tolist(), values.tolist(), strict=True):
            known[frozenset((a, b))] = value
        assert len(pairs) == len(known)
        for size in (0, 1, 2, 30):
            # Rows that were put, and one that may not have been; some twice.
            some = np.concatenate([first[:size], second[:size], generator.integers(0, rows, 1)])
            matrix, i, j = pairs.matrix(some)
            expected, missing = _expected(known, some)
            np.testing.assert_array_equal(matrix, expected)
            assert list(zip(i.tolist(), j.tolist(), strict=True)) == missing


def test_beyond_the_most_everything_is_forgotten() -> None:
    pairs = KnownPairs(most_pairs=10)
    _put(pairs, np.arange(8), np.arange(8) + 1, np.ones(8, dtype=np.float32))
    _put(pairs, np.array([20, 21]), np.array([22, 23]), np.ones(2, dtype=np.float32))
    assert len(pairs) == 10
    _put(pairs, np.array([30]), np.array([31]), np.full(1, 0.5, dtype=np.float32))
    assert len(pairs) == 1
    matrix, first, _ = pairs.matrix(np.array([30, 31, 0, 1]))
    assert matrix[0, 1] == np.float32(0.5)
    assert first.size == 5


def test_a_comparison_says_the_same_whatever_is_known_of_its_pairs() -> None:
    """Nothing, a few pairs, most of them, all; whatever was asked of them before."""
    articles = made_articles(40, seed=8)
    weighed = WeighedArticles(MadeFrequencies())
    generator = np.random.default_rng(2)
    similar = 0
    for size in (2, 3, 9, 12, 12, 30, 31, 40, 40):
        some = [articles[k] for k in generator.permutation(40)[:size].tolist()]
        fresh = Comparison(some, MadeFrequencies(), Verifier.shipped())
        kept = Comparison(some, weighed, Verifier.shipped())
        others = np.arange(1, size)
        first = np.zeros_like(others)
        asked = *fresh.look_alikes(first, others), fresh.near_duplicates(first, others)
        for candidates in (kept.candidates(), fresh.candidates()):
            for found, expected in zip(candidates, asked, strict=True):
                np.testing.assert_array_equal(found, expected)
        matrix = fresh.similarity_matrix()
        similar += int(np.count_nonzero(matrix)) - size
        np.testing.assert_array_equal(kept.similarity_matrix(), matrix)
        np.testing.assert_array_equal(kept.similarity_matrix(), matrix)
    assert similar > 100
