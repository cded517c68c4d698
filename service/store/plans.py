"""Reclusterings in the store: plans that wait, the step that applies one, and the way back.

A reclustering of any size is applied by one step, so that readers and posters meet the old
clustering or the new one and nothing in between, and a job that dies before it has changed nothing
(`service.store.switching`). What the step needs of a run it checks itself: that the job still holds
its lease, and that no other reclustering was applied or rolled back since the job looked (the
*generation*).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from service.store import Reassignment, ReassignmentResult, keys
from service.store.constraints import ConstrainedStore
from service.store.parts import parts_of, parts_of_undo, undo_entries
from service.store.standing import RefusedError, Standing, Switch
from service.store.switching import OnStage, SwitchingStore

__all__ = [
    "PlanStore",
    "ReclusteringStore",
    "RefusedError",
    "RollbackResult",
    "Standing",
    "StoredPlan",
    "Switch",
]

_NO_HORIZON: Final = 0xFFFFFFFF
_UNDONE_AT_ONCE: Final = 500
_TABLES: Final = ("frequencies", "repeated_lines", "line_counts")


def not_told(stage: str) -> None:
    """Tell nobody of a stage."""


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan as it is stored: its own bytes, and the tables that come into force with it."""

    body: bytes
    frequencies: bytes
    repeated_lines: bytes
    line_counts: bytes


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

    async def apply(
        self, reassignment: Reassignment, switch: Switch, *, on_stage: OnStage = not_told
    ) -> ReassignmentResult:
        """Apply a reclustering, and all that comes with it: see the top of this module.

        With the articles' clusters change the job's record (to ``switch.payload``), the tables of
        its stored plan come into force, the plan is removed, and what takes it back is kept until
        the next one. What would break an editor's constraint is left out, with all that it is
        connected to: these clusters stay as they are. Returns when all of it is carried out; a
        failure after the switch does not undo it.

        Raises
        ------
        RefusedError
            See there; nothing was written.
        """
        ...

    async def rollback(
        self, switch: Switch, *, now_seconds: float, on_stage: OnStage = not_told
    ) -> RollbackResult:
        """Take back the reclustering that was applied last, by the job that applied it.

        Raises
        ------
        RefusedError
            The lease is lost, another reclustering was applied since, or it would break an
            editor's constraint; nothing was written.
        """
        ...

    async def settle(self) -> bool:
        """Carry out what is in force and not carried out yet; ``False`` when there was nothing."""
        ...


class PlanStore(SwitchingStore):
    """The part of `ReclusteringStore` that is not in `ClusterStore`, and `reassign`."""

    async def standing(self) -> Standing:
        """Return what a plan made now would rest on."""
        generation, applied, handle = await self._connection.execute(
            "HMGET", self._keys.key(keys.META), "generation", "applied", "applied_handle"
        )
        return Standing(int(generation or 0), (applied or b"").decode(), int(handle or 0))

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
        return await self.apply(reassignment, Switch("", b"", Standing(0)))

    async def apply(
        self, reassignment: Reassignment, switch: Switch, *, on_stage: OnStage = not_told
    ) -> ReassignmentResult:
        """Apply a reclustering, and all that comes with it."""
        lone = sorted(reassignment.group_moves.keys() - reassignment.moves.keys())
        if lone:
            homes = await self.clusters_of(lone)
            staying = {handle: (home, home) for handle, home in homes.items()}
            reassignment = replace(reassignment, moves={**reassignment.moves, **staying})
        horizon = reassignment.horizon
        return await self._switch(
            switch,
            "apply",
            horizon=_NO_HORIZON if horizon is None else horizon,
            now_seconds=reassignment.now_seconds,
            parts=await asyncio.to_thread(parts_of, reassignment),
            handles={},
            on_stage=on_stage,
        )

    async def rollback(
        self, switch: Switch, *, now_seconds: float, on_stage: OnStage = not_told
    ) -> RollbackResult:
        """Take back the reclustering that was applied last."""
        await self.settle()
        undo = self._keys.key(keys.UNDO)
        horizon = int(await self._connection.execute("HGET", undo, "horizon") or 0)
        entries: dict[int, bytes] = {}
        divided: list[tuple[str, str]] = []
        cursor = -1
        while cursor:
            cursor, found = await self._connection.execute(
                "HSCAN", undo, max(cursor, 0), "COUNT", _UNDONE_AT_ONCE
            )
            cursor = int(cursor)
            for name, value in found.items():
                if name.startswith(b"a:"):
                    entries |= undo_entries(value)
                elif name.startswith(b"s:"):
                    for line in value.decode("ascii").splitlines():
                        old, part = line.split(" ")
                        divided.append((old, part))
        current = await self.clusters_of(sorted(entries))
        result = await self._switch(
            switch,
            "rollback",
            horizon=horizon,
            now_seconds=now_seconds,
            parts=await asyncio.to_thread(parts_of_undo, entries, dict.fromkeys(divided), current),
            handles=current,
            on_stage=on_stage,
        )
        return RollbackResult(result.moved, len(entries.keys() - current.keys()), result.followed)
