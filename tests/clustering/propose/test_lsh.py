"""Buckets and candidates against brute force and datasketch's own LSH.

Hypothesis has no deadlines here: the first example of a test may compile.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from random import Random

import datasketch
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.articles import ArticleFeatures, TextKind, UInt64Array
from clustering.errors import ConfigurationError
from clustering.propose import (
    BucketLimits,
    CandidateIndex,
    SignatureScheme,
    bucket_ids,
    bucket_index,
    bucket_weights,
    candidate_pairs,
)
from clustering.propose.lsh import (
    BUCKET_BITS,
    EVENT_WEIGHT,
    SLOT_BITS,
    TEXT_BIT,
    TEXT_WEIGHT,
    s_curve,
)
from clustering.propose.signatures import REPEAT_STEP, event_signature, text_signature

SCHEME = SignatureScheme()


def features_of(text: int, event: list[int], kind: TextKind = TextKind.ORDINARY) -> ArticleFeatures:
    tokens = [f"{text}-{number}" for number in range(40)]
    return ArticleFeatures(
        kind=kind,
        text_signature=text_signature(tokens, SCHEME),
        event_tokens=np.array(event, dtype=np.uint32),
    )


def ids_of(*numbers: int, text: tuple[int, ...] = ()) -> UInt64Array:
    """Bucket ids to order; those in ``text`` belong to text bands."""
    return np.array([*(number | TEXT_BIT for number in text), *numbers], dtype=np.uint64)


def test_bucket_ids_are_44_bits_text_first() -> None:
    ids = bucket_ids(features_of(1, [1, 2, 3]), SCHEME)
    assert ids.dtype == np.uint64
    assert ids.shape == (SCHEME.text_bands + SCHEME.event_bands,)
    assert int(ids.max()) < 1 << BUCKET_BITS
    weights = bucket_weights(ids)
    assert weights.tolist() == [TEXT_WEIGHT] * SCHEME.text_bands + [EVENT_WEIGHT] * 128
    assert np.unique(ids).size == ids.size


def test_the_lower_bits_of_groups_are_uniform() -> None:
    ids = np.concatenate([bucket_ids(features_of(n, [n, n + 1]), SCHEME) for n in range(2000)])
    groups: UInt64Array = np.unique(ids >> np.uint64(SLOT_BITS))
    assert ((groups >> np.uint64(35) == 1) | (groups < 1 << 32)).all()
    for some in (groups[groups < 1 << 32], groups[groups >= 1 << 35]):
        for bit in range(32):
            share = ((some >> np.uint64(bit)) & np.uint64(1)).mean()
            assert abs(share - 0.5) < 5 * 0.5 / math.sqrt(some.size)


def test_buckets_of_a_term_are_few_groups() -> None:
    """Of every two repeats one; whatever order the tokens are in."""
    terms = np.arange(1, 6, dtype=np.uint32) * np.uint32(77)
    repeats = np.arange(5, dtype=np.uint32) * np.uint32(REPEAT_STEP)
    tokens = (terms[None, :] + repeats[:, None]).ravel().tolist()
    ids = bucket_ids(features_of(1, tokens), SCHEME)[SCHEME.text_bands :]
    assert np.unique(ids >> np.uint64(SLOT_BITS)).size == 5 * 3
    # Each band is in one slot: its number, or 128 more where a second repeat was the least.
    assert ((ids & np.uint64(127)) == np.arange(128)).all()
    second = (ids & np.uint64(128)) != 0
    assert 0.2 < second.mean() < 0.6
    shuffled = np.random.default_rng(3).permutation(tokens).tolist()
    assert (bucket_ids(features_of(1, shuffled), SCHEME)[SCHEME.text_bands :] == ids).all()
    # And a lone token of the middle is as any other.
    assert np.unique(bucket_ids(features_of(1, tokens[7:8]), SCHEME) >> np.uint64(8)).size == 26


def test_more_bands_than_slots() -> None:
    scheme = replace(SCHEME, event_bands=300)
    ids = bucket_ids(features_of(1, [5, 6, 7]), scheme)[scheme.text_bands :]
    assert np.unique(ids).size == 300
    assert np.unique(ids >> np.uint64(SLOT_BITS)).size == 9
    assert int(ids.max()) < TEXT_BIT


@pytest.mark.parametrize("kind", [kind for kind in TextKind if kind is not TextKind.ORDINARY])
def test_only_ordinary_texts_have_buckets(kind: TextKind) -> None:
    assert bucket_ids(features_of(1, [1], kind), SCHEME).shape == (0,)


def test_an_empty_signature_has_no_buckets() -> None:
    assert bucket_ids(features_of(1, []), SCHEME).shape == (SCHEME.text_bands,)
    no_text = replace(features_of(1, [5]), text_signature=np.zeros(0, dtype=np.uint32))
    assert bucket_ids(no_text, SCHEME).shape == (SCHEME.event_bands,)
    assert TEXT_WEIGHT not in bucket_weights(bucket_ids(no_text, SCHEME)).tolist()


def test_a_signature_of_another_size_is_refused() -> None:
    other = SignatureScheme(text_permutations=256)
    with pytest.raises(ConfigurationError, match="index the articles again"):
        bucket_ids(features_of(1, [1]), other)


def test_bands_agree_exactly_where_rows_do() -> None:
    rng = np.random.default_rng(5)
    for rows in (1, 2, 3):
        scheme = replace(SCHEME, event_bands=40, event_rows=rows)
        base = rng.integers(0, 2**32, 30).tolist()
        first, second = features_of(1, base), features_of(2, [*base[:20], 1, 2, 3])
        signatures = [event_signature(item.event_tokens, scheme) for item in (first, second)]
        expected = (signatures[0].reshape(40, rows) == signatures[1].reshape(40, rows)).all(axis=1)
        ids = [bucket_ids(item, scheme)[scheme.text_bands :] for item in (first, second)]
        assert ((ids[0] == ids[1]) == expected).all()
        assert 0 < expected.sum() < 40


def test_text_candidates_are_those_of_datasketchs_lsh() -> None:
    rng = np.random.default_rng(6)
    base = [f"w{number}" for number in rng.integers(0, 5000, 120)]
    reference = datasketch.MinHashLSH(num_perm=128, params=(25, 5))
    index = CandidateIndex()
    articles, sketches = [], []
    for handle in range(60):
        # Copies with more and more words replaced: similarities from 1 down to 0.
        replaced = set(rng.choice(120, size=handle, replace=False).tolist())
        tokens = [f"r{handle}-{at}" if at in replaced else word for at, word in enumerate(base)]
        features = ArticleFeatures(
            kind=TextKind.ORDINARY, text_signature=text_signature(tokens, SCHEME)
        )
        sketch = datasketch.MinHash(hashvalues=features.text_signature, scheme="affine32")
        reference.insert(handle, sketch)
        index.add(handle, bucket_ids(features, SCHEME))
        articles.append(features)
        sketches.append(sketch)
    found_counts = set()
    for handle, features in enumerate(articles):
        found = {other for other, _ in index.candidates(bucket_ids(features, SCHEME), 100)}
        assert found == set(reference.query(sketches[handle]))
        found_counts.add(len(found))
    assert len(found_counts) > 3  # neither nobody nor everybody


@pytest.mark.parametrize("jaccard", [0.0, 0.1, 0.3, 0.525, 0.7, 1.0])
def test_s_curve_is_the_probability_of_a_shared_bucket(jaccard: float) -> None:
    rng = np.random.default_rng(7)
    agreeing = rng.random((20_000, 8, 3)) < jaccard
    measured = np.any(np.all(agreeing, axis=2), axis=1).mean()
    assert s_curve(8, 3, jaccard) == pytest.approx(measured, abs=0.015)


@pytest.mark.parametrize(("bands", "rows", "jaccard"), [(0, 1, 0.5), (1, 0, 0.5), (1, 1, 1.1)])
def test_s_curve_refuses_nonsense(bands: int, rows: int, jaccard: float) -> None:
    with pytest.raises(ConfigurationError):
        s_curve(bands, rows, jaccard)


# Few different buckets, so that some run over.
ARTICLES = st.lists(
    st.tuples(st.sets(st.integers(0, 12)), st.sets(st.integers(0, 6))), min_size=1, max_size=40
)
LIMITS = st.builds(
    BucketLimits,
    min_bucket_articles=st.integers(1, 6),
    max_bucket_share=st.floats(0, 0.5),
    max_text_bucket_articles=st.integers(1, 4),
)


def by_the_rule(
    indexed: dict[int, UInt64Array], asking: UInt64Array, limits: BucketLimits, limit: int
) -> list[tuple[int, int]]:
    """The candidate rule, read off its four points."""
    number = sum(ids.size > 0 for ids in indexed.values())
    most = max(limits.min_bucket_articles, math.floor(limits.max_bucket_share * number))
    sums: Counter[int] = Counter()
    for bucket in set(asking.tolist()):
        holding = sorted(handle for handle, ids in indexed.items() if bucket in ids.tolist())
        if bucket & TEXT_BIT:
            for handle in holding[-limits.max_text_bucket_articles :]:
                sums[handle] += 8
        elif len(holding) <= most:
            for handle in holding:
                sums[handle] += 1
    return sorted(sums.items(), key=lambda item: (item[1], item[0]), reverse=True)[:limit]


@settings(deadline=None)
@given(ARTICLES, LIMITS, st.integers(1, 10), st.randoms(use_true_random=False))
def test_index_follows_the_rule(
    articles: list[tuple[set[int], set[int]]], limits: BucketLimits, limit: int, random: Random
) -> None:
    indexed = {
        handle: ids_of(*event, text=tuple(text)) for handle, (event, text) in enumerate(articles)
    }
    index = CandidateIndex(limits)
    order = list(indexed)
    random.shuffle(order)
    for handle in order:
        index.add(handle, indexed[handle])
    for handle in order[::3]:
        index.remove(handle)
        del indexed[handle]
    index.remove(order[0])  # gone already: nothing happens
    assert len(index) == sum(ids.size > 0 for ids in indexed.values())
    for event, text in articles:
        asking = ids_of(*event, text=tuple(text))
        assert index.candidates(asking, limit) == by_the_rule(indexed, asking, limits, limit)


@settings(deadline=None)
@given(ARTICLES, LIMITS, st.integers(1, 10))
def test_pairs_are_what_the_index_would_answer(
    articles: list[tuple[set[int], set[int]]], limits: BucketLimits, limit: int
) -> None:
    ids = [ids_of(*event, text=tuple(text)) for event, text in articles]
    index = CandidateIndex(limits)
    for handle, own in enumerate(ids):
        index.add(handle, own)
    expected: dict[tuple[int, int], set[int]] = {}
    for handle, own in enumerate(ids):
        others = [item for item in index.candidates(own, len(ids)) if item[0] != handle]
        for other, weight in others[:limit]:
            pair = (min(handle, other), max(handle, other))
            # In a text bucket over its limit the two may see each other with unequal weights.
            expected.setdefault(pair, set()).add(weight)
    pairs = candidate_pairs(ids, per_article_limit=limit, limits=limits)
    found = list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    assert found == sorted(expected)
    for pair, weight in zip(found, pairs.shared_weight.tolist(), strict=True):
        assert weight == max(expected[pair])


def test_removing_everything_leaves_nothing() -> None:
    index = CandidateIndex()
    index.add(3, ids_of(1, 2, text=(3,)))
    index.add(4, ids_of(2))
    index.add(5, ids_of())
    assert len(index) == 2
    assert 5 not in index
    index.remove(3)
    index.remove(4)
    assert vars(index)["_buckets"] == {}
    assert vars(index)["_buckets_of"] == {}


def test_a_handle_is_indexed_once() -> None:
    index = CandidateIndex()
    index.add(3, ids_of(1))
    with pytest.raises(ValueError, match="remove it first"):
        index.add(3, ids_of(2))


def test_a_hot_bucket_costs_no_squares() -> None:
    # One event bucket and one text bucket that hold everybody: the first is skipped, the second
    # read to its limit. All pairs would be 800 million.
    count = 40_000
    ids = [ids_of(1, text=(2,))] * count
    pairs = candidate_pairs(ids, per_article_limit=60)
    assert pairs.first.size < 64 * count
    assert set(pairs.shared_weight.tolist()) == {TEXT_WEIGHT}


def test_no_articles_and_no_buckets_have_no_pairs() -> None:
    assert candidate_pairs([], per_article_limit=1).first.shape == (0,)
    assert candidate_pairs([ids_of(), ids_of()], per_article_limit=1).second.shape == (0,)


def test_bad_limits_are_refused() -> None:
    with pytest.raises(ConfigurationError):
        candidate_pairs([ids_of(1)], per_article_limit=0)
    with pytest.raises(ConfigurationError):
        BucketLimits(min_bucket_articles=0)
    with pytest.raises(ConfigurationError):
        BucketLimits(max_bucket_share=1.5)
    with pytest.raises(ConfigurationError):
        BucketLimits(max_text_bucket_articles=0)
    with pytest.raises(ConfigurationError, match="min_bucket_articles, which is 64, not 63"):
        BucketLimits(max_bucket_articles=63)


def test_a_bucket_is_too_full_by_its_share_up_to_a_number() -> None:
    limits = BucketLimits(min_bucket_articles=5, max_bucket_share=0.1, max_bucket_articles=8)
    assert [limits.event_bucket_articles(n) for n in (0, 50, 60, 80, 81, 10**9)] == [
        5,
        5,
        6,
        8,
        8,
        8,
    ]
    assert BucketLimits().event_bucket_articles(10**6) == 2_000
    # Nine of a hundred articles are in one bucket, fewer than a tenth.
    ids = [ids_of(1)] * 9 + [ids_of(100 + k) for k in range(91)]
    assert candidate_pairs(ids, per_article_limit=20, limits=limits).first.size == 0
    wider = BucketLimits(min_bucket_articles=5, max_bucket_share=0.1, max_bucket_articles=9)
    assert candidate_pairs(ids, per_article_limit=20, limits=wider).first.size == 36


def test_pieces_and_threads_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(4)
    ids = [generator.integers(0, 60, 9).astype(np.uint64) for _ in range(300)]
    whole = candidate_pairs(ids, per_article_limit=7)
    monkeypatch.setattr(bucket_index, "_PIECE_ARTICLES", 16)
    done: list[int] = []
    spread = candidate_pairs(ids, per_article_limit=7, threads=3, on_progress=done.append)
    for name in ("first", "second", "shared_weight"):
        assert getattr(whole, name).tolist() == getattr(spread, name).tolist()
    assert done == [*range(16, 300, 16), 300]
    assert 300 < whole.first.size < 300 * 7
