"""`samestory cluster --dask` on a real scheduler and real workers, some of which are killed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clustering.articles import Article
from clustering.distributed import pair_finder
from service.clusterer import Clusterer
from service.commands.cluster import run_cluster
from service.console import CommandError, Console, ExitCode
from service.dask_cluster import (
    DaskAwayError,
    DaskMismatchError,
    connected,
    difference,
    versions_here,
)
from service.offline import OfflineClustering, cluster_articles
from service.reclustering.planning import make_plan
from service.reclustering.progress import Progress
from service.reclustering.snapshot import Snapshot
from service.samples import sample_articles
from service.store.plans import Standing
from tests.clustering.test_batch import made_news
from tests.endtoend.harness import Service
from tests.service.dask_processes import ROOT, DaskProcesses, dask_processes, kill
from tests.service.test_cli import samestory, write_lines

pytestmark = [
    pytest.mark.slow,
    # The client's own threads may still hold a socket when the interpreter looks.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

WAIT_SECONDS = 40.0


def articles() -> list[Article]:
    generator = random.Random(6)
    made = [article for seed in range(5) for article in made_news(seed)[0]]
    made += [Article(text=""), Article(text="tiny"), made[0], made[0]]
    return [
        replace(
            article,
            article_id=f"a{k}",
            source=generator.choice(("Harbour Post", "Meridian Wire", "")),
        )
        for k, article in enumerate(made)
    ]


@pytest.fixture(scope="module")
def expected() -> OfflineClustering:
    return cluster_articles(articles())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dask")


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[DaskProcesses]:
    with dask_processes(folder / "shared") as processes:
        processes.wait_for_workers()
        yield processes


def check(found: OfflineClustering, expected: OfflineClustering) -> None:
    assert len({result.cluster_id for result in expected.results}) > 10
    assert found.results == expected.results
    assert found.repeated_count == expected.repeated_count


def test_the_outcome_is_that_of_one_process(
    cluster: DaskProcesses, expected: OfflineClustering
) -> None:
    with connected(cluster.address) as workers:
        assert workers.thread_count == 2
        check(cluster_articles(articles(), workers=workers), expected)


@pytest.mark.parametrize("stage", ["preparing", "similarities"])
def test_a_worker_that_is_killed_does_not_show(
    cluster: DaskProcesses, expected: OfflineClustering, stage: str
) -> None:
    cluster.add_worker()
    cluster.wait_for_workers()
    victim = next(worker for worker in cluster.workers if worker.poll() is None)
    reports = 0

    def on_progress(reported: str, share: float | None) -> None:
        nonlocal reports
        if reported.partition(" ")[0] == stage:
            reports += 1
            # Not at the first report: some results are there by then, and are lost with it.
            if reports == 2:
                kill(victim)

    with connected(cluster.address) as workers:
        found = cluster_articles(articles(), workers=workers, on_progress=on_progress)
    assert victim.poll() is not None, "it was never killed"
    check(found, expected)


def test_the_command_writes_the_same(
    cluster: DaskProcesses, expected: OfflineClustering, tmp_path: Path
) -> None:
    """From a folder of partitions; and standard error says nothing but the summary."""
    partitions = tmp_path / "news"
    partitions.mkdir()
    rows = [
        {
            "id": item.article_id,
            "title": item.title,
            "text": item.text,
            "source": item.source,
            "lang": item.lang,
        }
        for item in articles()
    ]
    write_lines(partitions / "part-0.jsonl", rows[:100])
    write_lines(partitions / "part-1.jsonl", rows[100:])
    output = tmp_path / "out.jsonl"
    done = samestory("cluster", partitions, "-o", output, "--dask", cluster.address)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in output.read_text().splitlines()]
    assert [tuple(row.values()) for row in found] == [
        (result.article_id, result.cluster_id, result.duplicate_group_id)
        for result in expected.results
    ]
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_the_nightly_job_plans_the_same(
    cluster: DaskProcesses, expected: OfflineClustering
) -> None:
    features = list(expected.features.values())
    handles = list(range(len(features)))
    snapshot = Snapshot(
        standing=Standing(0),
        horizon=len(features),
        all_handles=handles,
        handles=handles,
        features=features,
        # Every article by itself: clusters only merge, so no id has to be made up.
        cluster_of={k: f"c{k}" for k in handles},
        group_of={k: f"d{k}" for k in handles},
    )
    here = make_plan(snapshot, Clusterer(), Progress())
    with connected(cluster.address) as workers:
        there = make_plan(snapshot, Clusterer(), Progress(), find_pairs=pair_finder(workers))
    assert here.counts.merged > 100
    assert there.plan == here.plan
    assert there.counts == here.counts


def test_recluster_on_the_cluster(cluster: DaskProcesses, tmp_path: Path) -> None:
    """After a night in one process, a night on the cluster finds nothing to change."""
    samples = write_lines(tmp_path / "samples.jsonl", sample_articles())
    with Service(tmp_path / "data") as service:
        service.start()
        assert samestory("import", samples, "--server", service.url).returncode == 0
        recluster = ("recluster", "--data-dir", tmp_path / "data", "--json")
        assert samestory(*recluster).returncode == 0
        done = samestory(*recluster, "--dask", cluster.address)
        assert done.returncode == 0, done.stderr
        job = json.loads(done.stdout)
        assert job["state"] == "applied"
        assert job["article_count"] == len(sample_articles())
        assert job["cluster_count_after"] > 10
        assert job["moved"] == 0
        wrong = samestory(*recluster, "--dask", "tcp://127.0.0.1:9")
        assert wrong.returncode == ExitCode.AWAY
        assert "no Dask scheduler answers" in wrong.stderr
        found = service.client.get("/v1/reclusterings").json()["reclusterings"]
        assert len(found) == 2, "the third was refused before it touched the store"


def test_an_error_of_the_work_is_not_taken_for_one_of_the_cluster(cluster: DaskProcesses) -> None:
    with connected(cluster.address) as workers, pytest.raises(ValueError, match="invalid literal"):
        workers.result(workers.submit(int, "seven"))


def test_a_scheduler_that_is_lost_ends_it_and_leaves_no_file(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    lines = [json.dumps({"id": item.article_id, "text": item.text}) for item in articles()]
    with dask_processes(folder / "lost", workers=1) as own:
        own.wait_for_workers()
        command = [sys.executable, "-m", "service.cli", "cluster", "-", "-o", str(output)]
        with subprocess.Popen(
            [*command, "--dask", own.address],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin is not None
            process.stdin.write("\n".join(lines[:150]) + "\n")
            process.stdin.flush()
            wait_for(lambda: _clients(own) > 0, own)
            kill(own.scheduler)
            begun = time.monotonic()
            _, told = process.communicate("\n".join(lines[150:]) + "\n", timeout=WAIT_SECONDS)
    assert process.returncode == ExitCode.AWAY, told
    assert time.monotonic() - begun < 30
    assert "the Dask scheduler" in told
    assert "run this again" in told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


def _clients(own: DaskProcesses) -> int:
    """How many clients came since the test's own ones."""
    begun = own.log().count("Receive client connection")
    ended = own.log().count("Close client connection")
    return begun - ended


