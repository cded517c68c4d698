"""Work spread over processes: order, errors, interruption, death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from clustering.articles import Article
from service.preparing import worked_in_order
from tests.service.spread_work import dying_at, failing_at, napping, preparing, squaring

REPOSITORY = Path(__file__).resolve().parents[2]


def test_results_come_in_order_from_several_processes() -> None:
    results = list(worked_in_order(range(2_000), squaring, processes=2, in_process_seconds=0))
    assert [square for square, _ in results] == [k * k for k in range(2_000)]
    processes = {process for _, process in results}
    assert os.getpid() not in processes
    assert 1 <= len(processes) <= 2


def test_processes_take_over_once_it_takes_long() -> None:
    results = list(worked_in_order(range(300), napping, processes=2, in_process_seconds=0.2))
    assert [number for number, _ in results] == list(range(300))
    here = [number for number, process in results if process == os.getpid()]
    # Naps of two hundredths of a second: ten of them at most, fewer on a slow machine.
    assert here == list(range(len(here)))
    assert 1 <= len(here) <= 10
    assert 1 <= len({process for _, process in results} - {os.getpid()}) <= 2


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
    results = worked_in_order(
        range(1_000), partial(failing_at, 300), processes=2, in_process_seconds=0
    )
    taken: list[int] = []
    with pytest.raises(ValueError, match="no good: 300"):
        taken.extend(results)
    assert taken == list(range(len(taken)))
    assert 300 - 32 <= len(taken) <= 300


def test_a_process_that_dies_takes_nothing_with_it() -> None:
    work = partial(dying_at, 400, os.getpid())
    results = worked_in_order(range(1_000), work, processes=2, in_process_seconds=0)
    assert list(results) == list(range(1_000))


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
from service.preparing import worked_in_order
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
