"""The use case: look a store over, and say what to do about what is found.

A *problem* loses data or service, now or soon; *advice* does not. Both say what to do.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from service.backend import RedisBackend
from service.housekeeping import NightNote
from service.memory import Memory, MemoryQuestion, account, partition_days
from service.settings import Settings
from service.store import keys
from service.store.diagnosis import (
    Identity,
    Lease,
    ServerState,
    StoreDiagnosis,
)
from service.store.expiry import ExpiryStatus
from service.views import Reclustering

_SECONDS_PER_DAY = 86_400.0
_SHOWN_CONTRADICTIONS = 20
_LATE_NIGHT_SECONDS = 2 * 3600.0
_OLD_CLUSTERING_DAYS = 2
_MEMORY_NEARLY_FULL = 0.9


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong or could be better, about what, and what to do."""

    subject: str
    message: str
    advice: str


@dataclass(slots=True)
class Diagnosis:
    """What was found. ``healthy`` as long as there are no problems."""

    server: ServerState
    identity: Identity
    fingerprint: str
    counts: dict[str, int] = field(default_factory=dict)
    oldest_received_at: datetime | None = None
    expiry: ExpiryStatus = field(default_factory=ExpiryStatus)
    leases: list[Lease] = field(default_factory=list)
    last_reclustering: Reclustering | None = None
    last_scheduled: NightNote | None = None
    next_scheduled_at: datetime | None = None
    check_seconds: float = 0.0
    memory: Memory | None = None
    problems: list[Finding] = field(default_factory=list)
    advice: list[Finding] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Whether there is no problem."""
        return not self.problems


async def diagnose(
    backend: RedisBackend,
    store: StoreDiagnosis,
    settings: Settings,
    *,
    memory: MemoryQuestion,
    now: Callable[[], float] = time.time,
) -> Diagnosis:
    """Look everything over.

    Parameters
    ----------
    backend
        Not opened: it may be another configuration's data.
    store
        The same collection on the same server.
    settings
        In force.
    memory
        Whether and for what volume.
    now
        Clock giving Unix seconds.

    Raises
    ------
    service.store.StoreUnavailableError
        The server does not answer.
    """
    found = Diagnosis(await store.server(), await store.identity(), backend.fingerprint)
    _judge_server(found)
    if not found.identity.fingerprint:
        found.advice.append(
            Finding(
                "contents",
                f"nothing is stored under the collection {settings.collection!r}",
                "check SAMESTORY_COLLECTION and REDIS_URL if there should be",
            )
        )
        return found
    ours = _judge_identity(found)
    if found.identity.layout != keys.LAYOUT_VERSION:
        return found  # nothing more can be read
    found.counts = await backend.counts()
    found.leases = await store.leases()
    found.expiry = await backend.retention.status()
    await _check(found, store, backend if ours else None)
    await _judge_retention(found, store, settings, now())
    await _judge_nights(found, backend, settings, now())
    if memory.wanted:
        found.memory = account(
            found.counts["articles"], found.server, await store.memory(), memory, settings
        )
    return found


def _judge_server(found: Diagnosis) -> None:
    server = found.server
    if server.eviction_policy != "noeviction" and server.max_bytes:
        found.problems.append(
            Finding(
                "server",
                f"its maxmemory-policy is {server.eviction_policy}: when memory is short it throws "
                "away parts of articles",
                "set maxmemory-policy noeviction",
            )
        )
    if server.evicted_keys:
        found.problems.append(
            Finding(
                "server",
                f"it has thrown away {server.evicted_keys:,} keys for want of memory since it "
                "started",
                "set maxmemory-policy noeviction, give it more memory, restore a backup or post "
                "what is lost again",
            )
        )
    if server.max_bytes and server.used_bytes > _MEMORY_NEARLY_FULL * server.max_bytes:
        found.problems.append(
            Finding(
                "server",
                f"{server.used_bytes / server.max_bytes:.0%} of its memory limit are used: it "
                "refuses posts when that is full",
                "raise maxmemory, or lower SAMESTORY_RETENTION_DAYS",
            )
        )
    if server.write_error:
        found.problems.append(
            Finding(
                "server",
                f"it could not write its data to the disk: {server.write_error}",
                "see its log; mostly the disk is full",
            )
        )
    if server.replica:
        found.problems.append(
            Finding("server", "it is a replica, which refuses posts", "name its primary")
        )
    if not server.append_only:
        found.advice.append(
            Finding(
                "server",
                "its append-only file is off: a crash loses what was written since its last dump",
                "set appendonly yes",
            )
        )


def _judge_identity(found: Diagnosis) -> bool:
    """Whether the stored data is of this configuration."""
    identity = found.identity
    if identity.layout != keys.LAYOUT_VERSION:
        found.problems.append(
            Finding(
                "configuration",
                f"the stored data has layout {identity.layout}, this version has "
                f"{keys.LAYOUT_VERSION}",
                "start the version that wrote it, or use another collection",
            )
        )
        return False
    if identity.fingerprint != found.fingerprint:
        found.problems.append(
            Finding(
                "configuration",
                f"the stored data was written under configuration {identity.fingerprint}, this "
                f"version has {found.fingerprint}",
                "start the version that wrote it, re-index, or use another collection",
            )
        )
        return False
    return True


async def _check(found: Diagnosis, store: StoreDiagnosis, backend: RedisBackend | None) -> None:
    begun = time.monotonic()
    # Buckets follow from records only under the configuration that wrote them.
    problems = [] if backend is None else await store.contradictions(backend.bucket_ids_of)
    found.check_seconds = time.monotonic() - begun
    advice = "stop posting and run this again; if it stays, restore a backup and tell the authors"
    found.problems += [
        Finding("contents", problem, advice) for problem in problems[:_SHOWN_CONTRADICTIONS]
    ]
    if len(problems) > _SHOWN_CONTRADICTIONS:
        more = len(problems) - _SHOWN_CONTRADICTIONS
        found.problems.append(Finding("contents", f"and {more:,} more contradictions", advice))


async def _judge_retention(
    found: Diagnosis, store: StoreDiagnosis, settings: Settings, now: float
) -> None:
    oldest = await store.oldest_received_seconds(after_handle=found.expiry.expired_handle)
    if oldest is None:
        return
    found.oldest_received_at = datetime.fromtimestamp(oldest, UTC)
    # Expiry is at most a partition late, and a day for whoever runs it once a night.
    allowed_days = settings.retention_days + partition_days(settings.retention_days) + 1
    age_days = (now - oldest) / _SECONDS_PER_DAY
    if age_days > allowed_days:
        found.problems.append(
            Finding(
                "retention",
                f"the oldest article was received {age_days:.0f} days ago, and articles should "
                f"leave after {settings.retention_days:g}",
                "keep `samestory serve` running, or run `samestory recluster` every night: both "
                "remove what is old",
            )
        )


async def _judge_nights(
    found: Diagnosis, backend: RedisBackend, settings: Settings, now: float
) -> None:
    jobs = await backend.nightly.list(20)
    ended = [job for job in jobs if job.finished_at is not None]
    found.last_reclustering = jobs[0] if jobs else None
    found.last_scheduled = await backend.last_night()
    schedule = settings.schedule
    if ended and ended[0].state == "failed":
        found.problems.append(
            Finding(
                "night",
                f"the last reclustering ({ended[0].reclustering_id}) failed: {ended[0].error}",
                "run `samestory recluster` and see what it says; the clusters are as they were",
            )
        )
    if schedule is not None:
        found.next_scheduled_at = datetime.fromtimestamp(schedule.next_due_seconds(now), UTC)
        due = schedule.last_due_seconds(now)
        noted = found.last_scheduled.due_seconds if found.last_scheduled is not None else None
        if noted is not None and noted < due and now - due > _LATE_NIGHT_SECONDS:
            found.problems.append(
                Finding(
                    "night",
                    "nobody started the night that was due at "
                    f"{datetime.fromtimestamp(due, schedule.zone):%Y-%m-%d %H:%M %Z}",
                    "is `samestory serve` running, with SAMESTORY_RECLUSTER_AT set for it?",
                )
            )
    elif found.counts.get("articles"):
        applied = [job.finished_at for job in ended if job.state == "applied" and job.finished_at]
        age = now - applied[0].timestamp() if applied else math.inf
        if age > _OLD_CLUSTERING_DAYS * _SECONDS_PER_DAY:
            message = (
                f"the last reclustering was {age / _SECONDS_PER_DAY:.0f} days ago"
                if applied
                else "nothing was reclustered yet"
            )
            found.advice.append(
                Finding(
                    "night",
                    message,
                    "set SAMESTORY_RECLUSTER_AT=03:30, or run `samestory recluster` from cron",
                )
            )
