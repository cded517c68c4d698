"""``samestory doctor``: look a store over, say what is wrong and what to do."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from service.backend import RedisBackend
from service.commands.stores import store_url
from service.console import Console, ExitCode, counted
from service.diagnosis import Diagnosis, diagnose
from service.memory import Memory, MemoryQuestion
from service.settings import Settings
from service.store.diagnosis import FIXED_PARTS, PARTS, StoreDiagnosis

_ENOUGH_ARTICLES = 10_000


def run_doctor(settings: Settings, *, memory: MemoryQuestion, console: Console) -> ExitCode:
    """Look the store of the settings over, and say what is found.

    Parameters
    ----------
    settings
        Name the store, and what it should be like. Its private server is started for as long as
        that takes, unless the service runs one already.
    memory
        Whether memory is measured, and what for.
    console
        Gets the findings.

    Returns
    -------
    ExitCode
        ``DONE`` without problems, ``PARTLY`` with some.
    """
    with store_url(settings) as url:
        found = asyncio.run(_run(settings.model_copy(update={"redis_url": url}), memory, console))
    console.result(_for_machines(found), _for_people(found, settings))
    return ExitCode.DONE if found.healthy else ExitCode.PARTLY


async def _run(settings: Settings, memory: MemoryQuestion, console: Console) -> Diagnosis:
    backend = RedisBackend(settings)
    store = StoreDiagnosis(str(settings.redis_url), collection=settings.collection)
    try:
        with console.progress("reading everything that is stored"):
            return await diagnose(backend, store, settings, memory=memory)
    finally:
        await store.close()
        await backend.close()


def _for_machines(found: Diagnosis) -> dict[str, Any]:
    return {"healthy": found.healthy, **asdict(found)}


def _for_people(found: Diagnosis, settings: Settings) -> str:
    rows = [("store", _server_line(found)), ("contents", _contents_line(found))]
    if found.counts:
        if found.fingerprint == found.identity.fingerprint:
            unsound = any(item.subject == "contents" for item in found.problems)
            said = (
                "there are contradictions, see below" if unsound else "nothing contradicts itself"
            )
            rows.append(("check", f"{said} (read in {found.check_seconds:.1f} s)"))
        rows += [
            ("night", _night_line(found, settings)),
            ("retention", _retention_line(found, settings)),
            ("leases", _leases_line(found)),
        ]
    lines = [f"{name:<10} {text}" for name, text in rows]
    if found.memory is not None:
        lines += ["", *_memory_lines(found.memory)]
    for kind, findings in (("problem", found.problems), ("advice", found.advice)):
        for item in findings:
            lines += ["", f"{kind}: {item.subject}: {item.message}", f"  do: {item.advice}"]
    lines += ["", f"{counted(len(found.problems), 'problem')}, {len(found.advice)} advice"]
    return "\n".join(lines)


def _server_line(found: Diagnosis) -> str:
    server = found.server
    limit = f"of {_bytes(server.max_bytes)}" if server.max_bytes else "without a limit"
    file = "on" if server.append_only else "off"
    return (
        f"{server.engine.capitalize()} {server.version}, {_bytes(server.used_bytes)} used {limit}, "
        f"append-only file {file}"
    )


def _contents_line(found: Diagnosis) -> str:
    if not found.counts:
        return "nothing, or nothing that this version can read"
    oldest = found.oldest_received_at
    since = f", the oldest received {_moment(oldest)}" if oldest is not None else ""
    return (
        f"{counted(found.counts['articles'], 'article')} in "
        f"{counted(found.counts['clusters'], 'cluster')}, "
        f"{counted(found.counts['buckets'], 'bucket')}{since}; written by configuration "
        f"{found.identity.fingerprint}"
    )


def _night_line(found: Diagnosis, settings: Settings) -> str:
    job = found.last_reclustering
    if job is None:
        last = "no reclustering yet"
    else:
        moment = job.finished_at or job.created_at
        last = f"the last reclustering ({job.reclustering_id}) {job.state} {_moment(moment)}"
    if found.next_scheduled_at is None:
        return f"{last}; none is scheduled"
    due = found.next_scheduled_at
    return f"{last}; the next is due {_moment(due)} ({settings.recluster_at} {settings.timezone})"


def _retention_line(found: Diagnosis, settings: Settings) -> str:
    status = found.expiry
    going = "; some are leaving, which goes on by itself" if status.under_way else ""
    return (
        f"{settings.retention_days:g} days; {counted(status.expired_articles, 'article')} and "
        f"{counted(status.expired_clusters, 'cluster')} have expired so far{going}"
    )


def _leases_line(found: Diagnosis) -> str:
    held = [
        f"{lease.name} by {lease.holder} for {lease.seconds_left:.0f} s" for lease in found.leases
    ]
    return "; ".join(held) or "none is held: no service runs, or it has nothing to do"


def _memory_lines(memory: Memory) -> list[str]:
    lines = [f"memory of {counted(memory.article_count, 'article')}", ""]
    for part in (*PARTS, "overhead"):
        total, each = memory.bytes_by_part[part], memory.bytes_per_article[part]
        lines.append(f"  {part:<16} {_bytes(total):>12} {each:>10,.0f} bytes an article")
    total = sum(memory.bytes_by_part[part] for part in (*PARTS, "overhead"))
    each = sum(memory.bytes_per_article.values())
    lines.append(f"  {'together':<16} {_bytes(total):>12} {each:>10,.0f} bytes an article")
    lines += [f"  {part:<16} {_bytes(memory.bytes_by_part[part]):>12}" for part in FIXED_PARTS]
    if memory.article_count < _ENOUGH_ARTICLES:
        lines.append("  (of so few articles: what they share weighs more than it will)")
    if memory.forecast is not None:
        cast = memory.forecast
        volume = f"{cast.articles_per_day:,.0f} articles a day for {cast.window_days:g} days"
        lines += [
            "",
            f"  {volume}: at most {cast.article_count:,} articles, {_bytes(cast.data_bytes)};",
            f"  give the server {_bytes(cast.recommended_bytes)}",
        ]
    return lines


def _bytes(count: float) -> str:
    """Return a number of bytes in the unit that people would use."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:,.0f} bytes"


def _moment(moment: datetime) -> str:
    age_hours = (time.time() - moment.timestamp()) / 3600
    shown = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{shown} ({age_hours:,.0f} h ago)" if age_hours >= 0 else shown
