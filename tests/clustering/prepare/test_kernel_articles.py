"""Sorting, and pairs of neighbours, against Python's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.prepare.kernel_articles import distinct_bigrams, sort_by_id
from clustering.prepare.kernel_terms import BIGRAM_ID_BITS

IDS = st.one_of(st.integers(0, 3), st.integers(0, 2**32 - 1))


@settings(deadline=None)
@given(st.lists(IDS, max_size=60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 32))
def test_sorting_keeps_the_order_of_equals_and_what_stands_beside(
    ids: list[int], one: int, other: int, shift: int
) -> None:
    begin, end = sorted((min(one, len(ids)), min(other, len(ids))))
    # What stands below the bits that count tells the order they had.
    values = [id_ << shift | place % (1 << shift) for place, id_ in enumerate(ids)]
    found = np.array(values, dtype=np.uint64)
    sort_by_id(found, np.empty_like(found), begin, end, shift)
    values[begin:end] = sorted(values[begin:end], key=lambda value: value >> shift)
    assert found.tolist() == values


ARTICLES = st.lists(st.lists(st.tuples(IDS, st.booleans()), max_size=12), min_size=1, max_size=5)


@settings(deadline=None)
@given(ARTICLES)
def test_pairs_of_one_sentence_are_named_once(articles: list[list[tuple[int, bool]]]) -> None:
    """Each term with the hash of it and the next one, and whether it begins a sentence."""
    hashes: list[int] = []
    hash_ends: list[int] = []
    sentences: list[int] = []
    term_ends: list[int] = []
    expected: list[list[int]] = []
    for terms in articles:
        begun = np.cumsum([begins for _, begins in terms], dtype=int).tolist()
        pairs = [id_ for id_, _ in terms[: max(1, len(terms) - 1)]]
        hashes += pairs
        hash_ends.append(len(hashes))
        sentences += begun
        term_ends.append(len(sentences))
        together = zip(pairs, begun, begun[1:], strict=False)
        ids = {id_ & int(BIGRAM_ID_BITS) for id_, first, second in together if first == second}
        expected.append(sorted(ids))
    offsets, found = distinct_bigrams(
        np.array(hashes, dtype=np.uint32),
        np.array(hash_ends, dtype=np.int64),
        np.array(term_ends, dtype=np.int64),
        np.array(sentences, dtype=np.int32),
    )
    assert [part.tolist() for part in np.split(found, offsets[1:-1])] == expected


@pytest.mark.parametrize("count", [900, 5000])
@pytest.mark.parametrize("kinds", [3, 1 << 32])
def test_many_are_sorted_however_they_begin(count: int, kinds: int) -> None:
    generator = np.random.default_rng(5)
    ids = generator.integers(0, kinds, count).astype(np.uint64)
    values = (ids << np.uint64(20)) | np.arange(count, dtype=np.uint64)
    found = values.copy()
    sort_by_id(found, np.empty_like(found), 0, count, 20)
    assert found.tolist() == np.sort(values).tolist()
