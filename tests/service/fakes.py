"""In-memory stand-ins for the use cases: real behaviour over a dict, written by hand.

`FakeBackend` clusters articles by the first word of their title, which is enough to see every
answer that the HTTP layer can give. Its store can be switched ``away``, ``full`` or ``contended``,
its next call can be made to fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

from httpx2 import Response
from starlette.testclient import TestClient

from clustering.articles import Article
from clustering.errors import InvalidArticleError
from clustering.neighbourhood import RunnerUp
from service.app import create_app
from service.constraint_views import ConstraintView
from service.identifiers import derive_article_id
from service.settings import Settings
from service.store import StoreError, StoreFullError, StoreUnavailableError
from service.views import (
    ArticlePage,
    ArticleView,
    ClosedView,
    ClusterSummary,
    ClusterView,
    ContentionError,
    IngestOutcome,
    InvalidCursorError,
    MergedView,
    Reclustering,
    ReclusteringInProgressError,
    ReclusteringState,
    ReclusteringStateError,
)
from tests.service.fake_constraints import FakeConstraining, FakeLineage

RECEIVED_AT = datetime(2026, 3, 10, 7, 0, tzinfo=UTC)
NOW = RECEIVED_AT.timestamp()


class FakeBackend:
    """All three use cases over dicts, with switches for what can go wrong."""

    def __init__(self) -> None:
        self.posted: dict[str, Article] = {}
        self.revisions: dict[str, int] = {}
        self.merged: dict[str, str] = {}
        self.said: list[ConstraintView] = []
        self.closed_clusters: set[str] = set()
        self.jobs: dict[str, Reclustering] = {}
        self.away = False
        self.full = False
        self.contended = False
        self.running = False
        self.hanging = False
        self.defect: Exception | None = None
        self.open_error: Exception | None = None
        self.opened = 0
        self.closed = 0
        self.calls = 0

    @property
    def ingest(self) -> FakeIngest:
        return FakeIngest(self)

    @property
    def reading(self) -> FakeReading:
        return FakeReading(self)

    @property
    def nightly(self) -> FakeNightly:
        return FakeNightly(self)

    @property
    def constraints(self) -> FakeConstraining:
        return FakeConstraining(self.said, self.call)

    @property
    def lineage(self) -> FakeLineage:
        return FakeLineage({cluster_of(article) for article in self.posted.values()}, self.call)

    async def open(self) -> None:
        if self.open_error is not None:
            raise self.open_error
        self._check_server()
        self.opened += 1

    async def close(self) -> None:
        self.closed += 1

    async def ping(self) -> None:
        if self.hanging:
            await asyncio.sleep(60)
        self._check_server()

    def call(self, *, writes: bool = False) -> None:
        """Count a use case's call and fail as the switches say."""
        self.calls += 1
        self._check_server()
        if self.defect is not None:
            raise self.defect
        if writes and self.full:
            raise StoreFullError("OOM command not allowed")
        if writes and self.contended:
            raise ContentionError("64 attempts")

    def _check_server(self) -> None:
        if self.away:
            raise StoreUnavailableError("Error 111 connecting to redis.internal:6379")

    def members(self, cluster_id: str) -> list[str]:
        return [i for i, a in self.posted.items() if cluster_of(a) == cluster_id]


def cluster_of(article: Article) -> str:
    return "c_" + (article.title.split() or ["untitled"])[0].lower()


class FakeIngest:
    def __init__(self, backend: FakeBackend) -> None:
        self._backend = backend

    async def post(self, article: Article) -> IngestOutcome:
        backend = self._backend
        backend.call(writes=True)
        if article.title == "unusable":
            raise InvalidArticleError("cannot be used", field="title")
        article_id = article.article_id or derive_article_id(article)
        cluster_id = cluster_of(article)
        before = backend.posted.get(article_id)
        known = bool(backend.members(cluster_id))
        backend.posted[article_id] = article
        same = before is not None and replace(before, article_id="") == replace(
            article, article_id=""
        )
        if not same:
            backend.revisions[cluster_id] = backend.revisions.get(cluster_id, 0) + 1
        return IngestOutcome(
            article_id=article_id,
            cluster_id=cluster_id,
            duplicate_group_id="d_" + cluster_id[2:],
            decision="already_stored" if same else "joined" if known else "created",
            similarity=0.75 if known and not same else None,
            runner_up=RunnerUp("c_other", 0.125) if known and not same else None,
            revision=backend.revisions[cluster_id],
            reason="Its title begins alike.",
            updated=before is not None and not same,
            kind="ordinary",
        )

    async def post_many(self, articles: Sequence[Article]) -> list[IngestOutcome | Exception]:
        outcomes: list[IngestOutcome | Exception] = []
        for article in articles:
            try:
                outcomes.append(await self.post(article))
            except (InvalidArticleError, ContentionError, StoreError, ZeroDivisionError) as error:
                outcomes.append(error)
        return outcomes

    async def delete(self, article_id: str) -> bool:
        self._backend.call(writes=True)
        return self._backend.posted.pop(article_id, None) is not None


