"""What the routes need of the use cases, as protocols: tests put something simpler in their place.

``service.ingest``, ``service.reading`` and ``service.nightly`` implement them. What they answer,
and the errors they raise, stands in ``service.views``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clustering.articles import Article
from service.views import (
    DEFAULT_WINDOW_DAYS,
    ArticlePage,
    ArticleView,
    ClosedView,
    ClusterSummary,
    ClusterView,
    IngestOutcome,
    MergedView,
    Reclustering,
)


class IngestUseCase(Protocol):
    """What the article routes need. Each method may raise a `StoreError` besides."""

    async def post(self, article: Article) -> IngestOutcome:
        """Store and cluster one article. May raise `InvalidArticleError`, `ContentionError`."""
        ...

    async def post_many(self, articles: Sequence[Article]) -> list[IngestOutcome | Exception]:
        """Store and cluster several; one outcome or error each, in the order given."""
        ...

    async def delete(self, article_id: str) -> bool:
        """Remove an article; ``False`` when there is none."""
        ...


class ReadingUseCase(Protocol):
    """What the reading routes need. A bad ``cursor`` raises `InvalidCursorError`."""

    async def article(self, article_id: str) -> ArticleView | None:
        """Return the stored article with its text; ``None`` when there is none."""
        ...

    async def cluster(self, cluster_id: str) -> ClusterView | MergedView | ClosedView | None:
        """Cluster with its first articles, where it went, or ``None`` when there is none."""
        ...

    async def clusters(
        self, *, cursor: str | None, limit: int
    ) -> tuple[list[ClusterSummary], str | None]:
        """Clusters by last change, newest first, and the cursor of the next page."""
        ...

    async def cluster_articles(
        self, cluster_id: str, *, cursor: str | None, limit: int
    ) -> ArticlePage | MergedView | ClosedView | None:
        """Articles of a cluster in order of arrival, without text."""
        ...


class NightlyUseCase(Protocol):
    """What the reclustering routes need."""

    async def start(
        self, *, apply: bool = True, window_days: float = DEFAULT_WINDOW_DAYS
    ) -> Reclustering:
        """Start one. Raises `ReclusteringInProgressError` while another runs."""
        ...

    async def start_applying(self, reclustering_id: str) -> Reclustering | None:
        """Start applying a plan; ``None`` when there is none of that id.

        Raises `ReclusteringStateError` where there is nothing to apply (any more), and
        `ReclusteringInProgressError`.
        """
        ...

    async def start_rolling_back(self, reclustering_id: str) -> Reclustering | None:
        """Start taking back what was applied; otherwise as `start_applying`."""
        ...

    async def get(self, reclustering_id: str) -> Reclustering | None:
        """Reclustering of that id; ``None`` when there is none."""
        ...

    async def list(self, limit: int) -> list[Reclustering]:
        """Newest first."""
        ...
