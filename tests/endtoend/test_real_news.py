"""The two page dumps among every article of three labelled sets, as a user would post them."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.endtoend.harness import Service, environment

SETS = ("giveme5w_news_cluster", "galaxy_wikinews", "ecbplus")
FIELDS = ("id", "title", "text", "published_at", "source", "url", "lang")
BATCH_ARTICLES = 250

pytestmark = [pytest.mark.realdata, pytest.mark.slow]


SCRAPED_AT = ("2023-02-25T00:00:00Z", "2025-04-16T12:47:42Z")
"""What the two dumps give as dates: of one the day it appeared, of the other that of the scrape,
780 days later."""


def _seeds(data_dir: Path, *, dated: bool = False) -> list[dict[str, Any]]:
    seeds: list[dict[str, Any]] = [
        {"id": path.stem, "text": path.read_text(encoding="utf-8")}
        for path in sorted((data_dir / "seeds").glob("*.txt"))
    ]
    if dated:
        for seed, scraped_at in zip(seeds, SCRAPED_AT, strict=True):
            seed["published_at"] = scraped_at
    return seeds


def _mixed(data_dir: Path, *, dated: bool = False) -> list[dict[str, Any]]:
    """Return the seeds as raw dumps among 2,214 articles, in a mixed but fixed order."""
    articles = _seeds(data_dir, dated=dated)
    assert len(articles) == 2
    for name in SETS:
        with gzip.open(data_dir / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for line in lines:
                item = json.loads(line)
                articles.append({key: item[key] for key in FIELDS if item.get(key)})
    random.Random(20230228).shuffle(articles)
    assert len(articles) == 2216
    return articles


def _members(service: Service, cluster_id: str) -> set[str]:
    page = service.client.get(f"/v1/clusters/{cluster_id}/articles", params={"limit": 100}).json()
    return {article["article_id"] for article in page["articles"]}


def test_the_seeds_share_a_cluster_over_http_and_after_the_night(
    data_dir: Path, service: Service
) -> None:
    articles = _mixed(data_dir)
    first, second = (seed["id"] for seed in _seeds(data_dir))
    for start in range(0, len(articles), BATCH_ARTICLES):
        service.post_batch(articles[start : start + BATCH_ARTICLES])
    cluster_id = service.cluster_of(first)
    assert service.cluster_of(second) == cluster_id
    assert _members(service, cluster_id) == {first, second}

    started = service.client.post("/v1/reclusterings")
    assert started.status_code == 202, started.text
    location = started.headers["location"]
    deadline = time.monotonic() + 240
    while (job := service.client.get(location).json())["finished_at"] is None:
        assert time.monotonic() < deadline, job
        time.sleep(0.5)
    assert job["state"] == "applied", job
    assert job["article_count"] == len(articles)
    assert service.cluster_of(first) == service.cluster_of(second) == cluster_id
    assert _members(service, cluster_id) == {first, second}


@pytest.mark.parametrize("dated", [False, True])
@pytest.mark.parametrize("mode", ["batch", "online"])
def test_the_seeds_share_a_cluster_in_a_file(
    data_dir: Path, tmp_path: Path, mode: str, dated: bool
) -> None:
    articles = _mixed(data_dir, dated=dated)
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(article) + "\n" for article in articles))
    command = [sys.executable, "-m", "service.cli", "cluster", str(source), "--output", str(target)]
    subprocess.run(
        [*command, *(["--online"] if mode == "online" else [])],
        check=True,
        env=environment(),
        timeout=240,
    )
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert [row["id"] for row in rows] == [article["id"] for article in articles]
    cluster_of = {row["id"]: row["cluster_id"] for row in rows}
    first, second = (seed["id"] for seed in _seeds(data_dir))
    together = {
        article_id for article_id in cluster_of if cluster_of[article_id] == cluster_of[first]
    }
    assert together == {first, second}
