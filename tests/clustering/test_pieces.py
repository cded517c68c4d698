"""Pieces cover a range once, in order, whoever works on them."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustering.pieces import done_beside, in_pieces


@given(
    begin=st.integers(0, 20),
    count=st.integers(0, 50),
    piece=st.integers(1, 60),
    threads=st.integers(0, 4),
)
def test_pieces_come_in_order_and_cover_all(
    begin: int, count: int, piece: int, threads: int
) -> None:
    among = range(begin, begin + count)
    found = list(in_pieces(among, piece, range, threads=threads))
    assert [each for part in found for each in part] == list(among)
    assert all(len(part) == piece for part in found[:-1])
    assert all(0 < len(part) <= piece for part in found)


def test_threads_work_at_the_same_time() -> None:
    both = threading.Barrier(2)

    def meet(begin: int, end: int) -> int:
        # With a single thread nobody would come.
        both.wait(timeout=30)
        return end - begin

    assert list(in_pieces(range(4), 1, meet, threads=2)) == [1, 1, 1, 1]


def test_an_error_is_raised_where_its_piece_stands() -> None:
    def work(begin: int, end: int) -> int:
        if begin == 4:
            raise ValueError(f"{begin} to {end}")
        return begin

    pieces = in_pieces(range(6), 2, work, threads=2)
    assert [next(pieces), next(pieces)] == [0, 2]
    with pytest.raises(ValueError, match="4 to 6"):
        next(pieces)


def test_one_thing_is_done_while_another_is() -> None:
    both = threading.Barrier(2)
    with done_beside(lambda: both.wait(timeout=30), threads=2) as arrived:
        # Without a second thread nobody would come.
        assert sorted([both.wait(timeout=30), arrived()]) == [0, 1]


def test_one_thread_does_one_thing_after_the_other() -> None:
    told = []
    with done_beside(lambda: told.append("beside"), threads=1) as result:
        told.append("block")
        assert result() is None
    assert told == ["beside", "block"]


@pytest.mark.parametrize("threads", [1, 2])
def test_what_goes_wrong_beside_is_raised(threads: int) -> None:
    def fail() -> int:
        raise ValueError("no good")

    with pytest.raises(ValueError, match="no good"), done_beside(fail, threads=threads) as result:
        result()
