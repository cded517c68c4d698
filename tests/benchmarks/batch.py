"""``samestory cluster`` on many articles, beside vectors and nearest neighbours as people do it.

The same file of made news for both, each in a process of its own, start and reading included. The
peer is scikit-learn's `TfidfVectorizer`, the 60 nearest neighbours over cosine .5 by
sparse_dot_topn on all cores, and connected components: no cleaning, no verification.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

from clustering.metrics import bcubed
from tests.benchmarks.measured import Measured, run_measured
from tests.benchmarks.report import Row, Table, installed_version, missing
from tests.benchmarks.whole_runs import write_news

_WARM_UP_ARTICLES = 500


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--batch-articles", type=int, default=100_000)


def run(arguments: argparse.Namespace) -> list[Table]:
    """Run both once: a run takes minutes, and does not vary by more than the machine does."""
    count = arguments.batch_articles
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        news, clusters = folder / "news.jsonl", folder / "clusters.jsonl"
        command = ("service.cli", "cluster", str(news), "--output", str(clusters), "--json")
        # First a few, to fill the cache of compiled code.
        write_news(arguments.data, min(_WARM_UP_ARTICLES, count), arguments.seed, news)
        run_measured(*command)
        write_news(arguments.data, count, arguments.seed, news)
        measured = run_measured(*command)
        rows = [
            _row(
                "samestory cluster",
                "",
                measured,
                measured.outcome["clusters"],
                bcubed_f1(news, clusters),
            )
        ]
        peer = "TfidfVectorizer + sparse_dot_topn"
        version = installed_version("sparse_dot_topn")
        if version:
            measured = run_measured("tests.benchmarks.whole_runs", "tfidf_top_n", str(news))
            outcome = measured.outcome
            measured = replace(measured, seconds=measured.seconds - outcome["judging_seconds"])
            rows.append(_row(peer, version, measured, outcome["clusters"], outcome["f1"]))
        else:
            rows.append(missing(peer, "sparse_dot_topn"))
    return [
        Table(
            title=f"{count:,} articles clustered",
            unit="seconds",
            remark_names=("peak memory", "clusters", "BCubed F1"),
            rows=tuple(rows),
            higher_is_better=False,
        )
    ]


def bcubed_f1(news: Path, clusters: Path) -> float:
    """Return how well the clusters that a command wrote are those of the events."""

    def field(path: Path, name: str) -> list[object]:
        with path.open(encoding="utf-8") as lines:
            return [json.loads(line)[name] for line in lines]

    return bcubed(field(news, "event"), field(clusters, "cluster_id")).f1


def _row(system: str, version: str, measured: Measured, clusters: int, f1: float) -> Row:
    return Row(
        system,
        version,
        measured.seconds,
        (f"{measured.peak_bytes / 1e9:.2f} GB", f"{clusters:,}", f"{f1:.3f}"),
    )
