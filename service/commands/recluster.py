"""``samestory recluster``: the nightly job, in this process, on the store of the settings."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from clustering.distributed import pair_finder
from clustering.pair_finding import find_pairs_here
from service.backend import RedisBackend
from service.commands.dask import dask_workers
from service.commands.stores import store_url
from service.compiling import begin_compiling
from service.console import CommandError, Console, ExitCode, counted
from service.heap import give_large_arrays_back
from service.nightly import Nightly, OnProgress
from service.reclustering.progress import ProgressReport
from service.settings import Settings
from service.store.plans import RefusedError
from service.views import (
    Reclustering,
    ReclusteringChange,
    ReclusteringInProgressError,
    ReclusteringReason,
    ReclusteringStateError,
)

# The one step that applies a plan may take longer than a request is given; nobody waits for it.
_STORE_TIMEOUT_SECONDS = 60.0
_LISTED = 20

Work = Callable[[Nightly, OnProgress], Awaitable[Reclustering | None]]


def run_recluster(
    settings: Settings,
    *,
    apply: bool,
    window_days: float,
    reclustering_id: str,
    console: Console,
    dask: str = "",
) -> ExitCode:
    """Recluster what is stored, and say what changed.

    Parameters
    ----------
    settings
        Name the store. Its private server is started for as long as the job runs, unless the
        service runs one on the same data directory already.
    apply
        ``False`` keeps the outcome as a plan.
    window_days
        Articles published or received in so many days are up for decision.
    reclustering_id
        Of a job that the service has registered; a new one is registered when empty.
    console
        Gets progress and result.
    dask
        Address of a scheduler to find and compare candidates on; empty for this process.
    """
    if not (math.isfinite(window_days) and window_days > 0):
        raise CommandError(f"--window-days is {window_days}: give more than 0")
    begin_compiling()

    with dask_workers(dask) as workers:
        find_pairs = pair_finder(workers) if workers else find_pairs_here

        async def work(nightly: Nightly, on_progress: OnProgress) -> Reclustering:
            return await nightly.run(
                apply=apply,
                window_days=window_days,
                reclustering_id=reclustering_id,
                find_pairs=find_pairs,
                on_progress=on_progress,
            )

        job = _with_store(settings, work, console, expire=apply)
    refused = job.state == "refused"
    console.result(asdict(job), f"{_summary(job)}\n{job.error}" if refused else _summary(job))
    return ExitCode.PARTLY if refused else ExitCode.DONE


def run_review(
    settings: Settings, verb: str, reclustering_id: str, *, console: Console
) -> ExitCode:
    """Show, apply or roll back a reclustering, or list the latest ones.

    Parameters
    ----------
    settings
        As in `run_recluster`.
    verb
        ``list``, ``show``, ``apply`` or ``rollback``.
    reclustering_id
        Of the reclustering; unused by ``list``.
    console
        Gets progress and result.
    """
    if verb == "list":
        jobs: list[Reclustering] = []

        async def read(nightly: Nightly, _: OnProgress) -> None:
            jobs.extend(await nightly.list(_LISTED))

        _run(settings, read, console)
        lines = [
            f"{job.reclustering_id}  {job.created_at:%Y-%m-%d %H:%M}  {_summary(job)}"
            for job in jobs
        ]
        console.result(
            {"reclusterings": [asdict(job) for job in jobs]},
            "\n".join(lines) or "no reclustering so far",
        )
        return ExitCode.DONE

    async def work(nightly: Nightly, on_progress: OnProgress) -> Reclustering | None:
        match verb:
            case "apply":
                return await nightly.apply(reclustering_id, on_progress=on_progress)
            case "rollback":
                return await nightly.rollback(reclustering_id, on_progress=on_progress)
            case _:
                return await nightly.get(reclustering_id)

    job = _with_store(settings, work, console, reclustering_id)
    prose = [f"{job.reclustering_id}: {_summary(job)}"]
    if job.error and job.state in _VERBS:
        prose.append(job.error)
    prose += [_change(number, change) for number, change in enumerate(job.changes, 1)]
    console.result(asdict(job), "\n".join(prose))
    return ExitCode.DONE


def _with_store(
    settings: Settings,
    work: Work,
    console: Console,
    reclustering_id: str = "",
    *,
    expire: bool = False,
) -> Reclustering:
    job: Reclustering | None = _run(settings, work, console, expire=expire)
    if job is None:
        raise CommandError(
            f"there is no reclustering {reclustering_id!r}: `samestory recluster list` has them"
        )
    return job


def _run(
    settings: Settings,
    work: Callable[[Nightly, OnProgress], Awaitable[Any]],
    console: Console,
    *,
    expire: bool = False,
) -> Any:
    give_large_arrays_back()
    with store_url(settings) as url:
        patient = max(settings.store_timeout_seconds, _STORE_TIMEOUT_SECONDS)
        own = settings.model_copy(update={"redis_url": url, "store_timeout_seconds": patient})
        return asyncio.run(_work(own, work, console, expire=expire))


async def _work(
    settings: Settings,
    work: Callable[[Nightly, OnProgress], Awaitable[Any]],
    console: Console,
    *,
    expire: bool,
) -> Any:
    backend = RedisBackend(settings)
    try:
        await backend.open()
        with console.progress("reclustering") as progress:

            def report(told: ProgressReport) -> None:
                progress.report(str(told))

            done = await work(backend.nightly, report)
            if expire:
                # Last, since the job's lease is renewed only while it runs.
                progress.report("removing what is old")
                await backend.retention.run()
            return done
    except (ReclusteringInProgressError, ReclusteringStateError, RefusedError) as error:
        raise CommandError(str(error), ExitCode.PARTLY) from None
    finally:
        await backend.close()


_TOLD_CHANGE = 0.01
_VERBS = {
    "applied": "now in",
    "planned": "would be in",
    "refused": "would be in",
    "rolled_back": "were in",
}


def _summary(job: Reclustering) -> str:
    if job.state not in _VERBS:
        return f"{job.state}: {job.error}" if job.error else f"{job.state}, {job.stage}"
    changes = (
        f"{job.merged or 0:,} merged into others, {job.split or 0:,} divided, "
        f"{job.minted or 0:,} new; {counted(job.moved or 0, 'article')} moved"
    )
    if job.unexplained:
        changes += f", {job.unexplained:,} of them without a reason"
    text = (
        f"{counted(job.article_count or 0, 'article')} {_VERBS[job.state]} "
        f"{counted(job.cluster_count_after or 0, 'cluster')} "
        f"(before: {job.cluster_count_before or 0:,}): {changes}"
    )
    match job.state:
        case "planned" | "refused":
            return f"{text}; `samestory recluster apply {job.reclustering_id}` applies it"
        case "rolled_back":
            return f"taken back: {counted(job.moved or 0, 'article')} returned to their clusters"
        case _:
            return text


def _change(number: int, change: ReclusteringChange) -> str:
    what = {"merged": "merges into", "split": "splits off", "moved": "go over to"}[change.kind]
    articles = counted(change.article_count, "article")
    lines = [
        f"{number:>2}. {articles} of {change.from_cluster_id}: {what} {change.to_cluster_id}",
        f"    {_quoted(change.titles)}",
    ]
    if change.joined_titles:
        shared = f" (both: {', '.join(change.shared_terms)})" if change.shared_terms else ""
        lines.append(f"    beside {_quoted(change.joined_titles)}{shared}")
    if change.left_titles:
        terms = change.parting_terms
        apart = f" (only the first: {', '.join(terms)})" if terms else ""
        lines.append(f"    apart from {_quoted(change.left_titles)}{apart}")
    if change.reason is not None:
        lines.append(f"    {_reason(change.reason)}")
    return "\n".join(lines)


def _reason(reason: ReclusteringReason) -> str:
    similarity = f"similarity {reason.similarity_after:.2f}"
    if abs(reason.similarity_after - reason.similarity_before) >= _TOLD_CHANGE:
        similarity = (
            f"similarity {reason.similarity_before:.2f} before, {reason.similarity_after:.2f} now"
        )
    terms = f": {', '.join(reason.terms)}" if reason.terms else ""
    match reason.kind:
        case "editor":
            why = "an editor's constraint"
        case "look_alike":
            why = f"look-alikes ({reason.look_alike.replace('_', ' ')})"
        case "frequencies":
            why = f"words became more or less common{terms}"
        case "text":
            why = f"their text is cleaned otherwise{terms}"
        case "arrivals":
            why = f"{counted(reason.arrivals, 'article')} came since"
        case "closer":
            why = "others are closer"
        case "corrected":
            why = "an earlier decision, taken with fewer articles in view, was another"
        case _:
            why = "no reason found"
    return f"because: {why}; {similarity}"


def _quoted(titles: tuple[str, ...]) -> str:
    return "; ".join(f"“{title[:90]}”" for title in titles) or "(no longer stored)"
