"""Workers come from one process that has loaded the service, and end with those they work for."""

from __future__ import annotations

import contextlib
import signal
import time

import httpx
import psutil

from service.samples import sample_articles
from tests.endtoend.harness import Service


def _workers(service: Service) -> list[psutil.Process]:
    """Return those that listen on the service's port."""
    found = []
    for process in service.processes():
        # One that was killed a moment ago has no connections to tell of.
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [
                process
                for each in process.net_connections("tcp")
                if each.laddr.port == service.port and each.status == psutil.CONN_LISTEN
            ]
    return found


def _two_workers(service: Service) -> list[psutil.Process]:
    """Wait for both: the first that listens says that the service is ready."""
    deadline = time.monotonic() + 30
    while len(found := _workers(service)) < 2:
        assert time.monotonic() < deadline, service.log()
        time.sleep(0.1)
    return found


def test_a_worker_that_died_is_replaced(two_workers: Service) -> None:
    first, second = _two_workers(two_workers)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    assert second in _two_workers(two_workers)
    for article in sample_articles()[:8]:
        # A connection each, so that both workers get some.
        answer = httpx.post(f"{two_workers.url}/v1/articles", json=article, timeout=60)
        assert answer.status_code == 201


def test_nothing_goes_on_without_the_process_that_was_started(two_workers: Service) -> None:
    known = two_workers.processes()
    assert len(known) >= 4
    known[0].send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(known, timeout=20)
    assert not alive
