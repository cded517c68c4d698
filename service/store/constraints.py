"""Editors' constraints in the store, and the lineage of cluster ids.

A constraint names articles by their ids; what workers decide with are the handles of the moment.
So every constraint that comes or goes, and every named article that gets another handle or goes,
raises a number, the *constraint epoch*, which each probe tells: a worker loads the constraints when
it has changed, and a commit that rests on an older number is refused.
"""

from __future__ import annotations

import struct
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeAlias

from clustering.errors import CorruptRecordError
from service.store import ClusterStore, StoredCluster, keys
from service.store.encoding import (
    check_minted_id,
    flat_pairs,
    lineage_arguments,
    stored_cluster,
    unpack_handles,
)
from service.store.reader import StoreReader

ConstraintKind: TypeAlias = Literal["must-link", "cannot-link", "not-in-cluster", "headline"]

_KINDS: Final[Mapping[str, ConstraintKind]] = {
    "m": "must-link",
    "c": "cannot-link",
    "n": "not-in-cluster",
    "h": "headline",
}
_LETTERS: Final = {kind: letter for letter, kind in _KINDS.items()}
_PAGE_PARTS: Final = 4
_IN_FORCE_PARTS: Final = 5
_ENTRY: Final = struct.Struct("<cdB")
_CUT_OFF: Final = b"!"

LineageKind: TypeAlias = Literal[
    "minted", "merged_into", "merged_in", "split_into", "split_from", "reopened"
]
_LINEAGE_KINDS: Final[Mapping[bytes, LineageKind]] = {
    b"n": "minted",
    b">": "merged_into",
    b"<": "merged_in",
    b"/": "split_into",
    b"^": "split_from",
    b"o": "reopened",
}


@dataclass(frozen=True, slots=True)
class StoredConstraint:
    """A constraint as it is stored.

    Attributes
    ----------
    number
        Of its creation, rising; 0 when it is not stored yet.
    in_force
        ``False`` once it is undone.
    cluster_id
        The cluster it names; empty for must-links and cannot-links.
    article_ids
        Those of a must-link or cannot-link; of a not-in-cluster the article and then the members
        that the cluster had; none of a headline.
    payload
        Who, when, why, as its owner packed it.
    """

    constraint_id: str
    kind: ConstraintKind
    in_force: bool
    cluster_id: str
    article_ids: tuple[str, ...]
    payload: bytes
    number: int = 0


@dataclass(frozen=True, slots=True)
class ConstraintInForce:
    """A constraint with the handles of its articles, 0 for one that is not stored.

    ``leads_to`` is the cluster that its cluster id stands for now, after merges.
    """

    constraint: StoredConstraint
    handles: tuple[int, ...]
    leads_to: str


@dataclass(frozen=True, slots=True)
class ConstraintWrite:
    """A constraint, new or undone, and what changes of the clusters with it; whole or not at all.

    Attributes
    ----------
    constraint_epoch
        That it rests on; with another one in force, it is a conflict.
    expected_revisions
        Cluster id → revision, of every cluster that was read.
    moves, group_moves, merged_into, split_into
        As in `service.store.Commit`.
    """

    constraint: StoredConstraint
    constraint_epoch: int
    now_seconds: float
    expected_revisions: Mapping[str, int] = field(default_factory=dict)
    moves: Mapping[int, str] = field(default_factory=dict)
    group_moves: Mapping[int, str] = field(default_factory=dict)
    merged_into: Mapping[str, str] = field(default_factory=dict)
    split_into: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LineageEntry:
    """One change of a cluster: what, when, the other cluster, and what caused it.

    ``cause`` is the id of a reclustering or constraint, ``"-"`` for a deletion and empty for a
    posting.
    """

    kind: LineageKind
    at_seconds: float
    cluster_id: str
    cause: str


@dataclass(frozen=True, slots=True)
class StoredLineage:
    """The history of a cluster id; with ``cut_off``, older entries were left out."""

    cluster: StoredCluster
    entries: tuple[LineageEntry, ...]
    cut_off: bool


class ConstrainedStore(ClusterStore, Protocol):
    """`ClusterStore`, with what constraints and lineage need besides."""

    async def constraint_epoch(self) -> int:
        """Return the number of the constraints in force."""
        ...

    async def constraints_in_force(self) -> tuple[int, list[ConstraintInForce]]:
        """Return their epoch, and all of them, oldest first."""
        ...

    async def constraint(self, constraint_id: str) -> StoredConstraint | None:
        """Return a constraint, undone or not; ``None`` when there is none of that id."""
        ...

    async def constraints(
        self, *, article_id: str = "", cluster_id: str = "", before: int | None, limit: int
    ) -> list[StoredConstraint]:
        """Constraints by number, newest first, below ``before``.

        Of an article or a cluster where one is named.
        """
        ...

    async def constrain(self, write: ConstraintWrite) -> None:
        """Write a constraint and what it changes.

        Raises
        ------
        ConflictError
            Something that it rests on was written meanwhile; nothing was written.
        """
        ...

    async def lineage(self, cluster_id: str) -> StoredLineage | None:
        """Return the history of a cluster id; ``None`` when there was never such a cluster."""
        ...


