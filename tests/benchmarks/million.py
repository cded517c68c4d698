"""One million articles in one window, by ``samestory cluster``: minutes, memory, and whether right.

Not part of running all benchmarks: it takes half an hour, 12 GB of memory and, for the news and
what the command spools, 4 GB in the folder for temporary files (``TMPDIR``). Making the news takes
minutes; ``--million-news FILE`` keeps it for the next run.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.benchmarks.measured import run_measured
from tests.benchmarks.report import Row, Table
from tests.benchmarks.whole_runs import write_news

_RUNS = "tests.benchmarks.whole_runs"
_WARM_UP_ARTICLES = 500


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--million-articles", type=int, default=1_000_000)
    parser.add_argument(
        "--million-news",
        type=Path,
        help="news of the same number and seed made before; made here if there is no such file",
    )


def run(arguments: argparse.Namespace) -> list[Table]:
    """Run the command once, after a small run that fills the cache of compiled code."""
    count = arguments.million_articles
    with tempfile.TemporaryDirectory() as folder:
        news = Path(folder) / "news.jsonl"
        write_news(arguments.data, min(_WARM_UP_ARTICLES, count), arguments.seed, news)
        run_measured(_RUNS, "command", str(news))
        news = arguments.million_news or news
        if news != arguments.million_news or not news.is_file():
            write_news(arguments.data, count, arguments.seed, news)
        measured = run_measured(_RUNS, "command", str(news))
    outcome = measured.outcome
    stages = outcome["stages"].items()
    return [
        Table(
            title=f"{count:,} articles in one window, by the command line",
            unit="seconds",
            remark_names=(
                "processor seconds",
                "articles a second",
                "peak memory, all processes",
                "clusters",
                "BCubed F1",
                "seconds by stage",
            ),
            rows=(
                Row(
                    "samestory cluster",
                    "",
                    outcome["seconds"],
                    (
                        f"{measured.processor_seconds:,.0f}",
                        f"{count / outcome['seconds']:,.0f}",
                        f"{measured.peak_bytes / 1e9:.2f} GB",
                        f"{outcome['clusters']:,}",
                        f"{outcome['f1']:.3f}",
                        ", ".join(f"{stage} {seconds:.0f}" for stage, seconds in stages),
                    ),
                ),
            ),
            higher_is_better=False,
        )
    ]
