"""Where the bytes of an article go, and what a volume of them will need."""

from __future__ import annotations

import math
from dataclasses import dataclass

from service.settings import Settings
from service.store.diagnosis import FIXED_PARTS, PARTS, MemoryUse, ServerState
from service.store.redis_store import PARTITIONS_PER_RETENTION

# Beside its data, a server needs room for fragmentation and for what changes while it writes its
# file anew in a forked process.
_ROOM_FACTOR = 1.5


@dataclass(frozen=True, slots=True)
class Forecast:
    """Bytes that a volume of articles will need.

    Attributes
    ----------
    articles_per_day, window_days
        What was asked.
    article_count
        Stored at most: those of the window and of the partition that expires next.
    data_bytes
        Of their keys.
    recommended_bytes
        What the server should be given: half as much again.
    """

    articles_per_day: float
    window_days: float
    article_count: int
    data_bytes: int
    recommended_bytes: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of a collection, by part and an article.

    ``overhead`` is what the server uses beside the keys; 0 where it holds something else, too.
    """

    article_count: int
    bytes_by_part: dict[str, int]
    bytes_per_article: dict[str, float]
    forecast: Forecast | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryQuestion:
    """Whether memory is measured, and what it is forecast for.

    ``articles_per_day`` of 0 asks for no forecast; ``window_days`` of ``None`` is the retention.
    """

    wanted: bool = False
    articles_per_day: float = 0.0
    window_days: float | None = None


def account(
    articles: int,
    server: ServerState,
    use: MemoryUse,
    question: MemoryQuestion,
    settings: Settings,
) -> Memory:
    """Return the bytes of ``articles`` articles by part, and the forecast that was asked for."""
    by_part = dict(use.bytes_by_part)
    rest = server.used_bytes - server.startup_bytes - sum(by_part.values())
    by_part["overhead"] = max(0, rest) if use.alone else 0
    per_article = {
        part: by_part[part] / articles if articles else 0.0 for part in (*PARTS, "overhead")
    }
    forecast = None
    if question.articles_per_day and articles:
        days = settings.retention_days if question.window_days is None else question.window_days
        count = math.ceil(question.articles_per_day * (days + partition_days(days)))
        data = round(count * sum(per_article.values())) + sum(by_part[p] for p in FIXED_PARTS)
        forecast = Forecast(
            question.articles_per_day, days, count, data, math.ceil(data * _ROOM_FACTOR)
        )
    return Memory(articles, by_part, per_article, forecast)


def partition_days(retention_days: float) -> int:
    """Return how much longer than the retention an article may stay, in days."""
    return math.ceil(retention_days / PARTITIONS_PER_RETENTION)
