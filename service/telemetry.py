"""What operators see: structured logs that carry the request's id, and Prometheus metrics.

No text, title or URL of an article is ever logged: articles may be confidential before they
are published, and logs travel further than databases.

Several workers: Prometheus scrapes one of them at random. When ``PROMETHEUS_MULTIPROC_DIR``
names a directory *before* the workers start (`prepare_shared_metrics`), prometheus-client keeps
the numbers in files there and every worker answers with the sum over all of them.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

import orjson
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
    multiprocess,
)

from service.settings import Settings

METRICS_CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
MULTIPROCESS_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"

logger = logging.getLogger("service")

_request_id: ContextVar[str] = ContextVar("request_id", default="")

# Members of every LogRecord; whatever else stands on one came through ``extra=``.
_STANDARD_ATTRIBUTES = frozenset(
    vars(logging.LogRecord("", 0, "", 0, "", (), None))
    | {"message": "", "asctime": "", "color_message": ""}  # the last one is uvicorn's
)
_LATENCY_BUCKETS_SECONDS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
)  # fmt: skip
_METHODS = frozenset({"GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"})


def request_id_in_force() -> str:
    """Id of the request being answered; empty outside of one."""
    return _request_id.get()


def enter_request(given: str) -> str:
    """Make ``given`` the id of the request being answered, or mint one when it will not do.

    A given id is kept when it has 1 to 128 letters, digits, ``.``, ``_``, ``:`` or ``-``: it is
    repeated in headers and logs.
    """
    folded = given.replace("-", "").replace("_", "").replace(".", "").replace(":", "")
    usable = 0 < len(given) <= 128 and folded.isascii() and folded.isalnum()
    request_id = given if usable else secrets.token_hex(8)
    _request_id.set(request_id)
    return request_id


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request id, then what was given."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one record; values that are not JSON are written as their text."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := _request_id.get():
            line["request_id"] = request_id
        line |= {k: v for k, v in vars(record).items() if k not in _STANDARD_ATTRIBUTES}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=repr, option=orjson.OPT_UTC_Z).decode()
        except orjson.JSONEncodeError:  # a lone surrogate in a message, say
            return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """The same for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one record as a line, its extra values as ``name=value``."""
        extra = {k: v for k, v in vars(record).items() if k not in _STANDARD_ATTRIBUTES}
        if request_id := _request_id.get():
            extra["request_id"] = request_id
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        parts = [time, f"{record.levelname:<7}", record.getMessage()]
        parts += [f"{name}={value}" for name, value in extra.items()]
        line = " ".join(parts)
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def configure_logging(settings: Settings, *, stream: TextIO | None = None) -> None:
    """Send all logs of the process to ``stream`` (standard error by default) as set.

    uvicorn's own access log is switched off: the service writes one line a request itself, with
    the request's id. Start uvicorn with ``log_config=None``, or it installs its own handlers.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True


def prepare_shared_metrics(directory: Path) -> None:
    """Make the workers that this process is going to start share their metrics.

    Call it in the parent, before any worker starts; ``directory`` must be on a local disk and
    belong to this service alone. Left-over files of an earlier run are removed, or its numbers
    would be counted again.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for path in directory.glob("*.db"):
        path.unlink()
    os.environ[MULTIPROCESS_VARIABLE] = str(directory)


class Metrics:
    """The service's Prometheus metrics, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "samestory_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._request_seconds = Histogram(
            "samestory_http_request_duration_seconds",
            "Time from a request's arrival to the end of its answer.",
            ("method", "route"),
            buckets=_LATENCY_BUCKETS_SECONDS,
            registry=self._registry,
        )
        # To find them by their labels takes longer than to count.
        self._of_request: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._articles = Counter(
            "samestory_articles",
            "Articles accepted, by what was decided.",
            ("decision",),
            registry=self._registry,
        )
        self._rejected = Counter(
            "samestory_articles_rejected",
            "Articles not accepted, by the problem they were answered with.",
            ("problem",),
            registry=self._registry,
        )
        # Kept in the store, as a night that cron started removes articles, too; every worker tells
        # the same figures.
        self._expired = Gauge(
            "samestory_expired",
            "Removed for their age since the collection began.",
            ("what",),
            registry=self._registry,
            multiprocess_mode="mostrecent",
        )
        self._last_night = Gauge(
            "samestory_last_scheduled_recluster_timestamp_seconds",
            "When the scheduled nightly job was last started.",
            registry=self._registry,
            multiprocess_mode="mostrecent",
        )
        self._night_attempts = Gauge(
            "samestory_last_scheduled_recluster_attempts",
            "How often the last scheduled nightly job was started: more than once after failures.",
            registry=self._registry,
            multiprocess_mode="mostrecent",
        )
        if MULTIPROCESS_VARIABLE not in os.environ:
            ProcessCollector(registry=self._registry)
            PlatformCollector(registry=self._registry)
            GCCollector(registry=self._registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request. ``route`` is the path's template, never the path itself."""
        found = self._of_request.get((method, route, status))
        if found is None:
            known = method if method in _METHODS else "OTHER"
            found = (
                self._requests.labels(known, route, str(status)),
                self._request_seconds.labels(known, route),
            )
            # Methods have no bound, where a client invents them.
            if known == method:
                self._of_request[method, route, status] = found
        requests, request_seconds = found
        requests.inc()
        request_seconds.observe(seconds)

    def article(self, decision: str) -> None:
        """Count one accepted article."""
        self._articles.labels(decision).inc()

    def rejected(self, problem_slug: str) -> None:
        """Count one article that was not accepted."""
        self._rejected.labels(problem_slug).inc()

    def expired(self, totals: Mapping[str, int]) -> None:
        """Tell how many of what (articles, clusters …) were removed for their age in all."""
        for what, count in totals.items():
            self._expired.labels(what).set(count)

    def last_night(self, started_seconds: float, attempts: int) -> None:
        """Tell when the scheduled nightly job was last started, Unix time, and how often."""
        self._last_night.set(started_seconds)
        self._night_attempts.set(attempts)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format; over all workers when they share them."""
        if MULTIPROCESS_VARIABLE in os.environ:
            shared = CollectorRegistry()
            multiprocess.MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
            return generate_latest(shared)
        return generate_latest(self._registry)
