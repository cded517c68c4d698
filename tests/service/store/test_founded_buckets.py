"""Buckets that are laid out at once are as if they had been written in turn."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustering.propose.lsh import SLOT_BITS, TEXT_BIT
from service.store import keys
from service.store.bucket_check import BucketEntries, read_entries
from service.store.founded_buckets import FoundedBuckets, Layout
from service.store.keys import BYTES_PER_SHARD, FIRST_SHARDS, LONG_FROM
from tests.service.store.helpers import bucket_array

NAMES = keys.Keys("default")
FEW_GROUPS = 3


def founded(
    buckets: list[set[int]], *, chunk: int, twice: bool = False
) -> tuple[Layout, BucketEntries, dict[str, bytes], bytes]:
    """Lay out the buckets of articles 1, 2, …, given in chunks; read them as the check does."""
    whole = FoundedBuckets()
    for begin in range(0, len(buckets), chunk):
        some = [bucket_array(ids).repeat(1 + twice) for ids in buckets[begin : begin + chunk]]
        ends = np.cumsum([ids.size for ids in some], dtype=np.int64)
        whole.add(begin + 1, ends, np.concatenate(some))
    layout = whole.lay_out()
    found: dict[str, bytes] = {}
    listed = b""
    for strings, items in whole.strings(NAMES, layout):
        assert not found.keys() & dict(strings).keys()
        found.update(strings)
        listed += items
    shards, long = NAMES.key(keys.BUCKETS), NAMES.key(keys.LONG_BUCKETS)
    entries = read_entries(
        {int(k.removeprefix(shards)): v for k, v in found.items() if k.startswith(shards)},
        {k.removeprefix(long): v for k, v in found.items() if k.startswith(long)},
        listed,
        layout.shards,
    )
    return layout, entries, found, listed


def check(buckets: list[set[int]], layout: Layout, entries: BucketEntries, listed: bytes) -> None:
    assert entries.problems == []
    there = {handle: ids for handle, ids in enumerate(buckets, start=1) if ids}
    assert {handle: set(ids) for handle, ids in entries.buckets_of.items()} == there
    assert layout.entries == entries.count == sum(map(len, buckets))
    assert layout.light_bytes == entries.light_bytes
    assert layout.indexed == len(there)
    assert layout.long_count * 6 == len(listed)
    assert layout.light_bytes <= layout.shards * BYTES_PER_SHARD


groups = st.integers(0, FEW_GROUPS - 1) | st.integers(0, (1 << 35) - 1)
event_ids = st.builds(lambda group, slot: group << SLOT_BITS | slot, groups, st.integers(0, 255))
text_ids = st.builds(lambda group: group << SLOT_BITS | TEXT_BIT, groups)


@given(
    st.lists(st.sets(event_ids | text_ids, max_size=12), max_size=60),
    st.integers(1, 70),
    st.booleans(),
)
def test_every_bucket_stands_once_where_it_belongs(
    buckets: list[set[int]], chunk: int, twice: bool
) -> None:
    layout, entries, _, listed = founded(buckets, chunk=chunk, twice=twice)
    check(buckets, layout, entries, listed)


@pytest.mark.parametrize("articles", [LONG_FROM - 1, LONG_FROM])
@pytest.mark.parametrize("text", [0, TEXT_BIT])
def test_a_group_is_long_from_so_many_articles(articles: int, text: int) -> None:
    buckets = [{text | 77 << SLOT_BITS, 1 << SLOT_BITS}] * articles
    layout, entries, found, listed = founded(buckets, chunk=7)
    check(buckets, layout, entries, listed)
    is_long = articles >= LONG_FROM
    assert layout.long_count == 2 * is_long
    assert (NAMES.key(keys.LONG_BUCKETS, f"77.{text >> 20}") in found) == is_long


def test_a_large_group_is_spread_unless_it_is_of_text_buckets() -> None:
    random_ = random.Random(4)
    text = 5 << SLOT_BITS | TEXT_BIT
    buckets = [
        {text, *(9 << SLOT_BITS | slot for slot in random_.sample(range(256), 12))}
        for _ in range(1_200)
    ]
    layout, entries, found, listed = founded(buckets, chunk=128)
    check(buckets, layout, entries, listed)
    assert layout.long_count == 2
    assert layout.light_bytes == 0
    long = NAMES.key(keys.LONG_BUCKETS)
    assert len(found[f"{long}5.{TEXT_BIT >> 20}"]) == 4 * 1_200
    spread = {key for key in found if key.startswith(f"{long}9.0.")}
    assert spread == {f"{long}9.0.{slot}" for slot in range(256)}


def test_as_many_shards_as_light_groups_need() -> None:
    random_ = random.Random(5)
    buckets = [{random_.getrandbits(43) for _ in range(150)} for _ in range(1_500)]
    layout, entries, _, listed = founded(buckets, chunk=128)
    check(buckets, layout, entries, listed)
    assert layout.shards > FIRST_SHARDS + 1
    assert layout.light_bytes > (layout.shards - 1) * BYTES_PER_SHARD


def test_nothing() -> None:
    layout, entries, found, listed = founded([set(), set()], chunk=1)
    check([set(), set()], layout, entries, listed)
    assert layout == Layout(FIRST_SHARDS, 0, 0, 0, 0)
    assert found == {}
