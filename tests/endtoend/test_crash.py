"""SIGKILL in the middle of an import loses nothing that was acknowledged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.samples import sample_articles
from tests.endtoend.harness import Service

KILL_AFTER_ARTICLES = 80


def _articles(copies: int) -> list[dict[str, Any]]:
    """Return the sample articles several times over, each time as other articles."""
    return [
        {**article, "id": f"{article['id']}/{copy}", "url": f"{article.get('url', '')}?{copy}"}
        for copy in range(copies)
        for article in sample_articles()
    ]


def _import_until_it_breaks(
    service: Service, articles: list[dict[str, Any]], kill: Callable[[], None]
) -> dict[str, str]:
    """Post one by one until the kill strikes; return id and cluster of all acknowledged."""
    acknowledged: dict[str, str] = {}
    killer = threading.Thread(target=kill)
    for number, article in enumerate(articles):
        if number == KILL_AFTER_ARTICLES:
            killer.start()
        try:
            response = service.post(article)
        except httpx.TransportError:
            break
        if response.status_code >= 500:
            break
        answer = response.json()
        acknowledged[answer["article_id"]] = answer["cluster_id"]
    killer.join()
    return acknowledged


def _everything_stored(service: Service) -> dict[str, list[str]]:
    """Return article id → ids of the clusters that list it, read through the API."""
    found: dict[str, list[str]] = {}
    cursor: str | None = None
    while True:
        query = {"limit": "100", **({"cursor": cursor} if cursor else {})}
        page = service.client.get("/v1/clusters", params=query).json()
        for cluster in page["clusters"]:
            for article_id in _articles_of(service, cluster["cluster_id"]):
                found.setdefault(article_id, []).append(cluster["cluster_id"])
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def _articles_of(service: Service, cluster_id: str) -> list[str]:
    ids: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": "100", **({"cursor": cursor} if cursor else {})}
        page = service.client.get(f"/v1/clusters/{cluster_id}/articles", params=query).json()
        ids.extend(article["article_id"] for article in page["articles"])
        cursor = page["next_cursor"]
        if cursor is None:
            return ids


@pytest.mark.parametrize("victim", ["everything", "valkey"])
def test_a_kill_during_an_import_loses_nothing(tmp_path: Path, victim: str) -> None:
    articles = _articles(copies=4)
    with Service(tmp_path / "data") as service:
        service.start()
        kill = service.kill if victim == "everything" else lambda: service.kill_named("valkey")
        acknowledged = _import_until_it_breaks(service, articles, kill)
        assert len(acknowledged) < len(articles), "the kill must fall into the import"
        if victim == "everything":
            service.start()
        else:
            service.wait_ready()

        stored = _everything_stored(service)
        assert acknowledged.keys() <= stored.keys()
        assert all(len(clusters) == 1 for clusters in stored.values())
        # One more than was acknowledged may be there: written, but its answer was cut off.
        assert len(stored) <= len(acknowledged) + 1

        again = service.post_batch(articles)
        decisions = {item["article_id"]: item["decision"] for item in again["results"]}
        assert all(decisions[article_id] == "already_stored" for article_id in stored)
        assert _everything_stored(service).keys() == {article["id"] for article in articles}

        before = _everything_stored(service)
        third = service.post_batch(articles)
        assert {item["decision"] for item in third["results"]} == {"already_stored"}
        assert _everything_stored(service) == before
