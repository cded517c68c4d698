"""A server that is away, full, locked, someone else's or replaced: told at once and clearly."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from service.store import (
    StoreError,
    StoreFullError,
    StoreMismatchError,
    StoreUnavailableError,
)
from service.store.embedded import EmbeddedServer
from service.store.redis_store import RedisClusterStore
from tests.service.store.helpers import FINGERPRINT, NOW, bucket_array, commit_of, put

pytestmark = pytest.mark.anyio


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server that the test may break."""
    with EmbeddedServer(tmp_path / "data", fsync="everysec") as server:
        yield server


@pytest.mark.parametrize("url", ["redis://127.0.0.1:9", "unix:///nonexistent/server.sock"])
async def test_nobody_there(url: str) -> None:
    store = RedisClusterStore(url)
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        await store.open(FINGERPRINT)
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        await store.ping()
    assert time.monotonic() - began < 1.0
    await store.close()


async def test_an_address_that_swallows_packets() -> None:
    # 192.0.2.0/24 is reserved for documentation: nothing answers there.
    store = RedisClusterStore("redis://user:secret@192.0.2.1:6379/0")
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError) as caught:
        await store.ping()
    assert time.monotonic() - began < 1.0
    assert "secret" not in str(caught.value)
    assert "192.0.2.1:6379" in str(caught.value)
    await store.close()


async def test_away_and_back(own_server: EmbeddedServer) -> None:
    store = RedisClusterStore(own_server.url)
    await store.open(FINGERPRINT)
    await put(store, "a", [1], cluster_id="c_a")
    own_server.stop()
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError):
        await store.probe("b", bucket_array([1]), limit=1)
    with pytest.raises(StoreUnavailableError):
        await store.commit(commit_of("b", [1], cluster_id="c_b", horizon=1))
    with pytest.raises(StoreUnavailableError):
        await store.counts()
    assert time.monotonic() - began < 1.0
    own_server.start()
    # Without a word to the store: its connections are replaced as they are found broken.
    await store.ping()
    await put(store, "b", [1], cluster_id="c_b")
    assert (await store.counts())["articles"] == 2
    await store.close()


async def test_a_connection_cut_while_idle_is_not_noticed(
    store: RedisClusterStore, url: str
) -> None:
    await put(store, "a", [1], cluster_id="c_a")
    with Redis.from_url(url) as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await put(store, "b", [1], cluster_id="c_b")
    assert (await store.counts())["articles"] == 2


async def test_a_server_that_hangs(own_server: EmbeddedServer) -> None:
    store = RedisClusterStore(own_server.url, timeout_seconds=0.3)
    await store.open(FINGERPRINT)
    with Redis.from_url(own_server.url) as client:
        client.client_pause(1500)
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="in time"):
            await store.article("a")
        with pytest.raises(StoreUnavailableError):
            await store.ping()
        assert time.monotonic() - began < 1.4
    await store.close()


async def test_a_full_server_takes_nothing_but_deletions(own_server: EmbeddedServer) -> None:
    store = RedisClusterStore(own_server.url)
    await store.open(FINGERPRINT)
    await put(store, "a", [1, 2], cluster_id="c_a")
    with Redis.from_url(own_server.url) as client:
        client.config_set("maxmemory", "1mb")
        with pytest.raises(StoreFullError, match=r"memory limit|refuses writes"):
            await store.commit(commit_of("b", [1], cluster_id="c_b", horizon=1))
        assert (await store.probe("b", bucket_array([1]), limit=1)).candidates
        with pytest.raises(StoreFullError):
            await store.set_learned(frequencies=b"f", repeated_lines=b"r", line_counts=b"c")
        assert await store.delete_article("a", now_seconds=NOW)
        client.config_set("maxmemory", "0")
    await put(store, "b", [1], cluster_id="c_b")
    assert await store.check() == []
    await store.close()


async def test_a_replica_is_refused(own_server: EmbeddedServer) -> None:
    store = RedisClusterStore(own_server.url)
    await store.open(FINGERPRINT)
    with Redis.from_url(own_server.url) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "9")
        with pytest.raises(StoreFullError, match="read-only replica"):
            await store.commit(commit_of("b", [1], cluster_id="c_b", horizon=0))
        client.execute_command("REPLICAOF", "NO", "ONE")
    await put(store, "b", [1], cluster_id="c_b")
    await store.close()


async def test_a_password_is_asked_for(own_server: EmbeddedServer) -> None:
    store = RedisClusterStore(own_server.url)
    with Redis.from_url(own_server.url) as client:
        client.config_set("requirepass", "right")
    with pytest.raises(StoreUnavailableError, match="check user and password"):
        await store.open(FINGERPRINT)
    await store.close()
    wrong = RedisClusterStore(f"{own_server.url}?password=wrong")
    with pytest.raises(StoreUnavailableError, match="check user and password"):
        await wrong.open(FINGERPRINT)
    await wrong.close()
    right = RedisClusterStore(f"{own_server.url}?password=right")
    await right.open(FINGERPRINT)
    await right.close()
    own_server.stop()


async def test_another_configuration_is_refused(store: RedisClusterStore, url: str) -> None:
    other = RedisClusterStore(url)
    with pytest.raises(
        StoreMismatchError, match=f"configuration {FINGERPRINT}, this.*beef.*reindex"
    ):
        await other.open("beef")
    await other.close()
    elsewhere = RedisClusterStore(url, collection="other")
    await elsewhere.open("beef")
    await elsewhere.close()
    with Redis.from_url(url) as client:
        client.hset("ss:{default}:meta", "fingerprint", "beef")
        # A process that was open before the store changed hands can neither read nor write it.
        for step in (
            store.probe("a", bucket_array([1]), limit=1),
            store.commit(commit_of("a", [1], cluster_id="c_a", horizon=0)),
        ):
            with pytest.raises(StoreMismatchError, match="beef"):
                await step
        client.flushall()
    with pytest.raises(StoreMismatchError, match="no longer there"):
        await store.commit(commit_of("a", [1], cluster_id="c_a", horizon=0))


async def test_foreign_data_is_refused(url: str) -> None:
    store = RedisClusterStore(url)
    with Redis.from_url(url) as client:
        client.set("ss:{default}:meta", "something else")
        with pytest.raises(StoreMismatchError, match="did not write"):
            await store.open(FINGERPRINT)
        client.delete("ss:{default}:meta")
        client.hset("ss:{default}:meta", "layout", "99")
        with pytest.raises(StoreMismatchError, match="layout 99"):
            await store.open(FINGERPRINT)
    await store.close()


async def test_use_before_open_and_bad_settings(url: str) -> None:
    store = RedisClusterStore(url)
    with pytest.raises(StoreError, match=r"call open\(\)"):
        await store.probe("a", bucket_array([1]), limit=1)
    with pytest.raises(ValueError, match="fingerprint"):
        await store.open("")
    await store.close()
    await store.close()
    with pytest.raises(ValueError, match="collection name"):
        RedisClusterStore(url, collection="a b")
    with pytest.raises(ValueError, match="retention_days"):
        RedisClusterStore(url, retention_days=0)
    with pytest.raises(ValueError, match="scheme"):
        RedisClusterStore("http://localhost")
