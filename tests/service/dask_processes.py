"""A Dask scheduler and workers as processes of their own on the loopback interface."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

START_SECONDS = 60.0
ROOT = Path(__file__).resolve().parents[2]


class DaskProcesses:
    """Starts them, ends them by pid, and says where the scheduler is.

    Parameters
    ----------
    folder
        For their files; what they print goes there too.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = (folder / "dask.log").open("wb")
        place = folder / "scheduler.json"
        # Of an earlier one, which is gone.
        place.unlink(missing_ok=True)
        self.scheduler = self._start(
            "scheduler",
            *("--port", "0", "--scheduler-file", str(place)),
            # Should the tests be killed before they can end it.
            *("--idle-timeout", "300"),
            log=self._log,
        )
        self.workers: list[subprocess.Popen[bytes]] = []
        ends = time.monotonic() + START_SECONDS
        while not place.is_file() or not place.read_text().strip():
            if time.monotonic() > ends or self.scheduler.poll() is not None:
                raise RuntimeError(f"the scheduler did not start: {self.log()[-2_000:]}")
            time.sleep(0.05)
        self.address = str(json.loads(place.read_text())["address"])

    def add_worker(self, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a worker of one thread; it may take a second until it is there."""
        # Without a nanny: what is killed is what works.
        worker = self._start(
            "worker",
            self.address,
            *("--nthreads", "1", "--no-nanny", "--memory-limit", "0", "--death-timeout", "60"),
            *("--local-directory", str(self._folder)),
            log=self._log,
            environment=environment,
        )
        self.workers.append(worker)
        return worker

    def wait_for_workers(self) -> None:
        """Return when every worker that was started has reported to the scheduler."""
        ends = time.monotonic() + START_SECONDS
        while self.log().count("Registered to:") < len(self.workers):
            if time.monotonic() > ends:
                raise RuntimeError(f"not all workers came: {self.log()[-2_000:]}")
            time.sleep(0.1)

    def log(self) -> str:
        """Return what they printed."""
        return (self._folder / "dask.log").read_text(errors="replace")

    def end(self) -> None:
        """Kill all of them and wait until they are gone."""
        for process in [*self.workers, self.scheduler]:
            kill(process)
        self._log.close()

    def _start(
        self,
        role: str,
        *arguments: str,
        log: IO[bytes],
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{role}", *arguments]
        return subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--no-dashboard"],
            cwd=self._folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def kill(process: subprocess.Popen[bytes]) -> None:
    """Send SIGKILL and wait."""
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)


@contextmanager
def dask_processes(folder: Path, workers: int = 2) -> Iterator[DaskProcesses]:
    """Run a scheduler and workers inside the block."""
    folder.mkdir(parents=True, exist_ok=True)
    processes = DaskProcesses(folder)
    try:
        for _ in range(workers):
            processes.add_worker()
        yield processes
    finally:
        processes.end()
