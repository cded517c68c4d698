"""What is stored, as people read it: views, pages, redirects, and cursors of every kind."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from clustering.articles import Article
from service.ingest import Ingest
from service.store import Reassignment
from service.views import ArticlePage, ClosedView, ClusterView, InvalidCursorError, MergedView
from tests.service.test_ingest import QUAKE, QUAKE_COPY, QUAKE_OTHER, VERDICT, VERDICT_OTHER
from tests.service.wiring import Core, make_core, sample, samples

pytestmark = pytest.mark.anyio


@pytest.fixture
async def core(redis_url: str) -> AsyncIterator[Core]:
    core = make_core(redis_url)
    await core.store.open(core.clusterer.fingerprint())
    yield core
    await core.store.close()


async def test_an_article(core: Core) -> None:
    posted = await core.ingest.post(sample(QUAKE))
    view = await core.reading.article(QUAKE)
    assert view is not None
    given = sample(QUAKE)
    assert (view.cluster_id, view.duplicate_group_id) == (
        posted.cluster_id,
        posted.duplicate_group_id,
    )
    assert (view.title, view.url, view.source) == (given.title, given.url, given.source)
    assert view.published_at == given.published_at
    assert view.received_at.tzinfo is UTC
    assert (view.lang, view.kind, view.decision, view.revision) == ("en", "ordinary", "created", 1)
    assert view.text is not None
    assert view.excerpt.endswith(" …")
    assert len(view.excerpt) <= 282
    assert " ".join(view.text.split()).startswith(view.excerpt.removesuffix(" …"))
    assert await core.reading.article("none such") is None


@pytest.mark.parametrize("text", ["短" * 400, "Short.", "word " * 100])
async def test_excerpts(core: Core, text: str) -> None:
    await core.ingest.post(Article(text=text, article_id="a", lang="en"))
    view = await core.reading.article("a")
    assert view is not None
    assert view.text is not None
    assert len(view.excerpt) <= 282
    shortened = len(" ".join(view.text.split())) > 280
    assert view.excerpt.endswith("…") == shortened


async def test_a_cluster(core: Core) -> None:
    posted = [await core.ingest.post(sample(name)) for name in (QUAKE, QUAKE_COPY, QUAKE_OTHER)]
    view = await core.reading.cluster(posted[0].cluster_id)
    assert isinstance(view, ClusterView)
    assert (view.size, view.duplicate_group_count, view.publisher_count) == (3, 2, 3)
    assert [item.article_id for item in view.articles] == [QUAKE, QUAKE_COPY, QUAKE_OTHER]
    assert all(item.text is None for item in view.articles)
    assert not view.more
    titles = {item.article_id: item.title for item in view.articles}
    assert view.headline == titles[view.lead_article_id]
    assert view.languages == ("en",)
    assert view.first_published_at == sample(QUAKE).published_at
    assert view.last_published_at == sample(QUAKE_OTHER).published_at
    assert view.key_terms
    assert await core.reading.cluster("c_none") is None


async def test_a_description_follows_every_change(core: Core) -> None:
    posted = await core.ingest.post(sample(QUAKE))
    first = await core.reading.cluster(posted.cluster_id)
    assert isinstance(first, ClusterView)
    await core.ingest.post(replace(sample(QUAKE), title="Second thoughts on a quake in Peru"))
    second = await core.reading.cluster(posted.cluster_id)
    assert isinstance(second, ClusterView)
    assert second.headline == "Second thoughts on a quake in Peru"
    assert second.revision > first.revision
    assert second.created_at == first.created_at
    await core.ingest.post(sample(QUAKE_COPY))
    listed, _ = await core.reading.clusters(cursor=None, limit=5)
    assert [item.size for item in listed] == [2]


async def test_merged_and_emptied_clusters(core: Core) -> None:
    one = await core.ingest.post(sample(QUAKE))
    other = await core.ingest.post(sample(VERDICT))
    handles = await core.store.cluster_handles(one.cluster_id, after=0, limit=5)
    await core.store.reassign(
        Reassignment(
            moves={handles[0]: (one.cluster_id, other.cluster_id)},
            group_moves={},
            merged_into={one.cluster_id: other.cluster_id},
            split_into={},
            now_seconds=1.75e9,
        )
    )
    expected = MergedView(one.cluster_id, other.cluster_id)
    assert await core.reading.cluster(one.cluster_id) == expected
    page = await core.reading.cluster_articles(one.cluster_id, cursor=None, limit=5)
    assert page == expected
    for article_id in (QUAKE, VERDICT):
        await core.ingest.delete(article_id)
    closed = await core.reading.cluster(other.cluster_id)
    assert isinstance(closed, ClosedView)
    page = await core.reading.cluster_articles(other.cluster_id, cursor=None, limit=5)
    assert page == closed
    assert await core.reading.clusters(cursor=None, limit=5) == ([], None)


@pytest.mark.parametrize("limit", [1, 3, 8, 100])
async def test_pages_of_clusters_lose_and_repeat_nothing(core: Core, limit: int) -> None:
    # One moment for all but the first two: the order among equals must hold from page to page.
    moments = iter([1.742e9, 1.742e9 + 1])
    ingest = Ingest(core.store, core.clusterer, now=lambda: next(moments, 1.742e9 + 2))
    for article in samples()[:24]:
        await ingest.post(article)
    found, cursor = [], None
    for _ in range(30):
        page, cursor = await core.reading.clusters(cursor=cursor, limit=limit)
        assert len(page) <= limit
        found += page
        if cursor is None:
            break
        assert len(page) == limit
    assert cursor is None
    ids = [item.cluster_id for item in found]
    assert len(ids) == len(set(ids))
    assert set(ids) == {cluster_id for cluster_id, _ in (await core.places()).values()}
    updated = [item.updated_at for item in found]
    assert updated == sorted(updated, reverse=True)


@pytest.mark.parametrize("limit", [1, 4, 7, 100])
async def test_pages_of_members_lose_and_repeat_nothing(core: Core, limit: int) -> None:
    article = sample(QUAKE)
    names = [f"copy-{number}" for number in range(14)]
    posted = [await core.ingest.post(replace(article, article_id=name, url="")) for name in names]
    cluster_id = posted[0].cluster_id
    assert {item.cluster_id for item in posted} == {cluster_id}
    found: list[str] = []
    cursor = None
    for _ in range(20):
        page = await core.reading.cluster_articles(cluster_id, cursor=cursor, limit=limit)
        assert page is not None
        assert isinstance(page, ArticlePage)
        found += [item.article_id for item in page.articles]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == names


async def test_more_than_fifty_members(core: Core) -> None:
    article = sample(VERDICT_OTHER)
    for number in range(51):
        posted = await core.ingest.post(replace(article, article_id=str(number), url=""))
    view = await core.reading.cluster(posted.cluster_id)
    assert isinstance(view, ClusterView)
    assert (view.size, len(view.articles), view.more) == (51, 50, True)


class VanishingStore:
    """An article is deleted between reading the handles and reading the articles."""

    def __init__(self, core: Core, article_id: str) -> None:
        self._core = core
        self._article_id = article_id

    def __getattr__(self, name: str) -> object:
        return getattr(self._core.store, name)

    async def articles(self, handles: list[int]) -> object:
        await self._core.ingest.delete(self._article_id)
        return await self._core.store.articles(handles)


async def test_a_deletion_meanwhile_does_not_end_a_listing(core: Core) -> None:
    article = sample(QUAKE)
    for number in range(5):
        posted = await core.ingest.post(replace(article, article_id=str(number), url=""))
    core.reading._store = VanishingStore(core, "1")  # type: ignore[assignment]
    page = await core.reading.cluster_articles(posted.cluster_id, cursor=None, limit=3)
    assert page is not None
    assert isinstance(page, ArticlePage)
    assert [item.article_id for item in page.articles] == ["0", "2"]
    assert page.next_cursor is not None


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        *("", "x", "%%%", "ünïcode", "\0", "A" * 5_000),
        *map(encoded, ("[]", "{}", "[1", '["1"]', "[null]", "[1.5]", '["c","c"]', "[1,2,3]")),
        encoded("[" * 2_000),
        encoded(f"[{10**30}]"),
    ],
)
async def test_bad_cursors(core: Core, cursor: str) -> None:
    posted = await core.ingest.post(sample(QUAKE))
    with pytest.raises(InvalidCursorError, match="start again without it"):
        await core.reading.clusters(cursor=cursor, limit=5)
    with pytest.raises(InvalidCursorError, match="start again without it"):
        await core.reading.cluster_articles(posted.cluster_id, cursor=cursor, limit=5)


async def test_the_cursor_of_another_listing_is_refused(core: Core) -> None:
    for name in (QUAKE, QUAKE_COPY, VERDICT):
        posted = await core.ingest.post(sample(name))
    cluster_id = (await core.places())[QUAKE][0]
    _, cursor = await core.reading.clusters(cursor=None, limit=1)
    page = await core.reading.cluster_articles(cluster_id, cursor=None, limit=1)
    assert cursor is not None
    assert page is not None
    assert isinstance(page, ArticlePage)
    with pytest.raises(InvalidCursorError):
        await core.reading.cluster_articles(posted.cluster_id, cursor=cursor, limit=1)
    with pytest.raises(InvalidCursorError):
        await core.reading.clusters(cursor=page.next_cursor, limit=1)


async def test_an_undated_article(core: Core) -> None:
    posted = await core.ingest.post(replace(sample(QUAKE), published_at=None))
    view = await core.reading.cluster(posted.cluster_id)
    assert isinstance(view, ClusterView)
    assert view.first_published_at is None
    assert isinstance(view.created_at, datetime)
