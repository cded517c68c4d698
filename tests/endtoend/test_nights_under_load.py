"""Articles arrive from four clients while nights are decided, put in force and taken back.

600 articles in the test; ``SAMESTORY_SOAK_ARTICLES=10000`` for as many as somebody has time for.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.benchmarks.made_news import NewsMaker
from tests.endtoend.harness import Service, environment

ARTICLES = int(os.environ.get("SAMESTORY_SOAK_ARTICLES", "600"))
CLIENTS = 4
NIGHTS = 3


def _posted(service: Service, articles: list[dict[str, Any]], begun: threading.Event) -> set[str]:
    """Post one after the other over a connection of its own; return the cluster ids answered."""
    clusters: set[str] = set()
    with httpx.Client(base_url=service.url, timeout=120) as client:
        for number, article in enumerate(articles):
            response = client.post("/v1/articles", json=article)
            assert response.status_code == 201, response.text
            clusters.add(response.json()["cluster_id"])
            if number == len(articles) // 10:
                begun.set()
    return clusters


def _finished(service: Service, job_url: str) -> dict[str, Any]:
    """Await the end of a reclustering or of its rollback."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        job: dict[str, Any] = service.client.get(job_url).json()
        if job["state"] in {"applied", "rolled_back", "failed", "refused"}:
            return job
        time.sleep(0.1)
    raise AssertionError(f"{job_url} does not end")


def _night(service: Service) -> str:
    """Recluster; return where the job is told of."""
    started = service.client.post("/v1/reclusterings", json={})
    assert started.status_code == 202, started.text
    url: str = started.headers["location"]
    job = _finished(service, url)
    assert job["state"] == "applied", job
    return url


@pytest.mark.slow
@pytest.mark.realdata
def test_every_article_is_once_in_one_cluster(two_workers: Service, data_dir: Path) -> None:
    articles = [
        {
            "id": made.article.article_id,
            "title": made.article.title,
            "text": made.article.text,
            "source": made.article.source,
            "lang": made.article.lang,
        }
        for made in itertools.islice(NewsMaker(data_dir).articles(ARTICLES, seed=5), ARTICLES)
    ]
    begun = threading.Event()
    with ThreadPoolExecutor(CLIENTS) as pool:
        posting = [
            pool.submit(_posted, two_workers, articles[number::CLIENTS], begun)
            for number in range(CLIENTS)
        ]
        # The first night has something to decide, and all of them articles that arrive meanwhile.
        assert begun.wait(300)
        for night in range(NIGHTS):
            url = _night(two_workers)
            if night == 1:
                rollback = two_workers.client.post(f"{url}:rollback")
                assert rollback.status_code == 202, rollback.text
                while (job := _finished(two_workers, url))["state"] == "applied":
                    time.sleep(0.1)
                assert job["state"] == "rolled_back", job
        answered = set().union(*(item.result() for item in posting))

    placed = {str(item["id"]): two_workers.cluster_of(str(item["id"])) for item in articles}
    assert len(placed) == ARTICLES
    sizes: dict[str, int] = {}
    for cluster_id in placed.values():
        sizes[cluster_id] = sizes.get(cluster_id, 0) + 1
    told = {
        cluster_id: two_workers.client.get(f"/v1/clusters/{cluster_id}").json()["size"]
        for cluster_id in sizes
    }
    assert told == sizes
    for cluster_id in answered - sizes.keys():
        ended = two_workers.client.get(f"/v1/clusters/{cluster_id}", follow_redirects=False)
        assert ended.status_code in {308, 410}, (cluster_id, ended.status_code)

    doctor = subprocess.run(
        [sys.executable, "-m", "service.cli", "doctor"],
        env=environment(SAMESTORY_DATA_DIR=str(two_workers.data_dir)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
