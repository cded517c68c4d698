"""The demo runs to its end, in a pipe as on a terminal, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.endtoend.harness import environment


def start(folder: Path, *, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "service.cli", "demo"],
        env=environment(TMPDIR=str(folder), REDIS_URL="redis://127.0.0.1:1/0"),
        stdout=stdout,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    # Short, as users' are: a socket's path may take a hundred bytes, and pytest's are longer.
    with tempfile.TemporaryDirectory(prefix="ss-") as short:
        yield Path(short)
        assert list(Path(short).iterdir()) == [], "the demo left files behind"


def test_it_runs_to_its_end(folder: Path) -> None:
    begun = time.monotonic()
    with start(folder) as process:
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert time.monotonic() - begun < 60
    assert "\x1b" not in output
    assert max(map(len, output.splitlines())) <= 100
    for words in (
        "POST 73 sample articles",
        "/v1/clusters",
        '"decision": "joined"',
        "/v1/reclusterings",
        "all of them the same id",
        "What to try next",
    ):
        assert words in output, output


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_in_the_middle_leaves_nothing_behind(folder: Path, stop: signal.Signals) -> None:
    with start(folder) as process:
        deadline = time.monotonic() + 60
        while not list(folder.glob("samestory-demo-*/data/server.json")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        known = psutil.Process(process.pid).children(recursive=True)
        assert len(known) >= 2
        os.kill(process.pid, stop)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(known, timeout=10)
    assert not alive
