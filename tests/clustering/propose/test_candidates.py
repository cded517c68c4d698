"""What share of labelled same-event pairs the default scheme proposes, beside a background."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from clustering.articles import ArticleFeatures, TextKind, UInt64Array
from clustering.metrics import candidate_recall
from clustering.prepare.analysis import analyse
from clustering.prepare.frequencies import FrequencyTable, salient_terms
from clustering.propose import (
    CandidateIndex,
    SignatureScheme,
    bucket_ids,
    candidate_pairs,
    event_tokens,
    text_signature,
)

SCHEME = SignatureScheme()
LIMIT = 60


def read(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def buckets_of(article: dict[str, str], frequencies: FrequencyTable) -> UInt64Array:
    analysis = analyse(article.get("title") or "", article["text"], article.get("lang") or "")
    idf = frequencies.idf(analysis.vector.term_ids, analysis.lang)
    terms, weights = salient_terms(analysis.vector, idf, SCHEME.salient_terms)
    features = ArticleFeatures(
        kind=TextKind.ORDINARY,
        text_signature=text_signature(analysis.tokens, SCHEME),
        event_tokens=event_tokens(terms, weights, SCHEME),
    )
    return bucket_ids(features, SCHEME)


@pytest.fixture(scope="module")
def background(data_dir: Path) -> list[UInt64Array]:
    frequencies = FrequencyTable.shipped()
    articles = read(data_dir / "reuters21578_unlabelled.jsonl.gz")[::6]
    articles += read(data_dir / "bbc_fulltext_unlabelled.jsonl.gz")[::2]
    return [buckets_of(article, frequencies) for article in articles]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "article_recall", "articles_with_candidate"),
    [
        ("giveme5w_news_cluster", 0.93, 0.98),
        ("galaxy_wikinews", 0.87, 0.965),
        ("fnc1_train", 0.94, 0.99),
        ("ecbplus", 0.96, 0.99),
        ("multiling2011_7lang", 0.88, 0.99),
    ],
)
def test_candidates_of_labelled_news(
    data_dir: Path,
    background: list[UInt64Array],
    name: str,
    article_recall: float,
    articles_with_candidate: float,
) -> None:
    frequencies = FrequencyTable.shipped()
    articles = read(data_dir / f"{name}.jsonl.gz")
    labels = [(article["story"], article["lang"] or "en") for article in articles]
    ids = [buckets_of(article, frequencies) for article in articles] + background
    pairs = candidate_pairs(ids, per_article_limit=LIMIT)
    own = pairs.second < len(articles)
    recall = candidate_recall(labels, pairs.first[own], pairs.second[own])
    wrong = int(((pairs.first < len(articles)) & ~own).sum())
    background_share = wrong / len(articles) / len(background)
    report = (
        f"{name}: pairs {recall.pair_recall:.3f}, by article {recall.article_recall:.3f}, "
        f"at least one {recall.articles_with_candidate:.3f}, background {background_share:.2%}"
    )
    print(report)
    assert recall.article_recall >= article_recall, report
    assert recall.articles_with_candidate >= articles_with_candidate, report
    # The limit alone would allow 60 / 4,155 = 1.4 %.
    assert background_share <= 0.0125, report


def test_index_and_batch_agree_on_real_articles(data_dir: Path) -> None:
    frequencies = FrequencyTable.shipped()
    articles = read(data_dir / "giveme5w_news_cluster.jsonl.gz")
    ids = [buckets_of(article, frequencies) for article in articles]
    index = CandidateIndex()
    for handle, own in enumerate(ids):
        index.add(handle, own)
    named = set()
    for handle, own in enumerate(ids):
        others = [other for other, _ in index.candidates(own, LIMIT + 1) if other != handle]
        named |= {(min(handle, other), max(handle, other)) for other in others[:LIMIT]}
    pairs = candidate_pairs(ids, per_article_limit=LIMIT)
    assert set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == named
    assert np.all(pairs.first < pairs.second)
