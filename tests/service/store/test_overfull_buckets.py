"""Over-full buckets are not read, and are read again as soon as they may not be over-full."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest
from redis import Redis

from clustering.propose import BucketLimits, bucket_weights
from service.store import BucketQuery, Rewrite
from service.store.expiry import ExpiringClusterStore
from service.store.overfull_buckets import SLACK_ENTRIES, OverfullBuckets
from tests.service.store.helpers import (
    FINGERPRINT,
    NOW,
    bucket_array,
    buckets_of_record,
    put,
    record_of,
)

DAY = 86_400.0
MOST = 20
ARTICLES = MOST + SLACK_ENTRIES + 1
FULL = 7 << 8
OF = b"mark", 0


def ids_of(*ids: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(ids, dtype=np.uint64)


ONES = np.ones(2, dtype=np.uint8)


def test_noted_until_they_may_have_room() -> None:
    known = OverfullBuckets()
    assert known.among(ids_of(1, 2), ONES) is None
    known.note(ids_of(1), np.array([60]), OF, 5)
    known.note(ids_of(3), np.array([80]), OF, 7)
    noted = known.among(ids_of(1, 2), ONES)
    assert noted is not None
    assert noted.tolist() == [True, False]
    assert known.among(ids_of(1, 2), 8 * ONES) is None  # text buckets always count
    edition = known.edition
    # 60 when 5 were gone: more than 50 as long as fewer than 15 are.
    assert known.hold(edition, OF, 14, 50)
    assert not known.hold(edition, OF, 15, 50)
    assert known.among(ids_of(1, 3), ONES) is None
    # What was asked under what is forgotten does not hold, whatever was noted since.
    known.note(ids_of(1), np.array([90]), OF, 15)
    assert known.hold(known.edition, OF, 15, 50)
    assert not known.hold(edition, OF, 15, 50)


@pytest.mark.parametrize("of", [(b"other", 0), (b"mark", 3)])
def test_forgotten_with_another_mark_or_floor(of: tuple[bytes, int]) -> None:
    known = OverfullBuckets()
    known.note(ids_of(1), np.array([900]), OF, 0)
    assert not known.hold(known.edition, of, 0, 20)
    assert known.among(ids_of(1, 2), ONES) is None


def test_no_more_than_so_many() -> None:
    known = OverfullBuckets(most_buckets=3)
    known.note(ids_of(1, 2, 3), np.array([90, 90, 90]), OF, 0)
    known.note(ids_of(4), np.array([99]), OF, 0)
    assert len(known) == 1
    assert known.hold(known.edition, OF, 0, 98)


@pytest.fixture
async def stores(url: str) -> AsyncIterator[list[ExpiringClusterStore]]:
    """Two processes' stores, of which the second one knows a bucket as over-full."""
    limits = BucketLimits(min_bucket_articles=MOST, max_bucket_share=0)
    stores = [
        ExpiringClusterStore(url, bucket_ids_of=buckets_of_record, bucket_limits=limits)
        for _ in range(2)
    ]
    for store in stores:
        await store.open(FINGERPRINT)
    for number in range(ARTICLES):
        now = NOW + (0 if number < ARTICLES - MOST else 60 * DAY)
        await put(stores[0], f"{number}", [FULL], cluster_id=f"c_{number}", now=now)
    assert await found(stores[1]) == 0
    yield stores
    for store in stores:
        await store.close()


async def found(store: ExpiringClusterStore) -> int:
    ids = bucket_array([FULL])
    (finding,) = await store.find([BucketQuery("new", ids, bucket_weights(ids), 99)])
    return len(finding.candidates)


def bytes_sent(url: str) -> int:
    with Redis.from_url(url) as client:
        return int(client.info("stats")["total_net_output_bytes"])


@pytest.mark.anyio
async def test_it_is_not_read(stores: list[ExpiringClusterStore], url: str) -> None:
    reader = stores[1]
    assert await found(reader) == 0
    before = bytes_sent(url)
    assert await found(reader) == 0
    unread = bytes_sent(url) - before
    reader._overfull = OverfullBuckets()
    before = bytes_sent(url)
    assert await found(reader) == 0
    assert bytes_sent(url) - before > unread + 4 * MOST


@pytest.mark.anyio
async def test_articles_that_are_deleted_make_room(stores: list[ExpiringClusterStore]) -> None:
    writer, reader = stores
    left = ARTICLES
    while left > MOST:
        assert await found(reader) == 0
        left -= 1
        assert await writer.delete_article(f"{left}", now_seconds=NOW)
    assert await found(reader) == MOST


@pytest.mark.anyio
async def test_articles_that_are_updated_make_room(stores: list[ExpiringClusterStore]) -> None:
    writer, reader = stores
    for number in range(ARTICLES - MOST):
        assert await found(reader) == 0
        await put(writer, f"{number}", [9 << 8], cluster_id=f"u_{number}")
    assert await found(reader) == MOST


@pytest.mark.anyio
async def test_articles_that_are_written_anew_make_room(
    stores: list[ExpiringClusterStore],
) -> None:
    writer, reader = stores
    old, new = bucket_array([FULL]), bucket_array([9 << 8])
    for handle in range(1, ARTICLES - MOST + 1):
        assert await found(reader) == 0
        anew = Rewrite(handle, record_of(old), old, record_of(new), b"anew", new, NOW)
        assert await writer.rewrite(anew)
    assert await found(reader) == MOST


@pytest.mark.anyio
async def test_articles_that_expire_make_room(stores: list[ExpiringClusterStore]) -> None:
    writer, reader = stores
    step = await writer.expire_step(received_before_seconds=NOW + DAY, now_seconds=NOW + 70 * DAY)
    assert await found(reader) == MOST
    while step.under_way:
        step = await writer.expire_step(
            received_before_seconds=NOW + DAY, now_seconds=NOW + 70 * DAY
        )
    assert await found(reader) == MOST
