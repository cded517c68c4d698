"""Outcomes to judge: sample articles with clusters laid over them by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache

from clustering.articles import Article, ArticleFeatures
from clustering.preparer import Preparer
from service.evaluation.outcome import Outcome
from service.samples import sample_articles, sample_labels


@cache
def samples() -> Outcome:
    """The sample articles, each event in one cluster named after it."""
    articles = tuple(
        Article(
            text=row.get("text", ""),
            html=row.get("html", ""),
            article_id=row["id"],
            title=row.get("title", ""),
            published_at=datetime.fromisoformat(row["published_at"])
            if row.get("published_at")
            else None,
            source=row.get("source", ""),
            url=row.get("url", ""),
            lang=row.get("lang", ""),
        )
        for row in sample_articles()
    )
    preparer = Preparer.shipped()
    labels = tuple(label.event for label in sample_labels())
    return Outcome(
        name="samples.jsonl",
        online=False,
        article_ids=tuple(article.article_id for article in articles),
        labels=labels,
        cluster_ids=labels,
        articles=articles,
        features=tuple(preparer.prepare(article).features for article in articles),
    )


def clustered_as(cluster_ids: Sequence[str]) -> Outcome:
    """The sample articles under other clusters."""
    return replace(samples(), cluster_ids=tuple(cluster_ids))


def bare(labels: Sequence[str], cluster_ids: Sequence[str], langs: Sequence[str] = ()) -> Outcome:
    """An outcome of empty articles: for what looks at labels and clusters only."""
    spoken = langs or [""] * len(labels)
    return Outcome(
        name="made",
        online=False,
        article_ids=tuple(f"a{number}" for number in range(len(labels))),
        labels=tuple(labels),
        cluster_ids=tuple(cluster_ids),
        articles=tuple(Article(lang=lang) for lang in spoken),
        features=tuple(ArticleFeatures(lang=lang or "und") for lang in spoken),
    )
