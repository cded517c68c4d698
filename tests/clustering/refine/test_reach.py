"""Who is passed over is less alike than asked, and no copy, whatever the verifier."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clustering.articles import ArticleFeatures, TextKind
from clustering.packing import pack_features
from clustering.refine import Comparison
from clustering.refine.kernels import PART_COUNT
from clustering.refine.reach import may_reach
from clustering.refine.verifier import Verifier
from clustering.refine.weighed import WeighedArticles
from clustering.unpacking import Comparable, PackedFeatures, stacked_records
from tests.clustering.refine.made import MadeFrequencies, made_article, made_vector

_DAY_SECONDS = 86_400


def _candidates(
    generator: np.random.Generator, new: ArticleFeatures, count: int
) -> list[ArticleFeatures]:
    """Articles that share few terms with one, or many, or are much the same."""
    made = []
    for number in range(count):
        other = made_article(
            generator,
            lang=("en", "en", "en", "fr", "", "und")[number % 6],
            kind=TextKind.TINY if number % 11 == 7 else TextKind.ORDINARY,
            published_at_seconds=int(generator.integers(0, 90)) * _DAY_SECONDS
            if number % 3
            else None,
        )
        vocabulary = int(generator.choice([130, 300, 1_000, 10_000]))
        other = replace(other, vector=made_vector(generator, vocabulary=vocabulary))
        if number % 5 == 0:
            counts = new.vector.body_counts.copy()
            changed = generator.integers(0, counts.size, int(generator.integers(1, 30)))
            counts[changed] = generator.integers(0, 9, changed.size)
            signature = new.text_signature.copy()
            signature[: generator.integers(0, 60)] = 7
            other = replace(
                other,
                vector=replace(new.vector, body_counts=counts),
                text_signature=signature,
            )
        elif number % 5 == 1:
            ids = np.union1d(other.vector.bigram_ids, new.vector.bigram_ids[:40])
            other = replace(other, vector=replace(other.vector, bigram_ids=ids))
        made.append(other)
    return made


def _verifiers(generator: np.random.Generator) -> list[Verifier]:
    shipped = Verifier.shipped()
    return [
        shipped,
        shipped.shifted(0.1),
        *(
            replace(
                shipped,
                intercept=float(generator.normal(0, 3)),
                linear=generator.normal(0, 3, PART_COUNT),
                roots=generator.normal(0, 3, PART_COUNT),
            )
            for _ in range(8)
        ),
    ]


@pytest.mark.parametrize("lang", ["en", "fr", "und", ""])
def test_those_passed_over_are_less_alike_and_no_copies(lang: str) -> None:
    generator = np.random.default_rng(len(lang) + 17)
    passed_over = kept_copies = kept = 0
    for _ in range(3):
        new = made_article(generator, lang=lang, published_at_seconds=20 * _DAY_SECONDS)
        others = _candidates(generator, new, 60)
        packed = [PackedFeatures(pack_features(item)) for item in (new, *others)]
        for verifier in _verifiers(generator):
            whole = Comparison([new, *others], MadeFrequencies(), verifier)
            i, j = np.zeros(60, dtype=np.int64), np.arange(1, 61)
            alike, _ = whole.look_alikes(i, j)
            copies = whole.near_duplicates(i, j)
            for least_similarity in (0.02, 0.1, 0.35, 0.9):
                weighed = WeighedArticles(MadeFrequencies())
                ready, near = weighed.ready_near(packed[0], packed[1:], verifier, least_similarity)
                left = np.setdiff1d(np.arange(60), near)
                assert (alike[left] < least_similarity).all()
                assert not copies[left].any()
                found = Comparison(ready, weighed, verifier)
                assert np.array_equal(
                    found.look_alikes(i[: len(near)], np.arange(1, len(near) + 1))[0], alike[near]
                )
                passed_over += left.size
                kept_copies += int(copies[near].sum())
                kept += int((alike[near] >= least_similarity).sum())
    assert passed_over > 500
    assert kept > 100
    assert kept_copies > 10


def test_most_of_what_is_unlike_is_passed_over() -> None:
    """Without this, reading the terms alone would be for nothing."""
    generator = np.random.default_rng(3)
    new = made_article(generator)
    others = [
        replace(made_article(generator), vector=made_vector(generator, vocabulary=10_000))
        for _ in range(60)
    ]
    packed = [PackedFeatures(pack_features(item)) for item in (new, *others)]
    whole = Comparison([new, *others], MadeFrequencies(), Verifier.shipped())
    alike = whole.similarities(np.zeros(60, dtype=np.int64), np.arange(1, 61))
    least_similarity = float(np.sort(alike)[-8])
    weighed = WeighedArticles(MadeFrequencies())
    _, near = weighed.ready_near(packed[0], packed[1:], Verifier.shipped(), least_similarity)
    assert 8 <= len(near) < 30


def test_known_candidates_repeated_ones_and_plain_ones() -> None:
    """Who is kept already is not left out; nobody is, where articles are not packed."""
    generator = np.random.default_rng(4)
    new = made_article(generator)
    others = _candidates(generator, new, 20)
    packed = [PackedFeatures(pack_features(item)) for item in (new, *others)]
    weighed = WeighedArticles(MadeFrequencies())
    weighed.ready(packed[1:6])
    repeated: list[Comparable] = [*packed[1:], *packed[1:], *others]
    _, near = weighed.ready_near(packed[0], repeated, Verifier.shipped(), 0.99)
    assert set(range(5)) | set(range(20, 25)) | set(range(40, 60)) <= set(near)
    assert {k - 20 for k in near if 20 <= k < 40} == {k for k in near if k < 20}
    assert len(near) < 60
    _, near = weighed.ready_near(new, packed[1:], Verifier.shipped(), 0.99)
    assert list(near) == list(range(20))


@pytest.mark.parametrize("most_articles", [3, 25, 30])
def test_few_may_be_kept(most_articles: int) -> None:
    generator = np.random.default_rng(5)
    weighed = WeighedArticles(MadeFrequencies(), most_articles)
    verifier = Verifier.shipped()
    for _ in range(3):
        new = made_article(generator)
        others = _candidates(generator, new, 20)
        packed = [PackedFeatures(pack_features(item)) for item in (new, *others)]
        ready, near = weighed.ready_near(packed[0], packed[1:], verifier, 0.1)
        found, _ = Comparison(ready, weighed, verifier).look_alikes(
            np.zeros(len(near), dtype=np.int64), np.arange(1, len(near) + 1)
        )
        expected, _ = Comparison([new, *others], MadeFrequencies(), verifier).look_alikes(
            np.zeros(20, dtype=np.int64), np.arange(1, 21)
        )
        assert np.array_equal(found, expected[near])
        assert not (np.delete(expected, near) >= 0.1).any()


def test_a_record_that_does_not_decode_is_left_to_whoever_reads_it() -> None:
    generator = np.random.default_rng(6)
    new = made_article(generator)
    packed = [PackedFeatures(pack_features(item)) for item in (new, made_article(generator))]
    weighed = WeighedArticles(MadeFrequencies())
    corpus = weighed.ready(packed[:1]).corpus
    stacked = stacked_records(packed[1:])
    words = np.zeros_like(stacked.words)
    verifier = Verifier.shipped()
    assert may_reach(
        0.9,
        np.frombuffer(packed[0].lang, dtype=np.uint8),
        0,
        stacked.data,
        words,
        stacked.headers,
        corpus.term_offsets,
        corpus.term_ids,
        corpus.idf,
        corpus.weights,
        corpus.counts,
        corpus.flags,
        corpus.bigram_offsets,
        corpus.bigram_ids,
        corpus.bigram_weights,
        corpus.summaries,
        corpus.published_at_seconds,
        corpus.looseness,
        verifier.intercept,
        verifier.linear,
        verifier.roots,
    ).all()
