"""Processes load beside the command that will want them, if it will."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from service import loading_ahead
from service.loading_ahead import MANY_BYTES, load_ahead_for, loaded_for_good

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Grow by one whenever it is loaded ahead, instead of loading."""
    calls: list[bool] = []
    monkeypatch.setattr(loading_ahead, "load_ahead", lambda: calls.append(True))
    monkeypatch.setattr(loading_ahead, "seems_compiled", lambda: True)
    return calls


def test_files_that_are_large_together_are_loaded_ahead_for(
    tmp_path: Path, loaded: list[bool]
) -> None:
    names = [str(tmp_path / name) for name in ("a.jsonl", "b.csv")]
    for name in names:
        Path(name).write_bytes(b" " * (MANY_BYTES // 2))
    load_ahead_for([names[0], "-", str(tmp_path), str(tmp_path / "gone.jsonl")])
    assert not loaded
    load_ahead_for(names)
    assert loaded


def test_nothing_is_loaded_ahead_while_loops_are_to_be_compiled(
    tmp_path: Path, loaded: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "news.jsonl").write_bytes(b" " * MANY_BYTES)
    monkeypatch.setattr(loading_ahead, "seems_compiled", lambda: False)
    load_ahead_for([str(tmp_path / "news.jsonl")])
    assert not loaded


def test_what_is_loaded_for_good_is_not_looked_through() -> None:
    before = gc.get_freeze_count()
    try:
        with loaded_for_good():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()


SCRIPT = """
import time
from service.preparing import Crew, load_ahead
from tests.service.spread_work import squaring
if __name__ == "__main__":
    begun = time.monotonic()
    load_ahead()
    with Crew(squaring, processes=2) as crew:
        crew.start()
        print(time.monotonic() - begun)
        assert crew.wait_until_ready(timeout_seconds=60)
        print(time.monotonic() - begun)
"""


def test_nobody_waits_for_processes_to_start(tmp_path: Path) -> None:
    script = tmp_path / "starting.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    started_seconds, ready_seconds = map(float, done.stdout.split())
    # What they are forked from loads for a second.
    assert started_seconds < 0.5 * ready_seconds
