"""When a stream is counted anew."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from clustering.columns import FeatureColumns
from clustering.learning import (
    FIRST_ARTICLES,
    LineLearner,
    counting_is_due,
    looseness_is_due,
    with_looseness,
)
from clustering.prepare import FrequencyTable, LineCounts, ObservedFrequencies, text_line_hashes
from clustering.prepare.observed import Looseness


def counted_at(articles: int) -> list[int]:
    """Sizes of the stream at which it is counted, asked before each article."""
    found, counted = [], 0
    for size in range(articles):
        if counting_is_due(counted, size):
            found.append(size)
            counted = size
    return found


def test_the_schedule() -> None:
    assert counted_at(20) == []
    assert counted_at(41) == [20, 22, 24, 26, 28, 30, 33, 36, 39]


def test_counts_are_at_most_a_tenth_behind() -> None:
    moments = counted_at(20_000)
    assert moments[0] == FIRST_ARTICLES
    for before, after in pairwise(moments):
        # The last article judged with the counts of `before` finds after - 1 articles stored.
        assert after - 1 <= 1.1 * before
    # And the work is bounded: never more tables than every size up to 20 and then one a tenth.
    assert len(moments) <= 20 + math.log(20_000 / 20) / math.log(1.1)


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_never_for_a_stream_that_has_not_grown(counted: int, articles: int) -> None:
    due = counting_is_due(counted, articles)
    assert due == (
        articles >= FIRST_ARTICLES and articles > counted and articles >= int(1.1 * counted)
    )
    if due:
        assert counting_is_due(counted, articles + 1)
        assert not counting_is_due(articles, articles)


def test_looseness_is_measured_when_the_stream_has_grown_by_half() -> None:
    observed, moments = ObservedFrequencies(), []
    for size in range(100):
        observed = replace(observed, article_count=size)
        if looseness_is_due(observed):
            moments.append(size)
            observed = with_looseness(observed, FrequencyTable.shipped(), FeatureColumns.of([]))
            assert observed.looseness == Looseness({}, size)
    assert moments == [20, 30, 45, 67]


def test_lines_are_learned_on_the_same_schedule() -> None:
    """What a table knows are the articles up to the moment it was made, and no others."""
    learner, seen, moments = LineLearner(), LineCounts(), []
    for size in range(41):
        if learner.learn():
            moments.append(size)
            assert learner.repeated.to_bytes() == seen.repeated().to_bytes()
            assert len(learner.repeated) == size // 2
        hashes = text_line_hashes(f"Link {size // 2}\nOwn line {size}")
        learner.add("a.example", hashes)
        seen.observe([("a.example", hashes)])
    assert moments == counted_at(41)
