"""The use cases on a real server, as ``service.backend`` wires them, and stores that misbehave."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clustering.articles import Article, UInt64Array
from clustering.packing import unpack_features
from clustering.propose import bucket_ids
from service.clusterer import Clusterer
from service.ingest import Ingest
from service.nightly import Nightly
from service.reading import Reading
from service.samples import sample_articles
from service.store.redis_store import RedisClusterStore

NOW = 1_742_000_000.0
Hook = Callable[[], Awaitable[None]]


class Clock:
    """A clock that a test turns; every look at it takes a second."""

    def __init__(self) -> None:
        self.seconds = NOW

    def __call__(self) -> float:
        self.seconds += 1.0
        return self.seconds


@dataclass(frozen=True)
class Core:
    """One process's use cases, and the store below them."""

    store: RedisClusterStore
    clusterer: Clusterer
    ingest: Ingest
    reading: Reading
    nightly: Nightly
    url: str
    clock: Clock

    async def places(self) -> dict[str, tuple[str, str]]:
        """Article id → cluster id and near-duplicate group id, of everything stored."""
        return {
            item.article_id: (item.cluster_id, item.duplicate_group_id)
            async for item in self.store.snapshot()
        }


class HookedStore(RedisClusterStore):
    """A real store that runs a test's coroutine before or after the methods it names."""

    def __init__(self, url: str, **more: Any) -> None:
        super().__init__(url, **more)
        self.before: dict[str, Hook] = {}

    async def _run_hook(self, name: str) -> None:
        hook = self.before.pop(name, None)
        if hook is not None:
            await hook()

    async def commit_many(self, commits: Any) -> Any:
        await self._run_hook("commit")
        return await super().commit_many(commits)

    async def records(self, handles: Any) -> Any:
        found = await super().records(handles)
        await self._run_hook("records")
        return found

    async def apply(self, reassignment: Any, switch: Any, **more: Any) -> Any:
        await self._run_hook("apply")
        return await super().apply(reassignment, switch, **more)

    async def rewrite(self, rewrite: Any) -> Any:
        await self._run_hook("rewrite")
        return await super().rewrite(rewrite)

    async def counts(self) -> dict[str, int]:
        counts = await super().counts()
        await self._run_hook("counts")
        return counts


def make_core(url: str, *, child_environment: dict[str, str] | None = None) -> Core:
    """Return use cases on a store that is not open yet."""
    clusterer = Clusterer()

    def bucket_ids_of(record: bytes) -> UInt64Array:
        return bucket_ids(unpack_features(record), clusterer.scheme)

    store = HookedStore(url, bucket_ids_of=bucket_ids_of)
    clock = Clock()
    return Core(
        store=store,
        clusterer=clusterer,
        ingest=Ingest(store, clusterer, now=clock),
        reading=Reading(store, clusterer),
        nightly=Nightly(
            store,
            clusterer,
            child_environment={
                "REDIS_URL": url,
                # The samples are of the past: a child, on the clock of today, must not drop them.
                "SAMESTORY_RETENTION_DAYS": "36500",
                **(child_environment or {}),
            },
            now=lambda: clock.seconds,
        ),
        url=url,
        clock=clock,
    )


def samples() -> list[Article]:
    """Return the project's sample articles, as the HTTP route would hand them over."""
    return [
        Article(
            text=item.get("text", ""),
            html=item.get("html", ""),
            article_id=item["id"],
            title=item.get("title", ""),
            published_at=datetime.fromisoformat(item["published_at"]),
            source=item["source"],
            url=item["url"],
            lang=item.get("lang", ""),
        )
        for item in sample_articles()
    ]


def sample(article_id: str) -> Article:
    """Return one sample article."""
    return next(item for item in samples() if item.article_id == article_id)
