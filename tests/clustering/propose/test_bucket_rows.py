"""Candidates found block by block and shard by shard are those of `candidate_pairs`."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.articles import UInt64Array
from clustering.propose import BucketLimits, candidate_pairs
from clustering.propose.bucket_rows import (
    BucketShard,
    block_candidates,
    dealt_out,
    gathered,
    indexed_articles,
    united_pairs,
)
from clustering.propose.lsh import TEXT_BIT

LIMITS = BucketLimits(min_bucket_articles=5, max_bucket_share=0.1, max_text_bucket_articles=3)


def rows(ids: list[UInt64Array], begin: int, end: int) -> BucketShard:
    sizes = [item.size for item in ids[begin:end]]
    return BucketShard(
        np.concatenate([np.zeros(0, dtype=np.uint64), *ids[begin:end]]),
        np.repeat(np.arange(begin, end, dtype=np.int32), sizes),
    )


def in_parts(
    ids: list[UInt64Array], bounds: list[int], shards: int, per_article_limit: int
) -> list[list[int]]:
    """Do what `clustering.distributed` does, in one place."""
    blocks = list(pairwise(bounds))
    dealt = [dealt_out(rows(ids, a, b), shards) for a, b in blocks]
    most = LIMITS.event_bucket_articles(sum(indexed_articles(parts) for parts in dealt))
    whole = [gathered([parts[shard] for parts in dealt], most) for shard in range(shards)]
    found = [
        block_candidates(
            a, b, len(ids), [shard.holding(a, b) for shard in whole], LIMITS, per_article_limit
        )
        for a, b in blocks
    ]
    return [part.tolist() for part in united_pairs(len(ids), found)]


def expected(ids: list[UInt64Array], per_article_limit: int) -> list[list[int]]:
    pairs = candidate_pairs(ids, per_article_limit=per_article_limit, limits=LIMITS)
    return [pairs.first.tolist(), pairs.second.tolist(), pairs.shared_weight.tolist()]


# Few ids, so that buckets overflow; an id may come twice, as two bands may name one bucket.
some_ids = st.lists(
    st.tuples(st.integers(0, 12), st.booleans()).map(lambda k: k[0] << 20 | TEXT_BIT * k[1]),
    max_size=8,
)


@settings(deadline=None, max_examples=150)
@given(st.lists(some_ids, min_size=1, max_size=40), st.data())
def test_parts_find_what_the_whole_finds(made: list[list[int]], data: st.DataObject) -> None:
    ids = [np.array(item, dtype=np.uint64) for item in made]
    inner = data.draw(st.sets(st.integers(1, max(1, len(ids) - 1)), max_size=5))
    bounds = sorted({0, len(ids), *(k for k in inner if k < len(ids))})
    shards = data.draw(st.integers(1, 5))
    limit = data.draw(st.integers(1, 6))
    assert in_parts(ids, bounds, shards, limit) == expected(ids, limit)


@pytest.mark.parametrize("shards", [1, 3])
def test_large_and_crowded(shards: int) -> None:
    """Text and event buckets beyond their limits, and more good candidates than are wanted."""
    generator = np.random.default_rng(4)
    ids = [
        np.unique(
            np.concatenate(
                [
                    generator.zipf(1.3, 20).astype(np.uint64) % np.uint64(500) << np.uint64(20),
                    generator.integers(0, 40, 3, dtype=np.uint64) << np.uint64(20)
                    | np.uint64(TEXT_BIT),
                ]
            )
        )
        for _ in range(800)
    ]
    whole = expected(ids, 10)
    assert len(whole[0]) > 4_000
    assert in_parts(ids, [0, 200, 201, 650, 800], shards, 10) == whole


def test_shards_hold_every_row_once_and_about_as_many_each() -> None:
    generator = np.random.default_rng(5)
    ids = generator.integers(0, 1 << 44, 40_000, dtype=np.uint64)
    everything = BucketShard(ids, np.arange(ids.size, dtype=np.int32))
    shards = dealt_out(everything, 8)
    assert np.array_equal(
        np.sort(np.concatenate([shard.articles for shard in shards])), everything.articles
    )
    assert all(4_500 < shard.ids.size < 5_500 for shard in shards)
    for shard in shards:
        assert np.array_equal(shard.ids, ids[shard.articles])
