"""What ``samestory doctor`` finds: each kind of trouble, made on a real server."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from service.backend import RedisBackend
from service.diagnosis import Diagnosis, Finding, diagnose
from service.memory import MemoryQuestion
from service.settings import Settings
from service.store.diagnosis import FIXED_PARTS, PARTS, StoreDiagnosis
from service.store.embedded import EmbeddedServer
from service.store.keys import LAYOUT_VERSION
from tests.service.test_cli import samestory
from tests.service.wiring import samples

pytestmark = pytest.mark.anyio

DAY = 86_400.0
P = "ss:{default}:"


class Patient:
    """A store with the sample articles, and those who look at it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.now = float(int(time.time()))
        # Patient with a machine that has other things to do.
        settings = Settings(redis_url=url, store_timeout_seconds=30)
        self.backend = RedisBackend(settings, now=lambda: self.now)
        self.store = StoreDiagnosis(url)

    async def diagnose(self, memory: MemoryQuestion | None = None, **settings: Any) -> Diagnosis:
        return await diagnose(
            self.backend,
            self.store,
            Settings(redis_url=self.url, **settings),
            memory=memory or MemoryQuestion(),
            now=lambda: self.now,
        )


@pytest.fixture
async def patient(redis_url: str) -> AsyncIterator[Patient]:
    patient = Patient(redis_url)
    await patient.backend.open()
    await patient.backend.ingest.post_many(samples())
    yield patient
    await patient.backend.close()
    await patient.store.close()


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def told(findings: list[Finding], words: str) -> bool:
    return any(words in item.message and item.advice for item in findings)


async def test_a_sound_store(patient: Patient) -> None:
    await patient.backend.nightly.run()
    found = await patient.diagnose()
    assert (found.problems, found.advice) == ([], [])
    assert found.healthy
    assert found.counts["articles"] == len(samples())
    assert found.server.engine == "valkey"
    assert found.server.append_only
    assert found.last_reclustering is not None
    assert found.last_reclustering.state == "applied"
    assert found.oldest_received_at is not None
    assert found.oldest_received_at.timestamp() == patient.now


async def test_an_empty_collection(redis_url: str) -> None:
    patient = Patient(redis_url)
    found = await patient.diagnose()
    assert found.healthy
    assert told(found.advice, "nothing is stored under the collection 'default'")
    await patient.backend.close()
    await patient.store.close()


async def test_contradictions(patient: Patient, client: Redis) -> None:
    client.hincrby(f"{P}meta", "articles", 1)
    client.delete(f"{P}r:3")
    found = await patient.diagnose()
    assert told(found.problems, "articles are counted")
    assert told(found.problems, "handle 3 has an id but not a record")
    for handle in range(10, 60):
        client.delete(f"{P}r:{handle}")
    found = await patient.diagnose()
    assert told(found.problems, "more contradictions")


async def test_what_is_written_meanwhile_is_no_contradiction(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = [["a", "b"], ["b", "c"], ["b"]]

    async def find(*_: object) -> list[str]:
        return rounds.pop(0)

    monkeypatch.setattr("service.store.diagnosis.find_contradictions", find)
    assert await patient.store.contradictions(None) == ["b"]
    assert rounds == []


async def test_another_configuration(patient: Patient, client: Redis) -> None:
    client.hset(f"{P}meta", "fingerprint", "another")
    found = await patient.diagnose()
    assert told(found.problems, "was written under configuration another")
    assert len(found.problems) == 1
    client.hset(f"{P}meta", "layout", 99)
    found = await patient.diagnose()
    assert told(found.problems, "has layout 99")


async def test_a_server_that_loses_data(patient: Patient, client: Redis) -> None:
    before = client.config_get("*")
    try:
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 100_000)
        # Only keys that expire by themselves are thrown away: none here.
        client.config_set("maxmemory-policy", "volatile-lru")
        client.config_set("appendonly", "no")
        found = await patient.diagnose()
    finally:
        for name in ("maxmemory", "maxmemory-policy", "appendonly"):
            client.config_set(name, before[name] or "")
    assert told(found.problems, "its maxmemory-policy is volatile-lru")
    assert told(found.problems, "of its memory limit are used")
    assert told(found.advice, "append-only file is off")


async def test_old_articles_that_stay(patient: Patient) -> None:
    patient.now += 38 * DAY
    assert (await patient.diagnose()).healthy
    patient.now += 2 * DAY
    found = await patient.diagnose()
    assert told(found.problems, "the oldest article was received 40 days ago")
    await patient.backend.retention.run(share_of_time=1.0)
    found = await patient.diagnose()
    assert found.healthy
    assert found.expiry.expired_articles == len(samples())


