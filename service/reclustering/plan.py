"""A plan: what a reclustering would change, as values and as the compact bytes that are stored.

A plan names articles by their handles and holds nothing of their text: an article that is deleted
leaves no trace in it, and what people read of a plan (titles, terms) is looked up when they read.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from clustering.articles import UInt32Array
from clustering.errors import CorruptRecordError
from service.store.plans import Standing

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What a reclustering changes.

    Attributes
    ----------
    standing
        Of the store when its articles were read: the plan holds only while that is so.
    horizon
        Highest handle that had been given out when they were.
    moves
        Handle → (cluster id, cluster id under the plan); equal where only the near-duplicate
        group changes.
    group_moves
        Handle → near-duplicate group id under the plan.
    merged_into, split_into
        As in `clustering.reconcile.Reconciliation`.
    stale_handles
        Articles that were clustered as they will be once prepared anew; see
        `service.repreparing`.
    """

    standing: Standing
    horizon: int
    moves: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    group_moves: Mapping[int, str] = field(default_factory=dict)
    merged_into: Mapping[str, str] = field(default_factory=dict)
    split_into: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stale_handles: tuple[int, ...] = ()

    def to_bytes(self) -> bytes:
        """Pack; about 20 bytes a moved article after compression."""
        numbers: dict[str, int] = {}

        def number(name: str) -> int:
            return numbers.setdefault(name, len(numbers))

        moves = [(h, number(old), number(new)) for h, (old, new) in sorted(self.moves.items())]
        groups = [(h, number(group)) for h, group in sorted(self.group_moves.items())]
        merged = [(number(old), number(new)) for old, new in self.merged_into.items()]
        split = [
            (number(old), number(part)) for old, parts in self.split_into.items() for part in parts
        ]
        tables = [_flat(rows) for rows in (moves, groups, merged, split)]
        header = orjson.dumps(
            {
                "version": _VERSION,
                "generation": self.standing.generation,
                "horizon": self.horizon,
                "names": list(numbers),
                "sizes": [table.size for table in tables],
            }
        )
        tables.append(_flat([self.stale_handles]))
        body = b"".join(table.tobytes() for table in tables)
        return zlib.compress(len(header).to_bytes(4, "little") + header + body, 6)

    @classmethod
    def from_bytes(cls, packed: bytes) -> Plan:
        """Unpack `to_bytes`.

        Raises
        ------
        CorruptRecordError
            The bytes are no plan, or one of another version.
        """
        try:
            raw = zlib.decompress(packed)
            end = 4 + int.from_bytes(raw[:4], "little")
            header: dict[str, Any] = orjson.loads(raw[4:end])
            if header["version"] != _VERSION:
                raise CorruptRecordError(_BROKEN)
            names: list[str] = header["names"]
            cuts = np.cumsum(header["sizes"])
            moves, groups, merged, split, stale = (
                part.tolist() for part in np.split(np.frombuffer(raw[end:], dtype="<u4"), cuts)
            )
        except (zlib.error, ValueError, KeyError, TypeError) as error:
            raise CorruptRecordError(_BROKEN) from error
        split_into: dict[str, list[str]] = {}
        for old, part in zip(split[::2], split[1::2], strict=True):
            split_into.setdefault(names[old], []).append(names[part])
        return cls(
            standing=Standing(header["generation"]),
            horizon=header["horizon"],
            moves={
                handle: (names[old], names[new])
                for handle, old, new in zip(moves[::3], moves[1::3], moves[2::3], strict=True)
            },
            group_moves={
                h: names[group] for h, group in zip(groups[::2], groups[1::2], strict=True)
            },
            merged_into={
                names[old]: names[new] for old, new in zip(merged[::2], merged[1::2], strict=True)
            },
            split_into={old: tuple(parts) for old, parts in split_into.items()},
            stale_handles=tuple(stale),
        )


_BROKEN = "the stored plan cannot be read: recluster again"


def _flat(rows: Iterable[Iterable[int]]) -> UInt32Array:
    return np.fromiter((value for row in rows for value in row), dtype="<u4")
