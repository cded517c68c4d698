"""An archive imported into a new collection: at once, posted in batches, and as people do it today.

``samestory import --at-once`` runs as users run it, its start and that of its private server
included. Posting is ``samestory import`` to a service of two workers, and takes so much longer that
it gets fewer articles: its figure flatters it, since it falls as the index grows. So does that of
datasketch's `MinHashLSH` on Redis, which finds near-duplicates only and keeps no text.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import islice
from pathlib import Path

from service.store.embedded import EmbeddedServer
from tests.benchmarks.made_news import NewsMaker
from tests.benchmarks.measured import Measured, run_measured
from tests.benchmarks.report import Row, Table, installed_version
from tests.benchmarks.requests import WORKERS, datasketch_per_second, posting_of
from tests.benchmarks.whole_runs import write_news
from tests.endtoend.harness import Service

_COMMAND = "service.cli"
_WARM_UP_ARTICLES = 3_000


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--imported", type=int, default=100_000, help="articles imported at once")
    parser.add_argument("--imported-by-posting", type=int, default=5_000)


def run(arguments: argparse.Namespace) -> list[Table]:
    """Run each once."""
    count, posted = arguments.imported, arguments.imported_by_posting
    with tempfile.TemporaryDirectory(prefix="samestory-bench-") as name:
        folder = Path(name)
        news, some = folder / "news.jsonl", folder / "some.jsonl"
        write_news(arguments.data, count, arguments.seed, news)
        with news.open(encoding="utf-8") as lines:
            some.write_text("".join(islice(lines, min(_WARM_UP_ARTICLES, count))), encoding="utf-8")
        _at_once(some, folder / "warm")  # fills the cache of compiled code
        at_once = _at_once(news, folder / "data")
        write_news(arguments.data, posted, arguments.seed, some)
        with Service(folder / "service", workers=WORKERS) as service:
            service.start()
            by_posting = run_measured(
                _COMMAND, "import", str(some), "--server", service.url, "--json"
            )
        with EmbeddedServer(folder / "peer") as server:
            made = NewsMaker(arguments.data).articles(posted, arguments.seed)
            peer = datasketch_per_second(
                folder, server.start(), [posting_of(item.article) for item in made]
            )
    return [
        Table(
            title="an archive into a new collection",
            unit="articles/s",
            remark_names=("articles", "seconds", "peak memory", "what"),
            rows=(
                _row("samestory import --at-once", at_once, count),
                _row(f"samestory import, {WORKERS} workers", by_posting, posted),
                Row(
                    f"datasketch on Redis, {WORKERS} processes",
                    installed_version("datasketch"),
                    peer,
                    (f"{posted:,}", f"{posted / peer:.1f}", "", "near-duplicates only"),
                ),
            ),
        )
    ]


def _at_once(news: Path, data_dir: Path) -> Measured:
    return run_measured(
        _COMMAND, "import", str(news), "--at-once", "--data-dir", str(data_dir), "--json"
    )


def _row(system: str, measured: Measured, count: int) -> Row:
    if measured.outcome["accepted"] != count:
        raise RuntimeError(f"{system} took {measured.outcome['accepted']} of {count} articles")
    memory = f"{measured.peak_bytes / 1e9:.2f} GB" if "once" in system else ""
    return Row(
        system,
        "",
        count / measured.seconds,
        (f"{count:,}", f"{measured.seconds:.1f}", memory, "clustered and stored"),
    )
