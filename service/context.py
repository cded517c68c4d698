"""What every route reaches: the settings, the use cases behind a gate, the metrics, the clock.

The gate is what lets the service start while its store is away: it opens the store in the
background, again and again, and until it has, every use case answers why: `StoreUnavailableError`,
or that the service is starting still.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from starlette.requests import Request

from clustering.errors import FingerprintMismatchError
from service.constraint_views import ConstrainingUseCase
from service.lineage import LineageUseCase
from service.postings import PostingReader
from service.problems import STARTING, ProblemError
from service.settings import Settings
from service.store import StoreError, StoreUnavailableError
from service.telemetry import Metrics
from service.use_cases import IngestUseCase, NightlyUseCase, ReadingUseCase

logger = logging.getLogger("service.store_gate")

READY_TIMEOUT_SECONDS = 0.9
STARTING_RETRY_AFTER_SECONDS = 1


class Backend(Protocol):
    """The use cases and the store below them, as ``service.app`` wires them."""

    @property
    def ingest(self) -> IngestUseCase:
        """Posting and deleting."""
        ...

    @property
    def reading(self) -> ReadingUseCase:
        """Articles, clusters and their listings."""
        ...

    @property
    def nightly(self) -> NightlyUseCase:
        """Reclusterings."""
        ...

    @property
    def constraints(self) -> ConstrainingUseCase:
        """What editors say."""
        ...

    @property
    def lineage(self) -> LineageUseCase:
        """The history of cluster ids."""
        ...

    async def open(self) -> None:
        """Get ready, connect and check that the stored data is ours; a `StoreError` if not."""
        ...

    async def close(self) -> None:
        """Let go of everything; called once, also when `open` never succeeded."""
        ...

    async def ping(self) -> None:
        """Return when the store answers, or raise `StoreUnavailableError`."""
        ...


class StoreGate:
    """Opens the backend in the background until it succeeds, and knows why it has not."""

    def __init__(self, backend: Backend, *, retry_seconds: float) -> None:
        self._backend = backend
        self._retry_seconds = retry_seconds
        self._opener: asyncio.Task[None] | None = None
        self._open = False
        self._error: Exception = ProblemError(
            STARTING,
            STARTING.example,
            headers={"Retry-After": str(STARTING_RETRY_AFTER_SECONDS)},
        )

    async def start(self, *, wait_seconds: float) -> None:
        """Begin to open the backend; return when it is open, at the latest after the wait."""
        self._opener = asyncio.create_task(self._keep_trying(), name="open the store")
        await asyncio.wait({self._opener}, timeout=wait_seconds)

    async def stop(self) -> None:
        """Stop trying, and close the backend."""
        if self._opener is not None:
            self._opener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._opener
        self._open = False
        await self._backend.close()

    async def _keep_trying(self) -> None:
        last_message = ""
        while True:
            try:
                await self._backend.open()
            # Whatever hinders it, the process stays up to say so and to try again.
            except Exception as error:  # noqa: BLE001
                known = isinstance(error, StoreError | FingerprintMismatchError)
                self._error = error if known else StoreUnavailableError(str(error))
                message = f"{type(error).__name__}: {error}"
                if message != last_message:
                    logger.warning("the store cannot be opened", extra={"reason": message})
                    last_message = message
            else:
                self._open = True
                logger.info("the store is open")
                return
            await asyncio.sleep(self._retry_seconds)

    def backend(self) -> Backend:
        """Return the opened backend, or raise why it is not open."""
        if not self._open:
            # One exception object serves many requests: it must not gather their tracebacks.
            raise self._error.with_traceback(None)
        return self._backend

    async def check(self) -> None:
        """Return when the store answers within `READY_TIMEOUT_SECONDS`, or raise why not."""
        try:
            async with asyncio.timeout(READY_TIMEOUT_SECONDS):
                await self.backend().ping()
        except TimeoutError:
            raise StoreUnavailableError(
                f"no answer within {READY_TIMEOUT_SECONDS:g} seconds"
            ) from None


@dataclass(frozen=True, slots=True)
class Context:
    """One application's settings and services; ``now`` is its clock, Unix seconds."""

    settings: Settings
    gate: StoreGate
    metrics: Metrics
    postings: PostingReader
    now: Callable[[], float]

    @property
    def backend(self) -> Backend:
        """The opened backend; raises why it is not open."""
        return self.gate.backend()


def context_of(request: Request) -> Context:
    """Return the context of the application that answers ``request``."""
    return cast("Context", request.app.state.context)
