"""Divides a switch into parts that do not depend on one another, and packs them for the scripts.

Clusters that exchange articles, or of which one leads to another, change together: a part is a
connected component of them. So a part leaves every cluster, redirect and lineage whole, whether the
other parts have been carried out by then or not.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from service.store import Reassignment
from service.store.encoding import check_minted_id, unpack_assignment

_NOT_NAMED: Final = 0
_MOVES_PER_FOLD: Final = 100


@dataclass(slots=True)
class Part:
    """What changes together.

    Attributes
    ----------
    clusters
        All clusters that it changes or names.
    moves
        Handle, cluster where the article is expected (empty: wherever it is), cluster and
        near-duplicate group that it goes to (empty: it keeps its own).
    merged, split
        Pairs of an old cluster id and its successor, or one that was divided from it.
    """

    clusters: set[str] = field(default_factory=set)
    moves: list[tuple[int, str, str, str]] = field(default_factory=list)
    merged: list[tuple[str, str]] = field(default_factory=list)
    split: list[tuple[str, str]] = field(default_factory=list)

    def packed(self) -> bytes:
        """Return what ``fold.lua`` reads.

        Raises
        ------
        ValueError
            For a malformed id.
        """
        numbers = {"": _NOT_NAMED}

        def number(name: str) -> int:
            if name not in numbers:
                check_minted_id("id", name)
                numbers[name] = len(numbers)
            return numbers[name]

        for cluster_id in sorted(self.clusters):
            number(cluster_id)
        entries = [(h, *map(number, names)) for h, *names in sorted(self.moves)]
        tables = [
            entries,
            *([tuple(map(number, pair)) for pair in pairs] for pairs in (self.merged, self.split)),
        ]
        names = [name.encode("ascii") for name in numbers if name]
        return b"".join(
            [
                struct.pack("<I", len(names)),
                *(bytes([len(name)]) + name for name in names),
                *(
                    struct.pack("<I", len(rows)) + np.array(rows, dtype="<u4").tobytes()
                    for rows in tables
                ),
            ]
        )


def parts_of(reassignment: Reassignment) -> list[Part]:
    """Return the parts of a reclustering, in the order of their first articles.

    Parameters
    ----------
    reassignment
        What is to be changed; group moves of articles that ``moves`` does not name are left out.
    """
    moves = reassignment.moves
    divided = [(old, part) for old, parts in reassignment.split_into.items() for part in parts]
    home = _components([*moves.values(), *reassignment.merged_into.items(), *divided])
    parts: dict[str, Part] = {}

    def part_of(name: str) -> Part:
        return parts.setdefault(home[name], Part())

    for handle in sorted(moves):
        expected, wanted = moves[handle]
        group = reassignment.group_moves.get(handle, "")
        if expected != wanted or group:
            part_of(expected).moves.append((handle, expected, wanted, group))
    for old, new in reassignment.merged_into.items():
        part_of(old).merged.append((old, new))
    for old, new in divided:
        part_of(old).split.append((old, new))
    for name in home:
        if home[name] in parts:
            parts[home[name]].clusters.add(name)
    return list(parts.values())


def parts_of_undo(
    entries: Mapping[int, bytes], divided: Iterable[tuple[str, str]], current: Mapping[int, str]
) -> list[Part]:
    """Return the parts of a rollback, in the order of their first articles.

    Parameters
    ----------
    entries
        Handle → packed assignment that the article returns to.
    divided
        Old cluster id and a cluster that the reclustering divided from it.
    current
        Handle → cluster where the article is now; one that is gone is not in it.
    """
    divided = list(divided)
    places = {h: unpack_assignment(packed) for h, packed in entries.items()}
    home = _components(
        [*((current.get(h, place[0]), place[0]) for h, place in places.items()), *divided]
    )
    parts: dict[str, Part] = {}
    for handle in sorted(places):
        cluster_id, group_id = places[handle]
        part = parts.setdefault(home[cluster_id], Part())
        part.moves.append((handle, "", cluster_id, group_id))
    for old, new in divided:
        parts.setdefault(home[old], Part()).split.append((old, new))
    for name, stands_for in home.items():
        parts[stands_for].clusters.add(name)
    return list(parts.values())


def part_name(number: int, part: Part) -> str:
    """Return what the store calls a part: it tells how large the part is."""
    return f"{number}.{len(part.moves)}"


def in_folds(names: Iterable[str]) -> Iterator[list[str]]:
    """Yield parts that may well be carried out by one script, in the order given."""
    some: list[str] = []
    moves = 0
    for name in names:
        size = 1 + int(name.partition(".")[2])
        if some and moves + size > _MOVES_PER_FOLD:
            yield some
            some, moves = [], 0
        some.append(name)
        moves += size
    if some:
        yield some


def undo_entries(packed: bytes) -> dict[int, bytes]:
    """Return handle → packed assignment, from what ``fold.lua`` keeps of a part."""
    found, at = {}, 0
    while at < len(packed):
        handle, length = struct.unpack_from("<IB", packed, at)
        at += 5 + length
        found[handle] = packed[at - length : at]
    return found


def _components(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return for each name the one that stands for its connected component."""
    parent: dict[str, str] = {}

    def find(name: str) -> str:
        root = name
        while parent.setdefault(root, root) != root:
            root = parent[root]
        while parent[name] != root:
            parent[name], name = root, parent[name]
        return root

    for one, other in pairs:
        parent[find(other)] = find(one)
    return {name: find(name) for name in list(parent)}
