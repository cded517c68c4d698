"""The Redis-protocol server goes away and comes back."""

from __future__ import annotations

import time
from pathlib import Path

import httpx

from service.store.embedded import EmbeddedServer
from tests.endtoend.harness import Service

ARTICLE = {
    "id": "away-1",
    "title": "Ferry service between Bergen and Askoy resumes",
    "text": "The ferry between Bergen and Askoy sails again from Monday after engineers replaced "
    "a cracked propeller shaft that had kept the Hordaland at the quay for nine days. The county "
    "said the timetable of the summer applies and that season tickets are extended by ten days.",
}


def test_answers_while_the_server_is_away_and_heals_by_itself(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "redis")
    url = server.start()
    with Service(tmp_path / "data", settings={"REDIS_URL": url}) as service:
        service.start()
        server.stop()

        began = time.monotonic()
        ready = service.client.get("/readyz")
        assert time.monotonic() - began < 1.0
        assert ready.status_code == 503
        assert ready.headers["content-type"].startswith("application/problem+json")

        began = time.monotonic()
        refused = service.post(ARTICLE)
        assert time.monotonic() - began < 2.0
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert service.client.get("/healthz").status_code == 200

        assert server.start() == url
        try:
            service.wait_ready(10)
            assert service.post(ARTICLE).status_code == 201
        finally:
            service.kill()
            server.stop()


def test_starts_before_its_server(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "redis")
    url = server.start()
    server.stop()
    with Service(tmp_path / "data", settings={"REDIS_URL": url}) as service:
        service.start(wait=False)
        deadline = time.monotonic() + 30
        status = 0
        while time.monotonic() < deadline and status != 503:
            try:
                status = service.client.get("/readyz", timeout=2).status_code
            except httpx.TransportError:
                time.sleep(0.1)
        assert status == 503
        server.start()
        try:
            service.wait_ready(10)
        finally:
            service.kill()
            server.stop()
