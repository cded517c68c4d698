"""Clusters across the border of a window."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.batch import Clustering
from clustering.border import keep_older_apart, older_blocks


def clustering(labels: list[int], duplicates: list[int]) -> Clustering:
    return Clustering(np.array(labels, dtype=np.int64), np.array(duplicates, dtype=np.int64))


def test_older_articles_of_a_cluster_are_one_block() -> None:
    assert older_blocks({3: "a", 0: "b", 1: "a"}) == [[0], [1, 3]]
    assert older_blocks({}) == []


def test_nothing_is_divided_without_need() -> None:
    given_ = clustering([0, 0, 1, 0], [0, 0, 1, 2])
    assert keep_older_apart(given_, {0: "a", 2: "b"}, ["a", "x", "b", "y"]) is given_


def test_two_old_clusters_stay_two() -> None:
    current = ["a", "a", "b", "b", "new", "a", "b", "b"]
    parted = keep_older_apart(
        clustering([0] * 8, [0, 1, 1, 2, 2, 3, 3, 3]), {0: "a", 1: "a", 2: "b"}, current
    )
    # The new one goes with the larger part; near-duplicates of two parts are parted.
    assert parted.labels.tolist() == [0, 0, 1, 1, 1, 0, 1, 1]
    assert parted.duplicate_labels.tolist() == [0, 1, 2, 3, 3, 4, 5, 5]


@settings(deadline=None)
@given(st.data())
def test_older_ones_are_with_their_own_and_with_no_others(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 14))
    positions = range(count)
    current = [f"c{data.draw(st.integers(0, 4))}" for _ in positions]
    old = {k: current[k] for k in positions if data.draw(st.booleans())}
    cluster_label = {name: data.draw(st.integers(0, 3)) for name in set(old.values())}
    labels = [
        cluster_label[old[k]] if k in old else data.draw(st.integers(0, 3)) for k in positions
    ]
    fine = [data.draw(st.integers(0, 2)) for _ in positions]
    duplicates = [3 * label + part for label, part in zip(labels, fine, strict=True)]
    parted = keep_older_apart(clustering(labels, duplicates), old, current)
    found = parted.labels.tolist()
    for a in positions:
        for b in positions:
            if a in old and b in old:
                assert (found[a] == found[b]) == (old[a] == old[b])
            # Only ever divided, and near-duplicate groups lie within clusters.
            assert found[a] != found[b] or labels[a] == labels[b]
            if parted.duplicate_labels[a] == parted.duplicate_labels[b]:
                assert found[a] == found[b]
