"""Reclusterings in the store: plans that wait, the one step that applies one, and the way back.

A reclustering of up to 10,000 moved articles is applied by a single script, so that readers and
posters meet the old clustering or the new one and nothing in between, and a job that dies has
changed nothing. The server answers nobody else meanwhile: on two busy cores some 40 µs an article
in clusters of three, so that 100,000 at once would take longer than a posting waits. A larger
reclustering is applied in steps of at most so many articles, each a single script that leaves whole
clusters, redirects and lineages behind (`service.store.steps`); one that is cut off between two of
them is taken back before the next job begins.

What the script needs of a run is checked by the script itself: that the job still holds its lease,
and that no other reclustering was applied or rolled back since the job looked (the *generation*).
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import numpy as np

from service.store import (
    Reassignment,
    ReassignmentResult,
    StoreError,
    keys,
)
from service.store.constraints import ConstrainedStore
from service.store.encoding import check_minted_id, lineage_arguments
from service.store.reader import StoreReader
from service.store.steps import divide

_NO_HORIZON: Final = 0xFFFFFFFF
_NOT_NAMED: Final = 0
_MOVES_PER_STEP: Final = 10_000
_PAUSE_SECONDS: Final = 0.05
_STEP_LEASE_SECONDS: Final = 60.0
_TABLES: Final = ("frequencies", "repeated_lines", "line_counts")


class RefusedError(StoreError):
    """What a job rests on is no longer so. Nothing was written.

    Parameters
    ----------
    reason
        ``overtaken`` (the job has lost its lease), ``superseded`` (another reclustering was applied
        or rolled back meanwhile) or ``constrained`` (it would break an editor's
        constraint).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(_REASONS.get(reason, reason))
        self.reason = reason


