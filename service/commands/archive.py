"""``samestory import --at-once``: files in, clustered together and stored in a new collection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from clustering.articles import UInt64Array
from clustering.packing import unpack_features
from clustering.propose import bucket_ids
from service.archive import Archive
from service.clusterer import Clusterer
from service.commands.imports import concluded
from service.commands.inputs import Inputs
from service.commands.stores import store_url
from service.compiling import begin_compiling
from service.console import CommandError, Console, ExitCode, Progress, counted
from service.settings import Settings
from service.store.expiry import ExpiringClusterStore
from service.store.founding import Founder, FoundingInProgressError, StoreNotEmptyError

# A founding writes and clears much in one call; nobody waits for an answer meanwhile.
_STORE_TIMEOUT_SECONDS = 60.0
# Longer than what an import that was killed keeps others away.
_PATIENCE_SECONDS = 40.0
_PAUSE_SECONDS = 1.0

_Done = TypeVar("_Done")


def run_import_at_once(names: Sequence[str], settings: Settings, *, console: Console) -> ExitCode:
    """Cluster the articles of all inputs together and store them in a collection without any.

    Until all are stored nobody can see any. A data directory that does not exist is made.

    Parameters
    ----------
    names
        Files, folders or ``-``.
    settings
        Name the store. Its private server is started for as long as the import runs, unless the
        service runs one on the same data directory already.
    console
        Gets progress, problems and result.
    """
    inputs = Inputs(names, console)
    begin_compiling()
    clusterer = Clusterer()
    with (
        store_url(settings, create=True) as url,
        console.progress("reading") as progress,
        Archive(clusterer, progress.report) as archive,
    ):
        own = settings.model_copy(update={"redis_url": url})
        _with_founder(own, clusterer, Founder.check_is_new)
        archive.cluster(inputs.articles_or_lines(takes_empty=False), on_read=inputs.note_read)
        if inputs.unusable:
            console.close_problems()
            raise CommandError("nothing was stored, since an input could not be read to its end")
        if len(archive):
            _with_founder(own, clusterer, lambda founder: _stored(archive, founder, progress))
    if archive.superseded_count:
        console.note(
            f"{counted(archive.superseded_count, 'article repeats', 'articles repeat')} an id; "
            "of each id the last one counts"
        )
    return concluded(archive.decisions, inputs, console)


async def _stored(archive: Archive, founder: Founder, progress: Progress) -> None:
    """Store an archive; while somebody else is at it, wait a while whether that ends."""
    given_up = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return await archive.store(founder, now_seconds=time.time())
        except FoundingInProgressError:
            if time.monotonic() > given_up:
                raise
        progress.report("waiting for another import that was running, or was killed")
        await asyncio.sleep(_PAUSE_SECONDS)


def _with_founder(
    settings: Settings, clusterer: Clusterer, work: Callable[[Founder], Awaitable[_Done]]
) -> _Done:
    """Open the store and do the work."""
    return asyncio.run(_worked(settings, clusterer, work))


async def _worked(
    settings: Settings, clusterer: Clusterer, work: Callable[[Founder], Awaitable[_Done]]
) -> _Done:
    def bucket_ids_of(record: bytes) -> UInt64Array:
        return bucket_ids(unpack_features(record), clusterer.scheme)

    store = ExpiringClusterStore(
        settings.redis_url or "",
        collection=settings.collection,
        retention_days=settings.retention_days,
        bucket_ids_of=bucket_ids_of,
        timeout_seconds=max(settings.store_timeout_seconds, _STORE_TIMEOUT_SECONDS),
    )
    try:
        await store.open(clusterer.fingerprint())
        return await work(Founder(store))
    except StoreNotEmptyError as error:
        raise CommandError(
            f"{error}; only what is new can be imported --at-once: without it the articles are "
            "posted to the running service, which finds each its cluster among those stored"
        ) from None
    finally:
        await store.close()
