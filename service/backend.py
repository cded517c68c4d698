"""The use cases on a Redis-protocol server, wired from the settings.

The routes reach them through ``service.context.StoreGate``; ``samestory recluster`` takes the
same wiring without HTTP.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from typing import Final

from clustering.articles import UInt64Array
from clustering.errors import ConfigurationError
from clustering.packing import unpack_features
from clustering.prepare import load_language_model
from clustering.propose import bucket_ids
from service.clusterer import Clusterer
from service.compiling import compile_here, serving_is_compiled
from service.constraints import Constraining
from service.constraints_in_force import FollowedConstraints
from service.housekeeping import Housekeeping, NightNote, last_night
from service.ingest import Ingest
from service.lineage import Lineage
from service.nightly import Nightly
from service.reading import Reading
from service.retention import Retention
from service.settings import Settings
from service.store.embedded import attach
from service.store.expiry import ExpiringClusterStore, ExpiryStatus
from service.telemetry import Metrics
from service.warming import FIRST, SERVING, exchange, pages

_REST_SECONDS: Final = 2.0
_LOOKING_SECONDS: Final = 0.02
# To look through all objects for garbage holds up whoever is being answered, by 20 to 200 ms with
# many articles at hand, and finds next to nothing: what goes in a circle goes young. With the
# interpreter's 10 it met 8 of 1,800 posts among 98,000 stored, with these 2.
_PASSES_BEFORE_A_WHOLE_ONE: Final = 1_000


class RedisBackend:
    """`service.context.Backend` on the server that the settings name.

    Parameters
    ----------
    settings
        Without ``redis_url``, the private server that runs in ``data_dir`` is used.
    metrics
        Where housekeeping (`service.housekeeping`) tells what it did. It runs only where this is
        given: in the service, and not in a command.
    now
        Clock, Unix seconds.

    Raises
    ------
    ConfigurationError
        No server is named, and none runs in the data directory.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        metrics: Metrics | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        url = settings.redis_url or attach(settings.data_dir)
        if url is None:
            raise ConfigurationError(
                "no store: set REDIS_URL to a Redis-protocol server, or start the service with "
                "`samestory serve`, which brings its own"
            )
        clusterer = Clusterer()

        def bucket_ids_of(record: bytes) -> UInt64Array:
            return bucket_ids(unpack_features(record), clusterer.scheme)

        self._is_warm = False
        self.fingerprint = clusterer.fingerprint()
        self.bucket_ids_of = bucket_ids_of
        self._store = ExpiringClusterStore(
            url,
            collection=settings.collection,
            retention_days=settings.retention_days,
            bucket_ids_of=bucket_ids_of,
            timeout_seconds=settings.store_timeout_seconds,
        )
        self.clusterer = clusterer
        followed = FollowedConstraints()
        self.ingest = Ingest(self._store, clusterer, now=now, constraints=followed)
        self.reading = Reading(self._store, clusterer, constraints=followed)
        self.constraints = Constraining(self._store, clusterer, now=now, constraints=followed)
        self.lineage = Lineage(self._store)
        self.nightly = Nightly(
            self._store,
            clusterer,
            child_environment={"REDIS_URL": url},
            max_churn=settings.recluster_max_churn,
            now=now,
        )
        self.retention = Retention(
            self._store,
            retention_days=settings.retention_days,
            tombstone_days=settings.tombstone_days,
            now=now,
        )
        self._housekeeping = (
            None
            if metrics is None
            else Housekeeping(
                self._store,
                self.retention,
                self.nightly,
                settings.schedule,
                now=now,
                on_status=_teller(metrics),
            )
        )

    def warm_up(self) -> None:
        """Do what a posting asks for on a few articles in memory, and forget them.

        Loading compiled code takes a while, which the first article would otherwise wait for, and
        with it everything else on the event loop. Where it is being compiled still
        (`service.compiling`), this returns when an article can be prepared and stored; the first
        that meets others then waits for the rest. What only pages need is loaded by `warm_up_rest`,
        what only a few texts need, in a thread of its own.
        """
        for name, piece in SERVING.items():
            if name in FIRST or serving_is_compiled():
                piece(self.clusterer)
        # Loaded already, as a rule.
        threading.Thread(target=load_language_model, daemon=True).start()
        compile_here()
        # What is garbage by now is little, and looking for it takes longer than all of the above.
        gc.freeze()
        gc.enable()
        young, middle, _ = gc.get_threshold()
        gc.set_threshold(young, middle, _PASSES_BEFORE_A_WHOLE_ONE)
        self._is_warm = True

    def warm_up_rest(self) -> None:
        """Load what an article that meets others needs, if it is not, and what few postings need.

        That is what pages need, and what lays ids onto clusters that exchanged articles: a third of
        a second for whoever asked for it first.
        """
        for piece in (*SERVING.values(), pages, exchange):
            piece(self.clusterer)
        # Nothing of it is looked through for garbage again and again, which would hold up whatever
        # is being answered, by some 40 ms each time.
        gc.collect()
        gc.freeze()

    async def open(self) -> None:
        """Connect and check that the stored data was written under this configuration.

        In the service it is warmed up before, unless it is: while others compile, requests are told
        that it is starting.
        """
        if self._housekeeping is not None and not self._is_warm:
            await self._warm_up_aside()
        await self._store.open(self.fingerprint)
        if self._housekeeping is not None:
            self._housekeeping.begin()
            # The service is ready for text, and answers whoever waited for it before it loads more.
            rest = threading.Timer(_REST_SECONDS, self.warm_up_rest)
            rest.daemon = True
            rest.start()

    async def _warm_up_aside(self) -> None:
        # A thread that is not waited for when the process is to end before it has.
        warming = threading.Thread(target=self.warm_up, daemon=True)
        warming.start()
        while warming.is_alive():  # noqa: ASYNC110 - a thread sets no event of this loop
            await asyncio.sleep(_LOOKING_SECONDS)
        if not self._is_warm:
            raise RuntimeError("the hot loops could not be loaded: the log says why")

    async def close(self) -> None:
        """Close the connections."""
        if self._housekeeping is not None:
            await self._housekeeping.stop()
        await self.nightly.stop()
        await self._store.close()

    async def counts(self) -> dict[str, int]:
        """Return how much is stored; see `service.store.ClusterStore.counts`."""
        return await self._store.counts()

    async def last_night(self) -> NightNote | None:
        """Return what is noted of the last scheduled night; ``None`` before the first."""
        return await last_night(self._store)

    async def ping(self) -> None:
        """Return when the server answers, or raise `StoreUnavailableError`."""
        await self._store.ping()


def _teller(metrics: Metrics) -> Callable[[ExpiryStatus, NightNote | None], None]:
    """Return what hands housekeeping's figures to the metrics."""

    def tell(status: ExpiryStatus, night: NightNote | None) -> None:
        metrics.expired(
            {
                "articles": status.expired_articles,
                "clusters": status.expired_clusters,
                "partitions": status.expired_partitions,
                "tombstones": status.expired_tombstones,
            }
        )
        if night is not None and night.reclustering_id:
            metrics.last_night(night.started_seconds, night.attempts)

    return tell
