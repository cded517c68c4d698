"""What the store keeps besides articles and clusters: jobs, leases, what the stream has shown."""

from __future__ import annotations

from typing import Final

from service.store import LearnedTables, keys
from service.store.connection import Connection

_JOBS_KEPT: Final = 200


class Bookkeeping:
    """The part of `service.store.ClusterStore` that knows nothing of articles."""

    def __init__(self, connection: Connection, names: keys.Keys) -> None:
        self._connection = connection
        self._keys = names

    async def learned(self) -> LearnedTables:
        """Return what the stream has shown, both tables of one epoch."""
        epoch, frequencies, repeated_lines = await self._connection.transaction(
            [
                ("HGET", self._keys.key(keys.META), "epoch"),
                ("GET", self._keys.key(keys.FREQUENCIES)),
                ("GET", self._keys.key(keys.REPEATED_LINES)),
            ]
        )
        return LearnedTables(
            epoch=int(epoch or 0),
            frequencies=bytes(frequencies or b""),
            repeated_lines=bytes(repeated_lines or b""),
        )

    async def line_counts(self) -> tuple[int, bytes]:
        """Epoch, and the counts that its ``repeated_lines`` come from; empty before the first."""
        epoch, counts = await self._connection.transaction(
            [
                ("HGET", self._keys.key(keys.META), "epoch"),
                ("GET", self._keys.key(keys.LINE_COUNTS)),
            ]
        )
        return int(epoch or 0), bytes(counts or b"")

    async def set_learned(
        self,
        *,
        frequencies: bytes,
        repeated_lines: bytes,
        line_counts: bytes,
        expected_epoch: int | None = None,
    ) -> int:
        """Store what was counted, all of it in one step; returns the epoch in force then.

        With an ``expected_epoch``, nothing is written when it is no longer the one in force.
        """
        epoch: int = await self._connection.run(
            "set_learned",
            "" if expected_epoch is None else expected_epoch,
            frequencies,
            repeated_lines,
            line_counts,
        )
        return epoch

    async def put_job(self, job_id: str, payload: bytes) -> None:
        """Store a job, new or changed. The newest 200 are kept."""
        await self._connection.run("put_job", job_id, payload, _JOBS_KEPT)

    async def job(self, job_id: str) -> bytes | None:
        """Return a job's payload; ``None`` when there is none."""
        payload: bytes | None = await self._connection.execute(
            "HGET", self._keys.key(keys.JOBS), job_id
        )
        return payload

    async def jobs(self, *, limit: int) -> list[tuple[str, bytes]]:
        """Newest first."""
        if limit < 1:
            return []
        order = self._keys.key(keys.JOB_ORDER)
        ids: list[bytes] = await self._connection.execute("ZREVRANGE", order, 0, limit - 1)
        if not ids:
            return []
        payloads = await self._connection.execute("HMGET", self._keys.key(keys.JOBS), *ids)
        return [
            (job_id.decode("utf-8"), payload)
            for job_id, payload in zip(ids, payloads, strict=True)
            if payload is not None
        ]

    async def acquire_lease(self, name: str, holder: str, *, ttl_seconds: float) -> bool:
        """Take or renew a lease; ``False`` while another holder has it.

        Raises
        ------
        ValueError
            For a time to live below a millisecond.
        """
        milliseconds = int(ttl_seconds * 1000)
        if milliseconds < 1:
            raise ValueError(f"a lease needs to live at least 0.001 s, not {ttl_seconds}")
        return bool(await self._connection.run("acquire_lease", name, holder, milliseconds))

    async def release_lease(self, name: str, holder: str) -> None:
        """Give a lease back; nothing happens when another holder has it."""
        await self._connection.run("release_lease", name, holder)