def wait_for(condition: Callable[[], bool], own: DaskProcesses) -> None:
    ends = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < ends, own.log()
        time.sleep(0.05)


def test_nobody_at_the_address(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"text": "some words of an article"}])
    begun = time.monotonic()
    done = samestory("cluster", source, "-o", tmp_path / "out.jsonl", "--dask", "tcp://127.0.0.1:9")
    assert done.returncode == ExitCode.AWAY
    assert time.monotonic() - begun < 30
    assert done.stderr.startswith("samestory: no Dask scheduler answers at tcp://127.0.0.1:9")
    assert "dask scheduler" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("address", ["gopher://x", "tcp://"])
def test_not_an_address(address: str) -> None:
    with pytest.raises(DaskAwayError, match="no Dask scheduler answers"), connected(address):
        pass


def test_no_workers_and_other_versions(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "samestory-9.9.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: samestory\nVersion: 9.9\n")
    with dask_processes(folder / "other", workers=0) as own:
        with pytest.raises(DaskAwayError, match="has no workers"), connected(own.address):
            pass
        own.add_worker({"PYTHONPATH": os.pathsep.join((str(other.parent), str(ROOT)))})
        own.wait_for_workers()
        with (
            pytest.raises(DaskMismatchError, match=r"has samestory 9\.9 and not") as found,
            connected(own.address),
        ):
            pass
    assert "install the same versions everywhere" in str(found.value)


def test_workers_that_die_of_the_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One such death is enough here, to spare the start of three workers more."""
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    monkeypatch.setattr("service.dask_cluster.NO_WORKER_SECONDS", 1.0)
    with dask_processes(folder / "dying", workers=2) as own:
        own.wait_for_workers()
        with connected(own.address) as workers:
            with pytest.raises(DaskAwayError, match="died one after the other"):
                workers.result(workers.submit(os._exit, 1))
            for worker in own.workers:
                kill(worker)
            with pytest.raises(DaskAwayError, match="has had no worker"):
                workers.result(workers.submit(int, "7"))


def test_online_cannot_be_spread(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"text": "some words"}])
    with pytest.raises(CommandError, match="leave one of them out"):
        run_cluster([str(source)], str(tmp_path / "out"), online=True, dask="x", console=Console())


def test_differences_are_named() -> None:
    here = versions_here()
    assert difference(here, dict(here)) == ""
    assert difference(here, {**here, "numpy": "1.0"}) == (f"has numpy 1.0 and not {here['numpy']}")
    without = {name: value for name, value in here.items() if name != "dask"}
    assert "has dask none" in difference(here, without)
    assert "has no samestory" in difference(here, ModuleNotFoundError("No module"))


def test_dask_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    missing: Any = None
    monkeypatch.setitem(sys.modules, "distributed", missing)
    with (
        pytest.raises(DaskMismatchError, match=r"install samestory\[distributed\]"),
        connected("x"),
    ):
        pass
