"""The one module that imports Dask: a cluster that is there already, as `clustering` asks for it.

Connecting checks that the scheduler answers, that there are workers, and that all of them run what
runs here: tasks are functions sent by name, and another version under the same name would not
compute the same. Whatever goes wrong later becomes one of the errors below.
"""

from __future__ import annotations

import contextlib
import logging
import platform
import socket
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast

from clustering.prepare import FrequencyTable
from clustering.propose import SignatureScheme
from clustering.refine import Refinement
from clustering.spreading import Task

Result = TypeVar("Result")

CONNECT_SECONDS: Final = 5.0
"""A scheduler that is there answers in milliseconds."""
NO_WORKER_SECONDS: Final = 60.0
"""So long workers may be gone, all of them, before the work is given up."""
_LOOK_SECONDS: Final = 2.0
_PACKAGES: Final = ("samestory", "dask", "distributed", "numba", "numpy")

DASK_PORT: Final = 8786


class DaskClusterError(Exception):
    """Base of what can be wrong with a Dask cluster; the message says what to do."""


class DaskAwayError(DaskClusterError):
    """The scheduler or its workers do not answer, or no longer."""


class DaskMismatchError(DaskClusterError):
    """The cluster cannot be used as it is: other versions, or Dask is not installed here."""


class DaskCluster:
    """A Dask cluster, for `clustering.distributed`. A context manager; `connected` makes one."""

    def __init__(self, client: Any, address: str) -> None:
        # A `distributed.Client`, half of whose methods have no types.
        self._client = client
        self._address = address
        self.thread_count = max(1, sum(self._threads().values()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(Exception):
            self._client.close(timeout=10)

    def submit(self, function: Callable[..., Result], /, *arguments: Any) -> Task[Result]:
        """As `clustering.spreading.Workers` asks."""
        with self._translated():
            # Not pure: a key made of the arguments would cost hashing all of them.
            return cast("Task[Result]", self._client.submit(function, *arguments, pure=False))

    def result(self, task: Task[Result]) -> Result:
        """As `clustering.spreading.Workers` asks.

        Raises
        ------
        DaskAwayError
            The scheduler is gone, or all workers have been for `NO_WORKER_SECONDS`.
        """
        alone_since: float | None = None
        with self._translated():
            while True:
                try:
                    found: Result = task.result(timeout=_LOOK_SECONDS)  # type: ignore[attr-defined]
                except TimeoutError:
                    if self._client.status != "running":
                        raise DaskAwayError(self._gone()) from None
                    now = time.monotonic()
                    alone_since = None if self._threads() else alone_since or now
                    if alone_since and now - alone_since >= NO_WORKER_SECONDS:
                        raise DaskAwayError(
                            f"the Dask cluster {self._address} has had no worker for "
                            f"{NO_WORKER_SECONDS:.0f} s: start some with `dask worker "
                            f"{self._address}` and run this again"
                        ) from None
                else:
                    return found

    def check_versions(self) -> None:
        """Make sure that scheduler and workers run what runs here.

        Raises
        ------
        DaskMismatchError
            They do not, or do not have samestory at all; the message names each difference.
        """
        here = versions_here()
        with self._translated():
            found = {"the scheduler": self._told(self._client.run_on_scheduler)}
            told = self._told(self._client.run, on_error="return")
        found |= {f"worker {address}": item for address, item in told.items()}
        problems = [
            f"{who} {problem}"
            for who, there in found.items()
            if (problem := difference(here, there))
        ]
        if problems:
            raise DaskMismatchError(
                f"the Dask cluster {self._address} does not run what runs here: "
                + "; ".join(problems[:5])
                + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
                + ": install the same versions everywhere and start it again"
            )

    def _told(self, run: Callable[..., Any], **options: Any) -> Any:
        try:
            return run(versions_here, **options)
        except (ImportError, AttributeError) as error:
            return error

    def _threads(self) -> dict[str, int]:
        return cast("dict[str, int]", self._client.nthreads())

    def _gone(self) -> str:
        return (
            f"the Dask scheduler {self._address} is gone, with all that was computed: nothing was "
            "written; start the cluster and run this again"
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn Dask's errors into ours; those of the work itself pass."""
        from distributed import CancelledError, KilledWorker
        from distributed.comm.core import CommClosedError

        try:
            yield
        except KilledWorker as error:
            raise DaskAwayError(
                f"several workers of the Dask cluster {self._address} died one after the other "
                "over the same piece of work: most often memory; start them with a larger "
                "--memory-limit, or more of them with one thread each"
            ) from error
        except (CancelledError, CommClosedError, ConnectionError) as error:
            raise DaskAwayError(self._gone()) from error


@contextmanager
def connected(address: str) -> Iterator[DaskCluster]:
    """Connect to a cluster and check that it can be used.

    Parameters
    ----------
    address
        Of the scheduler: ``tcp://host:8786``, ``tls://…``, or ``host`` with or without a port.

    Raises
    ------
    DaskAwayError
        Nothing answers there, or there are no workers.
    DaskMismatchError
        Dask is not installed here, or the cluster runs other versions.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise DaskMismatchError(
            f"Dask is not installed here ({error}): install samestory[distributed]"
        ) from error
    full = address if ":" in address.rpartition("//")[2] else f"{address}:{DASK_PORT}"
    connect: Callable[..., Any] = Client
    with _quiet():
        try:
            _check_listening(full)
            with warnings.catch_warnings():
                # Of versions that differ, which is looked into more closely below.
                warnings.simplefilter("ignore")
                client = connect(full, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise DaskAwayError(
                f"no Dask scheduler answers at {full}: start one with `dask scheduler` and name "
                "the address that it prints, such as tcp://host:8786"
            ) from error
        with DaskCluster(client, full) as cluster:
            cluster.check_versions()
            if not client.nthreads():
                raise DaskAwayError(
                    f"the Dask scheduler {full} has no workers: start some with "
                    f"`dask worker {full}`"
                )
            yield cluster


def _check_listening(address: str) -> None:
    """Raise `OSError` or `ValueError` where nobody listens.

    A client that finds nobody leaves a thread behind, and takes its time to say so.
    """
    from distributed.comm import addressing

    host, port = addressing.get_address_host_port(address)
    socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()


def versions_here() -> dict[str, str]:
    """Return what must be the same in every process that computes, by name."""
    table = FrequencyTable.shipped()
    found = {"Python": ".".join(map(str, sys.version_info[:2])), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "none"
    found["samestory's tables"] = " ".join(
        (SignatureScheme().fingerprint(), table.digest, Refinement.shipped(table).fingerprint())
    )
    return found


def difference(here: Mapping[str, str], there: object) -> str:
    """Say in what a process differs; empty when it does not.

    Parameters
    ----------
    here
        As `versions_here` returns.
    there
        The same of another process, or the exception that came instead.
    """
    if not isinstance(there, Mapping):
        return f"has no samestory that could answer ({type(there).__name__}: {there})"
    return ", ".join(
        f"has {name} {there.get(name, 'none')} and not {wanted}"
        for name, wanted in here.items()
        if there.get(name) != wanted
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what Dask itself logs when something is gone: our own message says it better."""
    # Each of Dask's loggers has a level of its own, so that of their parent would not do.
    loggers = [
        logging.getLogger(name)
        for name in list(logging.root.manager.loggerDict)
        if name.partition(".")[0] in {"asyncio", "distributed", "tornado"}
    ]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
