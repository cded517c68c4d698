"""The compiled loops of the sparse linkage: a heap of pairs of groups, and lists that merge.

All state stands in flat arrays. A pair of groups is one entry of the pair arrays and two
*half-edges*, 2p and 2p + 1, one in the list of each of its groups; ``end`` names the group a
half-edge belongs to, so the other side of half-edge h is ``end[h ^ 1]``. When b merges into a,
b's list is hung behind a's: a pair that only one of them had stays where it is, and of two that
led to the same neighbour one is emptied into the other and dropped when next met. So a merge
costs one visit to each neighbour, without hashing and without sorting.

The leaves of every node of the merge tree are a run of one linked list of articles (merging hangs
one run behind the other and alters neither), so a node is its first leaf and its size.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clustering.compiled import compiled
from clustering.refine.linkage import OUTSIDE_SIMILARITY, WEIGHED, density, weigh

_Float64Array = NDArray[np.float64]
_Int32Array = NDArray[np.int32]
_Int64Array = NDArray[np.int64]

DONE: Final = 0
MEASURE: Final = 1
"""The pair on top of the heap has open pairs of articles: measure them, then go on."""
GROW: Final = 2
"""The heap or the list of holes is nearly full: make them larger, then go on."""

NONE: Final = -1
_DEAD: Final = -1

_OUTSIDE_UNITS: Final = float(1 << 32)
"""What is outside of a group is summed in whole numbers of 2^-32: taken away is taken away."""

HEAP_SIZE: Final = 0
HOLE_COUNT: Final = 1
NODE_COUNT: Final = 2
ROOM: Final = 3
TAKEN: Final = 4
FREE_HOLE: Final = 5
COUNTERS: Final = 6


class Groups(NamedTuple):
    """n groups, each named by its smallest article; int64, shape (n,).

    ``parent`` is the union-find parent, ``node`` the node of the merge tree a group stands for,
    ``within`` (float64) the sum of similarities over the pairs inside a group, and ``outside`` the
    sum in o of `MergeRule` over all other groups, in units of 1 / `_OUTSIDE_UNITS`.
    """

    parent: _Int64Array
    size: _Int64Array
    node: _Int64Array
    within: _Float64Array
    outside: _Int64Array


class Nodes(NamedTuple):
    """The merge tree: nodes as runs of one linked list of articles; all int64.

    ``head`` and ``size``, shape (nodes,), are a node's first leaf and number of leaves;
    ``following``, shape (n,), is the article after one; ``tail``, shape (n,), is the last leaf of
    a group.
    """

    head: _Int64Array
    size: _Int64Array
    following: _Int64Array
    tail: _Int64Array


class Edges(NamedTuple):
    """Lists of half-edges, two for each of m pairs; all int32.

    ``head``, ``tail``, ``degree``, shape (n,): first and last of a group's list, and its length,
    dropped ones included; ``end`` and ``following``, shape (2m,): the group a half-edge belongs
    to, and the next one; ``mark``, shape (n,): scratch, `NONE` between merges.
    """

    head: _Int32Array
    tail: _Int32Array
    degree: _Int32Array
    end: _Int32Array
    following: _Int32Array
    mark: _Int32Array


class Pairs(NamedTuple):
    """What is known of m pairs of groups; shape (m,).

    ``total`` (float64) and ``known`` (int64) are sum and number of similarities; ``stamp`` (int32)
    counts a pair's states, so that an older heap entry is void, and is -1 once the pair is
    dropped. ``fetched`` (float64) is the sum over the pair's holes, measured when the stamp was
    ``fetched_stamp``.
    """

    total: _Float64Array
    known: _Int64Array
    stamp: _Int32Array
    fetched: _Float64Array
    fetched_stamp: _Int32Array


class Holes(NamedTuple):
    """Pairs of nodes no pair of whose leaves has been measured, a list for each pair; all int32.

    ``first`` and ``last``, shape (m,): of a pair's list; ``x``, ``y``, ``following``, shape
    (capacity,): the two nodes, and the next hole.
    """

    first: _Int32Array
    last: _Int32Array
    x: _Int32Array
    y: _Int32Array
    following: _Int32Array


class Heap(NamedTuple):
    """Pairs of groups that may merge and have changed since the beginning, best first.

    ``mean`` is float64, shape (capacity,); ``entry`` is int32, shape (capacity, 4): smaller group,
    larger group, pair, stamp.
    """

    mean: _Float64Array
    entry: _Int32Array


class Constraints(NamedTuple):
    """What each group must not be linked with, as lists of articles; all int64.

    ``head``, ``tail``, ``lengths``, shape (n,): a group's list; ``article`` and ``following``,
    shape (2 x constraints,): its entries.
    """

    head: _Int64Array
    tail: _Int64Array
    lengths: _Int64Array
    article: _Int64Array
    following: _Int64Array


class LinkageState(NamedTuple):
    """Everything a run of the linkage knows.

    ``counters`` is int64, shape (`COUNTERS`,): entries in use of heap, holes and nodes, what the
    next merge may add to heap and holes, how much of ``unchanged`` has been taken, and the first of
    the holes that were used and can be used again, which ``following`` links (`NONE` for none).
    ``unchanged``, int32, holds the pairs that may merge as they were to begin with, best first:
    most pairs never change, and one that has (its stamp is not 0) stands in the heap. So the heap
    stays small.
    """

    counters: _Int64Array
    groups: Groups
    nodes: Nodes
    edges: Edges
    pairs: Pairs
    holes: Holes
    heap: Heap
    unchanged: _Int32Array
    constraints: Constraints


@compiled
def _group(parent: _Int64Array, article: int) -> int:
    """Return the group of an article, shortening the way to it."""
    root = article
    while parent[root] != root:
        root = parent[root]
    while parent[article] != root:
        following = parent[article]
        parent[article] = root
        article = following
    return root


@compiled
def groups_of_articles(parent: _Int64Array) -> _Int64Array:
    """Return the group of every article; int64, shape (n,)."""
    result = np.empty(parent.size, dtype=np.int64)
    for article in range(result.size):
        result[article] = _group(parent, article)
    return result


@compiled
def _before(heap: Heap, one: int, other: int) -> bool:
    """Whether a heap entry comes before another: higher mean, then smaller groups."""
    if heap.mean[one] != heap.mean[other]:
        return bool(heap.mean[one] > heap.mean[other])
    if heap.entry[one, 0] != heap.entry[other, 0]:
        return bool(heap.entry[one, 0] < heap.entry[other, 0])
    return bool(heap.entry[one, 1] < heap.entry[other, 1])


@compiled
def _exchange(heap: Heap, one: int, other: int) -> None:
    mean, entry = heap
    mean[one], mean[other] = mean[other], mean[one]
    for k in range(4):
        entry[one, k], entry[other, k] = entry[other, k], entry[one, k]


@compiled
def _sink(heap: Heap, size: int, at: int) -> None:
    while True:
        child = 2 * at + 1
        if child >= size:
            return
        if child + 1 < size and _before(heap, child + 1, child):
            child += 1
        if not _before(heap, child, at):
            return
        _exchange(heap, at, child)
        at = child


@compiled
def _push(
    heap: Heap, counters: _Int64Array, mean: float, one: int, other: int, pair: int, stamp: int
) -> None:
    at = counters[HEAP_SIZE]
    counters[HEAP_SIZE] = at + 1
    heap.mean[at] = mean
    heap.entry[at, 0] = min(one, other)
    heap.entry[at, 1] = max(one, other)
    heap.entry[at, 2] = pair
    heap.entry[at, 3] = stamp
    while at > 0:
        above = (at - 1) // 2
        if not _before(heap, at, above):
            return
        _exchange(heap, at, above)
        at = above


@compiled
def _pop(heap: Heap, counters: _Int64Array) -> None:
    last = counters[HEAP_SIZE] - 1
    counters[HEAP_SIZE] = last
    if last > 0:
        _exchange(heap, 0, last)
        _sink(heap, last, 0)


@compiled
def discard_void_entries(heap: Heap, stamp: _Int32Array, counters: _Int64Array) -> None:
    """Take out of the heap what pairs have outgrown; what is left has the same order."""
    kept = 0
    for at in range(counters[HEAP_SIZE]):
        if stamp[heap.entry[at, 2]] == heap.entry[at, 3]:
            _exchange(heap, kept, at)
            kept += 1
    counters[HEAP_SIZE] = kept
    for at in range(kept // 2 - 1, -1, -1):
        _sink(heap, kept, at)


@compiled
def _is_forbidden(constraints: Constraints, parent: _Int64Array, a: int, b: int) -> bool:
    if constraints.lengths[a] == 0 or constraints.lengths[b] == 0:
        return False
    if constraints.lengths[b] < constraints.lengths[a]:
        a, b = b, a
    at = constraints.head[a]
    while at != NONE:
        if _group(parent, constraints.article[at]) == b:
            return True
        at = constraints.following[at]
    return False


@compiled
def _may_merge(
    mean: float,
    a: int,
    b: int,
    outside: float,
    other_outside: float,
    groups: Groups,
    rule: _Float64Array,
    weighed: _Float64Array,
) -> bool:
    """Return whether two groups may merge, with so much outside (`MergeRule`) of each.

    With nothing outside it is what they may do at best: what is near only forbids.
    """
    return weigh(
        mean,
        float(groups.size[a]),
        float(groups.size[b]),
        density(groups.within[a], float(groups.size[a])),
        density(groups.within[b], float(groups.size[b])),
        outside,
        other_outside,
        rule,
        weighed,
    )


@compiled
def _nearness(group: int, other: int, pair: int, groups: Groups, pairs: Pairs) -> int:
    """Return what another group adds to what is outside of a group, in the units of that.

    What is open between two groups counts as unlike: nobody proposed it.
    """
    size = float(groups.size[other])
    mean = pairs.total[pair] / (float(groups.size[group]) * size)
    return int(size * max(0.0, mean - OUTSIDE_SIMILARITY) * _OUTSIDE_UNITS)


@compiled
def _outside(group: int, partner: int, pair: int, groups: Groups, pairs: Pairs) -> float:
    """Return o of a group beside a partner (see `MergeRule`)."""
    units = groups.outside[group] - _nearness(group, partner, pair, groups, pairs)
    return float(np.log(1.0 + float(units) / _OUTSIDE_UNITS))


@compiled
def _note_outside(a: int, b: int, pair: int, sign: int, groups: Groups, pairs: Pairs) -> None:
    """Count a pair of groups among what is outside of both, or (sign -1) no longer."""
    groups.outside[a] += sign * _nearness(a, b, pair, groups, pairs)
    groups.outside[b] += sign * _nearness(b, a, pair, groups, pairs)


@compiled
def _queue(
    group: int,
    groups: Groups,
    edges: Edges,
    pairs: Pairs,
    heap: Heap,
    constraints: Constraints,
    counters: _Int64Array,
    rule: _Float64Array,
) -> None:
    """Queue those pairs of a group that, by what is known of them, may merge.

    What the heap held of them is void from here on.
    """
    weighed = np.empty(WEIGHED)
    half = edges.head[group]
    while half != NONE:
        pair, other = half // 2, edges.end[half ^ 1]
        pairs.stamp[pair] += 1
        mean = pairs.total[pair] / pairs.known[pair]
        if _may_merge(mean, group, other, 0.0, 0.0, groups, rule, weighed) and not _is_forbidden(
            constraints, groups.parent, group, other
        ):
            _push(heap, counters, mean, group, other, pair, pairs.stamp[pair])
        half = edges.following[half]


@compiled
def are_in_order(one: _Int32Array, other: _Int32Array) -> bool:
    """Whether pairs i < j are ordered by i, then j, each of them once."""
    for k in range(one.size):
        if one[k] >= other[k]:
            return False
        if k > 0 and (one[k] < one[k - 1] or (one[k] == one[k - 1] and other[k] <= other[k - 1])):
            return False
    return True


@compiled
def begin(
    groups: Groups,
    edges: Edges,
    pairs: Pairs,
    constraints: Constraints,
    rule: _Float64Array,
) -> _Int32Array:
    """Hang every pair into the lists of its groups; return those that may merge, in their order."""
    weighed = np.empty(WEIGHED)
    chosen = np.empty(pairs.total.size, dtype=np.int32)
    count = 0
    for pair in range(pairs.total.size):
        a, b = edges.end[2 * pair], edges.end[2 * pair + 1]
        _note_outside(a, b, pair, 1, groups, pairs)
        mean = pairs.total[pair] / pairs.known[pair]
        if _may_merge(mean, a, b, 0.0, 0.0, groups, rule, weighed) and not _is_forbidden(
            constraints, groups.parent, a, b
        ):
            chosen[count] = pair
            count += 1
    for side in range(2):
        for pair in range(pairs.total.size):
            half = 2 * pair + side
            group = edges.end[half]
            edges.following[half] = NONE
            if edges.head[group] == NONE:
                edges.head[group] = half
            else:
                edges.following[edges.tail[group]] = half
            edges.tail[group] = half
            edges.degree[group] += 1
    return chosen[:count].copy()


@compiled
def _drop_dead(edges: Edges, stamp: _Int32Array, group: int) -> None:
    """Take what is dropped out of a group's list."""
    last, count = NONE, 0
    half = edges.head[group]
    edges.head[group] = NONE
    while half != NONE:
        following = edges.following[half]
        if stamp[half // 2] != _DEAD:
            if last == NONE:
                edges.head[group] = half
            else:
                edges.following[last] = half
            edges.following[half] = NONE
            last = half
            count += 1
        half = following
    edges.tail[group] = last
    edges.degree[group] = count


@compiled
def _add_hole(holes: Holes, counters: _Int64Array, pair: int, x: int, y: int, behind: bool) -> None:
    """Add the hole of two nodes, behind the pair's other holes or before them."""
    hole = counters[FREE_HOLE]
    if hole == NONE:
        hole = counters[HOLE_COUNT]
        counters[HOLE_COUNT] = hole + 1
    else:
        counters[FREE_HOLE] = holes.following[hole]
    holes.x[hole], holes.y[hole] = x, y
    holes.following[hole] = NONE
    if holes.first[pair] == NONE:
        holes.first[pair] = hole
        holes.last[pair] = hole
    elif behind:
        holes.following[holes.last[pair]] = hole
        holes.last[pair] = hole
    else:
        holes.following[hole] = holes.first[pair]
        holes.first[pair] = hole


@compiled
def _absorb(pairs: Pairs, holes: Holes, pair: int, other: int) -> None:
    """Take in what is known and open of another pair to the same neighbour, and drop that."""
    pairs.total[pair] += pairs.total[other]
    pairs.known[pair] += pairs.known[other]
    pairs.stamp[other] = _DEAD
    if holes.first[other] != NONE:
        if holes.first[pair] == NONE:
            holes.first[pair] = holes.first[other]
        else:
            holes.following[holes.last[pair]] = holes.first[other]
        holes.last[pair] = holes.last[other]


@compiled
def _unite_edges(
    a: int, b: int, groups: Groups, edges: Edges, pairs: Pairs, holes: Holes, counters: _Int64Array
) -> None:
    """Hang b's list behind a's: pairs that both had become one, the others get a hole.

    Neither counts any longer among what is outside of their neighbours.
    """
    node_a, node_b = groups.node[a], groups.node[b]
    half = edges.head[a]
    while half != NONE:
        pair, neighbour = half // 2, edges.end[half ^ 1]
        groups.outside[neighbour] -= _nearness(neighbour, a, pair, groups, pairs)
        edges.mark[neighbour] = pair
        half = edges.following[half]
    half = edges.head[b]
    while half != NONE:
        pair, neighbour = half // 2, edges.end[half ^ 1]
        groups.outside[neighbour] -= _nearness(neighbour, b, pair, groups, pairs)
        edges.end[half] = a
        if edges.mark[neighbour] == NONE:
            _add_hole(holes, counters, pair, node_a, groups.node[neighbour], False)
        else:
            _absorb(pairs, holes, edges.mark[neighbour], pair)
            edges.mark[neighbour] = NONE
        half = edges.following[half]
    half = edges.head[a]
    while half != NONE:
        neighbour = edges.end[half ^ 1]
        if edges.mark[neighbour] != NONE:
            _add_hole(holes, counters, half // 2, node_b, groups.node[neighbour], True)
            edges.mark[neighbour] = NONE
        half = edges.following[half]
    if edges.head[a] == NONE:
        edges.head[a] = edges.head[b]
    elif edges.head[b] != NONE:
        edges.following[edges.tail[a]] = edges.head[b]
    # `_drop_dead` walks from the head and sets the tail anew.
    _drop_dead(edges, pairs.stamp, a)


@compiled
def _unite_groups(
    a: int,
    b: int,
    groups: Groups,
    nodes: Nodes,
    constraints: Constraints,
    counters: _Int64Array,
) -> None:
    """Make group a hold b's articles, b's leaves behind a's, and b's constraints."""
    joined = counters[NODE_COUNT]
    counters[NODE_COUNT] = joined + 1
    groups.parent[b] = a
    groups.size[a] += groups.size[b]
    nodes.head[joined] = nodes.head[groups.node[a]]
    nodes.size[joined] = groups.size[a]
    nodes.following[nodes.tail[a]] = nodes.head[groups.node[b]]
    nodes.tail[a] = nodes.tail[b]
    groups.node[a] = joined
    if constraints.lengths[b] > 0:
        if constraints.lengths[a] == 0:
            constraints.head[a] = constraints.head[b]
        else:
            constraints.following[constraints.tail[a]] = constraints.head[b]
        constraints.tail[a] = constraints.tail[b]
        constraints.lengths[a] += constraints.lengths[b]


@compiled
def _open_count(holes: Holes, node_size: _Int64Array, pair: int) -> int:
    """Count the pairs of articles that are open between two groups."""
    count = 0
    hole = holes.first[pair]
    while hole != NONE:
        count += node_size[holes.x[hole]] * node_size[holes.y[hole]]
        hole = holes.following[hole]
    return count


@compiled
def open_counts(holes: Holes, node_size: _Int64Array, chosen: _Int64Array) -> _Int64Array:
    """Return how many pairs of articles are open between pairs of groups; int64."""
    counts = np.empty(chosen.size, dtype=np.int64)
    for k in range(chosen.size):
        counts[k] = _open_count(holes, node_size, chosen[k])
    return counts


@compiled
def _unchanged_comes_first(state: LinkageState) -> bool:
    """Whether the best pair left is one that has not changed, at ``unchanged[TAKEN]``.

    The heap's best entry is not void.
    """
    counters, edges, pairs, heap = state.counters, state.edges, state.pairs, state.heap
    while (
        counters[TAKEN] < state.unchanged.size
        and pairs.stamp[state.unchanged[counters[TAKEN]]] != 0
    ):
        counters[TAKEN] += 1
    if counters[TAKEN] == state.unchanged.size:
        return False
    if counters[HEAP_SIZE] == 0:
        return True
    pair = state.unchanged[counters[TAKEN]]
    mean = pairs.total[pair] / pairs.known[pair]
    if mean != heap.mean[0]:
        return bool(mean > heap.mean[0])
    one, other = edges.end[2 * pair], edges.end[2 * pair + 1]
    if min(one, other) != heap.entry[0, 0]:
        return bool(min(one, other) < heap.entry[0, 0])
    return bool(max(one, other) < heap.entry[0, 1])


@compiled
def advance(state: LinkageState, rule: _Float64Array) -> int:
    """Merge until nothing may merge (`DONE`), or something is needed (`MEASURE`, `GROW`)."""
    counters, groups, nodes, edges, pairs, holes, heap, unchanged, constraints = state
    weighed = np.empty(WEIGHED)
    while True:
        while counters[HEAP_SIZE] > 0 and pairs.stamp[heap.entry[0, 2]] != heap.entry[0, 3]:
            _pop(heap, counters)
        is_unchanged = _unchanged_comes_first(state)
        if is_unchanged:
            pair, stamp = unchanged[counters[TAKEN]], 0
            a = min(edges.end[2 * pair], edges.end[2 * pair + 1])
            b = max(edges.end[2 * pair], edges.end[2 * pair + 1])
        elif counters[HEAP_SIZE] > 0:
            a, b = heap.entry[0, 0], heap.entry[0, 1]
            pair, stamp = heap.entry[0, 2], int(heap.entry[0, 3])
        else:
            return DONE
        if holes.first[pair] != NONE:
            if pairs.fetched_stamp[pair] != stamp:
                return MEASURE
            _note_outside(a, b, pair, -1, groups, pairs)
            pairs.total[pair] += pairs.fetched[pair]
            _note_outside(a, b, pair, 1, groups, pairs)
            pairs.known[pair] += _open_count(holes, nodes.size, pair)
            pairs.stamp[pair] = stamp + 1
            holes.following[holes.last[pair]] = counters[FREE_HOLE]
            counters[FREE_HOLE] = holes.first[pair]
            holes.first[pair] = NONE
            holes.last[pair] = NONE
            _pop(heap, counters)
            mean = pairs.total[pair] / pairs.known[pair]
            # It was queued, so no constraint stands against it.
            if _may_merge(mean, a, b, 0.0, 0.0, groups, rule, weighed):
                _push(heap, counters, mean, a, b, pair, stamp + 1)
        else:
            room = edges.degree[a] + edges.degree[b]
            if (
                counters[HEAP_SIZE] + room > heap.mean.size
                or counters[HOLE_COUNT] + room > holes.x.size
            ):
                counters[ROOM] = room
                return GROW
            if is_unchanged:
                counters[TAKEN] += 1
            else:
                _pop(heap, counters)
            mean = pairs.total[pair] / pairs.known[pair]
            outside = _outside(a, b, pair, groups, pairs)
            other_outside = _outside(b, a, pair, groups, pairs)
            if not _may_merge(mean, a, b, outside, other_outside, groups, rule, weighed):
                # It is queued again once one of the two has grown.
                continue
            groups.within[a] += groups.within[b] + pairs.total[pair]
            # S(A ∪ B, C) = S(A, C) + S(B, C), for every neighbour C.
            pairs.stamp[pair] = _DEAD
            _drop_dead(edges, pairs.stamp, a)
            _drop_dead(edges, pairs.stamp, b)
            _unite_edges(a, b, groups, edges, pairs, holes, counters)
            _unite_groups(a, b, groups, nodes, constraints, counters)
            groups.outside[a] = 0
            half = edges.head[a]
            while half != NONE:
                _note_outside(a, edges.end[half ^ 1], half // 2, 1, groups, pairs)
                half = edges.following[half]
            _queue(a, groups, edges, pairs, heap, constraints, counters, rule)


@compiled
def pairs_to_measure(
    heap: Heap,
    pairs: Pairs,
    holes: Holes,
    node_size: _Int64Array,
    scanned: int,
    most_positions: int,
    most_leaves: int,
) -> _Int64Array:
    """Return the pair on top of the heap and others near it that will have to be measured.

    Parameters
    ----------
    heap, pairs, holes, node_size
        Of the state.
    scanned
        Heap entries to look at, no more than it has; its array has the best ones in front.
    most_positions
        Pairs of articles at which to stop adding others to the top.
    most_leaves
        As `open_positions` takes it.
    """
    one = np.empty(1, dtype=np.int64)
    chosen = np.empty(scanned, dtype=np.int64)
    count, positions = 0, 0
    for at in range(scanned):
        pair, stamp = heap.entry[at, 2], heap.entry[at, 3]
        if (
            pairs.stamp[pair] == stamp
            and holes.first[pair] != NONE
            and pairs.fetched_stamp[pair] != stamp
        ):
            one[0] = pair
            more = position_counts(holes, node_size, one, most_leaves)[0]
            if count == 0 or positions + more <= most_positions:
                chosen[count] = pair
                count += 1
                positions += more
    return chosen[:count]


@compiled
def _leaves(nodes: Nodes, node: int, leaves: _Int64Array) -> None:
    """Write the articles of a node in increasing order (Shell sort, which compiles quickly)."""
    article = nodes.head[node]
    for k in range(leaves.size):
        leaves[k] = article
        article = nodes.following[article]
    gap = leaves.size // 2
    while gap > 0:
        for k in range(gap, leaves.size):
            article, at = leaves[k], k
            while at >= gap and leaves[at - gap] > article:
                leaves[at] = leaves[at - gap]
                at -= gap
            leaves[at] = article
        gap = gap * 5 // 11 if gap > 2 else gap // 2


@compiled
def position_counts(
    holes: Holes, node_size: _Int64Array, chosen: _Int64Array, most_leaves: int
) -> _Int64Array:
    """Return how many positions `open_positions` writes for each pair of groups; int64."""
    counts = np.zeros(chosen.size, dtype=np.int64)
    for k in range(chosen.size):
        hole = holes.first[chosen[k]]
        while hole != NONE:
            counts[k] += min(node_size[holes.x[hole]], most_leaves) * min(
                node_size[holes.y[hole]], most_leaves
            )
            hole = holes.following[hole]
    return counts


@compiled
def open_positions(
    nodes: Nodes,
    holes: Holes,
    chosen: _Int64Array,
    most_leaves: int,
    first: _Int64Array,
    second: _Int64Array,
    weights: _Float64Array,
) -> None:
    """Write the pairs of articles that are open between pairs of groups, pair after pair.

    Parameters
    ----------
    nodes, holes
        Of the state.
    chosen
        Pairs of groups.
    most_leaves
        Of a larger node this many articles are taken, at equal distances in order of position.
    first, second
        int64, shape (k,), k the sum of `position_counts`: written.
    weights
        float64, shape (k,): written, how many pairs each one stands for.
    """
    at = 0
    for k in range(chosen.size):
        hole = holes.first[chosen[k]]
        while hole != NONE:
            x, y = holes.x[hole], holes.y[hole]
            left = np.empty(nodes.size[x], dtype=np.int64)
            right = np.empty(nodes.size[y], dtype=np.int64)
            _leaves(nodes, x, left)
            _leaves(nodes, y, right)
            taken_left, taken_right = min(left.size, most_leaves), min(right.size, most_leaves)
            weight = (left.size * right.size) / (taken_left * taken_right)
            for i in range(taken_left):
                for j in range(taken_right):
                    first[at] = left[i * left.size // taken_left]
                    second[at] = right[j * right.size // taken_right]
                    weights[at] = weight
                    at += 1
            hole = holes.following[hole]


@compiled
def weighted_sums(
    similarities: _Float64Array, weights: _Float64Array, ends: _Int64Array
) -> _Float64Array:
    """Return the sum over each run of similarities, run k up to ``ends[k]``."""
    sums = np.zeros(ends.size, dtype=np.float64)
    at = 0
    for k in range(ends.size):
        while at < ends[k]:
            sums[k] += similarities[at] * weights[at]
            at += 1
    return sums
