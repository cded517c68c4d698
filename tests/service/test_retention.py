"""Old articles leave a running service: whole, bounded, and without breaking what goes on."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import pytest
from httpx2 import Response
from redis import Redis
from starlette.testclient import TestClient

from clustering.articles import Article, UInt64Array
from clustering.packing import unpack_features
from clustering.propose import bucket_ids
from service.app import create_app
from service.clusterer import Clusterer
from service.ingest import Ingest
from service.nightly import Nightly
from service.reading import Reading
from service.retention import Expired, Retention
from service.settings import Settings
from service.store.expiry import ExpiringClusterStore, ExpiryStatus, ExpiryStep
from service.views import ClosedView, IngestOutcome
from tests.service.wiring import NOW, Clock, samples

pytestmark = pytest.mark.anyio

DAY = 86_400.0
SAMPLE_COUNT = len(samples())


@dataclass(frozen=True)
class Service:
    """The use cases on one store, and the clock they share."""

    store: ExpiringClusterStore
    ingest: Ingest
    reading: Reading
    nightly: Nightly
    retention: Retention
    clock: Clock

    async def post(self, articles: list[Article]) -> list[str]:
        """Post articles; returns their clusters."""
        outcomes = await self.ingest.post_many(articles)
        assert all(isinstance(outcome, IngestOutcome) for outcome in outcomes), outcomes
        return [item.cluster_id for item in outcomes if isinstance(item, IngestOutcome)]


@pytest.fixture
async def service(redis_url: str) -> AsyncIterator[Service]:
    clusterer = Clusterer()

    def bucket_ids_of(record: bytes) -> UInt64Array:
        return bucket_ids(unpack_features(record), clusterer.scheme)

    store = ExpiringClusterStore(redis_url, bucket_ids_of=bucket_ids_of, timeout_seconds=30)
    await store.open("f00d")
    clock = Clock()
    yield Service(
        store=store,
        ingest=Ingest(store, clusterer, now=clock),
        reading=Reading(store, clusterer),
        nightly=Nightly(store, clusterer, now=clock),
        retention=Retention(store, retention_days=30, tombstone_days=90, now=clock),
        clock=clock,
    )
    await store.close()


def renamed(name: Callable[[str], str]) -> list[Article]:
    return [replace(item, article_id=name(item.article_id), url="") for item in samples()]


async def test_everything_of_an_old_article_goes(service: Service, redis_url: str) -> None:
    cluster_ids = set(await service.post(renamed(lambda name: f"old-{name}")))
    await service.nightly.run()
    service.clock.seconds = NOW + 60 * DAY
    expired = await service.retention.run(share_of_time=1.0)
    assert (expired.articles, expired.finished) == (SAMPLE_COUNT, True)
    assert expired.clusters == len(cluster_ids)
    assert await service.store.check() == []
    with Redis.from_url(redis_url) as client:
        names = [key.decode().split(":", 2)[2] for key in client.scan_iter("ss:*")]
        everything = b"".join(client.dump(f"ss:{{default}}:{name}") for name in names)
    kinds = Counter(name.split(":")[0] for name in names)
    assert not set(kinds) & set("iardfmbxp"), kinds
    assert "open" not in kinds
    # Nowhere is there even the name of an article left.
    assert b"old-" not in everything
    for cluster_id in cluster_ids:
        closed = await service.reading.cluster(cluster_id)
        assert isinstance(closed, ClosedView)
        assert closed == await service.reading.cluster_articles(cluster_id, cursor=None, limit=9)
    # The tombstones go, too; then nothing is left but the tables, which hold no article.
    service.clock.seconds = NOW + 160 * DAY
    expired = await service.retention.run(share_of_time=1.0)
    assert expired.tombstones == len(cluster_ids)
    assert await service.reading.cluster(min(cluster_ids)) is None
    assert await service.post(samples())
    assert await service.store.check() == []


async def test_an_import_goes_on_meanwhile(service: Service) -> None:
    """The same articles once more, and updates of the expiring ones, while those leave."""
    await service.post(samples())
    for copy in range(2):
        await service.post(renamed(lambda name, copy=copy: f"{copy}-{name}"))  # type: ignore[misc]
    service.clock.seconds = NOW + 60 * DAY
    updates = [replace(item, text=item.text + " Updated.") for item in samples() if item.text]

    async def expire() -> int:
        articles = 0
        while True:
            expired = await service.retention.run(share_of_time=0.5)
            articles += expired.articles
            if not importing.done():
                await asyncio.sleep(0.01)
                continue
            return articles

    importing = asyncio.create_task(service.post([*renamed(lambda name: f"new-{name}"), *updates]))
    expired = await expire()
    cluster_ids = await importing
    # Those that were updated in time left by themselves; every other old one expired.
    assert 2 * SAMPLE_COUNT <= expired <= 3 * SAMPLE_COUNT
    assert await service.store.check() == []
    stored = {item.article_id async for item in service.store.snapshot()}
    expected = {item.article_id for item in renamed(lambda name: f"new-{name}")}
    expected |= {item.article_id for item in updates}
    assert stored == expected
    assert len(cluster_ids) == len(stored)


async def test_a_night_beside_it(service: Service) -> None:
    await service.post(samples())
    service.clock.seconds = NOW + 60 * DAY
    await service.post(renamed(lambda name: f"new-{name}"))
    job, expired = await asyncio.gather(
        service.nightly.run(), service.retention.run(share_of_time=0.2)
    )
    assert job.state == "applied"
    assert expired.articles == SAMPLE_COUNT
    assert await service.store.check() == []
    assert (await service.store.counts())["articles"] == SAMPLE_COUNT


async def test_two_runs_at_once_do_the_work_once(service: Service) -> None:
    await service.post(samples())
    service.clock.seconds = NOW + 60 * DAY
    runs = await asyncio.gather(*(service.retention.run(share_of_time=0.9) for _ in range(3)))
    assert sum(run.articles for run in runs) == SAMPLE_COUNT
    assert (await service.store.expiry_status()).expired_articles == SAMPLE_COUNT
    assert await service.store.check() == []


async def test_a_run_that_was_cut_off_is_taken_up(service: Service) -> None:
    await service.post(samples())
    service.clock.seconds = NOW + 60 * DAY
    expired = await service.retention.run(budget_seconds=0.0)
    assert not expired.finished
    assert (await service.retention.status()).under_way
    assert await service.store.check() == []
    assert (await service.retention.run(share_of_time=1.0)).finished
    assert not (await service.retention.status()).under_way


class SlowStore:
    """Expires a hundred steps of 2 ms each."""

    def __init__(self) -> None:
        self.steps = 0

    async def expiry_status(self) -> ExpiryStatus:
        return ExpiryStatus()

    async def expire_step(
        self, *, received_before_seconds: float, now_seconds: float
    ) -> ExpiryStep:
        self.steps += 1
        time.sleep(0.002)  # noqa: ASYNC251 - stands for the server's time
        return ExpiryStep(articles=1, under_way=self.steps <= 100)

    async def drop_tombstones(self, *, first_shard: int, ended_before_seconds: float) -> int:
        raise AssertionError("not asked for")


async def test_it_leaves_the_server_to_others() -> None:
    retention = Retention(SlowStore(), retention_days=30, tombstone_days=90)
    begun = time.monotonic()
    expired = await retention.run(tombstones=False, share_of_time=0.25)
    assert expired == Expired(articles=101, finished=True)
    assert time.monotonic() - begun > 0.7


def test_the_service_does_it_by_itself(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole application: an old article leaves, its cluster says so, the metrics count it."""
    monkeypatch.setattr("service.housekeeping._FIRST_ROUND_SECONDS", 0.3)
    monkeypatch.setattr("service.housekeeping._ROUND_SECONDS", 0.3)
    clock = Clock()
    settings = Settings(redis_url=redis_url, tombstone_days=10, store_timeout_seconds=30)
    with TestClient(create_app(settings, now=clock)) as client:
        posted = client.post("/v1/articles", json={"id": "old", "text": samples()[0].text}).json()
        path = f"/v1/clusters/{posted['cluster_id']}"
        assert client.get(path).status_code == 200
        clock.seconds = NOW + 60 * DAY
        problem = wait_for(lambda: client.get(path), 410).json()
        assert problem["type"] == "urn:samestory:problem:cluster-closed"
        assert problem["closed_at"].startswith("2025-05-")
        assert client.get("/v1/articles/old").status_code == 404
        assert client.get(path + "/articles").status_code == 410
        wait_for(lambda: client.get("/metrics"), 200, text='samestory_expired{what="articles"} 1.0')
        clock.seconds = NOW + 75 * DAY
        wait_for(lambda: client.get(path), 404)


def wait_for(ask: Callable[[], Response], status: int, *, text: str = "") -> Response:
    for _ in range(300):
        response = ask()
        if response.status_code == status and text in response.text:
            return response
        time.sleep(0.05)
    raise AssertionError(f"{response.status_code} {response.text}")
