"""Clustered articles with their labels: what everything else in the package looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from clustering.articles import Article, ArticleFeatures
from clustering.online import OnlineLimits
from clustering.propose import SignatureScheme, bucket_ids, candidate_pairs
from clustering.refine.linkage import Int64Array


@dataclass(frozen=True, slots=True)
class Outcome:
    """A clustering of labelled articles; all sequences in one order, one entry an article.

    Attributes
    ----------
    name
        Of the file they came from.
    online
        Whether they were decided one by one.
    labels
        What event each is about.
    """

    name: str
    online: bool
    article_ids: tuple[str, ...]
    labels: tuple[str, ...]
    cluster_ids: tuple[str, ...]
    articles: tuple[Article, ...]
    features: tuple[ArticleFeatures, ...]

    @property
    def mode(self) -> str:
        """``"online"`` or ``"batch"``."""
        return "online" if self.online else "batch"

    def languages(self) -> dict[str, list[int]]:
        """Return language → positions, by code; the language given, else the detected one."""
        found: dict[str, list[int]] = {}
        for position, (article, features) in enumerate(
            zip(self.articles, self.features, strict=True)
        ):
            lang = article.lang.split("-")[0].lower() or features.lang
            found.setdefault(lang, []).append(position)
        return dict(sorted(found.items()))

    def parted_by_language(self) -> Self:
        """Return the same with events told apart by language: no label spans two of them."""
        labels = list(self.labels)
        for lang, positions in self.languages().items():
            for position in positions:
                labels[position] = f"{labels[position]} [{lang}]"
        return replace(self, labels=tuple(labels))


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs that LSH proposes among the articles; int64, shape (m,) each, first < second."""

    first: Int64Array
    second: Int64Array

    @classmethod
    def among(cls, features: Sequence[ArticleFeatures]) -> Candidates:
        """Propose pairs as deciding does."""
        scheme = SignatureScheme()
        pairs = candidate_pairs(
            [bucket_ids(item, scheme) for item in features],
            per_article_limit=OnlineLimits().candidates,
        )
        return cls(pairs.first, pairs.second)
