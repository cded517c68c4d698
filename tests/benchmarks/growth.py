"""How the work of ``samestory cluster`` grows with the number of articles.

The exponent is the slope of ln(seconds) over ln(articles) by least squares: 1 is linear. Each size
runs in a process of its own, after a small one that fills the caches of compiled code. What
every run pays alike (start, imports) is not counted, since it would flatter the exponent. Of
processor time, which other work on the machine disturbs less, that of the small run is taken off.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np

from tests.benchmarks.measured import run_measured
from tests.benchmarks.report import Row, Table
from tests.benchmarks.whole_runs import write_news

_RUNS = "tests.benchmarks.whole_runs"
_WARM_UP_ARTICLES = 500


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--least-articles", type=int, default=10_000)
    parser.add_argument("--most-articles", type=int, default=300_000)
    parser.add_argument(
        "--growth-seconds", type=float, default=1800.0, help="begin no size that would end later"
    )


def sizes(least: int, most: int) -> list[int]:
    """Return sizes from ``least`` to ``most``, each about three times the one before."""
    steps = max(1, round(np.log(most / least) / np.log(3)))
    return [int(size) for size in np.geomspace(least, most, steps + 1).round(-2)]


def exponent(articles: list[int], seconds: list[float]) -> float:
    """Return the slope of ln(seconds) over ln(articles); nan for a single point."""
    if len(articles) < 2:
        return float("nan")
    return float(np.polyfit(np.log(articles), np.log(seconds), 1)[0])


def run(arguments: argparse.Namespace) -> list[Table]:
    """Run sizes one after the other, as many as fit into the time."""
    begun = time.perf_counter()
    measured: dict[int, dict[str, float]] = {}
    peaks: list[int] = []
    processor: list[float] = []
    started = 0.0
    with tempfile.TemporaryDirectory() as folder:
        everything = Path(folder) / "everything.jsonl"
        write_news(arguments.data, arguments.most_articles, arguments.seed, everything)
        for size in (
            _WARM_UP_ARTICLES,
            *sizes(arguments.least_articles, arguments.most_articles),
        ):
            if measured:
                before = max(measured)
                expected = measured[before]["all"] * (size / before) ** 1.2
                if time.perf_counter() - begun + expected > arguments.growth_seconds:
                    break
            news = Path(folder) / "news.jsonl"
            with everything.open(encoding="utf-8") as lines:
                news.write_text("".join(islice(lines, size)), encoding="utf-8")
            result = run_measured(_RUNS, "samestory", str(news))
            if size > _WARM_UP_ARTICLES:
                measured[size] = {"all": result.outcome["seconds"], **result.outcome["stages"]}
                peaks.append(result.peak_bytes)
                # Of a few articles the start is all there is, now more and now less of it.
                processor.append(max(1e-3, result.processor_seconds - started))
            else:
                started = result.processor_seconds
    articles = list(measured)
    slopes = {
        stage: exponent(articles, [max(1e-3, measured[size][stage]) for size in articles])
        for stage in measured[articles[0]]
    }
    rows = [
        Row(
            f"{size:,} articles",
            "",
            measured[size]["all"],
            (
                f"{seconds:.1f}",
                f"{size / measured[size]['all']:,.0f}",
                f"{peak / 1e9:.2f} GB",
                ", ".join(f"{s} {v:.1f}" for s, v in measured[size].items() if s != "all"),
            ),
        )
        for size, peak, seconds in zip(articles, peaks, processor, strict=True)
    ]
    return [
        Table(
            title=f"Growth: exponent {slopes.pop('all'):.2f}, of processor time "
            f"{exponent(articles, processor):.2f} ("
            + ", ".join(f"{stage} {slope:.2f}" for stage, slope in slopes.items())
            + ")",
            unit="seconds",
            remark_names=(
                "processor seconds",
                "articles a second",
                "peak memory",
                "seconds by stage",
            ),
            rows=tuple(rows),
            higher_is_better=False,
        )
    ]
