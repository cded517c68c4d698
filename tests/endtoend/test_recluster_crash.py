"""SIGKILL at every stage of the nightly job: the old clustering stays, and a rerun succeeds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from service.reclustering.progress import PAUSE_VARIABLE, STAGES
from service.store import keys
from service.store.embedded import EmbeddedServer
from service.views import ReclusteringInProgressError
from tests.endtoend.harness import environment
from tests.service.test_ingest import QUAKE, QUAKE_COPY, QUAKE_OTHER, VERDICT
from tests.service.test_nightly import post, reassign
from tests.service.wiring import Core, make_core, sample

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

# The samples are of the past: a window that holds them by any clock.
WINDOW_DAYS = 36_500
BEFORE_THE_SWITCH = STAGES[STAGES.index("reading") : STAGES.index("carrying out")]
WITH_A_PLAN = BEFORE_THE_SWITCH[BEFORE_THE_SWITCH.index("checking the plan") :]
AFTER_THE_SWITCH = ("carrying out", "cleaning up", "done")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory: Path = tmp_path_factory.mktemp("valkey")
    with EmbeddedServer(directory, fsync="everysec") as server:
        yield server.url


@pytest.fixture
async def core(server_url: str) -> AsyncIterator[Core]:
    """A store with a report in the wrong cluster, and a verdict among the reports of a quake."""
    with Redis.from_url(server_url) as client:
        client.flushall()
    core = make_core(server_url)
    await core.store.open(core.clusterer.fingerprint())
    await post(core, QUAKE, QUAKE_COPY, QUAKE_OTHER, VERDICT)
    await core.ingest.post(replace(sample(QUAKE), article_id="reprint", url=""))
    home = (await core.places())[QUAKE][0]
    await reassign(core, {QUAKE_OTHER: "c_astray", VERDICT: home})
    yield core
    assert await core.store.check() == []
    await core.store.close()


def kill_at(stage: str, url: str) -> None:
    """Run the job until it stands still at the beginning of a stage, and SIGKILL it there."""
    command = [sys.executable, "-m", "service.cli", "recluster", "--window-days", str(WINDOW_DAYS)]
    with subprocess.Popen(
        command,
        env=environment(
            REDIS_URL=url,
            SAMESTORY_RETENTION_DAYS=str(WINDOW_DAYS),
            **{PAUSE_VARIABLE: stage},
        ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), process.stderr.read().decode()
        assert os.WSTOPSIG(status) == signal.SIGSTOP
        process.kill()
        assert process.wait(timeout=10) == -signal.SIGKILL


async def run_again(core: Core) -> None:
    """The dead job's lease holds everybody off until it ends; then the job runs."""
    with pytest.raises(ReclusteringInProgressError):
        await core.nightly.run(window_days=WINDOW_DAYS)
    with Redis.from_url(core.url) as client:
        lease = keys.Keys("default").key(keys.LEASE, keys.RECLUSTER_LEASE)
        assert 0 < client.pttl(lease) <= 60_000
        client.pexpire(lease, 1)
        while client.exists(lease):
            pass
    job = await core.nightly.run(window_days=WINDOW_DAYS)
    assert job.state == "applied"
    places = await core.places()
    quake = {places[name][0] for name in (QUAKE, QUAKE_COPY, QUAKE_OTHER, "reprint")}
    assert len(quake) == 1
    assert places[VERDICT][0] not in quake


def plans_left(core: Core) -> int:
    with Redis.from_url(core.url) as client:
        return len(client.keys(keys.Keys("default").key(keys.PLAN, "*")))


@pytest.mark.parametrize("stage", BEFORE_THE_SWITCH)
async def test_killed_before_the_switch(core: Core, stage: str) -> None:
    before = await core.places()
    kill_at(stage, core.url)
    assert await core.places() == before
    assert await core.store.check() == []
    assert plans_left(core) == (stage in WITH_A_PLAN)
    await run_again(core)
    assert plans_left(core) == 0


@pytest.mark.parametrize("stage", AFTER_THE_SWITCH)
async def test_killed_after_the_switch(core: Core, stage: str) -> None:
    before = await core.places()
    kill_at(stage, core.url)
    with Redis.from_url(core.url) as client:
        pending = client.hget(keys.Keys("default").key(keys.META), "switch")
    assert pending == (b"folding" if stage == "carrying out" else None)
    after = await core.places()
    assert after != before
    (job,) = await core.nightly.list(5)
    assert (job.state, job.moved) == ("applied", 2)
    if stage != "done":
        await run_again(core)
        assert await core.places() == after
    else:
        assert (await core.nightly.rollback(job.reclustering_id)) is not None
        assert await core.places() == before


def test_there_are_enough_points() -> None:
    assert len(BEFORE_THE_SWITCH) + len(AFTER_THE_SWITCH) >= 16
