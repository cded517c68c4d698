"""Vectors that are kept are those that would be made anew."""

from __future__ import annotations

import zlib
from dataclasses import fields

import numpy as np
import pytest
from numpy.typing import NDArray

from clustering.articles import ArticleFeatures, TextKind, UInt32Array
from clustering.errors import ConfigurationError, CorruptRecordError
from clustering.packing import FEATURES_VERSION, PREFIX, pack_features
from clustering.refine import Comparison
from clustering.refine.tfidf import WeightedCorpus
from clustering.refine.verifier import Verifier
from clustering.refine.weighed import WeighedArticles
from clustering.unpacking import PackedFeatures
from tests.clustering.refine.made import MadeFrequencies, made_article


def _assert_equal(kept: WeightedCorpus, fresh: WeightedCorpus) -> None:
    for field in fields(WeightedCorpus):
        found, wanted = getattr(kept, field.name), getattr(fresh, field.name)
        assert found.dtype == wanted.dtype, field.name
        if field.name == "languages":
            # Their numbers are free, but for the unknown language's.
            assert ((found == -1) == (wanted == -1)).all()
            assert ((found[:, None] == found) == (wanted[:, None] == wanted)).all()
        else:
            np.testing.assert_array_equal(found, wanted, err_msg=field.name)


def _articles(count: int) -> list[ArticleFeatures]:
    generator = np.random.default_rng(5)
    languages = ("en", "fr", "und", "de")
    return [
        made_article(
            generator,
            lang=languages[number % 4],
            published_at_seconds=None if number % 3 else 1_000 * number,
        )
        for number in range(count)
    ] + [ArticleFeatures(kind=TextKind.EMPTY), made_article(generator, kind=TextKind.TINY)]


@pytest.mark.parametrize("most_articles", [7, 30, 5_000])
def test_the_same_corpus_as_built_anew(most_articles: int) -> None:
    """Whatever was asked before: new articles, known ones, both, twice, too many to keep."""
    articles = _articles(20)
    weighed = WeighedArticles(MadeFrequencies(), most_articles)
    generator = np.random.default_rng(3)
    for size in (1, 6, 6, 3, 20, 7, 0, 12, 22, 6):
        some = [articles[place] for place in generator.integers(0, len(articles), size).tolist()]
        if any(item.text_signature.size for item in some) or not some:
            _assert_equal(weighed.ready(some).corpus, WeightedCorpus.build(some, MadeFrequencies()))


def test_packed_articles_are_compared_as_unpacked_ones() -> None:
    """Alone, with unpacked ones, known and new: the same similarities to the bit."""
    articles = [item for item in _articles(20) if item.text_signature.size]
    packed = [PackedFeatures(pack_features(item)) for item in articles]
    weighed = WeighedArticles(MadeFrequencies())
    generator = np.random.default_rng(5)
    for size in (3, 8, 8, 12):
        places = generator.integers(0, len(articles), size).tolist()
        mixed = [packed[k] if generator.random() < 0.7 else articles[k] for k in places]
        for some in (mixed, [packed[k] for k in places]):
            expected = Comparison(
                [articles[k] for k in places], MadeFrequencies(), Verifier.shipped()
            )
            found = Comparison(some, weighed, Verifier.shipped())
            assert np.array_equal(found.similarity_matrix(), expected.similarity_matrix())
            i, j = np.triu_indices(size, k=1)
            assert np.array_equal(found.near_duplicates(i, j), expected.near_duplicates(i, j))
            alike, kinds = found.look_alikes(i, j)
            expected_alike, expected_kinds = expected.look_alikes(i, j)
            assert np.array_equal(alike, expected_alike)
            assert np.array_equal(kinds, expected_kinds)


