"""What a worker's processor does for one POST, stage by stage.

``python -m tests.benchmarks.post_stages [--data DIR] [--indexed N] [--posted N]``. One worker is
run inside this process, as ``samestory serve`` runs it (uvicorn, uvloop, httptools); the server of
the store and the client that posts are processes of their own and not counted. Every stage is
wrapped in a stopwatch of the thread's processor time; what a stage waits for does not count, and
what it calls of another stage counts there. Looking at the clock costs about a microsecond each
time: compare stages with stages, and the row "whole, no stopwatches" with other programs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import gc
import inspect
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

import uvicorn
import uvloop

from clustering import online
from clustering.preparer import Preparer
from clustering.refine import weighed
from service import placing, sketches
from service.app import create_app
from service.middleware import RequestMiddleware
from service.postings import PostingReader
from service.routes import articles
from service.settings import Settings
from service.store.embedded import EmbeddedServer
from service.store.redis_store import RedisClusterStore
from service.telemetry import configure_logging
from tests.benchmarks.made_news import NewsMaker
from tests.benchmarks.measured import REPOSITORY
from tests.benchmarks.requests import posting_of
from tests.endtoend.harness import free_port

_STAGES: Final[tuple[tuple[str, Any, str], ...]] = (
    ("count and log the request", RequestMiddleware, "_record"),
    ("read, parse and check the body", articles, "read_body"),
    ("read, parse and check the body", articles, "parse_posting"),
    ("read, parse and check the body", PostingReader, "article"),
    ("render the answer", articles, "json_response"),
    ("extract, clean, analyse and sketch", sketches, "extract_article"),
    ("extract, clean, analyse and sketch", Preparer, "prepare_extracted"),
    ("pack features, name buckets", sketches, "_sketch_of"),
    ("ask and read: find", RedisClusterStore, "find"),
    ("weigh the candidates", online.Decider, "compare_candidates"),
    ("weigh the candidates", online.Decider, "gather"),
    ("unpack and weight articles met anew", weighed.WeighedArticles, "_add"),
    ("ask and read: neighbours", RedisClusterStore, "neighbours"),
    ("link the neighbourhood, decide", online.Decider, "decide"),
    ("build and compress the document", placing, "new_document"),
    ("ask and read: commit", RedisClusterStore, "commit_many"),
)
_REST: Final = "HTTP, routing, event loop, the rest"
_ASIDE: Final = "in threads beside: learning from the stream, when it has grown by a tenth"


class Stopwatches:
    """Processor seconds of this thread by stage, each without the stages inside it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner: list[float] = []

    def wrap(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with a stopwatch around it, for a coroutine around each step."""

        @functools.wraps(function)
        def timed(*given: Any, **named: Any) -> Any:
            return self.timed(stage, lambda: function(*given, **named))

        @functools.wraps(function)
        async def timed_steps(*given: Any, **named: Any) -> Any:
            return await _Steps(self, stage, function(*given, **named))

        return timed_steps if inspect.iscoroutinefunction(function) else timed

    def timed(self, stage: str, doing: Callable[[], Any]) -> Any:
        """Do something on a stage's account."""
        self._inner.append(0.0)
        begun = time.thread_time()
        try:
            return doing()
        finally:
            whole = time.thread_time() - begun
            inner = self._inner.pop()
            self.seconds[stage] = self.seconds.get(stage, 0.0) + whole - inner
            if self._inner:
                self._inner[-1] += whole


class _Steps:
    """A coroutine each step of which is timed; between the steps others run."""

    def __init__(self, watches: Stopwatches, stage: str, coroutine: Any) -> None:
        self._watches, self._stage, self._coroutine = watches, stage, coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[], Any] = functools.partial(self._coroutine.send, None)
        while True:
            try:
                waited_for = self._watches.timed(self._stage, step)
            except StopIteration as end:
                return end.value
            try:
                value = yield waited_for
            except BaseException as error:  # noqa: BLE001 - handed on, whatever it is
                step = functools.partial(self._coroutine.throw, error)
            else:
                step = functools.partial(self._coroutine.send, value)


