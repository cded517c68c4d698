"""Articles posted to the service: how long one takes, and how many a second, over a full index.

The service runs as users run it, with its own processes, on a private server; what posts to it is
a process of its own on the same machine. The index is filled through ``:batch``, which gives that
figure. Beside it, on the same server and in the same run, datasketch's `MinHashLSH` on its Redis
storage, in as many processes as the service has workers: it finds near-duplicates only, keeps no
text and answers nobody, which is less work.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from clustering.articles import Article
from service.store.embedded import EmbeddedServer
from tests.benchmarks.made_news import NewsMaker
from tests.benchmarks.measured import REPOSITORY
from tests.benchmarks.report import Row, Table, installed_version
from tests.endtoend.harness import Service

WORKERS = 2
"""Of the service, and processes of the peer."""
_BATCH_ARTICLES = 200
# More than there are workers: the two first connections may both be taken by one of them.
_BATCH_CONNECTIONS = 4
_CONNECTIONS = 8


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--indexed", type=int, default=10_000, help="articles stored before single ones are posted"
    )
    parser.add_argument("--posted", type=int, default=1_000, help="articles posted one by one")


def run(arguments: argparse.Namespace) -> list[Table]:
    """Measure each once: the index grows with every posting."""
    wanted = arguments.indexed + 2 * arguments.posted
    made = NewsMaker(arguments.data).articles(wanted, arguments.seed)
    articles = [posting_of(item.article) for item in made]
    filling = articles[: arguments.indexed]
    single = articles[arguments.indexed : arguments.indexed + arguments.posted]
    sustained = articles[arguments.indexed + arguments.posted :]
    with tempfile.TemporaryDirectory(prefix="samestory-bench-") as name:
        folder = Path(name)
        server = EmbeddedServer(folder / "data")
        url = server.start()
        try:
            begun = time.perf_counter()
            with Service(
                folder / "service", workers=WORKERS, settings={"REDIS_URL": url}
            ) as service:
                service.start()
                started_seconds = time.perf_counter() - begun
                httpx.post(f"{service.url}/v1/articles", json=single[0]).raise_for_status()
                answered_seconds = time.perf_counter() - begun
                filled = _posted(
                    folder, service.port, _batches(filling), _BATCH_CONNECTIONS, ":batch"
                )
                one = _posted(folder, service.port, single[1:], 1)
                many = _posted(folder, service.port, sustained, _CONNECTIONS)
            peer_per_second = datasketch_per_second(folder, url, single)
        finally:
            server.stop()
    milliseconds = 1000 * np.array(one["seconds"])
    p50, p99 = np.percentile(milliseconds, [50, 99])
    peer = Row(
        f"datasketch on Redis, {WORKERS} processes, empty before",
        installed_version("datasketch"),
        peer_per_second,
        ("near-duplicates only",),
    )
    stored = f"{arguments.indexed:,} stored before"
    posted = Row(
        f"POST /v1/articles, {_CONNECTIONS} connections, {stored}",
        "",
        len(sustained) / many["whole_seconds"],
        ("decided and stored",),
    )
    batches = Row(
        f":batch of {_BATCH_ARTICLES}, {_BATCH_CONNECTIONS} connections, empty before",
        "",
        len(filling) / filled["whole_seconds"],
        ("decided and stored",),
    )
    one_client = Row("POST /v1/articles", "", float(p50), (f"{p99:.1f}",))
    started = Row("samestory serve", "", answered_seconds, (f"{started_seconds:.1f}",))
    workers = f"{WORKERS} workers"
    return [
        Table(f"one after the other, {workers}", "articles/s", ("what",), (posted, peer)),
        Table(f"in batches, {workers}", "articles/s", ("what",), (batches, peer)),
        Table(f"one client, {stored}", "ms, median", ("99th percentile",), (one_client,)),
        Table(f"start, {workers}", "s to the first answer", ("s until ready",), (started,)),
    ]


def posting_of(article: Article) -> dict[str, str]:
    """Return an article as a client posts it."""
    posting = {
        "id": article.article_id,
        "title": article.title,
        "text": article.text,
        "source": article.source,
        "lang": article.lang,
    }
    if article.published_at is not None:
        posting["published_at"] = article.published_at.isoformat()
    return posting


def _batches(articles: Sequence[dict[str, str]]) -> list[str]:
    return [
        "\n".join(map(json.dumps, articles[begin : begin + _BATCH_ARTICLES]))
        for begin in range(0, len(articles), _BATCH_ARTICLES)
    ]


def _posted(
    folder: Path,
    port: int,
    bodies: Sequence[dict[str, str] | str],
    connections: int,
    action: str = "",
) -> dict[str, Any]:
    """Post all bodies from another process; returns what it measured."""
    path = folder / "bodies"
    with path.open("w", encoding="utf-8") as file:
        for body in bodies:
            whole = body if isinstance(body, str) else json.dumps(body)
            file.write(json.dumps(whole) + "\n")
    (measured,) = _measured(
        ["tests.benchmarks.load_generator", port, path, connections, f"/v1/articles{action}"]
    )
    return measured


def datasketch_per_second(folder: Path, url: str, articles: Sequence[dict[str, str]]) -> float:
    """Return the articles that all processes together look up and insert a second."""
    runs: list[list[object]] = []
    for number in range(WORKERS):
        path = folder / f"articles-{number}"
        with path.open("w", encoding="utf-8") as file:
            for article in articles[number::WORKERS]:
                file.write(json.dumps(article) + "\n")
        socket = url.removeprefix("unix://").partition("?")[0]
        runs.append(["tests.benchmarks.datasketch_on_redis", socket, "peer", path])
    slowest: float = max(measured["whole_seconds"] for measured in _measured(*runs))
    return len(articles) / slowest


def _measured(*runs: list[object]) -> list[dict[str, Any]]:
    """Run ``python -m`` with each list, all at once; returns the JSON that each one printed."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", *map(str, run)], cwd=REPOSITORY, stdout=subprocess.PIPE
        )
        for run in runs
    ]
    printed = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise RuntimeError(f"one of {len(runs)} measuring processes failed, see above")
    return [json.loads(text) for text in printed]
