"""All pairs at once give what each pair gives by itself, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from clustering.refine import Comparison, similarity
from clustering.refine.verifier import Verifier
from tests.clustering.refine.made import MadeFrequencies
from tests.clustering.refine.test_weighed import _articles


@pytest.mark.parametrize("count", [0, 1, 2, 3, 17, 40])
def test_as_pair_by_pair(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = Comparison(_articles(count), MadeFrequencies(), Verifier.shipped())
    i, j = np.triu_indices(count, k=1)
    together = comparison.similarity_matrix()
    assert np.array_equal(together[i, j], comparison.similarities(i, j))
    assert np.array_equal(together, together.T)
    monkeypatch.setattr(similarity, "_MOST_AT_ONCE", 0)
    assert np.array_equal(together, comparison.similarity_matrix())
    if count > 3:
        assert np.unique(together).size > 3
