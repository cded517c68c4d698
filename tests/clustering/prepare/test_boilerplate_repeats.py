"""Repeated lines: counting against a plain recount, bounds, and the packed form."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.errors import ConfigurationError, CorruptRecordError
from clustering.prepare.repeats import RepeatedLines

LONG = " ".join(f"word{number}" for number in range(30))


def test_short_lines_need_two_articles_and_long_ones_four() -> None:
    table = RepeatedLines()
    for seen, (short, long) in enumerate([(False, False), (False, False), (True, False)]):
        assert table.is_repeated("a.example", "Fish of the day") is short, seen
        assert table.is_repeated("a.example", LONG) is long, seen
        table.observe("a.example", ["Fish of the day", "Fish of the day", LONG])
    table.observe("a.example", [LONG])
    assert table.is_repeated("a.example", LONG)
    assert table.is_repeated("a.example", " -  FISH of the  day")
    assert not table.is_repeated("b.example", "Fish of the day")


def test_unknown_publishers_are_ignored() -> None:
    table = RepeatedLines()
    for _ in range(5):
        table.observe("", ["Menu"])
    assert len(table) == 0
    assert not table.is_repeated("", "Menu")


def test_another_version_of_an_article_counts_for_nothing() -> None:
    table = RepeatedLines()
    prose = [f"The council of town {n} met on Monday to talk of the bridge." for n in range(6)]
    for _ in range(8):
        table.observe("a.example", prose)
    assert not any(table.is_repeated("a.example", line) for line in prose)


@settings(max_examples=50)
@given(st.lists(st.lists(st.sampled_from("abcdefghij"), max_size=6), max_size=12))
def test_counts_match_a_recount(articles: list[list[str]]) -> None:
    table = RepeatedLines()
    for article in articles:
        table.observe("a.example", article)
    for letter in "abcdefghij":
        expected = sum(letter in article for article in articles) >= 2
        assert table.is_repeated("a.example", letter) is expected
    copy = RepeatedLines.from_bytes(table.to_bytes())
    assert copy.to_bytes() == table.to_bytes()
    assert all(
        copy.is_repeated("a.example", c) == table.is_repeated("a.example", c) for c in "abcdefghij"
    )


def test_memory_is_bounded_and_repeated_lines_stay() -> None:
    table = RepeatedLines(max_lines_per_publisher=100, max_publishers=3)
    for number in range(400):
        table.observe("a.example", ["Menu", f"line {number}", f"other {number}"])
    assert len(table) <= 100
    assert table.is_repeated("a.example", "Menu")
    for name in ("b", "c", "d", "e"):
        table.observe(name, ["x"])
    assert not table.is_repeated("a.example", "Menu")


@pytest.mark.parametrize("cut", [0, 5, 20, -1, -9])
def test_damaged_bytes_are_refused(cut: int) -> None:
    table = RepeatedLines()
    table.observe("a.example", ["x", "y"])
    with pytest.raises(CorruptRecordError):
        RepeatedLines.from_bytes(table.to_bytes()[:cut])
    packed = bytearray(table.to_bytes())
    packed[len(packed) // 2] ^= 1
    with pytest.raises(CorruptRecordError):
        RepeatedLines.from_bytes(bytes(packed))


def test_bounds_are_checked() -> None:
    with pytest.raises(ConfigurationError):
        RepeatedLines(max_lines_per_publisher=1)
    with pytest.raises(ConfigurationError):
        RepeatedLines(max_publishers=0)