class ConstraintStore(StoreReader):
    """The part of `ConstrainedStore` that is not in `ClusterStore`."""

    @abstractmethod
    def _opened(self) -> str:
        """Return the fingerprint that the store was opened with."""

    @abstractmethod
    def _checked(self, answer: list[Any]) -> list[Any]:
        """Return a script's answer, or raise what it says."""

    async def constraint_epoch(self) -> int:
        """Return the number of the constraints in force."""
        meta = self._keys.key(keys.META)
        return int(await self._connection.execute("HGET", meta, "constraint_epoch") or 0)

    async def constraints_in_force(self) -> tuple[int, list[ConstraintInForce]]:
        """Return their epoch, and all of them, oldest first."""
        epoch, *flat = await self._connection.run("constraints_in_force")
        found = []
        for start in range(0, len(flat), _IN_FORCE_PARTS):
            constraint_id, terms, payload, handles, leads_to = flat[start : start + _IN_FORCE_PARTS]
            found.append(
                ConstraintInForce(
                    constraint=unpack_constraint(0, constraint_id, terms, payload),
                    handles=tuple(unpack_handles(handles)),
                    leads_to=leads_to.decode("ascii"),
                )
            )
        return epoch, found

    async def constraint(self, constraint_id: str) -> StoredConstraint | None:
        """Return a constraint, undone or not; ``None`` when there is none of that id."""
        found = await self._page("id", constraint_id, None, 1)
        return found[0] if found else None

    async def constraints(
        self, *, article_id: str = "", cluster_id: str = "", before: int | None, limit: int
    ) -> list[StoredConstraint]:
        """Constraints by number, newest first, below ``before``.

        Of an article or a cluster where one is named; of both, those that name both.
        """
        if not article_id:
            how = "of" if cluster_id else "all"
            return await self._page(how, cluster_id, before, limit)
        name = keys.digest_article_id(article_id)
        if not cluster_id:
            return await self._page("of", name, before, limit)
        found = await self._page("of", name, before, _EVERY)
        return [item for item in found if item.cluster_id == cluster_id][:limit]

    async def _page(
        self, how: str, name: str | bytes, before: int | None, limit: int
    ) -> list[StoredConstraint]:
        flat = await self._connection.run(
            "constraints_page", how, name, "" if before is None else before, limit
        )
        return [
            unpack_constraint(*flat[start : start + _PAGE_PARTS])
            for start in range(0, len(flat), _PAGE_PARTS)
        ]

    async def constrain(self, write: ConstraintWrite) -> None:
        """Write a constraint and what it changes."""
        constraint = write.constraint
        check_minted_id("constraint id", constraint.constraint_id)
        self._checked(
            await self._connection.run(
                "constrain",
                self._opened(),
                repr(float(write.now_seconds)),
                write.constraint_epoch,
                constraint.constraint_id,
                constraint.payload,
                _packed_terms(constraint),
                len(write.expected_revisions),
                *flat_pairs(write.expected_revisions),
                len(write.moves),
                *flat_pairs(write.moves),
                len(write.group_moves),
                *flat_pairs(write.group_moves),
                *lineage_arguments(write.merged_into, write.split_into),
            )
        )

    async def lineage(self, cluster_id: str) -> StoredLineage | None:
        """Return the history of a cluster id; ``None`` when there was never such a cluster."""
        parts = await self._connection.run("clusters", "ids", 1, cluster_id)
        if not parts:
            return None
        log = await self._connection.execute(
            "HGET",
            self._keys.key(keys.LINEAGE, keys.cluster_shard(cluster_id)),
            f"{cluster_id}#",
        )
        packed = bytes(log or b"")
        return StoredLineage(
            cluster=stored_cluster(parts),
            entries=tuple(_lineage_entries(packed.removeprefix(_CUT_OFF))),
            cut_off=packed.startswith(_CUT_OFF),
        )


_EVERY: Final = 1_000_000


def _packed_terms(constraint: StoredConstraint) -> bytes:
    """Return what scripts read of a constraint; see ``scripts/constraints.lua``."""
    cluster_id = constraint.cluster_id.encode("ascii")
    head = _LETTERS[constraint.kind] + ("+" if constraint.in_force else "-")
    parts = [head.encode("ascii"), bytes([len(cluster_id)]), cluster_id]
    for article_id in constraint.article_ids:
        name = article_id.encode("utf-8")
        parts += [keys.digest_article_id(article_id), len(name).to_bytes(2, "little"), name]
    return b"".join(parts)


def unpack_constraint(
    number: int, constraint_id: bytes, terms: bytes, payload: bytes
) -> StoredConstraint:
    """Return a constraint from what is stored; see ``scripts/constraints.lua``."""
    start = 3 + terms[2]
    cluster_id = terms[3:start].decode("ascii")
    article_ids = []
    while start < len(terms):
        length = int.from_bytes(terms[start + 16 : start + 18], "little")
        article_ids.append(terms[start + 18 : start + 18 + length].decode("utf-8"))
        start += 18 + length
    return StoredConstraint(
        constraint_id=constraint_id.decode("ascii"),
        kind=_KINDS[chr(terms[0])],
        in_force=terms[1:2] == b"+",
        cluster_id=cluster_id,
        article_ids=tuple(article_ids),
        payload=payload,
        number=int(number),
    )


def _lineage_entries(log: bytes) -> Iterator[LineageEntry]:
    at = 0
    while at < len(log):
        try:
            kind, at_seconds, length = _ENTRY.unpack_from(log, at)
            at += _ENTRY.size
            other = log[at : at + length].decode("ascii")
            at += length
            end = at + 1 + log[at]
            cause = log[at + 1 : end].decode("ascii")
            at = end
            yield LineageEntry(_LINEAGE_KINDS[kind], at_seconds, other, cause)
        except (struct.error, IndexError, KeyError, UnicodeDecodeError) as error:
            raise CorruptRecordError("a cluster's lineage log does not decode") from error
