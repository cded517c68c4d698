"""Shared buckets added up and ranked, against a plain count."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clustering.propose import rank_shared

ENTRIES = st.lists(
    st.tuples(st.integers(0, 20) | st.integers(0, 2**32 - 1), st.integers(1, 255)), max_size=80
)


@given(ENTRIES, st.integers(0, 30))
def test_highest_weight_first_then_the_newest(entries: list[tuple[int, int]], limit: int) -> None:
    total: Counter[int] = Counter()
    for handle, weight in entries:
        total[handle] += weight
    expected = sorted(total.items(), key=lambda item: (-item[1], -item[0]))[:limit]
    handles, weights = rank_shared(
        np.array([handle for handle, _ in entries], dtype=np.uint32),
        np.array([weight for _, weight in entries], dtype=np.uint32),
        limit,
    )
    assert list(zip(handles, weights, strict=True)) == expected
