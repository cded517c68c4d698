"""The shipped frequencies of bigrams are found by their short ids."""

from __future__ import annotations

import numpy as np

from clustering.prepare.frequencies import FrequencyTable
from clustering.prepare.kernel_terms import BIGRAM_ID_BITS


def test_of_two_with_one_id_the_more_frequent_counts() -> None:
    table = FrequencyTable.shipped()
    column = table.columns["bigrams"]
    lowest: dict[int, int] = {}
    for bigram, level in zip(
        (column.ids & BIGRAM_ID_BITS).tolist(), column.levels.tolist(), strict=True
    ):
        lowest[bigram] = min(level, lowest.get(bigram, 255))
    assert len(lowest) < column.ids.size, "no two of them share an id: this test shows nothing"
    ids = np.array(list(lowest), dtype=np.uint32)
    levels = np.array(list(lowest.values()))
    idf = table.bigram_idf(ids)
    # The level falls as the frequency rises, and the idf with it.
    assert np.unique(idf).size > 20
    for level in np.unique(levels).tolist():
        assert np.unique(idf[levels == level]).size == 1
    order = np.argsort(levels)
    assert (np.diff(idf[order]) >= 0).all()