class FakeReading:
    def __init__(self, backend: FakeBackend) -> None:
        self._backend = backend

    async def article(self, article_id: str) -> ArticleView | None:
        self._backend.call()
        article = self._backend.posted.get(article_id)
        return None if article is None else self._view(article_id, with_text=True)

    async def cluster(self, cluster_id: str) -> ClusterView | MergedView | ClosedView | None:
        self._backend.call()
        if cluster_id in self._backend.closed_clusters:
            return ClosedView(cluster_id, RECEIVED_AT)
        if cluster_id in self._backend.merged:
            return MergedView(cluster_id, self._backend.merged[cluster_id])
        members = self._backend.members(cluster_id)
        if not members:
            return None
        summary = self._summary(cluster_id)
        return ClusterView(
            **{each.name: getattr(summary, each.name) for each in fields(summary)},
            series=None,
            articles=tuple(self._view(i) for i in members[:50]),
            more=len(members) > 50,
        )

    async def clusters(
        self, *, cursor: str | None, limit: int
    ) -> tuple[list[ClusterSummary], str | None]:
        self._backend.call()
        ids = list(dict.fromkeys(cluster_of(a) for a in self._backend.posted.values()))[::-1]
        begin = _position(cursor)
        page = [self._summary(cluster_id) for cluster_id in ids[begin : begin + limit]]
        return page, f"after-{begin + limit}" if begin + limit < len(ids) else None

    async def cluster_articles(
        self, cluster_id: str, *, cursor: str | None, limit: int
    ) -> ArticlePage | MergedView | ClosedView | None:
        self._backend.call()
        if cluster_id in self._backend.closed_clusters:
            return ClosedView(cluster_id, RECEIVED_AT)
        if cluster_id in self._backend.merged:
            return MergedView(cluster_id, self._backend.merged[cluster_id])
        members = self._backend.members(cluster_id)
        if not members:
            return None
        begin = _position(cursor)
        page = tuple(self._view(i) for i in members[begin : begin + limit])
        more = begin + limit < len(members)
        return ArticlePage(page, f"after-{begin + limit}" if more else None)

    def _view(self, article_id: str, *, with_text: bool = False) -> ArticleView:
        article = self._backend.posted[article_id]
        cluster_id = cluster_of(article)
        return ArticleView(
            article_id=article_id,
            cluster_id=cluster_id,
            duplicate_group_id="d_" + cluster_id[2:],
            title=article.title,
            url=article.url,
            source=article.source,
            publisher=article.source,
            published_at=article.published_at,
            received_at=RECEIVED_AT,
            lang=article.lang or "und",
            kind="ordinary",
            decision="created",
            similarity=None,
            revision=1,
            excerpt=article.text[:20],
            text=article.text if with_text else None,
        )

    def _summary(self, cluster_id: str) -> ClusterSummary:
        members = self._backend.members(cluster_id)
        return ClusterSummary(
            cluster_id=cluster_id,
            revision=self._backend.revisions[cluster_id],
            size=len(members),
            duplicate_group_count=1,
            publisher_count=1,
            headline=self._backend.posted[members[0]].title,
            lead_article_id=members[0],
            key_terms=("ferry",),
            languages=("en",),
            created_at=RECEIVED_AT,
            updated_at=RECEIVED_AT,
            first_published_at=None,
            last_published_at=None,
        )


def _position(cursor: str | None) -> int:
    if cursor is None:
        return 0
    prefix, _, number = cursor.partition("-")
    if prefix != "after" or not number.isdigit():
        raise InvalidCursorError("the cursor does not decode: take `next_cursor`")
    return int(number)


class FakeNightly:
    def __init__(self, backend: FakeBackend) -> None:
        self._backend = backend

    async def start(self, *, apply: bool = True, window_days: float = 30) -> Reclustering:
        self._backend.call(writes=True)
        if self._backend.running:
            raise ReclusteringInProgressError("r_1")
        job = Reclustering(
            window_days=window_days,
            reclustering_id=f"r_{len(self._backend.jobs) + 1}",
            state="applied" if apply else "planned",
            stage="done",
            progress=1.0,
            created_at=RECEIVED_AT,
        )
        self._backend.jobs[job.reclustering_id] = job
        return job

    async def start_applying(self, reclustering_id: str) -> Reclustering | None:
        return self._go_on(reclustering_id, from_state="planned", to_state="applied")

    async def start_rolling_back(self, reclustering_id: str) -> Reclustering | None:
        return self._go_on(reclustering_id, from_state="applied", to_state="rolled_back")

    def _go_on(
        self, reclustering_id: str, *, from_state: str, to_state: ReclusteringState
    ) -> Reclustering | None:
        self._backend.call(writes=True)
        job = self._backend.jobs.get(reclustering_id)
        if job is None:
            return None
        if self._backend.running:
            raise ReclusteringInProgressError("r_1")
        if job.state != from_state:
            raise ReclusteringStateError(f"reclustering {reclustering_id} is {job.state}")
        self._backend.jobs[reclustering_id] = replace(job, state=to_state)
        return self._backend.jobs[reclustering_id]

    async def get(self, reclustering_id: str) -> Reclustering | None:
        self._backend.call()
        return self._backend.jobs.get(reclustering_id)

    async def list(self, limit: int) -> list[Reclustering]:
        self._backend.call()
        return [*self._backend.jobs.values()][::-1][:limit]


def fixed_clock(seconds: float = NOW) -> Callable[[], float]:
    return lambda: seconds


@contextmanager
def open_client(
    backend: FakeBackend, *, now: Callable[[], float] | None = None, **settings: Any
) -> Iterator[TestClient]:
    """Run the whole application over ``backend`` and talk to it in this process."""
    app = create_app(Settings(**settings), backend=backend, now=now or fixed_clock())
    # Defects must reach the client as problems, as they do behind a real server.
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


def assert_problem(response: Response, status: int, slug: str) -> dict[str, Any]:
    """Check that an answer is a complete RFC 9457 problem of that kind; returns its members."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["type"] == f"urn:samestory:problem:{slug}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"].startswith("/")
    assert problem["request_id"] == response.headers["x-request-id"]
    return problem
