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
    """What a run printed (one JSON object), and what it took from start to end."""

    outcome: dict[str, Any]
    seconds: float
    peak_bytes: int


def run_measured(module: str, *arguments: str) -> Measured:
    """Run ``python -m module arguments``, which prints one line of JSON.

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
        peak = _Peak(process.pid)
        printed, _ = process.communicate()
        seconds = time.perf_counter() - begun
        peak.end()
    if process.returncode != 0:
        raise RuntimeError(f"{module} {' '.join(arguments)} ended with {process.returncode}")
    return Measured(json.loads(printed.splitlines()[-1]), seconds, peak.peak_bytes)


class _Peak:
    def __init__(self, process: int) -> None:
        self.peak_bytes = 0
        self._process = process
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            self.peak_bytes = max(self.peak_bytes, _held_bytes(self._process))


def _held_bytes(process: int) -> int:
    try:
        first = psutil.Process(process)
        family = [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    held = 0
    for member in family:
        try:
            held += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return held
