"""Items of different companies stay apart, on a slice of Reuters-21578; and the counting itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from clustering.articles import Article
from service.offline import cluster_articles
from tests.evaluation.lookalikes import SET, count, item_of
from tests.evaluation.quality import article_of, read_set


@pytest.mark.parametrize(
    ("title", "company"),
    [
        ("UNITIL CORP <UTL> 4TH QTR NET", "UTL"),
        ("SPECTRAMED INC <SPMD.O> 3RD QTR NET", "SPMD"),
        ("<IVACO INC> YEAR NET", "IVACO INC"),
        ("TULTEX CORP <TTX> SETS QUARTERLY DIVIDEND", "TTX"),
        ("NRM ENERGY CO LP <NRM> SETS PAYOUT", "NRM"),
        ("KELDER MILLS SETS PAYOUT", "KELDER MILLS"),
    ],
)
def test_items_and_their_companies(title: str, company: str) -> None:
    item = item_of(0, title)
    assert item is not None
    assert item.company == company
    assert not item.is_correction
    corrected = item_of(0, f"CORRECTED - {title}")
    assert corrected is not None
    assert (corrected.company, corrected.is_correction) == (company, True)


@pytest.mark.parametrize(
    "title",
    [
        "BAHIA COCOA REVIEW",
        "PUBCO <PUBO> DECLARES DIVIDEND RIGHT",
        "XEBEC <XEBC> SEES YEAR NET",
        "",
    ],
)
def test_other_articles(title: str) -> None:
    assert item_of(0, title) is None


def test_counts() -> None:
    titles = [
        "UNITIL CORP <UTL> 4TH QTR NET",
        "CORRECTED - UNITIL CORP <UTL> 4TH QTR NET",
        "SANFORD CORP <SANF> 1ST QTR NET",
        "SANFORD CORP <SANF.O> 2ND QTR NET",
        "UNITIL CORP 3RD QTR NET",
    ]
    moment = datetime(1987, 3, 5, tzinfo=UTC)
    articles = [Article(title=title, published_at=moment) for title in titles]
    apart = count(articles, ["a", "a", "b", "b", "a"])
    assert (apart.items, apart.clusters, len(apart.mixed)) == (5, 2, 0)
    assert (apart.corrections, apart.corrections_joined) == (1, 1)
    mixed = count(articles, ["a", "b", "a", "b", "c"])
    assert (mixed.clusters, len(mixed.mixed), mixed.corrections_joined) == (2, 2, 0)


@pytest.mark.slow
@pytest.mark.parametrize("online", [False, True], ids=["batch", "online"])
def test_companies_stay_apart(data_dir: Path, online: bool) -> None:
    """Three thousand articles of a week; without the guard 389 of 435 items are mixed up."""
    articles = [article_of(row) for row in read_set(data_dir, SET)[:3000]]
    results = cluster_articles(articles, online=online).results
    counts = count(articles, [result.cluster_id for result in results])
    assert counts.items > 300
    assert counts.clusters > 30
    # What is left: funds of one house, and a company whose name is a part of another's ("Kay Corp",
    # "Kay Jewelers").
    assert sum(map(len, counts.mixed)) <= 0.04 * counts.items, counts.mixed
