"""What was found before, brought up to date, is what would be found now."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import numpy as np
import pytest

from clustering.propose import BucketLimits
from service.findings import Findings
from service.sketches import Prepared, Sketcher
from service.store import BucketQuery, Finding
from service.store.redis_store import RedisClusterStore
from tests.service.test_ingest import make_ingest
from tests.service.wiring import Core, make_core, samples

pytestmark = pytest.mark.anyio

LIMIT = 12


@pytest.fixture
async def core(redis_url: str) -> AsyncIterator[Core]:
    core = make_core(redis_url)
    await core.store.open(core.clusterer.fingerprint())
    yield core
    await core.store.close()


def query_of(item: Prepared) -> BucketQuery:
    sketch = item.sketch
    return BucketQuery(item.article_id, sketch.bucket_ids, sketch.bucket_weights, LIMIT)


def told(finding: Finding) -> object:
    return (
        finding.horizon,
        [(item.handle, item.shared_weight, item.record) for item in finding.candidates],
        finding.buckets.indexed_articles,
        finding.buckets.sizes.tolist(),
        finding.mark,
    )


@pytest.mark.parametrize("seed", range(4))
async def test_as_if_found_now(core: Core, seed: int) -> None:
    # Buckets that become over-full, and lists of candidates that are full.
    limits = BucketLimits(min_bucket_articles=30, max_bucket_share=0.9)
    store = RedisClusterStore(core.url, collection="found", bucket_limits=limits)
    await store.open(core.clusterer.fingerprint())
    ingest, sketcher = make_ingest(core, store), Sketcher(core.clusterer)
    rng = random.Random(seed)
    articles = list(samples())
    rng.shuffle(articles)
    await ingest.post_many(articles[:25])
    ready = await sketcher.prepare_many(articles[40:52])
    items = [item for item in ready if isinstance(item, Prepared)]
    findings, asked = Findings(store, query_of), 4
    for begin in range(25, 40, 5):
        # More each time: those that are new to it, and those that were found before.
        found = await findings.of(items[:asked])
        now = await store.find([query_of(item) for item in items[:asked]])
        assert [told(one) for one in found] == [told(one) for one in now]
        asked += 4
        await ingest.post_many(articles[begin : begin + 5])
    await store.close()


async def test_an_article_that_was_placed_is_found_anew(core: Core) -> None:
    """Under its id there is something by then, which no newcomer tells."""
    (item,) = await Sketcher(core.clusterer).prepare_many([samples()[0]])
    assert isinstance(item, Prepared)
    findings = Findings(core.store, query_of)
    (before,) = await findings.of([item])
    assert before.existing is None
    await core.ingest.post(samples()[0])
    findings.forget(item)
    (after,) = await findings.of([item])
    assert after.existing is not None
    assert np.array_equal(after.buckets.ids, before.buckets.ids)
