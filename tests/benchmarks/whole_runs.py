"""The runs that ``growth``, ``batch`` and ``million`` measure, each in a process of its own.

``python -m tests.benchmarks.whole_runs SYSTEM ARTICLES.jsonl`` clusters a file of made news and
prints seconds, clusters and BCubed F1 as one line of JSON. Reading the file counts for all.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from clustering.articles import Article
from clustering.metrics import bcubed
from service.console import Console, Progress
from tests.benchmarks.made_news import NewsMaker

PEER_COSINE_THRESHOLD = 0.5
PEER_NEIGHBOURS = 60
STAGES = ("reading", "preparing", "repeated", "candidates", "similarities", "linkage", "duplicates")


def write_news(data_dir: Path, count: int, seed: int, path: Path) -> None:
    """Write made news as JSON lines, with the event of each article as its label."""
    with path.open("w", encoding="utf-8") as lines:
        for made in NewsMaker(data_dir).articles(count, seed):
            article = made.article
            row = {
                "id": article.article_id,
                "title": article.title,
                "text": article.text,
                "published_at": article.published_at and article.published_at.isoformat(),
                "source": article.source,
                "lang": article.lang,
                "event": made.event,
            }
            lines.write(json.dumps(row) + "\n")


def _rows(path: Path, events: list[int]) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            events.append(row["event"])
            yield row


def _article(row: dict[str, Any]) -> Article:
    return Article(
        text=row["text"],
        title=row["title"],
        article_id=row["id"],
        published_at=datetime.fromisoformat(row["published_at"]),
        source=row["source"],
        lang=row["lang"],
    )


def samestory(path: Path, events: list[int]) -> tuple[Sequence[object], dict[str, float]]:
    """Cluster as ``samestory cluster`` does; also seconds by stage."""
    from service.offline import cluster_articles

    stages = _Stages()
    outcome = cluster_articles(map(_article, _rows(path, events)), on_progress=stages.note)
    stages.note("")
    return [result.cluster_id for result in outcome.results], stages.seconds


class _Stages:
    """Adds up the seconds of each stage, as progress tells of them; ``told`` says so at once."""

    def __init__(self, *, told: bool = False) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._begun, self._current = time.perf_counter(), STAGES[0]
        self._told = told

    def note(self, stage: str, share: float | None = None) -> None:
        now = time.perf_counter()
        # "preparing (20 articles)", "preparing again": the first word names the stage.
        self.seconds[self._current] = self.seconds.get(self._current, 0.0) + now - self._begun
        stage = stage.partition(" ")[0]
        if self._told and stage != self._current:
            sys.stderr.write(f"{self._current} took {self.seconds[self._current]:.0f} s\n")
        self._begun, self._current = now, stage


class _TimedConsole(Console):
    """The command's console, which writes nothing and takes the time of its stages."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = _Stages(told=True)

    @contextmanager
    def progress(self, stage: str) -> Iterator[Progress]:
        with super().progress(stage) as progress:
            progress.report = self.stages.note  # type: ignore[method-assign]
            yield progress
        self.stages.note("writing")


def command(path: Path, events: list[int]) -> tuple[Sequence[object], dict[str, float]]:
    """Cluster by the command itself, from reading and checking the file to writing the answer."""
    from service.commands.cluster import run_cluster

    console = _TimedConsole()
    output = path.with_name("clusters.jsonl")
    code = run_cluster([str(path)], str(output), online=False, console=console)
    console.stages.note("")
    if code != 0:
        raise RuntimeError(f"samestory cluster ended with {code}")
    # Only now, so that they take no memory beside the command.
    events.extend(row["event"] for row in _rows(path, []))
    with output.open(encoding="utf-8") as lines:
        return [json.loads(line)["cluster_id"] for line in lines], console.stages.seconds


def tfidf_top_n(path: Path, events: list[int]) -> tuple[Sequence[object], dict[str, float]]:
    """scikit-learn's vectors, sparse_dot_topn's nearest neighbours, connected components."""
    import scipy.sparse.csgraph
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sparse_dot_topn import sp_matmul_topn

    begun = time.perf_counter()
    texts = [f"{row['title']}\n{row['text']}" for row in _rows(path, events)]
    vectors = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit_transform(texts)
    vectorised = time.perf_counter()
    neighbours = sp_matmul_topn(
        vectors,
        vectors.T.tocsr(),
        top_n=PEER_NEIGHBOURS,
        threshold=PEER_COSINE_THRESHOLD,
        n_threads=os.cpu_count(),
    )
    _, labels = scipy.sparse.csgraph.connected_components(neighbours, directed=False)
    stages = {"vectors": vectorised - begun, "neighbours": time.perf_counter() - vectorised}
    return labels.tolist(), stages


SYSTEMS: dict[str, Callable[[Path, list[int]], tuple[Sequence[object], dict[str, float]]]] = {
    "samestory": samestory,
    "command": command,
    "tfidf_top_n": tfidf_top_n,
}


def main(system: str, path: str) -> None:
    """Run one system and print what came out."""
    events: list[int] = []
    begun = time.perf_counter()
    labels, stages = SYSTEMS[system](Path(path), events)
    seconds = sum(stages.values()) if system == "command" else time.perf_counter() - begun
    ended = time.perf_counter()
    f1 = bcubed(events, list(labels)).f1
    outcome = {
        "seconds": seconds,
        "clusters": len(set(labels)),
        "f1": f1,
        "judging_seconds": time.perf_counter() - ended,
        "stages": stages,
    }
    sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
