"""A plan survives being stored."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.errors import CorruptRecordError
from service.reclustering.plan import Plan
from service.store.plans import Standing

ids = st.text("abcdefghijklmnop_0123456789", min_size=1, max_size=6)
handles = st.integers(1, 2**32 - 1)


@settings(deadline=None)
@given(
    st.builds(
        Plan,
        standing=st.builds(Standing, st.integers(0, 10**6)),
        horizon=st.integers(0, 2**32 - 1),
        moves=st.dictionaries(handles, st.tuples(ids, ids)),
        group_moves=st.dictionaries(handles, ids),
        merged_into=st.dictionaries(ids, ids),
        split_into=st.dictionaries(ids, st.lists(ids, min_size=1).map(tuple)),
        stale_handles=st.lists(handles).map(tuple),
    )
)
def test_there_and_back(plan: Plan) -> None:
    assert Plan.from_bytes(plan.to_bytes()) == plan


@pytest.mark.parametrize("broken", [b"", b"no plan", Plan(Standing(1), 3).to_bytes()[:-3]])
def test_what_is_no_plan(broken: bytes) -> None:
    with pytest.raises(CorruptRecordError, match="recluster again"):
        Plan.from_bytes(broken)


def test_it_is_compact() -> None:
    moves = {h: (f"c_{h // 3:016d}", f"c_{h // 6:016d}") for h in range(1, 10_001)}
    assert len(Plan(Standing(1), 10_000, moves=moves).to_bytes()) < 20 * len(moves)
