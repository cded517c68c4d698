"""Columns say what the features they were made of say, however they are cut and put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.articles import ArticleFeatures, TextKind
from clustering.columns import FeatureColumns, numbered
from tests.clustering.refine.made import made_article


def assorted(count: int, seed: int) -> list[ArticleFeatures]:
    """Articles of several kinds, languages and publishers, some of them empty."""
    generator = np.random.default_rng(seed)
    made = []
    for number in range(count):
        if number % 5 == 4:
            made.append(ArticleFeatures(kind=TextKind.TINY, lang="no", publisher="a.no"))
            continue
        item = made_article(
            generator,
            lang="en" if number % 3 else "fr",
            published_at_seconds=None if number % 4 == 0 else number * 1_000 - 3_000,
        )
        made.append(
            replace(
                item,
                publisher=f"paper{number % 7}.com",
                event_tokens=generator.integers(0, 2**32, number % 9, dtype=np.uint32),
            )
        )
    return made


def assert_equal(found: Sequence[ArticleFeatures], expected: Sequence[ArticleFeatures]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for name in ("kind", "lang", "publisher", "published_at_seconds"):
            assert getattr(one, name) == getattr(other, name)
        assert one.vector.token_count == other.vector.token_count
        for name in ("text_signature", "event_tokens"):
            assert_same_array(getattr(one, name), getattr(other, name))
        for each in fields(one.vector):
            if each.name != "token_count":
                assert_same_array(getattr(one.vector, each.name), getattr(other.vector, each.name))


def assert_same_array(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.dtype == expected.dtype
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("count", [0, 1, 23])
def test_columns_give_back_what_they_were_made_of(count: int) -> None:
    made = assorted(count, seed=count)
    columns = FeatureColumns.of(made)
    assert_equal(columns, made)
    assert_equal([columns[k] for k in range(count)], made)
    assert FeatureColumns.of(columns) is columns
    assert columns.is_ordinary.tolist() == [item.kind is TextKind.ORDINARY for item in made]
    assert columns.has_signature.tolist() == [item.text_signature.size > 0 for item in made]


def test_there_is_nothing_behind_the_last() -> None:
    columns = FeatureColumns.of(assorted(3, seed=1))
    assert_equal([columns[-1]], [columns[2]])
    with pytest.raises(IndexError):
        columns[3]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 11), max_size=30), st.integers(0, 12), st.integers(0, 12))
def test_taking_and_cutting_is_that_of_a_list(rows: list[int], begin: int, end: int) -> None:
    made = assorted(12, seed=2)
    columns = FeatureColumns.of(made)
    assert_equal(columns.taken(np.array(rows, dtype=np.int64)), [made[row] for row in rows])
    assert_equal(columns[begin:end], made[begin:end])
    assert_equal(columns[::-2], made[::-2])


def test_parts_are_put_one_behind_the_other() -> None:
    made = assorted(30, seed=3)
    # Languages and publishers have other numbers in every part.
    parts = [FeatureColumns.of(made[a:b]) for a, b in ((0, 4), (4, 4), (4, 19), (19, 30))]
    whole = FeatureColumns.concatenated(parts)
    assert_equal(whole, made)
    assert FeatureColumns.concatenated([whole]) is whole
    assert len(set(whole.publisher_names)) == len(whole.publisher_names)
    assert len(FeatureColumns.concatenated([])) == 0


def test_names_are_numbered_as_they_appear() -> None:
    numbers, names = numbered(["b", "a", "b", "c"])
    assert numbers.tolist() == [0, 1, 0, 2]
    assert names == ("b", "a", "c")
