"""Articles decided together end as one after the other, whoever else posts meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest

from clustering.articles import Article
from clustering.propose import BucketLimits, CandidateIndex, bucket_weights
from clustering.propose.lsh import TEXT_BIT
from service.ingest import Ingest
from service.store import Finding, FoundArticle, SharedBuckets
from service.store.connection import Connection
from service.store.redis_store import RedisClusterStore
from service.views import IngestOutcome
from service.waves import Wave, ranked
from tests.service.test_ingest import make_ingest
from tests.service.wiring import Core, make_core, samples

LIMITS = BucketLimits(min_bucket_articles=6, max_bucket_share=0.1, max_text_bucket_articles=5)


@pytest.mark.parametrize("seed", range(40))
def test_fellows_are_the_candidates_they_would_have_been(seed: int) -> None:
    """Against the index in memory, to which every article is added before the next one asks."""
    rng = random.Random(seed)
    pool = [k | (TEXT_BIT if k < 4 else 0) for k in range(24)]
    index = CandidateIndex(LIMITS)
    for handle in range(1, 31):
        index.add(handle, np.array(rng.sample(pool, rng.randrange(9)), dtype=np.uint64))
    articles = [np.unique(np.array(rng.sample(pool, 5), dtype=np.uint64)) for _ in range(12)]
    before, limit = len(index), 12
    sizes = {k: len(_in_bucket(index, k)) for k in pool}
    # What a reading before all of them finds.
    findings = []
    for ids in articles:
        found = tuple(FoundArticle(h, w, b"r") for h, w in index.candidates(ids, limit))
        counts = np.array([sizes[k] for k in ids.tolist()])
        buckets = SharedBuckets(ids, bucket_weights(ids), counts, before, LIMITS)
        findings.append(Finding(30, 0, None, found, 0, b"", buckets))
    wave, told = Wave(), 0
    for number, (ids, finding) in enumerate(zip(articles, findings, strict=True)):
        fellows = wave.fellows(finding)
        if fellows is not None:
            told += 1
            both = ranked(finding.candidates, fellows, limit)
            expected = [
                (item.handle if isinstance(item, FoundArticle) else 31 + item.number,
                 item.shared_weight)
                for item in both
            ]  # fmt: skip
            assert expected == index.candidates(ids, limit)
        wave.add(str(number), b"r", ids)
        index.add(31 + number, ids)
    assert told


def _in_bucket(index: CandidateIndex, bucket_id: int) -> list[int]:
    handles = index._buckets.get(bucket_id, [])
    return [handles] if isinstance(handles, int) else handles


@pytest.fixture
async def core(redis_url: str) -> AsyncIterator[Core]:
    core = make_core(redis_url)
    await core.store.open(core.clusterer.fingerprint())
    yield core
    await core.store.close()


def mixed(seed: int) -> list[Article]:
    """Samples in any order, with copies, updates and repeated postings among them."""
    rng = random.Random(seed)
    articles = list(samples())
    rng.shuffle(articles)
    for k in range(0, 40, 2):
        article = articles[rng.randrange(len(articles))]
        match k % 6:
            case 0:
                again = article
            case 2:
                again = replace(article, article_id=f"copy-{k}", source=f"publisher{k}.example")
            case _:
                again = replace(article, text=article.text + f" Updated {k} times today.")
        articles.insert(min(len(articles), articles.index(article) + rng.choice([1, 2, 9])), again)
    return articles


@pytest.mark.anyio
@pytest.mark.parametrize("seed", range(3))
async def test_as_one_after_the_other(core: Core, redis_url: str, seed: int) -> None:
    articles = mixed(seed)
    together = await core.ingest.post_many(articles)
    other = RedisClusterStore(redis_url, collection="other")
    await other.open(core.clusterer.fingerprint())
    single = make_ingest(make_core(redis_url), other)
    name: dict[str, str] = {}
    for outcome, article in zip(together, articles, strict=True):
        assert isinstance(outcome, IngestOutcome)
        alone = await single.post(article)
        assert (outcome.article_id, outcome.decision, outcome.similarity, outcome.updated) == (
            alone.article_id,
            alone.decision,
            alone.similarity,
            alone.updated,
        )
        assert name.setdefault(outcome.cluster_id, alone.cluster_id) == alone.cluster_id
        assert outcome.revision == alone.revision
    # Handles, too: they say which of equals comes first in later decisions.
    orders = [[item.article_id async for item in store.snapshot()] for store in (core.store, other)]
    assert orders[0] == orders[1]
    assert await core.store.check() == []
    await other.close()


@pytest.mark.anyio
async def test_a_wave_shares_its_round_trips(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    trips = 0
    exchange = Connection._on_kept

    async def counted(*given: object) -> object:
        nonlocal trips
        trips += 1
        return await exchange(*given)  # type: ignore[arg-type]

    # Nothing in common, and no articles to be learned from.
    articles = [
        Article(text=" ".join(f"w{number}x{k}" for k in range(40)), article_id=f"{number}")
        for number in range(16)
    ]
    await core.ingest.post(articles[0])
    monkeypatch.setattr(Connection, "_on_kept", counted)
    await core.ingest.post(articles[1])
    assert trips == 2  # no cluster is near
    trips = 0
    outcomes = await core.ingest.post_many(articles[2:])
    assert [isinstance(item, IngestOutcome) for item in outcomes] == [True] * 14
    assert trips <= 6  # waves of 4, 8 and 2
    assert await core.store.check() == []


@pytest.mark.anyio
async def test_batches_at_the_same_time(core: Core, redis_url: str) -> None:
    """Two workers, the same events: every article once, copies together, nothing out of place."""
    rival = make_core(redis_url)
    await rival.store.open(core.clusterer.fingerprint())
    halves = [
        [replace(article, article_id=f"{name}{article.article_id}") for article in samples()]
        for name in "ab"
    ]
    ingests: list[Ingest] = [core.ingest, rival.ingest]
    outcomes = await asyncio.gather(
        *(ingest.post_many(half) for ingest, half in zip(ingests, halves, strict=True))
    )
    assert all(isinstance(item, IngestOutcome) for half in outcomes for item in half)
    places = await core.places()
    assert len(places) == 2 * len(samples())
    apart = [
        a.article_id
        for a, b in zip(*halves, strict=True)
        if places[a.article_id][0] != places[b.article_id][0] and len(a.text) > 400
    ]
    assert not apart
    assert await core.store.check() == []
    await rival.store.close()
