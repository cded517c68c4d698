"""A real, private server for the tests of the service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from service.store.embedded import EmbeddedServer


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio alone: what the service runs on."""
    return "asyncio"


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real Valkey that lives as long as the test session."""
    directory: Path = tmp_path_factory.mktemp("valkey")
    with EmbeddedServer(directory, fsync="everysec") as server:
        yield server.url


@pytest.fixture
def redis_url(valkey: str) -> str:
    """URL of an empty server that the test has to itself."""
    with Redis.from_url(valkey) as client:
        client.flushall()
    return valkey
