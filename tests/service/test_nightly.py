"""The nightly job on a real server: ids outlive it, and whatever happens, nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from service.nightly import Nightly
from service.store import Reassignment, ReassignmentResult, keys
from service.store.redis_store import RedisClusterStore
from service.views import Reclustering, ReclusteringInProgressError
from tests.service.test_clusterer import table
from tests.service.test_ingest import QUAKE, QUAKE_COPY, QUAKE_OTHER, VERDICT, VERDICT_OTHER
from tests.service.wiring import Core, HookedStore, make_core, sample, samples

pytestmark = pytest.mark.anyio


@pytest.fixture
async def core(redis_url: str) -> AsyncIterator[Core]:
    core = make_core(redis_url)
    await core.store.open(core.clusterer.fingerprint())
    yield core
    assert await core.store.check() == []
    await core.store.close()


async def post(core: Core, *names: str) -> None:
    for name in names:
        await core.ingest.post(sample(name))


async def reassign(core: Core, moves: dict[str, str]) -> None:
    """Article id → cluster id, as if decided so; mistakes for the night to mend."""
    stored = {item.article_id: item async for item in core.store.snapshot()}
    await core.store.reassign(
        Reassignment(
            moves={stored[k].handle: (stored[k].cluster_id, to) for k, to in moves.items()},
            group_moves={},
            merged_into={},
            split_into={},
            now_seconds=1.742e9,
        )
    )


async def test_an_empty_store(core: Core) -> None:
    job = await core.nightly.run()
    assert (job.state, job.article_count, job.moved) == ("applied", 0, 0)


async def test_ids_stay_and_the_second_run_changes_nothing(core: Core) -> None:
    await post(core, *(article.article_id for article in samples()[:40]))
    before = await core.places()
    told: list[tuple[str, float]] = []
    first = await core.nightly.run(
        on_progress=lambda report: told.append((report.stage, report.share))
    )
    assert (first.state, first.article_count, first.progress) == ("applied", 40, 1.0)
    assert first.finished_at is not None
    middle = await core.places()
    assert middle.keys() == before.keys()
    kept = {cluster_id for cluster_id, _ in before.values()}
    assert len(kept & {cluster_id for cluster_id, _ in middle.values()}) >= len(kept) - 3
    shares = [share for _, share in told]
    assert all(0 <= share <= 1 for share in shares)
    assert {"reading", "linkage", "keeping ids", "switching"} <= {stage for stage, _ in told}
    second = await core.nightly.run()
    assert (second.moved, second.merged, second.split, second.minted) == (0, 0, 0, 0)
    assert second.id_churn == 0
    assert await core.places() == middle
    assert await table(core) == (40, 40)
    assert [job.reclustering_id for job in await core.nightly.list(9)] == [
        second.reclustering_id,
        first.reclustering_id,
    ]
    assert await core.nightly.get(first.reclustering_id) == first
    assert await core.nightly.get("r_none") is None


async def test_a_cluster_wrongly_divided_is_merged_with_a_redirect(core: Core) -> None:
    await post(core, QUAKE, QUAKE_COPY, QUAKE_OTHER)
    home = (await core.places())[QUAKE][0]
    await reassign(core, {QUAKE_OTHER: "c_astray"})
    job = await core.nightly.run()
    assert (job.merged, job.split, job.minted, job.moved) == (1, 0, 0, 1)
    assert {cluster_id for cluster_id, _ in (await core.places()).values()} == {home}
    old = await core.store.cluster("c_astray")
    assert old is not None
    assert (old.state, old.merged_into) == ("merged", home)


async def test_a_cluster_wrongly_merged_is_divided_with_its_lineage(core: Core) -> None:
    await post(core, QUAKE, QUAKE_COPY, VERDICT)
    home = (await core.places())[QUAKE][0]
    await reassign(core, {VERDICT: home})
    job = await core.nightly.run()
    assert (job.merged, job.split, job.minted, job.moved) == (0, 1, 1, 1)
    places = await core.places()
    assert places[QUAKE][0] == places[QUAKE_COPY][0] == home
    old = await core.store.cluster(home)
    new = await core.store.cluster(places[VERDICT][0])
    assert old is not None
    assert new is not None
    assert (old.state, old.split_into) == ("open", (new.cluster_id,))
    assert new.split_from == home


async def test_a_dry_run_changes_nothing(core: Core) -> None:
    await post(core, QUAKE, QUAKE_COPY, QUAKE_OTHER)
    await reassign(core, {QUAKE_OTHER: "c_astray"})
    before = await core.places(), await core.store.learned(), await core.store.counts()
    job = await core.nightly.run(apply=False)
    assert (job.state, job.merged, job.moved) == ("planned", 1, 1)
    assert (job.cluster_count_before, job.cluster_count_after) == (2, 1)
    after = await core.places(), await core.store.learned(), await core.store.counts()
    assert after == before


async def test_articles_posted_meanwhile_stay_placed(core: Core) -> None:
    """One in a cluster that is merged follows it; one found a new one; an update keeps its own."""
    await post(core, QUAKE, QUAKE_COPY, QUAKE_OTHER)
    home = (await core.places())[QUAKE][0]
    await reassign(core, {QUAKE_OTHER: "c_astray"})

    async def meanwhile() -> None:
        await post(core, VERDICT)
        await reassign(core, {VERDICT: "c_astray"})
        await post(core, VERDICT_OTHER)

    assert isinstance(core.store, HookedStore)
    core.store.before["apply"] = meanwhile
    job = await core.nightly.run()
    assert (job.state, job.article_count) == ("applied", 3)
    places = await core.places()
    assert len(places) == 5
    assert places[QUAKE_OTHER][0] == home
    assert places[VERDICT][0] in {home, places[VERDICT_OTHER][0]}
    old = await core.store.cluster("c_astray")
    assert old is not None
    assert (old.state, old.size) == ("merged", 0)


async def test_articles_deleted_or_changed_meanwhile(core: Core) -> None:
    await post(core, QUAKE, QUAKE_COPY, QUAKE_OTHER)
    await reassign(core, {QUAKE_OTHER: "c_astray"})

    async def meanwhile() -> None:
        await core.ingest.delete(QUAKE_OTHER)

    assert isinstance(core.store, HookedStore)
    core.store.before["apply"] = meanwhile
    job = await core.nightly.run()
    assert (job.state, job.moved) == ("applied", 0)
    assert (await core.places()).keys() == {QUAKE, QUAKE_COPY}


async def test_an_article_that_arrives_as_it_begins_is_counted_once(core: Core) -> None:
    await post(core, *(article.article_id for article in samples()[:20]))

    async def arrival() -> None:
        await core.ingest.post(samples()[20])

    assert isinstance(core.store, HookedStore)
    core.store.before["counts"] = arrival
    job = await core.nightly.run()
    assert job.article_count == 21
    assert await table(core) == (21, 21)


async def test_one_at_a_time(core: Core) -> None:
    await post(core, QUAKE, VERDICT)
    refused: list[ReclusteringInProgressError] = []

    async def second() -> None:
        for attempt in (core.nightly.run, core.nightly.start):
            with pytest.raises(ReclusteringInProgressError) as caught:
                await attempt()
            refused.append(caught.value)

    assert isinstance(core.store, HookedStore)
    core.store.before["apply"] = second
    job = await core.nightly.run(reclustering_id="r_first")
    assert job.state == "applied"
    assert [error.reclustering_id for error in refused] == ["r_first", "r_first"]
    assert (await core.nightly.run()).state == "applied"  # the lease was given back


async def test_a_run_that_was_overtaken_applies_nothing(core: Core) -> None:
    """Its process stood still for longer than its lease; another one took over."""
    await post(core, QUAKE, QUAKE_COPY, QUAKE_OTHER)
    await reassign(core, {QUAKE_OTHER: "c_astray"})
    before = await core.places()

    async def overtaken() -> None:
        # At once, so that no heartbeat comes between.
        lease = core.store._keys.key(keys.LEASE, keys.RECLUSTER_LEASE)
        await core.store._connection.execute("SET", lease, "r_other", "PX", 60_000)

    assert isinstance(core.store, HookedStore)
    core.store.before["counts"] = overtaken
    with pytest.raises(ReclusteringInProgressError):
        await core.nightly.run(reclustering_id="r_slow")
    assert await core.places() == before
    failed = await core.nightly.get("r_slow")
    assert failed is not None
    assert failed.state == "failed"
    assert not await core.store.acquire_lease("recluster", "r_third", ttl_seconds=60)


class BreakingStore(RedisClusterStore):
    """Fails at the last step."""

    async def apply(self, *_: Any, **__: Any) -> ReassignmentResult:
        raise RuntimeError("the disk is on fire")


async def test_a_run_that_fails_leaves_everything_as_it_was(core: Core) -> None:
    await post(core, QUAKE, QUAKE_COPY, QUAKE_OTHER)
    await reassign(core, {QUAKE_OTHER: "c_astray"})
    before = await core.places(), await core.store.learned()
    store = BreakingStore(core.url)
    await store.open(core.clusterer.fingerprint())
    with pytest.raises(RuntimeError, match="on fire"):
        await Nightly(store, core.clusterer).run(reclustering_id="r_a")
    await store.close()
    job = await core.nightly.get("r_a")
    assert job is not None
    assert (job.state, job.error) == ("failed", "RuntimeError: the disk is on fire")
    assert (await core.places(), await core.store.learned()) == before
    # Run again under the same id, nothing of the failure is left in the answer.
    again = await core.nightly.run(reclustering_id="r_a")
    assert (again.state, again.error, again.created_at) == ("applied", None, job.created_at)


async def test_the_last_word_of_a_run_stands(core: Core) -> None:
    await post(core, QUAKE)
    for number in range(5):
        job = await core.nightly.run(reclustering_id=f"r_{number}")
        assert await core.nightly.get(f"r_{number}") == job


async def until_finished(core: Core, job: Reclustering) -> Reclustering:
    async with asyncio.timeout(40):
        while True:
            found = await core.nightly.get(job.reclustering_id)
            assert found is not None
            if found.finished_at is not None:
                return found
            await asyncio.sleep(0.1)


async def watched(core: Core) -> None:
    await core.nightly._children.wait()


async def test_a_process_of_its_own(core: Core) -> None:
    await post(core, QUAKE, QUAKE_COPY, QUAKE_OTHER)
    await reassign(core, {QUAKE_OTHER: "c_astray"})
    job = await core.nightly.start(window_days=36_500)
    assert job.state == "queued"
    finished = await until_finished(core, job)
    await watched(core)
    assert (finished.state, finished.merged, finished.moved) == ("applied", 1, 1)
    assert finished.created_at == job.created_at
    assert len({cluster_id for cluster_id, _ in (await core.places()).values()}) == 1


@pytest.mark.parametrize("way", ["dies", "cannot start"])
async def test_a_child_without_a_word_is_reported(
    core: Core, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post(core, QUAKE)
    before = await core.places()
    start: Callable[[], Awaitable[Reclustering]] = core.nightly.start
    if way == "dies":
        core.nightly._children.environment["SAMESTORY_RETENTION_DAYS"] = "not a number"
        await start()
    else:
        monkeypatch.setattr("sys.executable", "/nowhere/python")
        with pytest.raises(FileNotFoundError):
            await start()
    (job,) = await core.nightly.list(5)
    failed = await until_finished(core, job)
    await watched(core)
    assert failed.state == "failed"
    assert failed.error is not None
    assert failed.error.startswith("the job's process")
    assert await core.places() == before
    assert (await core.nightly.run()).state == "applied"  # its lease is free


async def test_a_job_that_fell_silent_is_reported(core: Core) -> None:
    """Its process and whoever watched it are gone: the last heartbeat tells."""
    moment = 1.742e9
    nightly = Nightly(core.store, core.clusterer, now=lambda: moment)
    await nightly._jobs.claim("r_silent")
    job = await nightly.get("r_silent")
    assert job is not None
    assert job.state == "queued"
    moment += 61
    job = await nightly.get("r_silent")
    assert job is not None
    assert job.state == "failed"
    assert job.error is not None
    assert "run it again" in job.error


async def test_stopping_the_service_stops_its_job(core: Core) -> None:
    await post(core, QUAKE, QUAKE_COPY)
    started = await core.nightly.start()
    assert started.state == "queued"
    await core.nightly.stop()
    stopped = await core.nightly.get(started.reclustering_id)
    assert stopped is not None
    assert (stopped.state, stopped.error) == (
        "failed",
        "the service was stopped while the job ran",
    )
    # Another worker may begin at once.
    assert (await core.nightly.run()).state == "applied"
    await core.nightly.stop()
