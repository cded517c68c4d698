"""Repeated lines: counting against a plain recount, bounds, order, and the packed forms."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.articles import UInt32Array
from clustering.errors import ConfigurationError, CorruptRecordError
from clustering.prepare.boilerplate import clean_dump
from clustering.prepare.line_counts import COUNTED_LINES_PER_PUBLISHER, LineCounts
from clustering.prepare.repeats import RepeatedLines, text_line_hashes

LONG = " ".join(f"word{number}" for number in range(30))
SITE = "a.example"


def hashes(*lines: str) -> UInt32Array:
    return text_line_hashes("\n\n".join(lines))


def counted(*articles: tuple[str, ...], **bounds: int) -> LineCounts:
    counts = LineCounts(**bounds)
    counts.observe((SITE, hashes(*lines)) for lines in articles)
    return counts


def counted_pages(*pages: tuple[str, ...], **bounds: int) -> LineCounts:
    """Count pages, each with a line of its own: without one it is a copy of another."""
    return counted(*((*lines, f"own {number}") for number, lines in enumerate(pages)), **bounds)


def is_repeated(table: RepeatedLines, line: str, publisher: str = SITE) -> bool:
    (found,) = table.among(publisher, hashes(line))
    return bool(found)


def test_short_lines_need_two_articles_and_long_ones_four() -> None:
    counts = LineCounts()
    for seen, (short, long) in enumerate([(False, False), (False, False), (True, False)]):
        table = counts.repeated()
        assert is_repeated(table, "Fish of the day") is short, seen
        assert is_repeated(table, LONG) is long, seen
        dish = f"Dish {seen}"
        counts.observe([(SITE, hashes("Fish of the day", "Fish of the day", LONG, dish))])
    counts.observe([(SITE, hashes(LONG, "Soup"))])
    table = counts.repeated()
    assert is_repeated(table, LONG)
    assert is_repeated(table, " -  FISH of the  day")
    assert not is_repeated(table, "Fish of the day", "b.example")


def test_unknown_publishers_are_ignored() -> None:
    counts = LineCounts()
    counts.observe([("", hashes("Menu"))] * 5)
    assert len(counts) == 0
    assert not is_repeated(counts.repeated(), "Menu", "")
    assert not RepeatedLines({"": hashes("Menu")}).among("", hashes("Menu")).any()


def test_another_version_of_an_article_counts_for_nothing() -> None:
    prose = tuple(f"The council of town {n} met on Monday to talk of the bridge." for n in range(6))
    table = counted(*[prose] * 8).repeated()
    assert not table.among(SITE, hashes(*prose)).any()
    # So does a corrected one, where half of a few sentences are other ones.
    corrected = [
        (*prose[:2], f"The bridge was closed {n} days ago.", f"No. {n}.") for n in range(8)
    ]
    corrected = [
        (*lines, f"It is to open in {n} days, she said.") for n, lines in enumerate(corrected)
    ]
    table = counted(*corrected).repeated()
    assert not table.among(SITE, hashes(*prose)).any()


def test_copies_of_a_text_without_prose_count_once() -> None:
    item = (
        "Shr 70 cts vs 61 cts",
        "Net 200.2 mln vs 173.9 mln",
        "Sales 1.4 billion vs 1.3 billion",
    )
    counts = counted(*[item] * 8)
    assert len(counts.repeated()) == 0
    counts.observe([(SITE, hashes("Shr 70 cts vs 61 cts", "Net 5.1 mln vs 4.2 mln"))])
    assert len(counts.repeated()) == 1
    assert is_repeated(counts.repeated(), "Shr 70 cts vs 61 cts")


@settings(max_examples=50)
@given(st.lists(st.lists(st.sampled_from("abcdefghij"), max_size=6), max_size=12))
def test_counts_match_a_recount(articles: list[list[str]]) -> None:
    counts = counted_pages(*map(tuple, articles))
    table = counts.repeated()
    window = LineCounts.of_window(
        (SITE, hashes(*lines, f"own {number}")) for number, lines in enumerate(articles)
    ).repeated()
    for letter in "abcdefghij":
        expected = sum(letter in article for article in articles) >= 2
        assert is_repeated(table, letter) is expected
        assert is_repeated(window, letter) is expected
    copy = LineCounts.from_bytes(counts.to_bytes())
    assert copy.to_bytes() == counts.to_bytes()
    assert RepeatedLines.from_bytes(table.to_bytes()).to_bytes() == table.to_bytes()
    assert copy.repeated().to_bytes() == table.to_bytes()


def test_counting_bit_by_bit_is_counting_at_once() -> None:
    rng = random.Random(3)
    articles = [
        (rng.choice(["a", "b", "c"]), hashes(*rng.choices([f"line {n}" for n in range(90)], k=9)))
        for _ in range(60)
    ]
    whole = LineCounts(max_lines_per_publisher=64)
    whole.observe(articles)
    parts = LineCounts(max_lines_per_publisher=64)
    for start in range(0, 60, 7):
        parts.observe(articles[start : start + 7])
        parts = LineCounts.from_bytes(parts.to_bytes())
    assert parts.repeated().to_bytes() == whole.repeated().to_bytes()


def test_a_window_is_counted_in_any_order() -> None:
    """Versions of one article differ in what they add: which came first must not matter."""
    prose = [f"The council of town {n} met on Monday to talk of the bridge." for n in range(9)]
    articles = [
        (f"{number % 2}.example", hashes("Menu", *prose[number : number + 4], f"Photo {number}"))
        for number in range(6)
    ] * 2
    table = LineCounts.of_window(articles).repeated().to_bytes()
    for seed in range(20):
        random.Random(seed).shuffle(articles)
        assert LineCounts.of_window(articles).repeated().to_bytes() == table


def test_memory_is_bounded_and_repeated_lines_stay() -> None:
    counts = counted(
        *[("Menu", f"line {number}", f"other {number}") for number in range(400)],
        max_lines_per_publisher=100,
        max_publishers=3,
    )
    assert len(counts) <= 100
    assert is_repeated(counts.repeated(), "Menu")
    counts.observe((name, hashes("x")) for name in ("b", "c", "d", "e"))
    assert not is_repeated(counts.repeated(), "Menu")


def test_bytes_at_two_thousand_publishers() -> None:
    """Both tables full to the brim, as the module states their size."""
    lines = (4 * np.arange(COUNTED_LINES_PER_PUBLISHER)).astype(np.uint32)
    counts = LineCounts()
    counts.observe(
        (f"{n}.example", np.delete(lines, missing)) for n in range(2000) for missing in (0, 1)
    )
    assert len(counts.to_bytes()) < 21e6
    assert 8e6 < len(counts.repeated().to_bytes()) < 8.5e6


def test_of_too_many_repeated_lines_those_seen_most_stay() -> None:
    articles = [tuple(f"line {n}" for n in range(limit)) for limit in (80, 80, 10)]
    table = counted_pages(*articles).repeated(max_lines_per_publisher=10)
    assert len(table) == 10
    assert all(is_repeated(table, f"line {n}") for n in range(10))


def test_common_lines_stand_in_four_articles() -> None:
    table = counted_pages(("Menu", "Sport"), ("Menu", "Sport"), ("Menu",), ("Menu",)).repeated()
    lines = hashes("Menu", "Sport", "News of today")
    assert table.among(SITE, lines).tolist() == [True, True, False]
    assert table.common_among(SITE, lines).tolist() == [True, False, False]
    copy = RepeatedLines.from_bytes(table.to_bytes())
    assert copy.common_among(SITE, lines).tolist() == [True, False, False]
    assert copy.mark(SITE, lines) == table.mark(SITE, lines)
    earlier = counted_pages(("Menu", "Sport"), ("Menu", "Sport")).repeated()
    assert earlier.mark(SITE, lines) != table.mark(SITE, lines)


def test_the_mark_names_what_is_taken_out() -> None:
    table = counted_pages(("Menu", "Sport"), ("Menu", "Sport")).repeated()
    assert table.mark(SITE, hashes("Menu", "News of today")) != 0
    assert table.mark(SITE, hashes("Menu", "A")) == table.mark(SITE, hashes("B", "Menu", "Menu"))
    assert table.mark(SITE, hashes("Menu", "Sport")) != table.mark(SITE, hashes("Menu"))
    assert table.mark(SITE, hashes("News of today")) == 0
    assert table.mark(SITE, hashes()) == table.mark("other", hashes("Menu")) == 0


@pytest.mark.parametrize("cut", [1, 5, 20, -1, -9])
def test_damaged_bytes_are_refused(cut: int) -> None:
    counts = counted_pages(("x", "y"), ("x", "y"))
    for packed, unpack in (
        (counts.to_bytes(), LineCounts.from_bytes),
        (counts.repeated().to_bytes(), RepeatedLines.from_bytes),
    ):
        with pytest.raises(CorruptRecordError):
            unpack(packed[:cut])
        altered = bytearray(packed)
        altered[len(packed) // 2] ^= 1
        with pytest.raises(CorruptRecordError):
            unpack(bytes(altered))
    assert len(LineCounts.from_bytes(b"")) == len(RepeatedLines.from_bytes(b"")) == 0


def test_bounds_are_checked() -> None:
    with pytest.raises(ConfigurationError):
        LineCounts(max_lines_per_publisher=1)
    with pytest.raises(ConfigurationError):
        LineCounts(max_publishers=0)


def test_a_recurring_notice_is_not_taken_for_the_page_it_stands_on() -> None:
    """The notice of one day is that of another, but for its figures."""
    notices = [
        "The port authority opened the lower gates of the canal basin to let barges through.\n\n"
        f"Water stood at {level} centimetres when they were opened.\n\n"
        f"Some {level // 9} barges had gone through by noon."
        for level in (210, 214, 198, 305, 220)
    ]
    table = counted(*[tuple(notice.split("\n\n")) for notice in notices]).repeated()
    for notice in notices:
        plain = clean_dump(notice, "Canal gates opened")
        known = clean_dump(notice, "Canal gates opened", publisher=SITE, repeated=table)
        assert known.repeated_mark, "its lines do repeat"
        assert known.body == plain.body


def test_a_page_that_repeats_goes_however_short_the_article_is() -> None:
    menu = tuple(f"Section {word}" for word in ("sport", "arts", "trade", "weather", "books"))
    body = (
        "The bridge over the river was closed on Friday after a lorry struck one of its piers, "
        "the mayor of the town said. Engineers were on their way to look at the damage, and the "
        "ferry ran through the night, he said. Schools on the other bank stayed closed for a day."
    )
    table = counted(*[(*menu, f"Text number {n} of the day.") for n in range(6)]).repeated()
    text = "\n".join([*menu, body, *menu])
    assert clean_dump(text, "Bridge closed", publisher=SITE, repeated=table).body == body