async def _posted(port: int, path: Path, action: str = "") -> dict[str, Any]:
    client = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.benchmarks.load_generator", str(port), str(path), "1"),
        f"/v1/articles{action}",
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await client.communicate()
    if client.returncode:
        raise RuntimeError("the load generator failed, see above")
    measured: dict[str, Any] = json.loads(printed)
    return measured


def _write(path: Path, bodies: Sequence[str]) -> Path:
    path.write_text("".join(json.dumps(body) + "\n" for body in bodies), "utf-8")
    return path


async def measure(
    folder: Path, url: str, bodies: Sequence[str], indexed: int
) -> tuple[dict[str, float], float, float]:
    """Post all bodies; measure those after the first ``indexed``, half of them with stopwatches.

    Returns
    -------
    Milliseconds of processor time a POST by stage; the whole without stopwatches, and without
    threads beside the event loop's; the median of what the client waited, in milliseconds, without
    stopwatches.
    """
    port = free_port()
    app = create_app(Settings(redis_url=url))
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, log_config=None, access_log=False, server_header=False)
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn offers nothing to wait for
        await asyncio.sleep(0.01)
    half = (indexed + len(bodies)) // 2
    filling = ["\n".join(bodies[k : min(k + 200, indexed)]) for k in range(0, indexed, 200)]
    try:
        if filling:
            await _posted(port, _write(folder / "filling", filling), ":batch")
        gc.collect()
        begun = time.thread_time()
        answered = await _posted(port, _write(folder / "plain", bodies[indexed:half]))
        plain_ms = 1000 * (time.thread_time() - begun) / (half - indexed)
        watches = Stopwatches()
        originals = [(owner, name, getattr(owner, name)) for _, owner, name in _STAGES]
        for stage, owner, name in _STAGES:
            setattr(owner, name, watches.wrap(stage, getattr(owner, name)))
        try:
            begun, begun_all = time.thread_time(), time.process_time()
            await _posted(port, _write(folder / "watched", bodies[half:]))
            whole, whole_all = time.thread_time() - begun, time.process_time() - begun_all
        finally:
            for owner, name, original in originals:
                setattr(owner, name, original)
    finally:
        server.should_exit = True
        await serving
    stages = dict.fromkeys((stage for stage, _, _ in _STAGES), 0.0) | watches.seconds
    stages[_REST] = whole - sum(stages.values())
    stages[_ASIDE] = whole_all - whole
    posted = len(bodies) - half
    by_stage = {stage: 1000 * seconds / posted for stage, seconds in stages.items()}
    return by_stage, plain_ms, 1000 * statistics.median(answered["seconds"])


def main(given: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.post_stages")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--indexed", type=int, default=2000, help="articles stored before")
    parser.add_argument("--posted", type=int, default=1000, help="articles posted one by one")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(given)
    if arguments.indexed < 0 or arguments.posted < 2:
        parser.error("--posted must be at least 2, --indexed at least 0")
    if not arguments.data.is_dir():
        parser.error(f"no folder {arguments.data}: name the folder of the labelled news by --data")
    made = NewsMaker(arguments.data).articles(arguments.indexed + arguments.posted, arguments.seed)
    bodies = [json.dumps(posting_of(item.article)) for item in made]
    with tempfile.TemporaryDirectory(prefix="samestory-bench-") as name:
        folder = Path(name)
        # The requests' log lines are written, as they are by the service, where nobody looks.
        with (
            EmbeddedServer(folder / "data") as server,
            (folder / "log").open("w") as log,
            _logging_to(log),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            stages, whole_ms, median_ms = runner.run(
                measure(folder, server.url, bodies, arguments.indexed)
            )
    for stage, milliseconds in stages.items():
        print(f"{milliseconds:8.3f} ms  {stage}")
    print(f"{sum(stages.values()):8.3f} ms  whole")
    print(f"{whole_ms:8.3f} ms  whole, no stopwatches ({1000 / whole_ms:,.0f} a second and core)")
    print(f"{median_ms:8.3f} ms  median of what one client waits")
    return 0


@contextlib.contextmanager
def _logging_to(stream: TextIO) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging(Settings(), stream=stream)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.getLogger("uvicorn.access").disabled = False


if __name__ == "__main__":
    sys.exit(main())