async def test_an_expiry_under_way_is_no_contradiction(patient: Patient) -> None:
    patient.now += 60 * DAY
    await patient.backend.retention.run(budget_seconds=0.0)
    found = await patient.diagnose()
    assert found.expiry.under_way
    assert not told(found.problems, "handle")


async def test_nights(patient: Patient) -> None:
    found = await patient.diagnose()
    assert told(found.advice, "nothing was reclustered yet")
    await patient.backend.nightly.run()
    patient.now += 5 * DAY
    found = await patient.diagnose()
    assert told(found.advice, "the last reclustering was 5 days ago")
    found = await patient.diagnose(recluster_at="03:30", timezone="Europe/Lisbon")
    assert not found.advice
    assert found.next_scheduled_at is not None
    assert 0 < found.next_scheduled_at.timestamp() - patient.now <= DAY


async def test_a_night_that_nobody_started(patient: Patient, client: Redis) -> None:
    patient.now = (patient.now // DAY + 1) * DAY + 12 * 3600  # noon
    note = {"due_seconds": patient.now - 2 * DAY, "started_seconds": 0, "reclustering_id": ""}
    client.hset(f"{P}schedule", "night", json.dumps(note))
    found = await patient.diagnose(recluster_at="03:30")
    assert told(found.problems, "nobody started the night")
    # Within two hours it is only about to begin.
    found = await patient.diagnose(recluster_at="11:00")
    assert found.healthy


async def test_leases(patient: Patient) -> None:
    await patient.backend._store.acquire_lease("recluster", "r_1", ttl_seconds=60)
    found = await patient.diagnose()
    (lease,) = found.leases
    assert (lease.name, lease.holder) == ("recluster", "r_1")
    assert 0 < lease.seconds_left <= 60


async def test_memory_adds_up(patient: Patient, client: Redis) -> None:
    question = MemoryQuestion(wanted=True, articles_per_day=1000, window_days=40)
    memory = (await patient.diagnose(question)).memory
    assert memory is not None
    # Few keys of any kind but buckets: sums of the server's own figures, key by key.
    exact = {"r": 0, "d": 0, "b": 0}
    for key in client.scan_iter(f"{P}*"):
        kind = key.removeprefix(P).split(":")[0]
        if kind in exact:
            exact[kind] += client.memory_usage(key, samples=0) or 0
    assert memory.bytes_by_part["record"] == exact["r"]
    assert memory.bytes_by_part["document"] == exact["d"]
    assert memory.bytes_by_part["buckets"] == pytest.approx(exact["b"], rel=0.1)
    assert set(memory.bytes_by_part) == {*PARTS, *FIXED_PARTS, "overhead"}
    assert all(memory.bytes_by_part[part] > 0 for part in PARTS)
    each = memory.bytes_per_article
    assert each["record"] == exact["r"] / len(samples())
    forecast = memory.forecast
    assert forecast is not None
    # 40 days, and the quarter of them that a partition may wait.
    assert forecast.article_count == 50_000
    assert forecast.data_bytes > 50_000 * sum(each.values()) * 0.999
    assert forecast.recommended_bytes == pytest.approx(1.5 * forecast.data_bytes, rel=1e-6)


def test_the_command(tmp_path: Path) -> None:
    """On a data directory that no service runs on, and on one that another process serves."""
    missing = samestory("doctor", "--data-dir", tmp_path / "none")
    assert missing.returncode == 2
    assert "there is no data in" in missing.stderr
    data_dir = tmp_path / "data"
    with EmbeddedServer(data_dir) as server, Redis.from_url(server.url) as client:
        done = samestory("doctor", "--redis-url", server.url)
        assert done.returncode == 0, done.stderr
        assert "nothing is stored" in done.stdout
        client.hset(f"{P}meta", mapping={"layout": LAYOUT_VERSION, "fingerprint": "another"})
    done = samestory("doctor", "--memory", "--data-dir", data_dir)
    assert done.returncode == 1
    assert "problem: configuration: the stored data was written under" in done.stdout
    assert "bytes an article" in done.stdout
    done = samestory("doctor", "--json", "--data-dir", data_dir)
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["healthy"] is False
    assert report["problems"][0]["subject"] == "configuration"
    assert report["server"]["engine"] == "valkey"
