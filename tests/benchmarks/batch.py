"""``samestory cluster`` on many articles, beside vectors and nearest neighbours as people do it.

The same file of made news for both, each in a process of its own, start and reading included. The
peer is scikit-learn's `TfidfVectorizer`, the 60 nearest neighbours over cosine .5 by
sparse_dot_topn on all cores, and connected components: no cleaning, no verification.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.benchmarks.measured import Measured, run_measured
from tests.benchmarks.report import Row, Table, installed_version, missing
from tests.benchmarks.whole_runs import write_news

_RUNS = "tests.benchmarks.whole_runs"


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--batch-articles", type=int, default=100_000)


def run(arguments: argparse.Namespace) -> list[Table]:
    """Run both once: a run takes minutes, and does not vary by more than the machine does."""
    with tempfile.TemporaryDirectory() as folder:
        news = Path(folder) / "news.jsonl"
        write_news(arguments.data, arguments.batch_articles, arguments.seed, news)
        rows = [_row("samestory cluster", "", run_measured(_RUNS, "samestory", str(news)))]
        peer = "TfidfVectorizer + sparse_dot_topn"
        version = installed_version("sparse_dot_topn")
        if version:
            rows.append(_row(peer, version, run_measured(_RUNS, "tfidf_top_n", str(news))))
        else:
            rows.append(missing(peer, "sparse_dot_topn"))
    return [
        Table(
            title=f"{arguments.batch_articles:,} articles clustered",
            unit="seconds",
            remark_names=("peak memory", "clusters", "BCubed F1", "seconds by stage"),
            rows=tuple(rows),
            higher_is_better=False,
        )
    ]


def _row(system: str, version: str, measured: Measured) -> Row:
    stages = measured.outcome["stages"].items()
    return Row(
        system,
        version,
        measured.seconds,
        (
            f"{measured.peak_bytes / 1e9:.2f} GB",
            f"{measured.outcome['clusters']:,}",
            f"{measured.outcome['f1']:.3f}",
            ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in stages),
        ),
    )
