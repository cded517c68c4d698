"""The use case: tell the history of a cluster id, from its minting to where it leads today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, Protocol, TypeAlias

from service.store.constraints import ConstrainedStore, LineageEntry, LineageKind

ClusterState: TypeAlias = Literal["open", "merged", "closed"]
LineageEventKind: TypeAlias = LineageKind | Literal["closed"]
Cause: TypeAlias = Literal["posting", "deletion", "reclustering", "constraint"]

_STATES: Final[dict[str, ClusterState]] = {"open": "open", "merged": "merged", "empty": "closed"}
_BY_DELETION: Final = "-"
_RECLUSTERING_PREFIX: Final = "r_"


@dataclass(frozen=True, slots=True)
class LineageEvent:
    """One thing that happened to a cluster.

    ``cluster_id`` is the other one, where there is one; ``cause_id`` the reclustering or
    constraint that did it. ``cause`` is ``None`` where it is not known any more.
    """

    event: LineageEventKind
    at: datetime
    cluster_id: str | None
    cause: Cause | None
    cause_id: str | None


@dataclass(frozen=True, slots=True)
class LineageView:
    """The history of a cluster id, oldest event first.

    ``merged_into`` is where it leads now, over all merges. With ``events_left_out`` the log was too
    long to be kept whole.
    """

    cluster_id: str
    state: ClusterState
    created_at: datetime
    merged_into: str | None
    split_from: str | None
    split_into: tuple[str, ...]
    events: tuple[LineageEvent, ...]
    events_left_out: bool


class LineageUseCase(Protocol):
    """What the lineage route needs."""

    async def lineage(self, cluster_id: str) -> LineageView | None:
        """History of a cluster id; ``None`` when it was never given out, or is forgotten."""
        ...


class Lineage:
    """Tells the history of cluster ids.

    Parameters
    ----------
    store
        An opened store.
    """

    def __init__(self, store: ConstrainedStore) -> None:
        self._store = store

    async def lineage(self, cluster_id: str) -> LineageView | None:
        """Return the history of a cluster id; ``None`` when there is none."""
        stored = await self._store.lineage(cluster_id)
        if stored is None:
            return None
        cluster = stored.cluster
        events = [_event(entry) for entry in stored.entries]
        if not any(event.event == "minted" for event in events):
            # A posting's minting is not logged; after a cut one cannot tell whose it was.
            cause: Cause | None = None if stored.cut_off else "posting"
            minted = LineageEvent("minted", _moment(cluster.created_at_seconds), None, cause, None)
            events.insert(0, minted)
        if cluster.state == "empty":
            events.append(
                LineageEvent("closed", _moment(cluster.updated_at_seconds), None, "deletion", None)
            )
        return LineageView(
            cluster_id=cluster_id,
            state=_STATES[cluster.state],
            created_at=_moment(cluster.created_at_seconds),
            merged_into=cluster.merged_into or None,
            split_from=cluster.split_from or None,
            split_into=cluster.split_into,
            events=tuple(events),
            events_left_out=stored.cut_off,
        )


def _event(entry: LineageEntry) -> LineageEvent:
    cause: Cause
    if not entry.cause:
        cause = "posting"
    elif entry.cause == _BY_DELETION:
        cause = "deletion"
    else:
        by_night = entry.cause.startswith(_RECLUSTERING_PREFIX)
        cause = "reclustering" if by_night else "constraint"
    named = cause in ("reclustering", "constraint")
    return LineageEvent(
        event=entry.kind,
        at=_moment(entry.at_seconds),
        cluster_id=entry.cluster_id or None,
        cause=cause,
        cause_id=entry.cause if named else None,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
