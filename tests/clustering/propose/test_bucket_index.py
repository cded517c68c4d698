"""The index of all buckets names what single questions to `CandidateIndex` name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clustering.articles import UInt64Array
from clustering.errors import ConfigurationError
from clustering.propose import BucketIndex, BucketLimits, CandidateIndex
from clustering.propose.bucket_index import NamedCandidates
from clustering.propose.lsh import TEXT_BIT

LIMITS = BucketLimits(min_bucket_articles=6, max_bucket_share=0.05, max_text_bucket_articles=5)


def made_ids(articles: int, seed: int) -> list[UInt64Array]:
    generator = np.random.default_rng(seed)
    ids = []
    for _ in range(articles):
        own = generator.integers(0, 40, int(generator.integers(0, 12))).astype(np.uint64)
        own *= np.uint64(0x9E3779B1)
        own[generator.random(own.size) < 0.2] |= np.uint64(TEXT_BIT)
        own &= np.uint64((1 << 44) - 1)
        ids.append(np.unique(own))
    return ids


def indexed(
    ids: list[UInt64Array], piece: int, limits: BucketLimits, limit: int
) -> NamedCandidates:
    def ids_of(begin: int, end: int) -> tuple[NDArray[np.int64], UInt64Array]:
        part = ids[begin:end]
        return np.cumsum([each.size for each in part]), np.concatenate(part)

    index = BucketIndex.of(len(ids), ids_of, limits=limits, threads=2, piece_articles=piece)
    return index.named(per_article_limit=limit, limits=limits, threads=2)


@settings(max_examples=25, deadline=None)
@given(
    articles=st.integers(1, 90),
    seed=st.integers(0, 1000),
    piece=st.sampled_from([7, 1000]),
    limit=st.sampled_from([1, 3, 20, 500]),
)
def test_everybody_names_whom_a_single_question_finds(
    articles: int, seed: int, piece: int, limit: int
) -> None:
    ids = made_ids(articles, seed)
    single = CandidateIndex(LIMITS)
    for number, own in enumerate(ids):
        single.add(number, own)
    named = indexed(ids, piece, LIMITS, limit)
    expected_pairs = set()
    for number, own in enumerate(ids):
        found = single.candidates(own, limit=limit + 1)
        # The article finds itself first of all, if at all.
        expected = {other: weight for other, weight in found if other != number}
        best = sorted(expected.items(), key=lambda item: (-item[1], -item[0]))[:limit]
        at = slice(named.begins[number], named.begins[number + 1])
        assert named.candidates[at].tolist() == sorted(other for other, _ in best)
        weights = dict(
            zip(named.candidates[at].tolist(), named.shared_weights[at].tolist(), strict=True)
        )
        assert weights == dict(best)
        expected_pairs |= {(min(number, other), max(number, other)) for other, _ in best}
    answered = []
    for begin in range(0, articles, 11):
        first, second = named.pairs_of(begin, min(begin + 11, articles))
        assert all(begin <= number < begin + 11 for number in first.tolist())
        answered += [(min(p), max(p)) for p in zip(first.tolist(), second.tolist(), strict=True)]
    assert len(answered) == len(set(answered))
    assert set(answered) == expected_pairs


def test_faint_candidates_are_left_out_beside_strong_ones() -> None:
    # Article 0 shares 10 buckets with 1, 2 with 2 and 1 with 3, which share nothing else.
    ids = [
        np.arange(13, dtype=np.uint64),
        np.arange(10, dtype=np.uint64),
        np.arange(10, 12, dtype=np.uint64),
        np.arange(12, 13, dtype=np.uint64),
    ]

    def named(share: float, strong: int) -> dict[int, list[int]]:
        found = indexed(ids, 4, BucketLimits(faint_share=share, strong_weight=strong), 10)
        return {
            k: found.candidates[found.begins[k] : found.begins[k + 1]].tolist() for k in range(4)
        }

    assert named(0.0, 40)[0] == [1, 2, 3]
    assert named(0.2, 40)[0] == [1, 2]
    assert named(0.3, 40)[0] == [1]
    # Of the ten buckets shared no more than five are compared with.
    assert named(0.3, 5)[0] == [1, 2]
    # For the others 0 is the best there is.
    assert {k: v for k, v in named(0.3, 40).items() if k} == {1: [0], 2: [0], 3: [0]}
    with pytest.raises(ConfigurationError, match="faint_share"):
        BucketLimits(faint_share=1.5)


def test_no_articles_name_nobody() -> None:
    nothing = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64)
    index = BucketIndex.of(0, lambda begin, end: nothing, limits=LIMITS)
    named = index.named(per_article_limit=3, limits=LIMITS)
    assert named.candidates.size == 0
    assert named.begins.tolist() == [0]
