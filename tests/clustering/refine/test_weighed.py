"""Vectors that are kept are those that would be made anew."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from clustering.articles import ArticleFeatures, TextKind
from clustering.errors import ConfigurationError
from clustering.refine.tfidf import WeightedCorpus
from clustering.refine.weighed import WeighedArticles
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
            _assert_equal(weighed.corpus(some), WeightedCorpus.build(some, MadeFrequencies()))


def test_signatures_of_two_schemes_are_refused_as_ever() -> None:
    long, short = _articles(2)[:2]
    short = ArticleFeatures(
        kind=short.kind, vector=short.vector, text_signature=short.text_signature[:64]
    )
    weighed = WeighedArticles(MadeFrequencies())
    _assert_equal(weighed.corpus([long]), WeightedCorpus.build([long], MadeFrequencies()))
    _assert_equal(weighed.corpus([short]), WeightedCorpus.build([short], MadeFrequencies()))
    with pytest.raises(ConfigurationError, match="64, 128"):
        weighed.corpus([short, long])
