"""Weights against scikit-learn's TfidfTransformer, and what happens at the edges."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import normalize

from clustering.articles import ArticleFeatures, TermVector, TextKind
from clustering.errors import ConfigurationError
from clustering.refine import ready, tfidf
from clustering.refine.ready import ReadyArticles
from clustering.refine.tfidf import WeightedCorpus
from tests.clustering.refine.made import MadeFrequencies, made_article, made_articles


def sublinear_tfidf(counts: NDArray[np.float64], idf: NDArray[np.float64]) -> NDArray[np.float64]:
    """Let scikit-learn do the term frequencies and the length, with an idf given from outside."""
    transformer = TfidfTransformer(sublinear_tf=True, use_idf=False, norm=None)
    term_frequencies = transformer.fit_transform(csr_array(counts)).toarray()
    return np.asarray(normalize(term_frequencies * idf), dtype=np.float64)


@pytest.mark.parametrize("column", [0, 1, 2], ids=["body", "lead", "title"])
def test_weights_are_scikit_learns(column: int) -> None:
    features = made_articles(25, seed=column)
    corpus = WeightedCorpus.build(features, MadeFrequencies())
    vocabulary = np.unique(corpus.term_ids)
    counts = np.zeros((25, vocabulary.size))
    found = np.zeros((25, vocabulary.size))
    for row, item in enumerate(features):
        slots = np.searchsorted(vocabulary, item.vector.term_ids)
        counts[row, slots] = (
            item.vector.body_counts,
            item.vector.lead_counts,
            item.vector.title_counts,
        )[column]
        span = slice(int(corpus.term_offsets[row]), int(corpus.term_offsets[row + 1]))
        found[row, slots] = corpus.weights[span, column]
    idf = MadeFrequencies().idf(vocabulary, "en").astype(np.float64)
    np.testing.assert_allclose(found, sublinear_tfidf(counts, idf), atol=1e-6)
    assert (found > 0).any()


def test_bigram_weights_have_length_one() -> None:
    features = made_articles(5, seed=3)
    corpus = WeightedCorpus.build(features, MadeFrequencies())
    for row, item in enumerate(features):
        span = slice(int(corpus.bigram_offsets[row]), int(corpus.bigram_offsets[row + 1]))
        idf = MadeFrequencies().bigram_idf(item.vector.bigram_ids)
        np.testing.assert_allclose(
            corpus.bigram_weights[span], idf / np.linalg.norm(idf), rtol=1e-5
        )


def test_idf_is_of_each_articles_language() -> None:
    generator = np.random.default_rng(0)
    features = [made_article(generator, lang=lang) for lang in ("en", "fr", "en", "und")]
    corpus = WeightedCorpus.build(features, MadeFrequencies())
    for row, item in enumerate(features):
        span = slice(int(corpus.term_offsets[row]), int(corpus.term_offsets[row + 1]))
        expected = MadeFrequencies().idf(item.vector.term_ids, item.lang)
        np.testing.assert_array_equal(corpus.idf[span], expected)
    assert corpus.languages[0] == corpus.languages[2]
    assert len(set(corpus.languages.tolist())) == 3
    assert corpus.languages[3] == -1


def test_nothing_and_empty_articles() -> None:
    none = WeightedCorpus.build([], MadeFrequencies())
    assert none.article_count == 0
    empty = ArticleFeatures(kind=TextKind.EMPTY, vector=TermVector())
    corpus = WeightedCorpus.build([empty, *made_articles(1, seed=1)], MadeFrequencies())
    assert corpus.usable.tolist() == [False, True]
    assert corpus.has_text_signature.tolist() == [False, True]
    assert np.isfinite(corpus.weights).all()
    assert corpus.summaries[0].tolist() == [0.0] * 5


def test_neither_pieces_nor_threads_change_what_articles_weigh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features = [
        replace(item, lang=("en", "fr", "")[row % 3])
        for row, item in enumerate(made_articles(50, seed=3))
    ]
    features.insert(20, ArticleFeatures(kind=TextKind.EMPTY, vector=TermVector()))
    at_once = ReadyArticles.build(features, MadeFrequencies())
    monkeypatch.setattr(tfidf, "_PIECE_ARTICLES", 7)
    monkeypatch.setattr(ready, "_PIECE_ARTICLES", 9)
    in_pieces = ReadyArticles.build(features, MadeFrequencies(), threads=3)
    for field in fields(WeightedCorpus):
        one, other = getattr(at_once.corpus, field.name), getattr(in_pieces.corpus, field.name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(at_once.figures, in_pieces.figures)


def test_signatures_of_two_schemes_are_refused() -> None:
    one = ArticleFeatures(text_signature=np.zeros(64, dtype=np.uint32))
    other = ArticleFeatures(text_signature=np.zeros(128, dtype=np.uint32))
    with pytest.raises(ConfigurationError, match="one signature scheme"):
        WeightedCorpus.build([one, other], MadeFrequencies())
