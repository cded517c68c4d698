"""The use case: recluster everything stored, and lay the old ids onto the outcome.

The job reads a snapshot, clusters it as ``samestory cluster`` would, matches the new clusters with
the old ids and applies the difference in one step. Articles posted meanwhile keep the cluster
they were given; where that cluster was merged into another, they follow it. A run that dies
before it applies has changed nothing; one that dies while it writes the articles that it prepared
anew (`service.repreparing`) has written some of them, each whole, and no cluster.

The work is heavy, so the service runs it in a process of its own (``python -m service.cli
recluster --reclustering-id ID``); its progress travels through the store, where every worker can
read it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

import orjson

from clustering.articles import ArticleFeatures
from clustering.metrics import id_churn
from clustering.packing import unpack_features
from clustering.prepare import ObservedFrequencies
from clustering.reconcile import Reconciliation, reconcile
from clustering.window import cluster_window
from service.clusterer import Clusterer, pack_frequencies
from service.identifiers import mint_cluster_id, mint_duplicate_group_id, mint_reclustering_id
from service.repreparing import Recount, Reprepared, recount_lines
from service.spool import Spool
from service.store import ClusterStore, Reassignment, StoreError
from service.views import Reclustering, ReclusteringInProgressError

_LEASE = "recluster"
_LEASE_SECONDS = 60.0
_PROGRESS_SECONDS = 0.5
_LISTED_JOBS = 200


@dataclass(slots=True)
class _Snapshot:
    """Everything stored at one moment, in handle order.

    Handles up to ``horizon`` had been given out when it began.
    """

    horizon: int
    handles: list[int] = field(default_factory=list)
    features: list[ArticleFeatures] = field(default_factory=list)
    cluster_of: dict[int, str] = field(default_factory=dict)
    group_of: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Plan:
    """The outcome of a reclustering, under the old ids."""

    clusters: Reconciliation
    groups: Reconciliation
    observed: ObservedFrequencies


class Nightly:
    """Runs reclusterings and tells about them.

    Parameters
    ----------
    store
        An opened store.
    clusterer
        The configuration in force.
    child_environment
        Environment variables that lead a child process to the same store (``REDIS_URL``,
        collection …), for `start`.
    now
        Clock giving Unix seconds.
    """

    def __init__(
        self,
        store: ClusterStore,
        clusterer: Clusterer,
        *,
        child_environment: Mapping[str, str] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._clusterer = clusterer
        self._child_environment = dict(child_environment or {})
        self._now = now
        self._children: set[asyncio.Task[None]] = set()

    async def start(self, *, apply: bool = True) -> Reclustering:
        """Start a reclustering in a process of its own and return at once.

        Raises
        ------
        ReclusteringInProgressError
            One is running already.
        """
        job = await self._claim(mint_reclustering_id())
        arguments = ["recluster", "--json", "--reclustering-id", job.reclustering_id]
        if not apply:
            arguments.append("--dry-run")
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "service.cli",
                *arguments,
                env={**os.environ, **self._child_environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            await self._fail(job, f"the job's process could not be started: {error}")
            raise
        watcher = asyncio.create_task(self._watch(process, job.reclustering_id))
        self._children.add(watcher)
        watcher.add_done_callback(self._children.discard)
        return job

    async def _watch(self, process: asyncio.subprocess.Process, reclustering_id: str) -> None:
        """Wait for the child; if it died without a word, say so in its stead."""
        _, complaint = await process.communicate()
        job = await self._load(reclustering_id)
        if job is not None and job.finished_at is None:
            lines = complaint.decode("utf-8", "replace").strip().splitlines()
            detail = lines[-1] if lines else "it said nothing"
            await self._fail(
                job, f"the job's process ended with status {process.returncode}: {detail}"
            )

    async def get(self, reclustering_id: str) -> Reclustering | None:
        """Return a reclustering as it stands; ``None`` when there is none of that id."""
        return await self._load(reclustering_id)

    async def list(self, limit: int) -> list[Reclustering]:
        """Return the newest reclusterings, newest first."""
        jobs = await self._store.jobs(limit=min(limit, _LISTED_JOBS))
        return [self._decode(payload) for _, payload in jobs]

    async def run(
        self,
        *,
        apply: bool = True,
        reclustering_id: str = "",
        on_progress: Callable[[str, float], None] | None = None,
    ) -> Reclustering:
        """Recluster in this process and return when it is done.

        Parameters
        ----------
        apply
            ``False`` leaves the store as it is and only counts what would change.
        reclustering_id
            Of a job that `start` registered; a new one is registered when empty.
        on_progress
            Called with the stage and the share done, 0..1.

        Raises
        ------
        ReclusteringInProgressError
            Another one is running.
        """
        job = await self._claim(reclustering_id or mint_reclustering_id())
        progress = _Progress(on_progress)
        try:
            async with self._beating(job, progress):
                finished = await self._recluster(job, progress, apply=apply)
        except BaseException as error:
            # Whatever ended it; and a store that is away must not hide why.
            with contextlib.suppress(StoreError):
                await self._fail(job, f"{type(error).__name__}: {error}")
            raise
        await self._save(finished)
        await self._store.release_lease(_LEASE, job.reclustering_id)
        return finished

    async def _recluster(
        self, job: Reclustering, progress: _Progress, *, apply: bool
    ) -> Reclustering:
        progress.report("reading", 0.0)
        snapshot = await self._read_snapshot(progress)
        recount = await recount_lines(
            self._store,
            snapshot.handles,
            self._clusterer.preparer,
            on_progress=lambda share: progress.report("reading", 0.1 + 0.1 * share),
        )
        with Spool() as spool:
            reprepared = Reprepared(spool)
            await reprepared.prepare(
                self._store,
                recount,
                on_progress=lambda share: progress.report("preparing", 0.2 + 0.1 * share),
            )
            snapshot.features = [
                reprepared.features.get(handle, features)
                for handle, features in zip(snapshot.handles, snapshot.features, strict=True)
            ]
            plan = await asyncio.to_thread(self._plan, snapshot, progress)
            progress.report("applying", 0.95)
            moves, group_moves = _moves(snapshot, plan)
            moved = len(moves)
            if apply:
                # A process that was halted for longer than the lease may have been overtaken.
                if not await self._hold_lease(job.reclustering_id):
                    raise ReclusteringInProgressError(await self._running_id(job.reclustering_id))
                await reprepared.write(self._store, recount.preparer, now_seconds=self._now())
                moved = await self._apply(plan, snapshot, recount, moves, group_moves)
        before = [snapshot.cluster_of[handle] for handle in snapshot.handles]
        after = [plan.clusters.assignment[handle] for handle in snapshot.handles]
        return replace(
            job,
            state="applied" if apply else "planned",
            stage="done",
            progress=1.0,
            finished_at=self._clock(),
            article_count=len(snapshot.handles),
            cluster_count_before=len(set(before)),
            cluster_count_after=len(set(after)),
            merged=len(plan.clusters.merged_into),
            split=len(plan.clusters.split_into),
            minted=len(plan.clusters.minted),
            moved=moved,
            id_churn=id_churn(before, after),
        )

    async def _apply(
        self,
        plan: _Plan,
        snapshot: _Snapshot,
        recount: Recount,
        moves: Mapping[int, tuple[str, str]],
        group_moves: Mapping[int, str],
    ) -> int:
        """Write clusters and tables; returns how many articles moved."""
        result = await self._store.reassign(
            Reassignment(
                moves=moves,
                group_moves=group_moves,
                merged_into=plan.clusters.merged_into,
                split_into=plan.clusters.split_into,
                now_seconds=self._now(),
            )
        )
        await self._store.set_learned(
            frequencies=pack_frequencies(snapshot.horizon, plan.observed),
            repeated_lines=recount.preparer.repeated.to_bytes(),
            line_counts=recount.counts.to_bytes(),
        )
        return result.moved

    async def _read_snapshot(self, progress: _Progress) -> _Snapshot:
        counts = await self._store.counts()
        total = max(1, counts["articles"])
        snapshot = _Snapshot(horizon=counts["last_handle"])
        async for article in self._store.snapshot():
            snapshot.handles.append(article.handle)
            snapshot.features.append(unpack_features(article.record))
            snapshot.cluster_of[article.handle] = article.cluster_id
            snapshot.group_of[article.handle] = article.duplicate_group_id
            progress.report("reading", 0.1 * min(1.0, len(snapshot.handles) / total))
        if snapshot.handles:
            # Articles that arrived between the count and the first page are in it as well.
            snapshot.horizon = max(snapshot.horizon, snapshot.handles[-1])
        return snapshot

    def _plan(self, snapshot: _Snapshot, progress: _Progress) -> _Plan:
        """Cluster the snapshot and name the outcome. Runs in a thread of its own."""
        outcome = cluster_window(
            snapshot.features,
            self._clusterer.shipped,
            self._clusterer.scheme,
            on_progress=lambda stage, done, total: progress.report(
                stage, 0.3 + 0.6 * done / max(1, total)
            ),
        )
        clustering = outcome.clustering
        progress.report("keeping ids", 0.9)
        return _Plan(
            clusters=reconcile(
                snapshot.cluster_of,
                _groups(snapshot.handles, clustering.labels.tolist()),
                mint_cluster_id,
            ),
            groups=reconcile(
                snapshot.group_of,
                _groups(snapshot.handles, clustering.duplicate_labels.tolist()),
                mint_duplicate_group_id,
            ),
            observed=outcome.observed,
        )

    async def _claim(self, reclustering_id: str) -> Reclustering:
        """Take the lease and register the job, or tell who holds it."""
        if not await self._hold_lease(reclustering_id):
            raise ReclusteringInProgressError(await self._running_id(reclustering_id))
        known = await self._load(reclustering_id)
        # Of a job registered before only the beginning counts: it may have been given up meanwhile.
        job = Reclustering(
            reclustering_id=reclustering_id,
            state="queued",
            stage="waiting",
            progress=0.0,
            created_at=self._clock() if known is None else known.created_at,
        )
        await self._save(job)
        return job

    async def _hold_lease(self, reclustering_id: str) -> bool:
        """Take or renew the lease; ``False`` while another run has it."""
        return await self._store.acquire_lease(_LEASE, reclustering_id, ttl_seconds=_LEASE_SECONDS)

    async def _running_id(self, asking: str) -> str:
        """Return the id of the newest other run that has not finished; empty without one."""
        ids = [job.reclustering_id for job in await self.list(10) if job.finished_at is None]
        return next((name for name in ids if name != asking), "")

    @contextlib.asynccontextmanager
    async def _beating(self, job: Reclustering, progress: _Progress) -> AsyncIterator[None]:
        """Beat meanwhile. Afterwards no beat is under way that could overwrite the outcome."""
        over = asyncio.Event()
        heartbeat = asyncio.create_task(self._beat(job, progress, over))
        try:
            yield
        finally:
            over.set()
            await heartbeat

    async def _beat(self, job: Reclustering, progress: _Progress, over: asyncio.Event) -> None:
        """Renew the lease and publish the progress until it is over."""
        while not over.is_set():
            # A beat that is missed comes again; the lease is looked at before anything is applied.
            with contextlib.suppress(StoreError):
                if await self._hold_lease(job.reclustering_id):
                    await self._save(
                        replace(job, state="running", stage=progress.stage, progress=progress.share)
                    )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), _PROGRESS_SECONDS)

    async def _fail(self, job: Reclustering, message: str) -> None:
        await self._save(
            replace(job, state="failed", stage="failed", error=message, finished_at=self._clock())
        )
        await self._store.release_lease(_LEASE, job.reclustering_id)

    async def _save(self, job: Reclustering) -> None:
        payload = orjson.dumps({**asdict(job), "heartbeat_seconds": self._now()})
        await self._store.put_job(job.reclustering_id, payload)

    async def _load(self, reclustering_id: str) -> Reclustering | None:
        payload = await self._store.job(reclustering_id)
        return None if payload is None else self._decode(payload)

    def _decode(self, payload: bytes) -> Reclustering:
        values = orjson.loads(payload)
        heartbeat_seconds = values.pop("heartbeat_seconds")
        for name in ("created_at", "finished_at"):
            if values[name] is not None:
                values[name] = datetime.fromisoformat(values[name])
        job = Reclustering(**values)
        if job.finished_at is None and self._now() - heartbeat_seconds > _LEASE_SECONDS:
            return replace(
                job,
                state="failed",
                stage="failed",
                error="the job's process ended before it had finished; the clusters are as they "
                "were, run it again",
                finished_at=datetime.fromtimestamp(heartbeat_seconds, UTC),
            )
        return job

    def _clock(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)


class _Progress:
    """The stage and share a run has reached, written by a thread and read by the event loop."""

    def __init__(self, on_progress: Callable[[str, float], None] | None) -> None:
        self.stage = "starting"
        self.share = 0.0
        self._on_progress = on_progress

    def report(self, stage: str, share: float) -> None:
        """Note how far the run is; ``share`` in 0..1."""
        self.stage = stage
        self.share = share
        if self._on_progress is not None:
            self._on_progress(stage, share)


def _moves(snapshot: _Snapshot, plan: _Plan) -> tuple[dict[int, tuple[str, str]], dict[int, str]]:
    """Return which articles change their cluster, from where, and which their group."""
    moves = {
        handle: (snapshot.cluster_of[handle], cluster_id)
        for handle, cluster_id in plan.clusters.assignment.items()
        if snapshot.cluster_of[handle] != cluster_id
    }
    group_moves = {
        handle: group_id
        for handle, group_id in plan.groups.assignment.items()
        if snapshot.group_of[handle] != group_id
    }
    return moves, group_moves


def _groups(handles: Sequence[int], labels: Sequence[int]) -> list[list[int]]:
    """Return the handles of each label, in order of first appearance."""
    groups: dict[int, list[int]] = {}
    for handle, label in zip(handles, labels, strict=True):
        groups.setdefault(label, []).append(handle)
    return list(groups.values())
