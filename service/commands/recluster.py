"""``samestory recluster``: the nightly job, in this process, on the store of the settings."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import asdict

from service.backend import RedisBackend
from service.console import CommandError, Console, ExitCode, counted
from service.settings import Settings
from service.store.embedded import EmbeddedServer, attach
from service.views import Reclustering, ReclusteringInProgressError


def run_recluster(
    settings: Settings, *, apply: bool, reclustering_id: str, console: Console
) -> ExitCode:
    """Recluster everything stored, and say what changed.

    Parameters
    ----------
    settings
        Name the store. Its private server is started for as long as the job runs, unless the
        service runs one on the same data directory already.
    apply
        ``False`` only counts what would change.
    reclustering_id
        Of a job that the service has registered; a new one is registered when empty.
    console
        Gets progress and result.
    """
    with _store_url(settings) as url:
        job = asyncio.run(
            _run(settings.model_copy(update={"redis_url": url}), apply, reclustering_id, console)
        )
    console.result(asdict(job), _summary(job))
    return ExitCode.DONE


async def _run(
    settings: Settings, apply: bool, reclustering_id: str, console: Console
) -> Reclustering:
    backend = RedisBackend(settings)
    try:
        await backend.open()
        with console.progress("reclustering") as progress:
            return await backend.nightly.run(
                apply=apply, reclustering_id=reclustering_id, on_progress=progress.report
            )
    except ReclusteringInProgressError as error:
        raise CommandError(str(error), ExitCode.PARTLY) from None
    finally:
        await backend.close()


@contextlib.contextmanager
def _store_url(settings: Settings) -> Iterator[str]:
    url = settings.redis_url or attach(settings.data_dir)
    if url is not None:
        yield url
        return
    if not settings.data_dir.is_dir():
        raise CommandError(
            f"there is no data in {settings.data_dir}: name the service's data directory with "
            "--data-dir or SAMESTORY_DATA_DIR, or its server with REDIS_URL"
        )
    with EmbeddedServer(settings.data_dir) as server:
        yield server.start()


def _summary(job: Reclustering) -> str:
    changes = (
        f"{job.merged or 0:,} merged into others, {job.split or 0:,} divided, "
        f"{job.minted or 0:,} new; {counted(job.moved or 0, 'article')} moved"
    )
    verb = "now in" if job.state == "applied" else "would be in"
    return (
        f"{counted(job.article_count or 0, 'article')} {verb} "
        f"{counted(job.cluster_count_after or 0, 'cluster')} "
        f"(before: {job.cluster_count_before or 0:,}): {changes}"
    )
