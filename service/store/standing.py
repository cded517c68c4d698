"""What a job that applies or rolls back rests on, and how it is told that this is no longer so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from service.store import StoreError


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
    applied_handle
        Highest handle given out when a reclustering was last applied; 0 before the first.
    """

    generation: int
    applied_job: str = ""
    applied_handle: int = 0


@dataclass(frozen=True, slots=True)
class Switch:
    """A job that applies or rolls back, and its record once that is done."""

    job_id: str
    payload: bytes
    standing: Standing
