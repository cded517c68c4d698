"""Look-ups against a dictionary, and idf against the binary searches it used to be."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clustering.articles import TermVector, UInt32Array
from clustering.prepare import FrequencyTable, ObservedFrequencies
from clustering.prepare.frequencies import PRIOR_ARTICLES
from clustering.prepare.lookup import IdTable
from clustering.prepare.shipped import LEVEL_TO_PROBABILITY

IDS = st.one_of(st.integers(0, 40), st.integers(2**32 - 20, 2**32 - 1), st.integers(0, 2**32 - 1))
PARTS = st.lists(st.dictionaries(IDS, st.integers(0, 2**32 - 1), max_size=60), max_size=3)


def as_arrays(part: dict[int, int]) -> tuple[UInt32Array, UInt32Array]:
    return np.array(list(part), np.uint32), np.array(list(part.values()), np.uint32)


@given(PARTS, st.lists(IDS, max_size=50))
@settings(deadline=None)
def test_it_is_a_dictionary(parts: list[dict[int, int]], asked: list[int]) -> None:
    table = IdTable(as_arrays(part) for part in parts)
    expected: dict[int, int] = {}
    for part in parts:
        expected.update({key: value for key, value in part.items() if value})
    asked += [key for part in parts for key in part]
    found = table.values(np.array(asked, dtype=np.uint32))
    assert found.dtype == np.uint32
    assert found.tolist() == [expected.get(key, 0) for key in asked]


def test_crowded_ids_are_found_too() -> None:
    """Ids that all want one slot: each is behind the others."""
    inverse = pow(0x9E3779B1, -1, 2**32)
    ids = np.array([k * inverse % 2**32 for k in range(2_000)], dtype=np.uint32)
    table = IdTable([(ids, np.arange(1, 2_001, dtype=np.uint32))])
    assert table.values(ids).tolist() == list(range(1, 2_001))
    assert table.slot_bytes <= 32 * 2_000 + 128


def test_read_only_and_strided_ids_are_taken() -> None:
    table = IdTable([as_arrays({1: 10, 3: 30})])
    ids = np.array([1, 2, 3, 4], dtype=np.uint32)
    ids.flags.writeable = False
    assert table.values(ids).tolist() == [10, 0, 30, 0]
    assert table.values(ids[::2]).tolist() == [10, 30]


def by_binary_search(
    sorted_ids: UInt32Array, values: NDArray[np.generic], wanted: UInt32Array
) -> NDArray[np.float64]:
    result = np.zeros(wanted.size)
    slots = np.searchsorted(sorted_ids, wanted)
    slots[slots == sorted_ids.size] = 0
    found = sorted_ids[slots] == wanted if sorted_ids.size else np.zeros(wanted.size, np.bool_)
    result[found] = values[slots[found]]
    return result


def test_idf_is_what_binary_search_gives_to_the_bit() -> None:
    generator = np.random.default_rng(3)
    table = FrequencyTable.shipped()
    for lang in ("en", "de", "und", "xx"):
        key = "en" if lang == "und" else lang
        column = table.columns.get(key, table.columns["mul"])
        known = np.concatenate([column.ids, table.columns["mul"].ids])
        asked = generator.permutation(
            np.concatenate([known, generator.integers(0, 2**32, 20_000)]).astype(np.uint32)
        )
        observed = ObservedFrequencies.of(
            TermVector(term_ids=np.unique(generator.choice(asked, 300)), bigram_ids=asked[:5])
            for _ in range(50)
        )
        p = by_binary_search(
            table.columns["mul"].ids, LEVEL_TO_PROBABILITY[table.columns["mul"].levels], asked
        )
        if key in table.columns:
            own = by_binary_search(column.ids, LEVEL_TO_PROBABILITY[column.levels], asked)
            p = np.where(own > 0, own, p)
        seen = by_binary_search(observed.term_ids, observed.term_counts, asked)
        articles = PRIOR_ARTICLES + observed.article_count + 1
        expected = np.maximum(np.log(articles / (PRIOR_ARTICLES * p + seen + 0.5)), 0.0)
        found = table.with_observed(observed).idf(asked, lang)
        assert found.tobytes() == expected.astype(np.float32).tobytes()


def test_a_language_named_like_a_column_of_another_kind_changes_nothing() -> None:
    shipped = FrequencyTable.shipped()
    table = FrequencyTable(shipped.columns, shipped.digest)
    bigrams = table.columns["bigrams"].ids[:100].copy()
    before = FrequencyTable(shipped.columns, shipped.digest).bigram_idf(bigrams)
    table.idf(bigrams, "bigrams")
    assert table.bigram_idf(bigrams).tobytes() == before.tobytes()
