"""Work spread over processes: order, errors, interruption, death."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from clustering.articles import Article
from service.preparing import Crew, worked_in_order
from tests.service.spread_work import dying_at, failing_at, napping, preparing, squaring

REPOSITORY = Path(__file__).resolve().parents[2]


def ready(crew: Crew[int, Any]) -> None:
    """Start processes, and wait until they are there."""
    crew.start()
    assert crew.wait_until_ready(timeout_seconds=60)


def test_results_come_in_order_from_several_processes() -> None:
    with Crew(squaring, processes=2) as crew:
        ready(crew)
        for _ in range(2):
            results = list(crew.worked(range(1_000)))
            assert [square for square, _ in results] == [k * k for k in range(1_000)]
            processes = {process for _, process in results}
            assert os.getpid() not in processes
            assert 1 <= len(processes) <= 2


def test_it_is_worked_here_until_processes_take_over() -> None:
    results = []
    numbers = itertools.count()
    deadline = time.monotonic() + 60
    for number, process in worked_in_order(numbers, napping, processes=2, in_process_seconds=0.2):
        results.append((number, process))
        elsewhere = sum(process != os.getpid() for _, process in results)
        if elsewhere == 20 or time.monotonic() > deadline:
            break
    assert [number for number, _ in results] == list(range(len(results)))
    here = [number for number, process in results if process == os.getpid()]
    assert here == list(range(len(here)))
    # It began here, and what took a fifth of a second in naps of a fiftieth was too long.
    assert len(here) >= 10
    assert len(results) - len(here) == 20


def test_quick_work_starts_no_process() -> None:
    for count in (0, 1, 500):
        results = list(worked_in_order(range(count), squaring, processes=2))
        assert {process for _, process in results} <= {os.getpid()}
        assert len(results) == count
    alone = list(worked_in_order(range(500), squaring, processes=1, in_process_seconds=0))
    assert {process for _, process in alone} == {os.getpid()}


def test_input_is_read_a_bounded_number_ahead() -> None:
    read = 0

    def numbers() -> Iterator[int]:
        nonlocal read
        for number in range(100_000):
            read += 1
            yield number

    results = worked_in_order(numbers(), squaring, processes=2, in_process_seconds=0)
    for _ in range(20):
        next(results)
    assert read < 1_000
    results.close()  # type: ignore[attr-defined]


def test_an_error_stands_at_its_item_and_ends_the_processes() -> None:
    with Crew(partial(failing_at, 300), processes=2) as crew:
        ready(crew)
        taken: list[int] = []
        with pytest.raises(ValueError, match="no good: 300"):
            taken.extend(crew.worked(range(1_000)))
    assert taken == list(range(300))


def test_a_process_that_dies_takes_nothing_with_it() -> None:
    with Crew(partial(dying_at, 400, os.getpid()), processes=2) as crew:
        ready(crew)
        assert list(crew.worked(range(1_000))) == list(range(1_000))
        # And without processes it goes on.
        assert list(crew.worked(range(350, 450))) == list(range(350, 450))


@pytest.mark.slow
def test_articles_are_prepared_alike_wherever_it_is_done() -> None:
    articles = [
        Article(text=f"Minister Lund{k} met envoy Brask{k * 7} in Port{k % 9} on fisheries quotas.")
        for k in range(120)
    ]
    here = list(worked_in_order(articles, preparing, processes=1))
    spread = list(worked_in_order(articles, preparing, processes=2, in_process_seconds=0))
    assert here == spread
    assert len(set(here)) > 100


SCRIPT = """
import sys, time
from tests.service.spread_work import squaring
from service.preparing import Crew, worked_in_order
if __name__ == "__main__":
    def numbers():
        for k in range(10**9):
            yield k
    for count, (_, process) in enumerate(worked_in_order(numbers(), squaring, processes=2, in_process_seconds=0)):
        if count == 500:
            print(process, flush=True)
        time.sleep(0.0001)
"""  # noqa: E501


def is_running(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("end_by", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_one_that_started_it(
    end_by: signal.Signals, tmp_path: Path
) -> None:
    script = tmp_path / "endless.py"
    script.write_text(SCRIPT)
    with subprocess.Popen(
        [sys.executable, str(script)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        worker = int(parent.stdout.readline())
        assert is_running(worker)
        # As a terminal does it: Ctrl-C goes to all of them, SIGKILL to the one.
        if end_by is signal.SIGINT:
            os.killpg(parent.pid, end_by)
        else:
            parent.kill()
        try:
            parent.wait(timeout=20)
        finally:
            parent.kill()
        deadline = time.monotonic() + 20
        while is_running(worker) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not is_running(worker)
        if end_by is signal.SIGINT:
            assert parent.stderr.read().count("KeyboardInterrupt") == 1, "only the first one tells"
