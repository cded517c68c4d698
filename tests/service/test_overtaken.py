"""A decision that others got in before stands only where it would have been made all the same."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from clustering.articles import Article
from service.samples import sample_labels
from service.sketches import Sketcher
from service.store import BucketQuery, Finding, Newcomers
from service.store.redis_store import RedisClusterStore
from service.views import IngestOutcome
from tests.service.test_ingest import make_ingest
from tests.service.wiring import Core, HookedStore, make_core, samples

pytestmark = pytest.mark.anyio


class CountingStore(HookedStore):
    """Counts how often buckets and newcomers are read."""

    finds = 0
    newcomers_asked = 0

    async def find(self, queries: Sequence[BucketQuery]) -> list[Finding]:
        self.finds += 1
        return await super().find(queries)

    async def newcomers(self, finding: Finding) -> Newcomers | None:
        self.newcomers_asked += 1
        return await super().newcomers(finding)


@pytest.fixture
async def core(redis_url: str) -> AsyncIterator[Core]:
    core = make_core(redis_url)
    await core.store.open(core.clusterer.fingerprint())
    yield core
    await core.store.close()


async def opened(core: Core, collection: str) -> CountingStore:
    store = CountingStore(core.url, collection=collection)
    await store.open(core.clusterer.fingerprint())
    return store


def names(outcomes: dict[str, str]) -> set[frozenset[str]]:
    """Article id → cluster id, as the partition that it is."""
    clusters: dict[str, set[str]] = {}
    for article_id, cluster_id in outcomes.items():
        clusters.setdefault(cluster_id, set()).add(article_id)
    return {frozenset(members) for members in clusters.values()}


async def places(store: RedisClusterStore) -> dict[str, str]:
    return {item.article_id: item.cluster_id async for item in store.snapshot()}


@pytest.mark.parametrize("together", [1, 5])
@pytest.mark.parametrize("seed", range(8))
async def test_as_if_the_others_had_come_first(
    core: Core, seed: int, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One article, or a wave, whose commit waits until a rival has posted."""
    # What is learned of so few articles changes with each of them, and decisions with it.
    monkeypatch.setattr("service.clusterer.counting_is_due", lambda *_: False)
    rng = random.Random(seed)
    articles = list(samples())
    rng.shuffle(articles)
    before, ours = articles[:20], articles[20 : 20 + together]
    event_of = {label.article_id: label.event for label in sample_labels()}
    near = {event_of[item.article_id] for item in ours}
    theirs = [item for item in articles[30:] if event_of[item.article_id] not in near][:6]
    if seed % 2:
        # Copies of ours among them, and of what is there.
        theirs[2] = replace(ours[0], article_id="copy-of-ours")
        theirs[4] = replace(before[3], article_id="copy-of-theirs")
    store, other = await opened(core, "raced"), await opened(core, "in-order")
    rival = make_ingest(make_core(core.url), store)
    racing, alone = make_ingest(core, store), make_ingest(make_core(core.url), other)
    for article in before:
        await racing.post(article)
        await alone.post(article)

    async def rivals_post() -> None:
        for article in theirs:
            await rival.post(article)
        finds.append(store.finds)

    finds: list[int] = []
    store.before["commit"] = rivals_post
    outcomes = await racing.post_many(ours)
    for article in theirs:
        await alone.post(article)
    expected = [await alone.post(article) for article in ours]
    for outcome, right in zip(outcomes, expected, strict=True):
        assert isinstance(outcome, IngestOutcome)
        assert (outcome.decision, outcome.similarity) == (right.decision, right.similarity)
    if (seed, together) in {(0, 1), (4, 1)}:
        # They share buckets with it, and no more: the decision is not made anew.
        assert (store.newcomers_asked, store.finds - finds[0]) == (1, 0)
    assert names(await places(store)) == names(await places(other))
    assert await store.check() == []
    await store.close()
    await other.close()


async def test_newcomers_are_those_that_came_since(core: Core) -> None:
    """Ids, buckets and records of exactly the articles after a reading, until too many came."""
    store = await opened(core, "newest")
    ingest, sketcher = make_ingest(core, store), Sketcher(core.clusterer)
    articles = [
        Article(
            text=f"{number} " + " ".join(f"w{number}x{k}" for k in range(40)),
            article_id=f"{number}",
        )
        for number in range(60)
    ]
    await ingest.post_many(articles[:3])
    sketch = (await sketcher.prepare(articles[0])).sketch
    (finding,) = await store.find([BucketQuery("0", sketch.bucket_ids, sketch.bucket_weights, 5)])
    told = await store.newcomers(finding)
    assert told is not None
    assert (told.horizon, told.articles) == (3, ())
    await ingest.post_many([*articles[3:], Article(text="No buckets.", article_id="tiny")])
    await ingest.delete("7")
    # More than are asked for at first.
    told = await store.newcomers(finding)
    assert told is not None
    assert told.horizon == 61
    assert [item.handle for item in told.articles] == [h for h in range(4, 61) if h != 8]
    for item in told.articles:
        sketch = (await sketcher.prepare(articles[item.handle - 1])).sketch
        assert item.record == sketch.record
        assert np.array_equal(item.bucket_ids, np.unique(sketch.bucket_ids))
    for k in range(70):
        await ingest.post(replace(articles[5], article_id=f"more{k}"))
    assert await store.newcomers(finding) is None
    await store.close()
