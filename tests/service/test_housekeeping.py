"""The loop that runs by the clock: one worker does the work, and no night comes twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from redis import Redis

from service.housekeeping import LEASE, NIGHT_NOTE, Housekeeping, NightNote, last_night
from service.retention import Retention
from service.schedule import MOST_ATTEMPTS, parse_schedule
from service.store import Reassignment, StoreUnavailableError
from service.store.expiry import ExpiringClusterStore, ExpiryStatus
from service.views import Reclustering, ReclusteringInProgressError
from tests.service.fakes import FakeBackend, FakeNightly
from tests.service.store.helpers import FINGERPRINT, buckets_of_record, put

pytestmark = pytest.mark.anyio

HOUR, DAY = 3600.0, 86_400.0
BEGIN = datetime(2026, 3, 10, 12, 0, tzinfo=UTC).timestamp()


class Clock:
    """A clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.seconds = BEGIN

    def __call__(self) -> float:
        return self.seconds


class Workers:
    """Workers that share a store, a clock and a nightly job."""

    def __init__(self, store: ExpiringClusterStore) -> None:
        self.store = store
        self.clock = Clock()
        self.backend = FakeBackend()
        self.told: list[tuple[ExpiryStatus, NightNote | None]] = []
        self.has_told = asyncio.Event()

    def worker(self, at: str | None = "03:30") -> Housekeeping:
        store = self.store
        return Housekeeping(
            store,
            Retention(store, retention_days=30, tombstone_days=90, now=self.clock),
            self.backend.nightly,
            None if at is None else parse_schedule(at, "Europe/Berlin"),
            now=self.clock,
            on_status=self._tell,
        )

    def _tell(self, status: ExpiryStatus, night: NightNote | None) -> None:
        self.told.append((status, night))
        self.has_told.set()

    @property
    def nights(self) -> int:
        return len(self.backend.jobs)


@pytest.fixture
async def workers(redis_url: str) -> AsyncIterator[Workers]:
    store = ExpiringClusterStore(redis_url, bucket_ids_of=buckets_of_record)
    await store.open(FINGERPRINT)
    yield Workers(store)
    await store.close()


async def test_the_night_is_started_once_by_one_of_many(workers: Workers) -> None:
    many = [workers.worker() for _ in range(4)]
    for hour in range(72):
        workers.clock.seconds = BEGIN + hour * HOUR
        done = await asyncio.gather(*(worker.round() for worker in many))
        assert done.count(True) == 1
    # At noon it only begins to look at the clock; three nights follow.
    assert workers.nights == 3
    night = await last_night(workers.store)
    assert night is not None
    assert night.reclustering_id == "r_3"
    assert night.due_seconds == datetime(2026, 3, 13, 2, 30, tzinfo=UTC).timestamp()


async def test_a_restart_does_not_run_it_again(workers: Workers) -> None:
    await workers.worker().round()
    for minutes in (0, 1, 30, 120):
        workers.clock.seconds = BEGIN + 14.5 * HOUR + minutes * 60
        with Redis.from_url(workers_url(workers)) as client:
            client.delete(f"ss:{{default}}:lease:{LEASE}")
        await workers.worker().round()
    assert workers.nights == 1


async def test_the_first_round_may_come_after_the_time(workers: Workers) -> None:
    workers.clock.seconds = BEGIN + 14.5 * HOUR - 1
    worker = workers.worker()
    workers.clock.seconds += 3
    await worker.round()
    await worker.round()
    assert workers.nights == 1


async def test_another_takes_over(workers: Workers) -> None:
    first, second = workers.worker(), workers.worker()
    assert await first.round()
    assert not await second.round()
    first.begin()
    await first.stop()
    assert await second.round()


async def test_without_a_schedule_nothing_runs(workers: Workers) -> None:
    worker = workers.worker(None)
    for day in range(4):
        workers.clock.seconds = BEGIN + day * DAY
        assert await worker.round()
    assert workers.nights == 0
    assert await last_night(workers.store) is None


async def test_while_another_reclustering_runs_it_waits(workers: Workers) -> None:
    worker = workers.worker()
    await worker.round()
    workers.backend.running = True
    workers.clock.seconds = BEGIN + 15 * HOUR
    await worker.round()
    with pytest.raises(ReclusteringInProgressError):
        await workers.backend.nightly.start()
    assert workers.nights == 0
    workers.backend.running = False
    workers.clock.seconds = BEGIN + 20 * HOUR
    await worker.round()
    await worker.round()
    assert workers.nights == 1


async def test_a_night_that_cannot_be_started_is_not_noted(workers: Workers) -> None:
    worker = workers.worker()
    await worker.round()
    workers.backend.away = True
    workers.clock.seconds = BEGIN + 15 * HOUR
    with pytest.raises(StoreUnavailableError):
        await worker.round()
    workers.backend.away = False
    await worker.round()
    assert workers.nights == 1


def fail_last_night(workers: Workers) -> None:
    jobs = workers.backend.jobs
    name = f"r_{len(jobs)}"
    jobs[name] = replace(
        jobs[name],
        state="failed",
        error="the disk is on fire",
        finished_at=datetime.fromtimestamp(workers.clock.seconds, UTC),
    )


