"""Where the hot loops are being compiled still, the port is open, and says so."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from service import compiling
from tests.endtoend.harness import Service

ARTICLE = {"id": "a-1", "title": "Ferry aground", "text": "A ferry ran aground off the coast."}


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """An empty cache that others seem to be filling until this is called."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    with contextlib.ExitStack() as locks:
        for lock in (compiling._ALL, compiling._SERVING):
            file = locks.enter_context(compiling._lock_path(lock).open("ab"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield locks.close


def wait_alive(service: Service, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if service.client.get("/healthz", timeout=2).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"not alive within {seconds} s\n{service.log()}")


def assert_starting(answer: httpx.Response) -> None:
    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["type"].endswith("starting")
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.usefixtures("release")
def test_it_says_that_it_is_starting_and_can_be_stopped(tmp_path: Path, workers: int) -> None:
    with Service(tmp_path / "data", workers=workers) as service:
        service.start(wait=False)
        wait_alive(service)
        # Whichever of the workers answers.
        for _ in range(4 * workers):
            with httpx.Client(base_url=service.url, timeout=10) as client:
                assert_starting(client.get("/readyz"))
                assert_starting(client.post("/v1/articles", json=ARTICLE))
        began = time.monotonic()
        service.stop()
        assert time.monotonic() - began < 20


@pytest.mark.slow
def test_it_takes_articles_when_the_loops_are_there(
    tmp_path: Path, release: Callable[[], None]
) -> None:
    with Service(tmp_path / "data") as service:
        service.start(wait=False)
        wait_alive(service)
        assert_starting(service.post(ARTICLE))
        # The others have ended without: it compiles by itself, and answers health checks meanwhile.
        release()
        assert service.client.get("/healthz").status_code == 200
        service.wait_ready(300)
        assert service.post(ARTICLE).status_code == 201
