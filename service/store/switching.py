"""The one step that puts a reclustering in force, whatever its size, and what comes after it.

1. *Lay out*: the changes are written beside everything else, in parts that have nothing to do with
   one another (`parts`), a bounded number with each script. Nobody reads them. Where a posting
   meanwhile moves articles between clusters of two parts, the parts are joined.
2. *Switch*: one script of constant cost puts all of it in force, with the job's record and what the
   stream has shown.
3. *Fold*: part after part is carried out, some 10 ms of the server at a time. Whoever meets a
   cluster of a part that is still pending has it carried out first (`connection.Connection.run`),
   so that nobody can tell when that is done: from the switch on everything read is the new
   clustering, and before it the old.

A part does not change between the switch and its fold, since nothing can be written into it; so
what the fold finds is what the switch met. A job that dies in 1 has changed nothing. One that dies
in 3 leaves parts that readers, posters, the service's housekeeping or the next job carry out.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Literal

from service.store import ReassignmentResult, StoreError, keys
from service.store.encoding import unpack_assignment, unpack_handles
from service.store.parts import Part, in_folds, part_name
from service.store.reader import StoreReader
from service.store.standing import RefusedError, Switch

_PAIRS_PER_STAGE: Final = 1_000
_CLUSTERS_PER_CALL: Final = 1_000
_SHARDS_PER_CALL: Final = 64
_PARTS_AT_ONCE: Final = 500
# Posts come first: they find the server free for two thirds of the time.
_PAUSE_PER_FOLD_SECOND: Final = 2.0
_LEASE_SECONDS: Final = 60.0
_LEASE_RENEWED_SECONDS: Final = 5.0
_ATTEMPTS: Final = 20
_IN_FORCE_PARTS: Final = 5

OnStage = Callable[[str], None]


class SwitchingStore(StoreReader):
    """Lays out, switches and folds."""

    @abstractmethod
    def _opened(self) -> str:
        """Return the fingerprint that the store was opened with."""

    @abstractmethod
    def _checked(self, answer: list[Any]) -> list[Any]:
        """Return a script's answer, or raise what it says."""

    async def settle(self) -> bool:
        """Carry out what is in force and not carried out yet; ``False`` when there was nothing."""
        return await self._fold_all("")

    async def _switch(
        self,
        switch: Switch,
        kind: Literal["apply", "rollback"],
        *,
        horizon: int,
        now_seconds: float,
        parts: Sequence[Part],
        handles: Mapping[int, str],
        on_stage: OnStage,
    ) -> ReassignmentResult:
        """Lay out parts, put them in force, carry them out.

        Parameters
        ----------
        handles
            Where the parts take articles to be that may be anywhere, by handle.
        on_stage
            Told ``laying out``, ``switching`` and ``carrying out`` when that begins.
        """
        job = switch.job_id
        lease = _Lease(self, job)
        await self._begin_switch(switch, kind, horizon)
        try:
            on_stage("laying out")
            await self._lay_out(job, parts, lease)
            if kind == "apply":
                await self._join_merged(job, parts, lease)
            else:
                await self._join_moved(job, handles, lease)
            on_stage("switching")
            await self._put_in_force(switch, kind, now_seconds)
        except BaseException:
            with contextlib.suppress(StoreError):
                await self._connection.run("switch_off", job)
            raise
        on_stage("carrying out")
        await self._fold_all(job)
        counts = await self._connection.execute(
            "HMGET", self._keys.key(keys.SWITCH), "moved", "left", "followed"
        )
        return ReassignmentResult(*(int(count or 0) for count in counts))

    async def _begin_switch(self, switch: Switch, kind: str, horizon: int) -> None:
        for _ in range(_ATTEMPTS):
            await self.settle()
            answer = self._accepted(
                await self._connection.run(
                    "switch_begin",
                    self._opened(),
                    switch.job_id,
                    switch.standing.generation,
                    kind,
                    horizon,
                )
            )
            if answer[0] == b"ok":
                return
        raise RefusedError("superseded")

    async def _lay_out(self, job: str, parts: Sequence[Part], lease: _Lease) -> None:
        named = [(part_name(number, part), part) for number, part in enumerate(parts)]
        by_name = dict(named)
        for names in in_folds(by_name):
            arguments: list[str | bytes | int] = [len(names)]
            for name in names:
                part = by_name[name]
                arguments += [name, part.packed(), len(part.clusters), *sorted(part.clusters)]
            self._accepted(await self._connection.run("switch_stage", job, *arguments))
            await lease.renew()

    async def _join_merged(self, job: str, parts: Sequence[Part], lease: _Lease) -> None:
        """Join clusters that were merged away since the plan was made to what they became."""
        ids = sorted({cluster_id for part in parts for cluster_id in part.clusters})
        for some in _batches(ids, _CLUSTERS_PER_CALL):
            flat = await self._connection.run("clusters", "ids", len(some), *some)
            pairs = [(flat[i], flat[i + 2]) for i in range(0, len(flat), 5) if flat[i + 2]]
            await self._join(job, pairs)
            await lease.renew()

    async def _join_moved(self, job: str, handles: Mapping[int, str], lease: _Lease) -> None:
        """Join the clusters of articles that went elsewhere since it was read where they are."""
        for some in _batches(sorted(handles), _CLUSTERS_PER_CALL):
            current = await self.clusters_of(some)
            pairs = {
                (handles[h], cluster_id)
                for h, cluster_id in current.items()
                if handles[h] != cluster_id
            }
            await self._join(job, sorted(pairs))
            await lease.renew()

    async def _join(self, job: str, pairs: Sequence[tuple[Any, Any]]) -> None:
        for some in _batches(pairs, _PAIRS_PER_STAGE):
            flat = [name for pair in some for name in pair]
            self._accepted(await self._connection.run("switch_stage", job, 0, *flat))

    async def _put_in_force(self, switch: Switch, kind: str, now_seconds: float) -> None:
        for _ in range(_ATTEMPTS):
            epoch = await self._leave_what_is_forbidden(kind)
            answer = self._accepted(
                await self._connection.run(
                    "switch_on",
                    self._opened(),
                    switch.job_id,
                    switch.payload,
                    switch.standing.generation,
                    epoch,
                    repr(float(now_seconds)),
                )
            )
            if answer[0] == b"ok":
                return
        raise RefusedError("constrained")

    async def _leave_what_is_forbidden(self, kind: str) -> int:
        """Drop the parts that would break an editor's constraint; return the epoch of these.

        Of a rollback no part may be left out.
        """
        epoch, *flat = await self._connection.run("constraints_in_force")
        handles = {
            handle
            for start in range(0, len(flat), _IN_FORCE_PARTS)
            for handle in unpack_handles(flat[start + 3])
        }
        homes = sorted(set((await self.clusters_of(sorted(handles - {0}))).values()))
        concerned: dict[str, None] = {}
        for some in _batches(homes, _CLUSTERS_PER_CALL):
            found = await self._connection.execute(
                "HMGET", self._keys.key(keys.SWITCH_CLUSTERS), *some
            )
            concerned |= dict.fromkeys(part.decode("ascii") for part in found if part)
        for part in concerned:
            answer, together = await self._connection.fold("try", [part])
            if answer == b"constrained":
                if kind == "rollback":
                    raise RefusedError("constrained")
                await self._connection.fold("drop", together)
            else:
                await self._connection.execute(
                    "HSET", self._keys.key(keys.SWITCH_JOINS), f"!{part}", 1
                )
        return int(epoch)

    async def _fold_all(self, job: str) -> bool:
        lease = _Lease(self, job)
        meta, key = self._keys.key(keys.META), self._keys.key(keys.SWITCH_PARTS)
        found = False
        while await self._connection.execute("HGET", meta, "switch") == b"folding":
            found = True
            names: list[bytes] = await self._connection.execute("HRANDFIELD", key, _PARTS_AT_ONCE)
            for some in in_folds(name.decode("ascii") for name in names):
                begun = time.monotonic()
                await self._connection.fold("fold", some)
                await lease.renew()
                await asyncio.sleep(_PAUSE_PER_FOLD_SECOND * (time.monotonic() - begun))
        return found

    async def clusters_of(self, handles: Sequence[int]) -> dict[int, str]:
        """Return handle → cluster id as it is stored, for articles that are there."""
        slots: dict[int, list[int]] = {}
        for handle in handles:
            slots.setdefault(handle // keys.HANDLES_PER_SHARD, []).append(handle)
        found: dict[int, str] = {}
        for shards in _batches(sorted(slots), _SHARDS_PER_CALL):
            answers = await self._connection.batch(
                [
                    (
                        "HMGET",
                        self._keys.key(keys.ASSIGNMENTS, shard),
                        *(handle % keys.HANDLES_PER_SHARD for handle in slots[shard]),
                    )
                    for shard in shards
                ]
            )
            for shard, packed in zip(shards, answers, strict=True):
                for handle, value in zip(slots[shard], packed, strict=True):
                    if value is not None:
                        found[handle] = unpack_assignment(value)[0]
        return found

    def _accepted(self, answer: list[Any]) -> list[Any]:
        if answer[0] == b"refused":
            raise RefusedError(answer[1].decode("ascii"))
        return self._checked(answer)


class _Lease:
    """Keeps a job's lease while it works; without a job there is none."""

    def __init__(self, store: StoreReader, job: str) -> None:
        self._store = store
        self._job = job
        self._renewed = 0.0

    async def renew(self) -> None:
        now = time.monotonic()
        if self._job and now - self._renewed > _LEASE_RENEWED_SECONDS:
            self._renewed = now
            await self._store.acquire_lease(
                keys.RECLUSTER_LEASE, self._job, ttl_seconds=_LEASE_SECONDS
            )


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