async def test_a_night_that_failed_is_tried_again_and_again(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    """After a minute, after two more, and so on; then the next night has its turn."""
    worker = workers.worker()
    await worker.round()
    workers.clock.seconds = BEGIN + 14.5 * HOUR
    await worker.round()
    pauses = []
    for attempt in range(1, MOST_ATTEMPTS):
        fail_last_night(workers)
        failed_at = workers.clock.seconds
        while workers.nights == attempt:
            workers.clock.seconds += 30
            await worker.round()
            assert workers.clock.seconds < failed_at + 2 * HOUR
        pauses.append((workers.clock.seconds - failed_at) / 60)
        assert workers.told[-1][1] is not None
        assert workers.told[-1][1].attempts == attempt + 1
    assert pauses == [1, 2, 4, 8, 16]
    fail_last_night(workers)
    for _ in range(3 * 60):
        workers.clock.seconds += 120
        await worker.round()
    assert workers.nights == MOST_ATTEMPTS
    told = [record.message for record in caplog.records]
    assert told.count("the scheduled night failed, trying again") == MOST_ATTEMPTS - 1
    assert told.count("the scheduled night failed, and waits for the next") == 1
    assert {getattr(record, "reason", "the disk is on fire") for record in caplog.records} == {
        "the disk is on fire"
    }
    workers.clock.seconds = BEGIN + 39 * HOUR
    await worker.round()
    assert workers.nights == MOST_ATTEMPTS + 1
    night = await last_night(workers.store)
    assert night is not None
    assert night.attempts == 1


async def test_one_whose_process_does_not_start_is_tried_again(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = workers.worker()
    await worker.round()

    async def broken() -> Reclustering:
        raise OSError("no more processes")

    workers.clock.seconds = BEGIN + 15 * HOUR
    with monkeypatch.context() as patched:
        patched.setattr(FakeNightly, "start", lambda _: broken())
        await worker.round()
    night = await last_night(workers.store)
    assert night is not None
    assert (night.reclustering_id, night.attempts) == ("", 1)
    assert "no more processes" in night.failure
    await worker.round()
    assert workers.nights == 0
    workers.clock.seconds += 61
    await worker.round()
    await worker.round()
    assert workers.nights == 1


async def test_a_night_that_went_well_is_not_looked_at_again(workers: Workers) -> None:
    worker = workers.worker()
    await worker.round()
    workers.clock.seconds = BEGIN + 15 * HOUR
    await worker.round()
    await worker.round()
    night = await last_night(workers.store)
    assert night is not None
    assert night.settled
    fail_last_night(workers)
    workers.clock.seconds += HOUR
    await worker.round()
    assert workers.nights == 1


async def test_what_a_dead_job_left_is_carried_out(workers: Workers) -> None:
    store = workers.store
    await put(store, "one", [1], cluster_id="c_a")
    await put(store, "two", [2], cluster_id="c_b")

    async def dying(job: str) -> bool:
        return False

    carry_out = store._fold_all
    store._fold_all = dying  # type: ignore[method-assign]
    await store.reassign(Reassignment({1: ("c_a", "c_b")}, {}, {"c_a": "c_b"}, {}, BEGIN))
    store._fold_all = carry_out  # type: ignore[method-assign]
    with Redis.from_url(workers_url(workers)) as client:
        assert client.hget("ss:{default}:meta", "switch") == b"folding"
        await workers.worker(None).round()
        assert client.hget("ss:{default}:meta", "switch") is None


async def test_two_nights_down_are_made_up_for_by_one(workers: Workers) -> None:
    await workers.worker().round()
    workers.clock.seconds = BEGIN + 2 * DAY
    with Redis.from_url(workers_url(workers)) as client:
        client.delete(f"ss:{{default}}:lease:{LEASE}")
    late = workers.worker()
    await late.round()
    await late.round()
    assert workers.nights == 1


async def test_old_articles_leave_and_are_told(workers: Workers) -> None:
    await put(workers.store, "old", [1], cluster_id="c_old", now=BEGIN - 60 * DAY)
    await put(workers.store, "new", [1], cluster_id="c_new", now=BEGIN - DAY)
    worker = workers.worker(None)
    assert await worker.round()
    assert await workers.store.article("old") is None
    assert await workers.store.article("new") is not None
    status, night = workers.told[-1]
    assert (status.expired_articles, status.expired_clusters, night) == (1, 1, None)
    assert await workers.store.check() == []
    closed = await workers.store.cluster("c_old")
    assert closed is not None
    assert closed.state == "empty"
    # Its tombstone goes 90 days after it was closed, at the next daily look.
    workers.clock.seconds = BEGIN + 91 * DAY
    await worker.round()
    assert await workers.store.cluster("c_old") is None
    assert workers.told[-1][0].expired_tombstones == 1


async def test_the_loop_runs_and_outlives_failures(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("service.housekeeping._FIRST_ROUND_SECONDS", 0.01)
    monkeypatch.setattr("service.housekeeping._ROUND_SECONDS", 0.01)
    store = ExpiringClusterStore(redis_url, bucket_ids_of=buckets_of_record)
    workers = Workers(store)
    await store.open(FINGERPRINT)
    with Redis.from_url(redis_url) as client:
        # A note that does not decode stands for whatever may go wrong in a round.
        client.hset("ss:{default}:schedule", NIGHT_NOTE, "{")
        worker = workers.worker()
        worker.begin()
        await asyncio.sleep(0.2)
        assert not workers.told
        assert [r.message for r in caplog.records].count("housekeeping failed, trying again") == 1
        noted = NightNote(due_seconds=BEGIN - DAY, started_seconds=BEGIN - DAY)
        client.hset("ss:{default}:schedule", NIGHT_NOTE, orjson.dumps(noted))
        async with asyncio.timeout(10):
            await workers.has_told.wait()
        await worker.stop()
        assert not client.exists(f"ss:{{default}}:lease:{LEASE}")
    await store.close()


def workers_url(workers: Workers) -> str:
    pool = workers.store._connection._pool
    return "unix://" + str(pool.connection_kwargs["path"])
