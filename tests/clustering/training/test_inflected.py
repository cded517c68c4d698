"""Inflected articles: rarer shared terms, with the idf that their frequencies would give."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from clustering.articles import ArticleFeatures
from clustering.prepare import FrequencyTable
from clustering.preparer import Preparer
from clustering.training.inflected import FORM_SHARES, InflectedFrequencies, inflected
from tests.clustering.test_batch import made_news


@pytest.fixture(scope="module")
def features() -> list[ArticleFeatures]:
    articles, _ = made_news(seed=5)
    return [prepared.features for prepared in Preparer.shipped().prepare_all(articles)]


def test_every_form_leads_back_to_its_term(features: list[ArticleFeatures]) -> None:
    table = FrequencyTable.shipped()
    frequencies = InflectedFrequencies.of(features, table)
    changed = inflected(features, np.random.default_rng(0))
    for before, after in zip(features, changed, strict=True):
        old, new = before.vector, after.vector
        assert (np.diff(new.term_ids.astype(np.int64)) > 0).all()
        assert (np.diff(new.bigram_ids.astype(np.int64)) > 0).all()
        terms = frequencies.term_ids[np.searchsorted(frequencies.form_ids, new.term_ids)]
        back = np.argsort(terms)
        np.testing.assert_array_equal(terms[back], old.term_ids)
        for name in ("body_counts", "lead_counts", "title_counts", "term_flags"):
            np.testing.assert_array_equal(getattr(new, name)[back], getattr(old, name))


def test_idf_is_that_of_the_term_less_the_log_of_the_share(
    features: list[ArticleFeatures],
) -> None:
    table = FrequencyTable.shipped()
    frequencies = InflectedFrequencies.of(features, table)
    changed = inflected(features, np.random.default_rng(0))
    rarities = np.array([-log(share) for share in FORM_SHARES])
    for before, after in zip(features, changed, strict=True):
        for old, new, idf, plain in (
            (
                before.vector.term_ids,
                after.vector.term_ids,
                frequencies.idf(after.vector.term_ids, "en"),
                table.idf(before.vector.term_ids, "en"),
            ),
            (
                before.vector.bigram_ids,
                after.vector.bigram_ids,
                frequencies.bigram_idf(after.vector.bigram_ids),
                table.bigram_idf(before.vector.bigram_ids),
            ),
        ):
            terms = frequencies.term_ids[np.searchsorted(frequencies.form_ids, new)]
            added = idf - plain[np.searchsorted(old, terms)]
            distance = np.abs(added[:, None] - rarities).min(axis=1)
            np.testing.assert_allclose(distance, 0.0, atol=1e-5)


def test_two_articles_share_two_terms_in_five(features: list[ArticleFeatures]) -> None:
    changed = inflected([features[0]] * 40, np.random.default_rng(3))
    size = features[0].vector.term_ids.size
    shared = [
        np.intersect1d(a.vector.term_ids, b.vector.term_ids).size / size
        for a, b in zip(changed[::2], changed[1::2], strict=True)
    ]
    expected = sum(share**2 for share in FORM_SHARES)
    assert np.mean(shared) == pytest.approx(expected, abs=0.03)
