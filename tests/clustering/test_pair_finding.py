"""Pairs that were found piece by piece come out in order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clustering.pair_finding import _ordered


@given(st.integers(2, 30), st.integers(0, 400), st.integers(0, 10_000))
def test_pairs_are_ordered_as_numpy_orders_them(count: int, pairs: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    i, j = np.triu_indices(count, k=1)
    chosen = generator.permutation(i.size)[:pairs]
    first, second = i[chosen].astype(np.int32), j[chosen].astype(np.int32)
    similarities = generator.random(chosen.size).astype(np.float32)
    order = np.lexsort((second, first))
    found = _ordered(count, first, second, similarities)
    for one, other in zip(found, (first, second, similarities), strict=True):
        assert one.dtype == other.dtype
        assert one.tolist() == other[order].tolist()
