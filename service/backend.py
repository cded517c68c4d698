"""The use cases on a Redis-protocol server, wired from the settings.

The routes reach them through ``service.context.StoreGate``; ``samestory recluster`` takes the
same wiring without HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from clustering.articles import Article, UInt64Array
from clustering.errors import ConfigurationError
from clustering.online import OnlineClusterer
from clustering.packing import pack_features, unpack_features
from clustering.propose import bucket_ids
from service.clusterer import Clusterer
from service.examples import ARTICLE_EXAMPLE
from service.ingest import Ingest
from service.nightly import Nightly
from service.reading import Reading
from service.settings import Settings
from service.store.embedded import attach
from service.store.redis_store import RedisClusterStore

_WARM_UP_TEXT = str(ARTICLE_EXAMPLE["text"])
_WARM_UP_ARTICLES = (
    Article(text=_WARM_UP_TEXT),
    Article(html=f"<html><body><h1>Ferry aground</h1><p>{_WARM_UP_TEXT}</p></body></html>"),
)


class RedisBackend:
    """`service.context.Backend` on the server that the settings name.

    Parameters
    ----------
    settings
        Without ``redis_url``, the private server that runs in ``data_dir`` is used.
    now
        Clock, Unix seconds.

    Raises
    ------
    ConfigurationError
        No server is named, and none runs in the data directory.
    """

    def __init__(self, settings: Settings, *, now: Callable[[], float] = time.time) -> None:
        url = settings.redis_url or attach(settings.data_dir)
        if url is None:
            raise ConfigurationError(
                "no store: set REDIS_URL to a Redis-protocol server, or start the service with "
                "`samestory serve`, which brings its own"
            )
        clusterer = Clusterer()

        def bucket_ids_of(record: bytes) -> UInt64Array:
            return bucket_ids(unpack_features(record), clusterer.scheme)

        self._fingerprint = clusterer.fingerprint()
        self._store = RedisClusterStore(
            url,
            collection=settings.collection,
            retention_days=settings.retention_days,
            bucket_ids_of=bucket_ids_of,
            timeout_seconds=settings.store_timeout_seconds,
        )
        self.clusterer = clusterer
        self.ingest = Ingest(self._store, clusterer, now=now)
        self.reading = Reading(self._store, clusterer)
        self.nightly = Nightly(
            self._store, clusterer, child_environment={"REDIS_URL": url}, now=now
        )

    def warm_up(self) -> None:
        """Cluster a few articles in memory and forget them.

        Loading language models and compiled code takes seconds, which the first articles would
        otherwise wait for, and with them everything else on the event loop.
        """
        online = OnlineClusterer(self.clusterer.shipped, self.clusterer.scheme)
        # The first comes twice: only an article that meets another is compared and linked.
        for article in (*_WARM_UP_ARTICLES, _WARM_UP_ARTICLES[0]):
            features = self.clusterer.preparer.prepare(article).features
            online.add(unpack_features(pack_features(features)))

    async def open(self) -> None:
        """Connect and check that the stored data was written under this configuration."""
        await self._store.open(self._fingerprint)

    async def close(self) -> None:
        """Close the connections."""
        await self._store.close()

    async def ping(self) -> None:
        """Return when the server answers, or raise `StoreUnavailableError`."""
        await self._store.ping()
