"""The service as a user runs it: its own processes, a free port, a data directory."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import psutil

READY_SECONDS = 60.0


def free_port() -> int:
    """Return a TCP port of the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(**settings: str) -> dict[str, str]:
    """Return this process's environment without its own samestory settings, plus ``settings``."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "REDIS_URL" and not name.startswith("SAMESTORY_")
    }
    return {**kept, **settings}


class Service:
    """A running ``samestory serve``; a context manager that leaves no process behind."""

    def __init__(
        self,
        data_dir: Path,
        *,
        workers: int = 1,
        settings: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.port = free_port() if port is None else port
        self.url = f"http://127.0.0.1:{self.port}"
        self._log_path = data_dir.parent / f"{data_dir.name}.{self.port}.log"
        self._settings = {
            "SAMESTORY_DATA_DIR": str(data_dir),
            "SAMESTORY_PORT": str(self.port),
            "SAMESTORY_WORKERS": str(workers),
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.client = httpx.Client(base_url=self.url, timeout=60)

    def start(self, *, wait: bool = True) -> None:
        """Start the processes; with ``wait``, return once /readyz says so."""
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "service.cli", "serve"],
                env=environment(**self._settings),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until the service can take articles."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, self.log()
            try:
                if self.client.get("/readyz", timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"not ready within {seconds} s\n{self.log()}")

    def log(self) -> str:
        """Return what the processes wrote."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    def processes(self) -> list[psutil.Process]:
        """Return the parent and all its descendants."""
        if self._process is None:
            return []
        try:
            parent = psutil.Process(self._process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """SIGKILL every process of the service at once, its embedded server included."""
        victims = self.processes()
        for process in victims:
            if process.is_running():
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(victims, timeout=10)
        if self._process is not None:
            self._process.wait(timeout=10)

    def kill_named(self, name: str) -> None:
        """SIGKILL the processes whose program name holds ``name``."""
        victims = [item for item in self.processes() if name in item.name()]
        assert victims, f"no process named {name} among {self.processes()}"
        for process in victims:
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs(victims, timeout=10)

    def stop(self) -> int:
        """Ask it to stop (SIGTERM) and return its exit status."""
        assert self._process is not None
        known = self.processes()
        self._process.terminate()
        status = self._process.wait(timeout=30)
        _, alive = psutil.wait_procs(known, timeout=10)
        assert not alive, f"left behind: {alive}"
        return status

    def cluster_of(self, article_id: str) -> str:
        """Return the cluster id of a stored article."""
        response = self.client.get(f"/v1/articles/{article_id}")
        assert response.status_code == 200, response.text
        cluster_id: str = response.json()["cluster_id"]
        return cluster_id

    def post(self, article: Mapping[str, Any]) -> httpx.Response:
        """POST one article."""
        return self.client.post("/v1/articles", json=dict(article))

    def post_batch(self, articles: list[dict[str, Any]]) -> dict[str, Any]:
        """POST many; every one must be taken, those answered 503 when posted again."""
        results: dict[int, dict[str, Any]] = {}
        waiting = list(range(len(articles)))
        for _ in range(5):
            response = self.client.post(
                "/v1/articles:batch", json=[articles[number] for number in waiting]
            )
            assert response.status_code == 200, response.text[:1000]
            answers = response.json()["results"]
            results.update(zip(waiting, answers, strict=True))
            waiting = [number for number in waiting if results[number]["status"] == 503]
            if not waiting:
                break
        rejected = [item for item in results.values() if "problem" in item]
        assert not rejected, rejected[:3]
        return {"results": [results[number] for number in range(len(articles))]}

    def __enter__(self) -> Service:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        self.client.close()
