"""``samestory serve``: the service, and its private server where no other one is named.

Workers are processes that share the port and the store. They are given nothing but environment
variables, so the settings that the command line changes are put there.

Most of a start is loading: what takes long is begun before anything else is loaded.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from service.compiling import compile_what_is_missing
from service.console import CommandError, Console, ExitCode

if TYPE_CHECKING:
    from service.settings import Settings
    from service.store.embedded import EmbeddedServer

_WATCH_SECONDS = 0.5
_STOPPING_SECONDS = 10


class _Stopped(BaseException):
    """SIGTERM arrived."""


def run_serve(overrides: Mapping[str, Any], console: Console) -> ExitCode:
    """Serve until SIGTERM or SIGINT, then stop everything in order.

    Parameters
    ----------
    overrides
        Settings that the command line gave, by name; ``None`` for those it did not.
    console
        Gets what people should know.

    Raises
    ------
    clustering.errors.ConfigurationError
        A setting is unknown or out of range.
    """
    # Hardly anything that loading makes is garbage; it is looked for again when all is loaded.
    gc.disable()
    with (
        _stopping_on_sigterm(),
        contextlib.suppress(_Stopped, KeyboardInterrupt),
        _compiling(console),
        tempfile.TemporaryDirectory(prefix="samestory-metrics-") as metrics_dir,
    ):
        from service.settings import environment_name, load_settings

        settings = load_settings(**overrides)
        for name, value in overrides.items():
            if value is not None:
                os.environ[environment_name(name)] = str(value)
        if settings.workers > 1:
            from service.telemetry import prepare_shared_metrics

            prepare_shared_metrics(Path(metrics_dir))
        from service.listening import DEALS_CONNECTIONS_OUT, begin_loading, run_workers

        run: Callable[..., None]
        if settings.workers > 1 and DEALS_CONNECTIONS_OUT:
            run, load = run_workers, begin_loading
        else:
            from uvicorn import run

            load = _load
        with _store_url(settings, load, console) as url:
            os.environ["REDIS_URL"] = url
            _run(settings, run)
    return ExitCode.DONE


def _load() -> None:
    """Load what the service consists of."""
    import service.app
    import service.backend  # noqa: F401


def _run(settings: Settings, run: Callable[..., None]) -> None:
    try:
        run(
            "service.app:create_app",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            # The application logs requests and errors by itself, in one format.
            log_level="info",
            access_log=False,
            # Nobody is served over a WebSocket, and its machinery takes time to load.
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=_STOPPING_SECONDS,
            server_header=False,
        )
    except SystemExit as error:
        # Uvicorn has said why it could not start: the port is taken, mostly.
        if error.code:
            raise CommandError(
                f"the service could not start on {settings.host}:{settings.port}, see "
                "above; SAMESTORY_PORT or --port takes another port"
            ) from None


@contextlib.contextmanager
def _stopping_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into an exception for as long as the block runs.

    Uvicorn raises the signals that it has stopped for once more when it is done. The default
    handler would end this process on the spot and leave the private server behind.
    """

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise _Stopped

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextlib.contextmanager
def _compiling(console: Console) -> Iterator[None]:
    """Have the hot loops compiled if they are not, beginning while everything else is loaded."""
    compiling = compile_what_is_missing()
    if compiling is None:
        yield
        return
    console.note(
        "compiling the hot loops: the first start of an installation takes some 10 s, the next 1"
    )
    # They end one after the other, and somebody must take notice.
    threading.Thread(target=compiling.wait, daemon=True).start()
    try:
        yield
    finally:
        compiling.stop()


@contextlib.contextmanager
def _store_url(settings: Settings, load: Callable[[], None], console: Console) -> Iterator[str]:
    """Yield the address of the store, a private server's where the settings name none.

    That server starts while ``load`` loads the rest.
    """
    if settings.redis_url is not None:
        load()
        yield settings.redis_url
        return
    from service.store.embedded import EmbeddedServer

    server = EmbeddedServer(settings.data_dir)
    stopping = threading.Event()
    try:
        with ThreadPoolExecutor(1) as others:
            starting = others.submit(server.start)
            load()
        url = starting.result()
        console.note(f"data in {settings.data_dir.absolute()}")
        watcher = threading.Thread(
            target=_keep_running, args=(server, stopping, console), daemon=True
        )
        watcher.start()
        try:
            yield url
        finally:
            stopping.set()
            watcher.join()
    finally:
        server.stop()


def _keep_running(server: EmbeddedServer, stopping: threading.Event, console: Console) -> None:
    """Start the private server again whenever it died; what it had acknowledged is on disk."""
    while not stopping.wait(_WATCH_SECONDS):
        try:
            server.ensure_running()
        except Exception as error:  # noqa: BLE001 - the watch must go on, whatever went wrong once
            console.note(f"the private server does not start: {error}; trying again")