_REASONS: Final = {
    "overtaken": "the job stood still for longer than its lease, and another one took over",
    "superseded": "another reclustering was applied or rolled back meanwhile: recluster again",
    "constrained": "it would break what an editor said since: recluster again",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What a plan rests on: it can be applied only while this is so.

    Attributes
    ----------
    generation
        Reclusterings that were applied or rolled back so far.
    applied_job
        The reclustering that can be rolled back; empty when there is none.
    unfinished_job
        One that was cut off between two steps of its application, or of its rollback.
    """

    generation: int
    applied_job: str = ""
    unfinished_job: str = ""


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan as it is stored: its own bytes, and the tables that come into force with it."""

    body: bytes
    frequencies: bytes
    repeated_lines: bytes
    line_counts: bytes


@dataclass(frozen=True, slots=True)
class Switch:
    """A job that applies or rolls back, and its record once that is done."""

    job_id: str
    payload: bytes
    standing: Standing


@dataclass(frozen=True, slots=True)
class RollbackResult:
    """How many articles returned, how many are gone, and how many later ones went along."""

    moved: int
    gone: int
    followed: int


class ReclusteringStore(ConstrainedStore, Protocol):
    """`ConstrainedStore`, with what reclusterings need besides."""

    async def standing(self) -> Standing:
        """Return what a plan made now would rest on."""
        ...

    async def put_plan(self, job_id: str, plan: StoredPlan, *, ttl_seconds: int) -> None:
        """Keep a plan for so long; an earlier one of the job is replaced."""
        ...

    async def plan(self, job_id: str) -> StoredPlan | None:
        """Return a job's plan; ``None`` when it is no longer kept."""
        ...

    async def drop_plans(self, job_ids: Sequence[str]) -> int:
        """Remove plans; returns how many there were."""
        ...

    async def apply(self, reassignment: Reassignment, switch: Switch) -> ReassignmentResult:
        """Apply a reclustering, and all that comes with it: see the top of this module.

        With the articles' clusters change the job's record (to ``switch.payload``), the tables of
        its stored plan come into force, the plan is removed, and what takes it back is kept until
        the next one.

        Raises
        ------
        RefusedError
            See there; nothing was written.
        """
        ...

    async def rollback(
        self, switch: Switch, *, now_seconds: float, undone_job: str = ""
    ) -> RollbackResult:
        """Take back the reclustering that was applied last, or that was cut off.

        ``undone_job`` is the one that applied it, by default the one that takes it back; its record
        changes to ``switch.payload``.

        Raises
        ------
        RefusedError
            The lease is lost, or another reclustering was applied since; nothing was written.
        """
        ...

    async def forget_unfinished(self) -> None:
        """Leave what a job that was cut off has applied, and forget how to take it back."""
        ...


class PlanStore(StoreReader):
    """The part of `ReclusteringStore` that is not in `ClusterStore`, and `reassign`."""

    @abstractmethod
    def _opened(self) -> str:
        """Return the fingerprint that the store was opened with."""

    @abstractmethod
    def _checked(self, answer: list[Any]) -> list[Any]:
        """Return a script's answer, or raise what it says."""

    async def standing(self) -> Standing:
        """Return what a plan made now would rest on."""
        generation, applied, applying = await self._connection.execute(
            "HMGET", self._keys.key(keys.META), "generation", "applied", "applying"
        )
        return Standing(int(generation or 0), (applied or b"").decode(), (applying or b"").decode())

    async def put_plan(self, job_id: str, plan: StoredPlan, *, ttl_seconds: int) -> None:
        """Keep a plan for so long; an earlier one of the job is replaced."""
        fields = [part for name in ("body", *_TABLES) for part in (name, getattr(plan, name))]
        await self._connection.run("put_plan", job_id, ttl_seconds, *fields)

    async def plan(self, job_id: str) -> StoredPlan | None:
        """Return a job's plan; ``None`` when it is no longer kept."""
        found = await self._connection.execute(
            "HMGET", self._keys.key(keys.PLAN, job_id), "body", *_TABLES
        )
        return None if found[0] is None else StoredPlan(*found)

    async def drop_plans(self, job_ids: Sequence[str]) -> int:
        """Remove plans; returns how many there were."""
        if not job_ids:
            return 0
        names = [self._keys.key(keys.PLAN, job_id) for job_id in job_ids]
        return int(await self._connection.execute("DEL", *names))

    async def reassign(self, reassignment: Reassignment) -> ReassignmentResult:
        """Apply a reclustering in one step."""
        return await self._reassign(reassignment, Switch("", b"", Standing(0)), 1, final=True)

    async def apply(self, reassignment: Reassignment, switch: Switch) -> ReassignmentResult:
        """Apply a reclustering, and all that comes with it."""
        steps = divide(reassignment, moves_per_step=_MOVES_PER_STEP)
        moved = left = followed = 0
        for number, step in enumerate(steps, 1):
            if number > 1:
                await asyncio.sleep(_PAUSE_SECONDS)
                await self.acquire_lease(
                    keys.RECLUSTER_LEASE, switch.job_id, ttl_seconds=_STEP_LEASE_SECONDS
                )
            try:
                result = await self._reassign(step, switch, number, final=number == len(steps))
            except RefusedError:
                if number > 1:
                    # All or nothing. A job that was overtaken may not: the other one does it.
                    with contextlib.suppress(RefusedError):
                        await self.rollback(
                            replace(switch, payload=b""), now_seconds=reassignment.now_seconds
                        )
                raise
            moved += result.moved
            left += result.left
            followed += result.followed
        return ReassignmentResult(moved, left, followed)

    async def rollback(
        self, switch: Switch, *, now_seconds: float, undone_job: str = ""
    ) -> RollbackResult:
        """Take back the reclustering that was applied last, or that was cut off."""
        moved = gone = followed = 0
        while True:
            answer = self._accepted(
                await self._connection.run(
                    "rollback",
                    self._opened(),
                    repr(float(now_seconds)),
                    switch.job_id,
                    undone_job or switch.job_id,
                    switch.payload,
                    switch.standing.generation,
                )
            )
            moved += answer[1]
            gone += answer[2]
            followed += answer[3]
            if not answer[4]:
                return RollbackResult(moved, gone, followed)
            await asyncio.sleep(_PAUSE_SECONDS)
            await self.acquire_lease(
                keys.RECLUSTER_LEASE, switch.job_id, ttl_seconds=_STEP_LEASE_SECONDS
            )

    async def forget_unfinished(self) -> None:
        """Leave what a job that was cut off has applied, and forget how to take it back."""
        await self._connection.transaction(
            [
                ("DEL", self._keys.key(keys.UNDO)),
                ("HDEL", self._keys.key(keys.META), "applied", "applying"),
            ]
        )

    async def _reassign(
        self, reassignment: Reassignment, switch: Switch, step: int, *, final: bool
    ) -> ReassignmentResult:
        names, entries = _packed_moves(reassignment.moves, reassignment.group_moves)
        horizon = reassignment.horizon
        answer = self._accepted(
            await self._connection.run(
                "reassign",
                self._opened(),
                repr(float(reassignment.now_seconds)),
                _NO_HORIZON if horizon is None else horizon,
                switch.job_id,
                switch.payload,
                switch.standing.generation,
                step,
                "1" if final else "0",
                len(names),
                *names,
                entries,
                *lineage_arguments(reassignment.merged_into, reassignment.split_into),
            )
        )
        return ReassignmentResult(*answer[1:])

    def _accepted(self, answer: list[Any]) -> list[Any]:
        if answer[0] == b"refused":
            raise RefusedError(answer[1].decode("ascii"))
        return self._checked(answer)


def _packed_moves(
    moves: Mapping[int, tuple[str, str]], group_moves: Mapping[int, str]
) -> tuple[list[str], bytes]:
    """Return the names, and per article four numbers of 4 bytes as ``reassign.lua`` reads them."""
    numbers: dict[str, int] = {}

    def number(name: str) -> int:
        if name not in numbers:
            check_minted_id("id", name)
            numbers[name] = len(numbers) + 1
        return numbers[name]

    handles = sorted(moves.keys() | group_moves.keys())
    entries = np.zeros((len(handles), 4), dtype="<u4")
    for row, handle in enumerate(handles):
        expected, new = _NOT_NAMED, _NOT_NAMED
        if handle in moves:
            expected, new = map(number, moves[handle])
        group = number(group_moves[handle]) if handle in group_moves else _NOT_NAMED
        entries[row] = (handle, expected, new, group)
    return list(numbers), entries.tobytes()
