"""Average linkage over many articles of which only the plausible pairs are known.

The same merges as ``linkage.link_dense``, without a matrix: a heap of pairs of groups, the most
similar on top. Pairs nobody proposed are neither taken for zero nor for similar. Until they matter
they are left open, as *holes* of the pair of groups they lie between: a pair with holes is ranked
by the mean of what is known, which is no less than the true mean as long as unproposed pairs
are less alike than proposed ones. When it comes to the top and would be accepted, its holes
are measured and it goes back to its true place. So nothing is merged on an unverified pair, and
pairs far from any merge are never measured.

The merging itself is compiled (``linkage_loops``). It comes back for measurements, a few
hundred pairs of groups at a time: those that will soon be on top are measured along with the one
that is. What a measurement says is used only when its pair's turn comes, so results do not
depend on how many are measured together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from clustering.errors import ConfigurationError
from clustering.refine import linkage_loops as loops
from clustering.refine.linkage import (
    TYPICAL_WITHIN,
    Float64Array,
    Int64Array,
    MergeRule,
    first_appearance,
)

_Scalar = TypeVar("_Scalar", bound=np.generic)

Measure = Callable[[Int64Array, Int64Array], NDArray[np.floating]]
"""Similarity of pairs of articles; shapes (m,), (m,) → (m,), in [0, 1]."""

_SCANNED: Final = 512
"""Heap entries looked at for pairs to measure together: a call costs as much as some ten pairs."""
_MOST_POSITIONS: Final = 16_384
"""Pairs of articles measured together ahead of time; the pair whose turn it is may have more."""
_MOST_WITHIN: Final = 32
"""Members of a block that are compared with each other to say how alike it is inside."""
_LEAST_CAPACITY: Final = 64
_MANY_HOLES: Final = 1 << 24
"""From here on their lists no longer double when they grow."""
_CHUNK_POSITIONS: Final = 1 << 20
"""Pairs of articles measured at once where all of them are needed: bounds memory."""


def link_sparse(
    article_count: int,
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    similarities: NDArray[np.floating],
    rule: MergeRule,
    measure: Measure,
    *,
    blocks: Sequence[Sequence[int]] = (),
    cannot_link: Sequence[tuple[int, int]] = (),
    most_members_measured: int | None = None,
) -> Int64Array:
    """Link articles by their plausible pairs.

    Parameters
    ----------
    article_count
        Articles are named 0 … article_count - 1.
    first, second, similarities
        The known pairs, shape (m,) each, every pair once, in any order; similarities in [0, 1].
        Groups that no known pair connects are never merged.
    rule
        When two groups may join.
    measure
        Gives the similarity of pairs that were not known, when they matter.
    blocks
        Articles that stay together, at most one block each (must-links).
    cannot_link
        Pairs of articles that never end under one label.
    most_members_measured
        Where whole groups have to be compared, this many members of each stand for it, at
        equal distances in order of position, so that the pairs to measure do not grow with the
        square of the largest group. At least 1; ``None`` measures all.

    Returns
    -------
    int64, shape (article_count,): labels 0, 1, … in order of first appearance. Equal means are
    merged in order of position.

    Raises
    ------
    ConfigurationError
        If a position is out of range, blocks overlap, a block holds a cannot-link pair, or
        ``most_members_measured`` is less than 1.
    """
    if most_members_measured is not None and most_members_measured < 1:
        raise ConfigurationError(
            f"most_members_measured must be at least 1, not {most_members_measured}"
        )
    most_leaves = max(1, article_count if most_members_measured is None else most_members_measured)
    founded = _checked_blocks(article_count, blocks)
    group = np.arange(article_count, dtype=np.int64)
    for block in founded:
        group[block] = block[0]
    _check_constraints(group, cannot_link)
    state = _state(
        founded,
        group,
        _pairs_of_groups(group, first, second, similarities),
        cannot_link,
    )
    compiled_rule = rule.coefficients
    if rule.within_smaller or rule.within_larger:
        for block in founded:
            state.groups.within[block[0]] = _within(block, measure, most_leaves)
    _fill(state, measure, most_leaves)
    may_merge = loops.begin(
        state.groups, state.edges, state.pairs, state.constraints, compiled_rule
    )
    state = state._replace(unchanged=_best_first(may_merge, state))
    while True:
        status = loops.advance(state, compiled_rule)
        if status == loops.MEASURE:
            _fetch(state, measure, most_leaves)
        elif status == loops.GROW:
            state = _grown(state)
        else:
            return first_appearance(loops.groups_of_articles(state.groups.parent))


def _checked_blocks(count: int, blocks: Sequence[Sequence[int]]) -> list[Int64Array]:
    """Return the blocks of two or more, sorted, once they are found to be sound."""
    seen: set[int] = set()
    founded = []
    for block in blocks:
        members = sorted(set(block))
        _check_range(count, members)
        if seen.intersection(members):
            raise ConfigurationError("an article stands in two blocks: join those blocks first")
        seen.update(members)
        if len(members) > 1:
            founded.append(np.array(members, dtype=np.int64))
    return founded


def _check_constraints(group: Int64Array, cannot_link: Sequence[tuple[int, int]]) -> None:
    for article, other in cannot_link:
        _check_range(group.size, (article, other))
        if group[article] == group[other]:
            raise ConfigurationError(
                f"articles {article} and {other} must not be linked and stand in one block"
            )


def _check_range(count: int, articles: Sequence[int]) -> None:
    for article in articles:
        if not 0 <= article < count:
            raise ConfigurationError(f"article {article} is out of range: {count} are here")


class _Pairs(NamedTuple):
    """Pairs of groups to begin with, in order: a sum, or a hole where either is a block."""

    a: NDArray[np.int32]
    b: NDArray[np.int32]
    total: Float64Array
    is_hole: NDArray[np.bool_]


def _pairs_of_groups(
    group: Int64Array,
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    similarities: NDArray[np.floating],
) -> _Pairs:
    """Turn pairs of articles into pairs of groups, each once."""
    i, j = np.asarray(first), np.asarray(second)
    total = np.array(similarities, dtype=np.float64)
    if i.size:
        _check_range(group.size, (int(min(i.min(), j.min())), int(max(i.max(), j.max()))))
    is_block = np.zeros(group.size, dtype=np.bool_)
    is_block[group[group != np.arange(group.size)]] = True
    short_group = group.astype(np.int32)
    a, b = short_group[i], short_group[j]
    apart = a != b
    if not apart.all():
        a, b, total = a[apart], b[apart], total[apart]
    if not loops.are_in_order(a, b):
        keys = np.minimum(a, b).astype(np.int64) * group.size + np.maximum(a, b)
        _, once = np.unique(keys, return_index=True)
        a, b, total = a[once], b[once], total[once]
    is_hole = is_block[a] | is_block[b]
    if is_hole.any():
        total = np.where(is_hole, 0.0, total)
    return _Pairs(a, b, total, is_hole)


def _best_first(chosen: NDArray[np.int32], state: loops.LinkageState) -> NDArray[np.int32]:
    """Order pairs, which stand in order of their groups, by what is known of them."""
    means = state.pairs.total[chosen] / state.pairs.known[chosen]
    np.negative(means, out=means)
    return chosen[np.argsort(means, kind="stable")]


def _state(
    founded: Sequence[Int64Array],
    group: Int64Array,
    pairs: _Pairs,
    cannot_link: Sequence[tuple[int, int]],
) -> loops.LinkageState:
    """Return the state before the first merge; blocks are merged already."""
    count, pair_count = group.size, pairs.a.size
    articles = np.arange(count, dtype=np.int64)
    node = articles.copy()
    leaf_next = np.full(count, loops.NONE, dtype=np.int64)
    leaf_tail = articles.copy()
    # Every merge and every block makes a node; there are fewer merges than articles.
    node_head = np.zeros(2 * count + len(founded), dtype=np.int64)
    node_size = np.zeros(node_head.size, dtype=np.int64)
    node_head[:count] = articles
    node_size[:count] = 1
    for made, block in enumerate(founded, start=count):
        node[block[0]] = made
        leaf_next[block[:-1]] = block[1:]
        leaf_tail[block[0]] = block[-1]
        node_head[made] = block[0]
        node_size[made] = block.size
    holes = np.flatnonzero(pairs.is_hole)
    hole_of = np.full(pair_count, loops.NONE, dtype=np.int32)
    hole_of[holes] = np.arange(holes.size)
    capacity = holes.size + count + _LEAST_CAPACITY
    hole_x, hole_y = np.zeros(capacity, dtype=np.int32), np.zeros(capacity, dtype=np.int32)
    hole_x[: holes.size], hole_y[: holes.size] = node[pairs.a[holes]], node[pairs.b[holes]]
    end = np.empty(2 * pair_count, dtype=np.int32)
    end[0::2], end[1::2] = pairs.a, pairs.b
    nothing = np.full(count, loops.NONE, dtype=np.int32)
    return loops.LinkageState(
        counters=np.array([0, holes.size, count + len(founded), 0, 0, loops.NONE], dtype=np.int64),
        groups=loops.Groups(
            parent=group.copy(),
            size=node_size[node],
            node=node,
            within=np.zeros(count),
            outside=np.zeros(count, dtype=np.int64),
        ),
        nodes=loops.Nodes(node_head, node_size, leaf_next, leaf_tail),
        edges=loops.Edges(
            head=nothing,
            tail=nothing.copy(),
            degree=np.zeros(count, dtype=np.int32),
            end=end,
            following=np.empty(2 * pair_count, dtype=np.int32),
            mark=nothing.copy(),
        ),
        pairs=loops.Pairs(
            total=pairs.total,
            known=(~pairs.is_hole).astype(np.int64),
            stamp=np.zeros(pair_count, dtype=np.int32),
            fetched=np.zeros(pair_count, dtype=np.float64),
            fetched_stamp=np.full(pair_count, loops.NONE, dtype=np.int32),
        ),
        holes=loops.Holes(
            first=hole_of,
            last=hole_of.copy(),
            x=hole_x,
            y=hole_y,
            following=np.full(capacity, loops.NONE, dtype=np.int32),
        ),
        heap=loops.Heap(
            mean=np.zeros(count + _LEAST_CAPACITY, dtype=np.float64),
            entry=np.zeros((count + _LEAST_CAPACITY, 4), dtype=np.int32),
        ),
        unchanged=np.zeros(0, dtype=np.int32),
        constraints=_constraints(group, cannot_link),
    )


def _constraints(group: Int64Array, cannot_link: Sequence[tuple[int, int]]) -> loops.Constraints:
    """Return the lists of what each group must not be linked with."""
    forbidden_of: dict[int, list[int]] = {}
    for article, other in cannot_link:
        forbidden_of.setdefault(int(group[article]), []).append(other)
        forbidden_of.setdefault(int(group[other]), []).append(article)
    head = np.full(group.size, loops.NONE, dtype=np.int64)
    tail = head.copy()
    count = np.zeros(group.size, dtype=np.int64)
    following = np.arange(1, 2 * len(cannot_link) + 1, dtype=np.int64)
    begin = 0
    for one, others in forbidden_of.items():
        head[one], tail[one] = begin, begin + len(others) - 1
        count[one] = len(others)
        begin += len(others)
        following[begin - 1] = loops.NONE
    articles = [article for others in forbidden_of.values() for article in others]
    return loops.Constraints(head, tail, count, np.array(articles, dtype=np.int64), following)


def _within(block: Int64Array, measure: Measure, most_leaves: int) -> float:
    """Return the sum of similarities over the pairs in a block, from a sample of them."""
    chosen = block
    most = min(most_leaves, _MOST_WITHIN)
    if block.size > most:
        chosen = block[np.arange(most) * block.size // most]
    first, second = np.triu_indices(chosen.size, k=1)
    if not first.size:
        return TYPICAL_WITHIN * block.size * (block.size - 1) / 2
    measured = measure(chosen[first], chosen[second])
    share = block.size * (block.size - 1) / (chosen.size * (chosen.size - 1))
    return float(np.sum(measured, dtype=np.float64)) * share


def _fill(state: loops.LinkageState, measure: Measure, most_leaves: int) -> None:
    """Measure what is open from the beginning: everything between blocks and their neighbours."""
    pairs, holes = state.pairs, state.holes
    chosen = np.flatnonzero(holes.first != loops.NONE)
    sizes = loops.position_counts(holes, state.nodes.size, chosen, most_leaves)
    # As many pairs of groups at once as bounded memory allows, each of them whole.
    ends = np.cumsum(sizes)
    begin = 0
    while begin < chosen.size:
        before = ends[begin] - sizes[begin]
        stop = max(begin + 1, int(np.searchsorted(ends, before + _CHUNK_POSITIONS, side="right")))
        pairs.total[chosen[begin:stop]] = _sums(state, chosen[begin:stop], measure, most_leaves)
        begin = stop
    pairs.known[chosen] = loops.open_counts(holes, state.nodes.size, chosen)
    holes.first[chosen] = loops.NONE
    holes.last[chosen] = loops.NONE


def _fetch(state: loops.LinkageState, measure: Measure, most_leaves: int) -> None:
    """Measure the holes of the pair on top of the heap, and of some that follow it."""
    chosen = loops.pairs_to_measure(
        state.heap,
        state.pairs,
        state.holes,
        state.nodes.size,
        min(_SCANNED, int(state.counters[loops.HEAP_SIZE])),
        _MOST_POSITIONS,
        most_leaves,
    )
    state.pairs.fetched[chosen] = _sums(state, chosen, measure, most_leaves)
    state.pairs.fetched_stamp[chosen] = state.pairs.stamp[chosen]


def _sums(
    state: loops.LinkageState, chosen: Int64Array, measure: Measure, most_leaves: int
) -> Float64Array:
    """Return the sums of similarities over the holes of pairs of groups."""
    counts = loops.position_counts(state.holes, state.nodes.size, chosen, most_leaves)
    ends = np.cumsum(counts)
    first, second = np.empty(ends[-1], dtype=np.int64), np.empty(ends[-1], dtype=np.int64)
    weights = np.empty(ends[-1], dtype=np.float64)
    loops.open_positions(state.nodes, state.holes, chosen, most_leaves, first, second, weights)
    return loops.weighted_sums(measure(first, second).astype(np.float64), weights, ends)


def _grown(state: loops.LinkageState) -> loops.LinkageState:
    """Return the state with room for the next merge's heap entries and holes.

    Arrays grow where they are: a copy beside them would be a tenth of what a million articles take,
    which have 200 million holes. The longer they are, the smaller the share that is free after it.
    """
    heap, holes, counters = state.heap, state.holes, state.counters
    loops.discard_void_entries(heap, state.pairs.stamp, counters)
    room = int(counters[loops.ROOM])
    wanted = int(counters[loops.HEAP_SIZE]) + room
    if 4 * wanted > 3 * heap.mean.size:
        _lengthen(heap, wanted + wanted // 2)
    wanted = int(counters[loops.HOLE_COUNT]) + room
    if wanted > holes.x.size:
        more = wanted if wanted < _MANY_HOLES else wanted // 16
        _lengthen((holes.x, holes.y, holes.following), wanted + more)
    return state


def _lengthen(arrays: Sequence[NDArray[_Scalar]], length: int) -> None:
    """Make arrays longer in place; what comes to them is zero."""
    for array in arrays:
        # Nobody has a view of it: the compiled loops keep none between two calls.
        array.resize((length, *array.shape[1:]), refcheck=False)
