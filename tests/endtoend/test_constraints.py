"""An editor's words through the whole service: two workers, a night, a restart, taken back."""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path

import pytest

from service.samples import sample_articles
from tests.endtoend.harness import Service


def recluster(service: Service) -> None:
    response = service.client.post("/v1/reclusterings")
    assert response.status_code == 202, response.text
    path = response.headers["location"]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        job = service.client.get(path).json()
        if job["finished_at"] is not None:
            assert job["state"] == "applied", job
            return
        time.sleep(0.1)
    raise AssertionError(f"not finished: {job}")


@pytest.mark.slow
def test_said_once_it_holds_by_day_by_night_and_after_a_restart(tmp_path: Path) -> None:
    articles = list(sample_articles())
    with Service(tmp_path / "data", workers=2) as service:
        service.start()
        service.post_batch(articles)
        by_home = defaultdict(list)
        for article in articles:
            by_home[service.cluster_of(article["id"])].append(article)
        (first, second, *_), (third, *_) = sorted(by_home.values(), key=len, reverse=True)[:2]
        said = {}
        for kind, one, other in (
            ("cannot-link", first, second),
            ("must-link", first, third),
        ):
            response = service.client.post(
                "/v1/constraints",
                json={"kind": kind, "article_ids": [one["id"], other["id"]], "author": "ada"},
            )
            assert response.status_code == 201, response.text
            said[kind] = response.json()["constraint"]["constraint_id"]

        def holds() -> None:
            homes = [service.cluster_of(article["id"]) for article in (first, second, third)]
            assert homes[0] != homes[1]
            assert homes[0] == homes[2]

        holds()
        # Copies of all three, through both workers.
        for number in range(6):
            article = (first, second, third)[number % 3]
            service.post({**article, "id": f"copy-{number}", "url": ""}).raise_for_status()
        holds()
        recluster(service)
        holds()
        service.kill()
        service.start()
        holds()
        recluster(service)
        holds()
        for name in said.values():
            undone = service.client.delete(f"/v1/constraints/{name}", params={"author": "grace"})
            assert undone.status_code == 200, undone.text
        recluster(service)
        assert service.cluster_of(first["id"]) == service.cluster_of(second["id"])
        assert service.cluster_of(first["id"]) != service.cluster_of(third["id"])
        history = service.client.get("/v1/constraints").json()["constraints"]
        assert {item["state"] for item in history} == {"undone"}
