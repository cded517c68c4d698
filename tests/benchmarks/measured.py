"""A piece of work in a process of its own: how long it took, and how much memory at most."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run printed last (a JSON object), and what it took from start to end.

    ``processor_seconds`` are those of all its processes: on a machine that does other work beside
    it, they say more than ``seconds``.
    """

    outcome: dict[str, Any]
    seconds: float
    peak_bytes: int
    processor_seconds: float


def run_measured(module: str, *arguments: str) -> Measured:
    """Run ``python -m module arguments``, which ends with printing a JSON object.

    Memory is what the process and those it started hold together, read ten times a second; a
    page that two of them share counts once for each.
    """
    begun = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        watch = _Watch(process.pid)
        printed, _ = process.communicate()
        seconds = time.perf_counter() - begun
        watch.end()
    if process.returncode != 0:
        raise RuntimeError(f"{module} {' '.join(arguments)} ended with {process.returncode}")
    # On one line or on several, of which those in between are indented.
    outcome = json.loads(printed[printed.rfind("\n{") + 1 :])
    return Measured(outcome, seconds, watch.peak_bytes, watch.processor_seconds)


class _Watch:
    """Looks ten times a second at what a process and those it started take."""

    def __init__(self, process: int) -> None:
        self.peak_bytes = 0
        self._processor_seconds: dict[int, float] = {}
        self._process = process
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @property
    def processor_seconds(self) -> float:
        """Of all processes, as long as each was seen."""
        return sum(self._processor_seconds.values())

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            held = 0
            for member in _family(self._process):
                try:
                    held += member.memory_info().rss
                    times = member.cpu_times()
                except psutil.NoSuchProcess:
                    continue
                self._processor_seconds[member.pid] = times.user + times.system
            self.peak_bytes = max(self.peak_bytes, held)


def _family(process: int) -> list[psutil.Process]:
    try:
        first = psutil.Process(process)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
