"""The service started on an empty store: how long until the first article posted has its answer.

As users start it, with one worker and a private server. In an installation that has run before, and
in one that never has: there the hot loops are compiled first, into a cache that is this benchmark's
own. Files that were read before are in memory still, as they are not after a machine's own start.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from pathlib import Path

import httpx
import psutil

from service.samples import sample_articles
from tests.benchmarks.report import Row, Table
from tests.endtoend.harness import Service

# Where nothing is compiled yet, the service goes on compiling what it needs later: let it end.
_COMPILED_SECONDS = 180.0


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    """Nothing: ``--rounds`` says how often it is started in each way."""
    del parser


def run(arguments: argparse.Namespace) -> list[Table]:
    """Measure ``arguments.rounds`` starts of each kind."""
    with tempfile.TemporaryDirectory(prefix="samestory-bench-") as name:
        folder = Path(name)
        fresh = [
            _seconds(folder, f"fresh-{number}", folder / f"cache-{number}", is_fresh=True)
            for number in range(arguments.rounds)
        ]
        ready = [
            _seconds(folder, f"ready-{number}", folder / "cache-0", is_fresh=False)
            for number in range(arguments.rounds)
        ]
    return [_table("compiled before", ready), _table("nothing compiled before", fresh)]


def _table(what: str, seconds: list[float]) -> Table:
    median = sorted(seconds)[len(seconds) // 2]
    each = ", ".join(f"{one:.1f}" for one in seconds)
    row = Row("samestory serve", "", median, (each,))
    return Table(f"start, 1 worker, {what}", "s to the first answer", ("each",), (row,))


def _seconds(folder: Path, name: str, cache: Path, *, is_fresh: bool) -> float:
    """Start the service, post an article, and return the seconds until it was answered."""
    article = sample_articles()[0]
    begun = time.perf_counter()
    with Service(folder / name, settings={"NUMBA_CACHE_DIR": str(cache)}) as service:
        service.start()
        answer = httpx.post(f"{service.url}/v1/articles", json=article, timeout=60)
        answered_seconds = time.perf_counter() - begun
        answer.raise_for_status()
        if is_fresh:
            deadline = time.monotonic() + _COMPILED_SECONDS
            while _is_compiling(service) and time.monotonic() < deadline:
                time.sleep(0.2)
    return answered_seconds


def _is_compiling(service: Service) -> bool:
    for process in service.processes():
        # One that has just ended says nothing any more.
        with contextlib.suppress(psutil.NoSuchProcess):
            if "service.compiling" in process.cmdline():
                return True
    return False