def test_an_article_is_weighed_alike_packed_or_not() -> None:
    articles = _articles(12)
    as_made, as_stored = WeighedArticles(MadeFrequencies()), WeighedArticles(MadeFrequencies())
    for item in articles:
        made = as_made.ready([item])
        stored = as_stored.ready([PackedFeatures(pack_features(item))])
        _assert_equal(made.corpus, stored.corpus)
        for name in ("token_counts", "figures", "is_item", "publishers"):
            assert made.rows is not None
            found, wanted = getattr(made, name), getattr(stored, name)
            assert found[made.rows[0]].tolist() == wanted[made.rows[0]].tolist(), name


def test_what_cannot_be_read_is_not_kept() -> None:
    """And those that were, and come after it, are as ever."""
    first, second, third = (item for item in _articles(6)[:6:2])
    weighed = WeighedArticles(MadeFrequencies())
    weighed.ready([first])
    for cut in (3, 40):
        record = pack_features(second)
        body = record[PREFIX.size : -cut]
        forged = PackedFeatures(PREFIX.pack(FEATURES_VERSION, zlib.crc32(body)) + body)
        with pytest.raises(CorruptRecordError):
            weighed.ready([PackedFeatures(pack_features(third)), forged])
        some = [PackedFeatures(pack_features(item)) for item in (third, second)]
        found = weighed.ready([first, *some]).corpus
        _assert_equal(found, WeightedCorpus.build([first, third, second], MadeFrequencies()))


@pytest.mark.parametrize("most_articles", [5, 12, 5_000])
def test_expecting_articles_changes_nothing(most_articles: int) -> None:
    """Known ones, new ones, the same twice, more than are kept, of another scheme, none."""
    articles = _articles(20)
    packed = [PackedFeatures(pack_features(item)) for item in articles]
    cut = ArticleFeatures(
        kind=articles[0].kind,
        vector=articles[0].vector,
        text_signature=articles[0].text_signature[:64],
    )
    weighed = WeighedArticles(MadeFrequencies(), most_articles)
    weighed.expect(packed)
    generator = np.random.default_rng(3)
    for size in (3, 1, 4, 9, 2, 0, 5):
        places = generator.integers(0, len(articles), size).tolist()
        weighed.expect([packed[k] for k in places[:4]] + [articles[k] for k in places[4:]])
        weighed.expect([PackedFeatures(pack_features(cut))] if size == 4 else [])
        some = [packed[k] if k % 2 else articles[k] for k in places]
        if any(articles[k].text_signature.size for k in places) or not places:
            expected = WeightedCorpus.build([articles[k] for k in places], MadeFrequencies())
            _assert_equal(weighed.ready(some).corpus, expected)


class _CountedFrequencies(MadeFrequencies):
    """Counts how often it is asked for terms."""

    asked = 0

    def idf(self, term_ids: UInt32Array, lang: str) -> NDArray[np.float32]:
        self.asked += 1
        return super().idf(term_ids, lang)


def test_expected_articles_are_weighed_once_and_only_after_others() -> None:
    packed = [PackedFeatures(pack_features(item)) for item in _articles(8)]
    frequencies = _CountedFrequencies()
    weighed = WeighedArticles(frequencies)
    weighed.expect(packed)
    assert frequencies.asked == 0
    weighed.ready(packed[:1])
    weighed.expect(packed)
    asked = frequencies.asked
    weighed.ready(packed)
    assert frequencies.asked == asked


def test_signatures_of_two_schemes_are_refused_as_ever() -> None:
    long, short = _articles(2)[:2]
    short = ArticleFeatures(
        kind=short.kind, vector=short.vector, text_signature=short.text_signature[:64]
    )
    weighed = WeighedArticles(MadeFrequencies())
    _assert_equal(weighed.ready([long]).corpus, WeightedCorpus.build([long], MadeFrequencies()))
    _assert_equal(weighed.ready([short]).corpus, WeightedCorpus.build([short], MadeFrequencies()))
    with pytest.raises(ConfigurationError, match="64, 128"):
        weighed.ready([short, long])
