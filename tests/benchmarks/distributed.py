"""``samestory cluster`` in one process and on Dask workers: the same bytes, and how long each took.

The workers share this machine with each other, so that this measures what spreading costs and not
what more machines bring. The last row loses one of its two workers to SIGKILL half-way.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.measured import REPOSITORY
from tests.benchmarks.report import Row, Table, installed_version, missing
from tests.benchmarks.whole_runs import write_news
from tests.service.dask_processes import dask_processes, kill


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--distributed-articles", type=int, default=50_000)


def run(arguments: argparse.Namespace) -> list[Table]:
    """Cluster one file three times; raises when the outcomes differ."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        news = folder / "news.jsonl"
        write_news(arguments.data, arguments.distributed_articles, arguments.seed, news)
        here = folder / "here.jsonl"
        seconds = _clustered(news, here)
        rows = [Row("samestory cluster", "", seconds)]
        version = installed_version("distributed")
        if not version:
            rows.append(missing("--dask, 2 workers", "distributed"))
        else:
            for system, kill_after in (("", 0.0), (", one killed", seconds / 2)):
                there = folder / "there.jsonl"
                took = _clustered_on_dask(folder, news, there, kill_after)
                if there.read_bytes() != here.read_bytes():
                    raise RuntimeError(f"--dask{system} does not give what one process gives")
                rows.append(Row(f"--dask, 2 workers{system}", version, took, ("same bytes",)))
    return [
        Table(
            title=f"{arguments.distributed_articles:,} articles on Dask workers of one machine",
            unit="seconds",
            remark_names=("output",),
            rows=tuple(rows),
            higher_is_better=False,
        )
    ]


def _clustered(news: Path, output: Path, *options: str) -> float:
    with _begun(news, output, *options) as process:
        return _seconds(process)


def _clustered_on_dask(folder: Path, news: Path, output: Path, kill_after: float) -> float:
    with dask_processes(folder / "dask") as cluster:
        cluster.wait_for_workers()
        with _begun(news, output, "--dask", cluster.address) as process:
            begun = time.perf_counter()
            if kill_after:
                time.sleep(kill_after)
                kill(cluster.workers[0])
            return _seconds(process, begun)


def _begun(news: Path, output: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "service.cli", "cluster", str(news), "-o", str(output)]
    return subprocess.Popen(
        [*command, *options], cwd=REPOSITORY, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )


def _seconds(process: subprocess.Popen[bytes], begun: float | None = None) -> float:
    started = time.perf_counter() if begun is None else begun
    _, told = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"samestory cluster ended with {process.returncode}: {told.decode()}")
    return time.perf_counter() - started
