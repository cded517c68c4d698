"""The store's tests run on Valkey, and on the Redis 7 that ``SAMESTORY_TEST_REDIS7`` names."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis import Redis

from service.store.embedded import EmbeddedServer
from service.store.redis_store import RedisClusterStore
from tests.service.store.helpers import FINGERPRINT, buckets_of_record

REDIS7 = os.environ.get("SAMESTORY_TEST_REDIS7", "")


@pytest.fixture(scope="session", params=["valkey", *(["redis7"] if REDIS7 else [])])
def server_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """URL of a real server of each kind."""
    binary = Path(REDIS7) if request.param == "redis7" else None
    directory = tmp_path_factory.mktemp(request.param)
    with EmbeddedServer(directory, fsync="everysec", binary=binary) as server:
        yield server.url


@pytest.fixture
def url(server_url: str) -> str:
    """URL of an empty server that the test has to itself."""
    with Redis.from_url(server_url) as client:
        client.flushall()
    return server_url


@pytest.fixture
async def store(url: str) -> AsyncIterator[RedisClusterStore]:
    """An open, empty store that recomputes buckets from records."""
    store = RedisClusterStore(url, bucket_ids_of=buckets_of_record)
    await store.open(FINGERPRINT)
    yield store
    await store.close()
