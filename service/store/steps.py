"""Divides a large reassignment into steps that do not depend on one another.

Clusters that exchange articles, or of which one leads to another, are changed together; clusters
of different components have nothing to do with one another. So a step of whole components leaves
every cluster, every redirect and every lineage whole, whatever becomes of the other steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from service.store import Reassignment


def divide(reassignment: Reassignment, *, moves_per_step: int) -> list[Reassignment]:
    """Return the steps, at least one, in the order of their first articles.

    Parameters
    ----------
    reassignment
        What is to be changed.
    moves_per_step
        Articles that a step changes; one of a larger component is larger.
    """
    if len(reassignment.moves) <= moves_per_step:
        return [reassignment]
    component = _components(
        [
            *reassignment.moves.values(),
            *reassignment.merged_into.items(),
            *((old, part) for old, parts in reassignment.split_into.items() for part in parts),
        ]
    )
    members: dict[str, list[int]] = {}
    for handle in sorted(reassignment.moves):
        members.setdefault(component[reassignment.moves[handle][0]], []).append(handle)
    step_of: dict[str, int] = {}
    handles: list[list[int]] = [[]]
    for name, some in members.items():
        if handles[-1] and len(handles[-1]) + len(some) > moves_per_step:
            handles.append([])
        handles[-1] += some
        step_of[name] = len(handles) - 1
    steps = [
        replace(
            reassignment,
            moves={handle: reassignment.moves[handle] for handle in some},
            group_moves={
                handle: reassignment.group_moves[handle]
                for handle in some
                if handle in reassignment.group_moves
            },
            merged_into={},
            split_into={},
        )
        for some in handles
    ]
    merged: list[dict[str, str]] = [{} for _ in steps]
    split: list[dict[str, Sequence[str]]] = [{} for _ in steps]
    for old, new in reassignment.merged_into.items():
        merged[step_of.get(component[old], 0)][old] = new
    for old, parts in reassignment.split_into.items():
        split[step_of.get(component.get(old, old), 0)][old] = parts
    alone = {h: g for h, g in reassignment.group_moves.items() if h not in reassignment.moves}
    steps = [
        replace(step, merged_into=merged[number], split_into=split[number])
        for number, step in enumerate(steps)
    ]
    steps[0] = replace(steps[0], group_moves={**steps[0].group_moves, **alone})
    return steps


def _components(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return for each name the one that stands for its connected component."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for a, b in pairs:
        parent[root(a)] = root(b)
    return {name: root(name) for name in parent}
