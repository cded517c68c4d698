"""Pairs in buckets, distinct hashes and Jaccard similarities against Python's sets."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.propose.kernel_sets import (
    distinct_hashes,
    jaccard_similarities,
    pairs_in_buckets,
)

# Few values, so that they repeat; and large ones, so that all bits count.
HASHES = st.one_of(st.integers(1, 6), st.integers(1, 2**64 - 1))
SETS = st.lists(st.lists(HASHES, max_size=20), min_size=1, max_size=8)


def joined(lists: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    values = np.array([value for part in lists for value in part], dtype=np.uint64)
    return values, np.cumsum([len(part) for part in lists], dtype=np.int64)


@settings(deadline=None)
@given(SETS)
def test_distinct_hashes_keep_their_order(lists: list[list[int]]) -> None:
    found, ends = distinct_hashes(*joined(lists))
    expected = [list(dict.fromkeys(part)) for part in lists]
    assert found.tolist() == [value for part in expected for value in part]
    assert ends.tolist() == np.cumsum([len(part) for part in expected]).tolist()


@settings(deadline=None)
@given(SETS)
def test_jaccard_is_that_of_sets(lists: list[list[int]]) -> None:
    sets = [list(dict.fromkeys(part)) for part in lists]
    hashes, ends = joined(sets)
    pairs = [(a, b) for a in range(len(sets)) for b in range(len(sets))]
    first, second = np.array(pairs, dtype=np.int64).T
    found = jaccard_similarities(hashes, np.r_[0, ends], first.copy(), second.copy())
    expected = [
        len({*sets[a]} & {*sets[b]}) / max(1, len({*sets[a]} | {*sets[b]})) for a, b in pairs
    ]
    assert found.tolist() == expected


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(1, 50))
def test_texts_meet_the_first_and_those_before_them(buckets: list[int], limit: int) -> None:
    bucket_of = np.array(buckets, dtype=np.uint64)
    keys = pairs_in_buckets(bucket_of, np.argsort(bucket_of), limit)
    expected = set()
    for bucket in set(buckets):
        members = [text for text, other in enumerate(buckets) if other == bucket]
        for low, high in combinations(range(len(members)), 2):
            if low == 0 or high - low <= limit:
                expected.add(members[low] * len(buckets) + members[high])
    assert len(keys) == len(expected)
    assert set(keys.tolist()) == expected
