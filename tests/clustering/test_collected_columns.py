"""Columns that grow give out what was added."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering import columns
from clustering.collected_columns import CollectedColumns
from clustering.columns import FeatureColumns
from tests.clustering.test_columns import assert_equal, assorted


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 7), max_size=12), st.integers(0, 1000))
def test_what_was_added_is_taken_in_any_order(sizes: list[int], seed: int) -> None:
    made = assorted(sum(sizes), seed)
    collected, begin = CollectedColumns(), 0
    for size in sizes:
        collected.add(FeatureColumns.of(made[begin : begin + size]))
        begin += size
    assert len(collected) == len(made)
    publishers, names = collected.publishers
    assert [names[number] for number in publishers] == [item.publisher for item in made]
    expected = FeatureColumns.of(made)
    assert collected.published_at_seconds.tolist() == expected.published_at_seconds.tolist()
    rows = np.random.default_rng(seed).integers(0, max(1, len(made)), len(made))
    assert_equal(collected.taken(rows), [made[row] for row in rows])
    assert len(collected) == 0


def test_threads_take_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_GATHERED_ARTICLES", 3)
    made = assorted(40, 5)
    collected = CollectedColumns()
    collected.add(FeatureColumns.of(made))
    rows = np.random.default_rng(5).permutation(40)
    assert_equal(collected.taken(rows, threads=3), [made[row] for row in rows])


def test_it_begins_anew_when_all_was_taken() -> None:
    made = assorted(9, 3)
    collected = CollectedColumns()
    for part in (made[:4], made[4:]):
        collected.add(FeatureColumns.of(part))
        assert_equal(collected.taken(np.arange(len(part))), part)
    assert len(collected.taken(np.arange(0))) == 0
