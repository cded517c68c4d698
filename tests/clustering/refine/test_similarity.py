"""The pair kernel against a plain reading of each part's definition."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from clustering.articles import ArticleFeatures, TermVector, TextKind
from clustering.errors import ConfigurationError
from clustering.refine import Comparison, Verifier, kernels
from clustering.refine.parts import PART_NAMES
from tests.clustering.refine.made import MadeFrequencies, made_article, made_articles

DAY = 86_400


def compared(features: list[ArticleFeatures]) -> Comparison:
    return Comparison(features, MadeFrequencies(), Verifier.shipped())


def weighted(vector: TermVector, column: str, marked: int = 0) -> dict[int, float]:
    """Term id → (1 + ln tf) · idf for one of the three counts; only flagged terms if asked."""
    idf = MadeFrequencies().idf(vector.term_ids, "en")
    counts = {
        "body": vector.body_counts,
        "lead": vector.lead_counts,
        "title": vector.title_counts,
    }[column]
    return {
        int(term): (1 + math.log(count)) * float(weight)
        for term, count, weight, flag in zip(
            vector.term_ids, counts, idf, vector.term_flags, strict=True
        )
        if count and (not marked or flag & marked)
    }


def cosine(x: dict[int, float], y: dict[int, float]) -> float:
    terms = sorted(x.keys() | y.keys())
    if not x or not y:
        return 0.0
    rows = [[v.get(term, 0.0) for term in terms] for v in (x, y)]
    return float(cosine_similarity(rows)[0, 1])


def expected_parts(a: TermVector, b: TermVector) -> dict[str, float]:
    idf = {
        int(term): float(weight)
        for vector in (a, b)
        for term, weight in zip(
            vector.term_ids, MadeFrequencies().idf(vector.term_ids, "en"), strict=True
        )
    }
    terms_a, terms_b = set(a.term_ids.tolist()), set(b.term_ids.tolist())
    shared = terms_a & terms_b
    sum_a, sum_b = sum(idf[t] for t in terms_a), sum(idf[t] for t in terms_b)
    sum_shared = sum(idf[t] for t in shared)
    highest = sorted((idf[t] for t in shared), reverse=True)[:5]
    numbers = [
        {int(t) for t, f in zip(v.term_ids, v.term_flags, strict=True) if f & 1} for v in (a, b)
    ]
    shared_numbers = numbers[0] & numbers[1]
    bigrams_a, bigrams_b = (
        dict(
            zip(
                v.bigram_ids.tolist(),
                MadeFrequencies().bigram_idf(v.bigram_ids).tolist(),
                strict=True,
            )
        )
        for v in (a, b)
    )
    shorter, longer = sorted(math.log(1 + len(t)) for t in (terms_a, terms_b))
    title_body = cosine(weighted(a, "title"), weighted(b, "body"))
    body_title = cosine(weighted(a, "body"), weighted(b, "title"))
    has_number_weight = all(weighted(v, "body", 1) for v in (a, b))
    return {
        "body_cosine": cosine(weighted(a, "body"), weighted(b, "body")),
        "lead_cosine": cosine(weighted(a, "lead"), weighted(b, "lead")),
        "title_cosine": cosine(weighted(a, "title"), weighted(b, "title")),
        "title_body_cosine": max(title_body, body_title),
        "lead_body_cosine": (
            cosine(weighted(a, "lead"), weighted(b, "body"))
            + cosine(weighted(a, "body"), weighted(b, "lead"))
        )
        / 2,
        "bigram_cosine": cosine(bigrams_a, bigrams_b),
        "number_cosine": cosine(weighted(a, "body", 1), weighted(b, "body", 1)),
        "name_cosine": cosine(weighted(a, "body", 2), weighted(b, "body", 2)),
        "highest_shared_idf": max(highest, default=0.0) / 10,
        "five_highest_shared_idf": sum(highest) / 50,
        "shared_rare_terms": math.log(1 + sum(idf[t] >= 6 for t in shared)) / 4,
        "weighted_jaccard": sum_shared / (sum_a + sum_b - sum_shared),
        "weighted_containment": sum_shared / min(sum_a, sum_b),
        "shared_bigrams": math.log(1 + len(bigrams_a.keys() & bigrams_b.keys())) / 4,
        "highest_shared_number_idf": max((idf[t] for t in shared_numbers), default=0.0) / 10,
        "shorter_length": shorter / 7,
        "length_difference": (longer - shorter) / 4,
        "without_numbers": 0.0 if has_number_weight else 1.0,
        "lesser_title_body_cosine": min(title_body, body_title),
        "without_title": 0.0 if all(weighted(v, "title") for v in (a, b)) else 1.0,
    }


def spread_out(vector: TermVector) -> TermVector:
    """The same vector with ids as far apart as hashes are: those made are all small."""
    return replace(
        vector,
        term_ids=vector.term_ids * np.uint32(1_800),
        bigram_ids=vector.bigram_ids * np.uint32(850_000),
    )


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_every_part_is_what_its_name_says(seed: int, spread: bool) -> None:
    articles = made_articles(2, seed)
    if spread:
        articles = [replace(item, vector=spread_out(item.vector)) for item in articles]
        assert all((np.diff(item.vector.term_ids.astype(np.int64)) > 0).all() for item in articles)
    # Flags follow the term, not the article, where both sides must agree on what is a number.
    articles = [
        replace(
            item,
            vector=replace(item.vector, term_flags=(item.vector.term_ids % 4).astype(np.uint8)),
        )
        for item in articles
    ]
    found = dict(zip(PART_NAMES, compared(articles).parts([0], [1])[0].tolist(), strict=True))
    expected = expected_parts(articles[0].vector, articles[1].vector)
    assert found == pytest.approx(expected, abs=2e-6)
    assert found["body_cosine"] > 0


def test_the_similarity_is_the_logit_of_the_parts() -> None:
    comparison = compared(made_articles(30, seed=5))
    i, j = np.triu_indices(30, k=1)
    parts = np.maximum(comparison.parts(i, j).astype(np.float64), 0)
    verifier = comparison.verifier
    logits = verifier.intercept + parts @ verifier.linear + np.sqrt(parts) @ verifier.roots
    np.testing.assert_allclose(comparison.logits(i, j), logits, atol=1e-3)
    expected = np.clip((logits + 4) / 8, 0, 1)
    np.testing.assert_allclose(comparison.similarities(i, j), expected, atol=1e-3)


def test_similarity_is_symmetric_to_the_bit() -> None:
    comparison = compared(made_articles(40, seed=6))
    i, j = np.triu_indices(40)
    np.testing.assert_array_equal(comparison.similarities(i, j), comparison.similarities(j, i))


def test_neither_threads_nor_company_change_a_similarity() -> None:
    articles = made_articles(400, seed=7)
    comparison = compared(articles)
    i, j = np.triu_indices(400, k=1)
    one = comparison.similarities(i, j)
    np.testing.assert_array_equal(one, comparison.similarities(i, j, threads=3))
    alone = compared([articles[3], articles[11]])
    at = int(np.flatnonzero((i == 3) & (j == 11))[0])
    assert alone.similarities([0], [1])[0] == one[at]


def test_fetching_articles_ahead_changes_no_similarity() -> None:
    """Done from some hundreds of articles on, so that the company here is larger."""
    articles = made_articles(900, seed=8)
    comparison = compared(articles)
    assert comparison.corpus.term_ids.size > kernels._FAR_TERMS
    first = np.repeat(np.arange(5), 4)
    second = np.random.default_rng(8).integers(5, 900, first.size)
    found = comparison.similarities(first, second)
    for i, j, similarity in zip(first.tolist(), second.tolist(), found.tolist(), strict=True):
        assert compared([articles[i], articles[j]]).similarities([0], [1])[0] == similarity


def test_huge_articles_among_many_candidates_change_no_similarity() -> None:
    """What candidates share is written down for some dozens at once, as far as there is room."""
    generator = np.random.default_rng(9)

    def made(terms: int) -> ArticleFeatures:
        ids = np.sort(generator.choice(8_000, terms, replace=False)).astype(np.uint32)
        counts = np.ones(terms, dtype=np.uint8)
        vector = TermVector(
            term_ids=ids * np.uint32(500_009),
            body_counts=counts,
            lead_counts=counts,
            title_counts=(ids % 97 == 0).astype(np.uint8),
            term_flags=(ids % 4).astype(np.uint8),
            bigram_ids=ids[::2] * np.uint32(400_009),
            token_count=terms,
        )
        return replace(made_article(generator), vector=vector)

    assert kernels._LEAST_ROOM < 6_000
    articles = [made(terms) for terms in (6_000, 1_500, *generator.integers(100, 2_500, 40))]
    comparison = compared(articles)
    others = np.arange(2, len(articles))
    # More than a block of one article, an article met again, and a huge one as candidate.
    first = np.concatenate([np.zeros_like(others), np.ones_like(others), [0, 2, 2, 0]])
    second = np.concatenate([others, others, [1, 0, 1, 0]])
    found = comparison.logits(first, second)
    parts = comparison.parts(first, second)
    for row, (i, j) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        alone = compared([articles[i], articles[j]])
        assert alone.logits([0], [1])[0] == found[row]
        np.testing.assert_array_equal(alone.parts([0], [1])[0], parts[row])
    bigrams = np.intersect1d(articles[0].vector.bigram_ids, articles[1].vector.bigram_ids).size
    at = PART_NAMES.index("shared_bigrams")
    assert parts[2 * others.size, at] == pytest.approx(math.log(1 + bigrams) / 4)


def test_a_copy_is_as_similar_as_can_be() -> None:
    generator = np.random.default_rng(1)
    article = made_article(generator)
    comparison = compared([article, replace(article, publisher="other")])
    assert comparison.similarities([0], [1])[0] > 0.95
    assert comparison.near_duplicates([0], [1])[0]


def test_other_languages_and_texts_that_are_no_articles_have_nothing_in_common() -> None:
    generator = np.random.default_rng(2)
    article = made_article(generator)
    others = [
        replace(article, lang="fr"),
        replace(article, lang="und"),
        replace(article, kind=TextKind.STUB),
    ]
    comparison = compared([article, *others])
    similarities = comparison.similarities([0, 0, 0], [1, 2, 3])
    assert similarities[0] == 0
    assert similarities[1] > 0.95, "an undetected language agrees with every language"
    assert similarities[2] == 0
    assert comparison.near_duplicates([0, 0, 0], [1, 2, 3]).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("days", "penalty"),
    [(0, 0.0), (2, 0.0), (3, 0.05 * math.log(2)), (9, 0.05 * math.log(8)), (780, 0.15)],
)
def test_time_takes_off_a_little_and_never_much(days: int, penalty: float) -> None:
    # Two articles of middling similarity, so that neither end of the scale hides the penalty.
    articles = made_articles(60, seed=8)
    undated = compared(articles)
    i, j = np.triu_indices(60, k=1)
    similarities = undated.similarities(i, j)
    middling = int(np.argmin(np.abs(similarities - 0.5)))
    a, b = int(i[middling]), int(j[middling])
    pair = [
        replace(articles[a], published_at_seconds=1_700_000_000),
        replace(articles[b], published_at_seconds=1_700_000_000 - days * DAY),
    ]
    assert 0.15 < similarities[middling] < 0.85
    dated = compared(pair).similarities([0], [1])[0]
    assert similarities[middling] - dated == pytest.approx(penalty, abs=1e-6)
    half_dated = compared([pair[0], articles[b]]).similarities([0], [1])[0]
    assert half_dated == similarities[middling]


def test_an_explanation_adds_up_to_the_similarity() -> None:
    articles = made_articles(12, seed=9)
    comparison = compared(articles)
    i, j = np.triu_indices(12, k=1)
    best = int(np.argmax(comparison.similarities(i, j)))
    why = comparison.explain(int(i[best]), int(j[best]), terms=500)
    logit = comparison.verifier.intercept + sum(why.contributions.values())
    assert why.probability == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-4)
    assert why.similarity == pytest.approx(min(1, max(0, (logit + 4) / 8)), abs=1e-4)
    assert why.days_apart is None
    assert why.time_penalty == 0
    assert not why.near_duplicate
    shares = [term.cosine_share for term in why.shared_terms]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(why.parts["body_cosine"], abs=1e-5)
    assert len(comparison.explain(int(i[best]), int(j[best]), terms=3).shared_terms) == 3


def test_the_matrix_holds_all_pairs() -> None:
    comparison = compared(made_articles(9, seed=10))
    matrix = comparison.similarity_matrix()
    np.testing.assert_array_equal(matrix, matrix.T)
    assert matrix[2, 7] == comparison.similarities([2], [7])[0]


def test_positions_are_checked_before_memory_is_read() -> None:
    comparison = compared(made_articles(3, seed=11))
    for bad in ([3], [-1]):
        with pytest.raises(ConfigurationError, match="3 articles are here"):
            comparison.similarities([0], bad)
        with pytest.raises(ConfigurationError, match="3 articles are here"):
            comparison.near_duplicates(bad, [0])
    with pytest.raises(ConfigurationError, match="equal shapes"):
        comparison.parts([0, 1], [2])
    assert comparison.similarities([], []).size == 0
