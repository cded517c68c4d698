"""``samestory demo``: the whole service at work on the sample articles, in half a minute.

Everything is the real thing: ``samestory serve`` in processes of its own on a private server in a
temporary directory, reached over HTTP on a free port of the loopback interface. Nothing is left
behind, however the demo ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console as RichConsole
from rich.table import Table
from rich.text import Text

from service.client import ClientError, ServiceClient
from service.console import CommandError, ExitCode, counted
from service.samples import sample_articles

# The first start of an installation compiles the hot loops, on a busy machine in most of this.
_START_SECONDS = 90.0
_RECLUSTERING_SECONDS = 60.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.1
_PIPE_COLUMNS = 100
_MOST_COLUMNS = 120

NEW_ARTICLE = {
    "id": "demo-1",
    "title": "Ferry Sveta Marija towed to Split four days after grounding",
    "text": "The car ferry Sveta Marija was pulled off the rocks near the Croatian island of Vis "
    "on Saturday and towed to Split. A tug freed the ship at high water after divers had closed "
    "the tear in its hull with steel plates, harbour master Ante Perković said. All 212 people "
    "on board had been rescued on Tuesday evening when the rudder jammed in a strong bura. "
    "Prosecutors want to look at the steering gear in dry dock.",
    "published_at": "2025-03-08T14:10:00Z",
    "source": "Coastline Radio",
    "url": "https://coastlineradio.example/news/ferry-towed-to-split",
}
"""The article that the demo posts by itself: one more report of an event among the samples."""


@dataclass(frozen=True, slots=True)
class _Cluster:
    """A cluster as the table shows it."""

    cluster_id: str
    headline: str
    publishers: tuple[str, ...]
    group_sizes: tuple[int, ...]
    languages: tuple[str, ...]
    article_ids: frozenset[str]

    @property
    def size(self) -> int:
        return len(self.article_ids)


def run_demo() -> ExitCode:
    """Run the demo; any step that fails ends it with a `CommandError`."""
    printer = _printer()
    begun = time.monotonic()
    _step(printer, 1, "Start the service with a private server in a temporary directory")
    with _stopping_like_ctrl_c(), _service() as (url, log_path), ServiceClient(url) as client:
        try:
            _show(client, printer)
        except ClientError as error:
            raise CommandError(
                f"the demo failed: {error}; the end of the service's log:\n{_tail(log_path)}",
                ExitCode.PARTLY,
            ) from None
    printer.print(
        f"\nDone in {time.monotonic() - begun:.0f} s; the service is stopped and its data removed.",
        style="bold",
    )
    _say_what_next(printer)
    return ExitCode.DONE


def _printer() -> RichConsole:
    """Return a console for people: as wide as the terminal within reason, plain in a pipe."""
    if sys.stdout.isatty():
        columns = shutil.get_terminal_size().columns
        return RichConsole(width=min(columns, _MOST_COLUMNS), highlight=False)
    return RichConsole(width=_PIPE_COLUMNS, highlight=False, color_system=None)


def _step(printer: RichConsole, number: int, what: str) -> None:
    printer.print(Text(f"\n{number}. {what}", style="bold cyan"))


def _show(client: ServiceClient, printer: RichConsole) -> None:
    printer.print(f"   ready at {client.base_url}")
    articles = sample_articles()

    _step(printer, 2, f"POST {len(articles)} sample articles to /v1/articles:batch")
    begun = time.monotonic()
    answer = client.post_batch(articles)
    seconds = time.monotonic() - begun
    if answer.rejections:
        first = answer.rejections[0]
        raise CommandError(
            f"the demo failed: {articles[first.index]['id']} was refused: {first.detail}",
            ExitCode.PARTLY,
        )
    decisions = ", ".join(f"{count} {name}" for name, count in answer.decisions.items())
    printer.print(f"   {counted(answer.accepted, 'article')} in {seconds:.1f} s: {decisions}")

    _step(printer, 3, "GET /v1/clusters: what the service made of them")
    before = _clusters(client)
    _print_clusters(printer, before)

    _step(printer, 4, "POST /v1/articles: one more report, and the answer")
    posted = client.post_article(NEW_ARTICLE)
    printer.print(_excerpt(NEW_ARTICLE), style="dim", markup=False)
    printer.print(json.dumps(posted, indent=2, ensure_ascii=False), markup=False)
    joined = client.cluster(posted["cluster_id"])
    printer.print(f"   It is in the cluster “{joined['headline']}” ({joined['size']} articles).")

    _step(printer, 5, "POST /v1/reclusterings: the nightly job")
    with_posted = _clusters(client)
    job = _recluster(client)
    after = _clusters(client)
    _print_night(printer, job, with_posted, after)


def _clusters(client: ServiceClient) -> list[_Cluster]:
    clusters = []
    for summary in client.clusters():
        members = list(client.cluster_articles(summary["cluster_id"]))
        groups = Counter(member["duplicate_group_id"] for member in members)
        publishers = Counter(member["source"] for member in members)
        clusters.append(
            _Cluster(
                cluster_id=summary["cluster_id"],
                headline=summary["headline"] or members[0]["excerpt"],
                publishers=tuple(sorted(publishers)),
                group_sizes=tuple(sorted(groups.values(), reverse=True)),
                languages=tuple(summary["languages"]),
                article_ids=frozenset(member["article_id"] for member in members),
            )
        )
    return sorted(clusters, key=lambda cluster: (-cluster.size, cluster.headline))


def _print_clusters(printer: RichConsole, clusters: Sequence[_Cluster]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, expand=True)
    table.add_column("size", justify="right", min_width=4)
    table.add_column("lang", min_width=4)
    table.add_column("headline", ratio=3, overflow="ellipsis", no_wrap=True)
    table.add_column("publishers", ratio=2, overflow="ellipsis", no_wrap=True)
    table.add_column("same text", min_width=9)
    for cluster in clusters:
        copies = [str(size) for size in cluster.group_sizes if size > 1]
        table.add_row(
            str(cluster.size),
            ",".join(cluster.languages),
            Text(cluster.headline),
            Text(_few(cluster.publishers)),
            " + ".join(copies),
        )
    printer.print(table)
    shared = sum(cluster.size > 1 for cluster in clusters)
    printer.print(
        f"   {counted(len(clusters), 'cluster')}, {shared} of several articles. “same text” counts "
        "the reprints of one\n   text (near-duplicate groups); the others report the event in "
        "their own words."
    )


def _few(names: Sequence[str]) -> str:
    """Return the number of names and the first of them; the column cuts what does not fit."""
    return f"{len(names)}: {', '.join(names)}"


def _excerpt(article: dict[str, str]) -> str:
    shown = {**article, "text": article["text"][:60] + " …"}
    return json.dumps(shown, indent=2, ensure_ascii=False)


def _recluster(client: ServiceClient) -> dict[str, Any]:
    job = client.start_reclustering()
    deadline = time.monotonic() + _RECLUSTERING_SECONDS
    while job["finished_at"] is None:
        if time.monotonic() > deadline:
            raise CommandError(
                f"the demo failed: the reclustering did not finish within "
                f"{_RECLUSTERING_SECONDS:.0f} s (stage: {job['stage']})",
                ExitCode.PARTLY,
            )
        time.sleep(_POLL_SECONDS)
        job = client.reclustering(job["reclustering_id"])
    if job["state"] != "applied":
        raise CommandError(
            f"the demo failed: the reclustering is {job['state']}: {job['error']}",
            ExitCode.PARTLY,
        )
    return job


def _print_night(
    printer: RichConsole,
    job: dict[str, Any],
    before: Sequence[_Cluster],
    after: Sequence[_Cluster],
) -> None:
    """Show what the night changed, and check that ids outlived it as they must.

    Every cluster that still has the same articles must have the same id.
    """
    id_before = {cluster.article_ids: cluster.cluster_id for cluster in before}
    id_after = {cluster.article_ids: cluster.cluster_id for cluster in after}
    unchanged = id_before.keys() & id_after.keys()
    renamed = [members for members in unchanged if id_before[members] != id_after[members]]
    if renamed:
        raise CommandError(
            f"the demo failed: {counted(len(renamed), 'cluster')} kept all articles and lost "
            "the id",
            ExitCode.PARTLY,
        )
    printer.print(
        f"   {counted(job['article_count'], 'article')} clustered anew at once: "
        f"{job['cluster_count_before']} clusters before, {job['cluster_count_after']} after, "
        f"{counted(job['moved'], 'article')} moved."
    )
    kept = {cluster.cluster_id for cluster in before} & {cluster.cluster_id for cluster in after}
    printer.print(
        f"   {len(unchanged)} clusters have the same articles as before, and all of them the "
        f"same id;\n   {len(kept)} of {len(before)} ids are still in use."
    )


def _say_what_next(printer: RichConsole) -> None:
    printer.print("\nWhat to try next", style="bold")
    for command, what in (
        ("samestory serve", "the service, on http://127.0.0.1:8000 (see /docs)"),
        ("samestory import FILE.jsonl", "your articles into it, also from CSV, feeds and folders"),
        ("samestory recluster", "the nightly job, for cron"),
        ("samestory cluster IN.jsonl -o OUT.jsonl", "files without a server"),
        ("samestory --help", "everything else"),
    ):
        printer.print(f"  {command:<42}{what}", markup=False, soft_wrap=True)


@contextlib.contextmanager
def _stopping_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM end the demo as Ctrl-C does, so that it cleans up after itself."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextlib.contextmanager
def _service() -> Iterator[tuple[str, Path]]:
    """Run ``samestory serve`` on a free port and an empty data directory.

    Yields its address and the file of its log.
    """
    with tempfile.TemporaryDirectory(prefix="samestory-demo-") as folder:
        port = _free_port()
        log_path = Path(folder, "service.log")
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "service.cli", "serve"],
                env=_environment(Path(folder, "data"), port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the demo, which then stops the service in order.
                start_new_session=True,
            )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, process, log_path)
            yield url, log_path
        finally:
            _stop(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment(data_dir: Path, port: int) -> dict[str, str]:
    """Return the environment without this user's own settings, which are for real data."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "REDIS_URL" and not name.upper().startswith("SAMESTORY_")
    }
    return {
        **kept,
        "SAMESTORY_DATA_DIR": str(data_dir),
        "SAMESTORY_HOST": "127.0.0.1",
        "SAMESTORY_PORT": str(port),
    }


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log_path: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    with ServiceClient(url) as client:
        while not client.is_ready():
            if process.poll() is not None:
                raise CommandError(
                    f"the demo failed: the service ended with status {process.returncode}:\n"
                    f"{_tail(log_path)}",
                    ExitCode.PARTLY,
                )
            if time.monotonic() > deadline:
                raise CommandError(
                    f"the demo failed: the service is not ready after {_START_SECONDS:.0f} s:\n"
                    f"{_tail(log_path)}",
                    ExitCode.PARTLY,
                )
            time.sleep(_POLL_SECONDS)


def _tail(log_path: Path) -> str:
    return "\n".join(log_path.read_text("utf-8", "replace").splitlines()[-20:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the service in order, and its whole process group if it does not go."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
