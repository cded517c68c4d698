"""What editors say of articles, as facts that linkage must respect.

Three kinds: a *must-link* keeps articles in one cluster, a *cannot-link* keeps two apart, and
*not in this cluster* keeps an article apart from the members that a cluster had, and out of that
cluster for as long as its id lives. Must-links are transitive, so they make groups (union-find,
Galler and Fischer 1964); a cannot-link between two articles then holds between their groups, as in
Wagstaff et al., "Constrained K-means Clustering with Background Knowledge" (ICML 2001), section 2.

Articles go by any hashable key: the service uses their ids to look for contradictions and the
store's handles to decide.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from clustering.errors import ConfigurationError

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class MustLink(Generic[Key]):
    """Two or more articles that are always in one cluster."""

    constraint_id: str
    articles: tuple[Key, ...]


@dataclass(frozen=True)
class CannotLink(Generic[Key]):
    """Two articles that are never in one cluster."""

    constraint_id: str
    first: Key
    second: Key


@dataclass(frozen=True)
class NotInCluster(Generic[Key]):
    """An article never with ``members``, what the cluster held then, nor in that cluster."""

    constraint_id: str
    article: Key
    cluster_id: str
    members: tuple[Key, ...] = ()


Constraint: TypeAlias = MustLink[Key] | CannotLink[Key] | NotInCluster[Key]


@dataclass(frozen=True)
class ChainLink(Generic[Key]):
    """One step of a contradiction: what a constraint says of two articles."""

    constraint_id: str
    together: bool
    first: Key
    second: Key


@dataclass(frozen=True, slots=True)
class Projection:
    """Constraints between articles as constraints between units of articles.

    Attributes
    ----------
    blocks
        Numbers of the units that stay together; every unit is in exactly one block. In order of
        their first units.
    cannot_link
        Pairs of *block* numbers, each pair once, the smaller first.
    broken
        Whether two articles that must be apart are in one block, because a unit held both.
    """

    blocks: tuple[tuple[int, ...], ...]
    cannot_link: tuple[tuple[int, int], ...]
    broken: bool


class Constraints(Generic[Key]):
    """A set of constraints. Immutable.

    Parameters
    ----------
    items
        In any order; nothing depends on it but which of two equally short chains is told.

    Raises
    ------
    ConfigurationError
        If a must-link has fewer than two articles, or a cannot-link names one article twice.
    """

    def __init__(self, items: Iterable[Constraint[Key]] = ()) -> None:
        self._items: tuple[Constraint[Key], ...] = tuple(items)
        self._group_of: dict[Key, tuple[Key, ...]] = {}
        self._not_in: dict[Key, list[NotInCluster[Key]]] = defaultdict(list)
        apart: dict[Key, set[Key]] = defaultdict(set)
        sets = _DisjointSets[Key]()
        for item in self._items:
            match item:
                case MustLink():
                    if len(set(item.articles)) < 2:
                        raise ConfigurationError("a must-link needs two or more different articles")
                    sets.unite(item.articles)
                case CannotLink():
                    if item.first == item.second:
                        raise ConfigurationError("a cannot-link needs two different articles")
                    apart[item.first].add(item.second)
                    apart[item.second].add(item.first)
                case NotInCluster():
                    self._not_in[item.article].append(item)
                    for member in item.members:
                        apart[item.article].add(member)
                        apart[member].add(item.article)
        self._apart = dict(apart)
        for group in sets.groups():
            self._group_of.update(dict.fromkeys(group, group))

    def __len__(self) -> int:
        """Return the number of constraints."""
        return len(self._items)

    def plus(self, item: Constraint[Key]) -> Constraints[Key]:
        """Return these constraints and one more."""
        return Constraints((*self._items, item))

    def without(self, constraint_id: str) -> Constraints[Key]:
        """Return these constraints without those of an id."""
        return Constraints(item for item in self._items if item.constraint_id != constraint_id)

    @property
    def named(self) -> frozenset[Key]:
        """All articles that a constraint names."""
        return frozenset(self._group_of) | self._apart.keys() | self._not_in.keys()

    def must_groups(self) -> list[tuple[Key, ...]]:
        """Return the articles that must-links hold together, directly or through others.

        Every group has two or more articles; no article is in two.
        """
        return list(dict.fromkeys(self._group_of.values()))

    def together(self, article: Key) -> tuple[Key, ...]:
        """Return the articles that must be where ``article`` is, itself among them."""
        return self._group_of.get(article, (article,))

    def apart(self, article: Key, cluster_of: Mapping[Key, str]) -> set[Key]:
        """Return articles that a constraint keeps apart from ``article``.

        Those said of the article itself; that they hold for its whole must-link group follows.
        Where a cluster is forbidden to it, its members according to ``cluster_of`` are among them,
        as far as ``article`` need not be with them.
        """
        found = set(self._apart.get(article, ()))
        forbidden = {item.cluster_id for item in self._not_in.get(article, ())}
        if forbidden:
            members = {key for key, home in cluster_of.items() if home in forbidden}
            found |= members - set(self.together(article))
        return found

    def cannot_link_pairs(self, cluster_of: Mapping[Key, str]) -> set[frozenset[Key]]:
        """Return all pairs that must be apart, among the articles of ``cluster_of``."""
        members: dict[str, list[Key]] = defaultdict(list)
        forbidden = {item.cluster_id for items in self._not_in.values() for item in items}
        for key, home in cluster_of.items():
            if home in forbidden:
                members[home].append(key)
        pairs = {
            frozenset((first, second))
            for first, others in self._apart.items()
            if first in cluster_of
            for second in others
            if second in cluster_of
        }
        for article, items in self._not_in.items():
            if article in cluster_of:
                own = set(self.together(article))
                pairs |= {
                    frozenset((article, other))
                    for item in items
                    for other in members[item.cluster_id]
                    if other not in own
                }
        return pairs

    def forbidden_clusters(self, article: Key) -> set[str]:
        """Return ids that the cluster of ``article`` may not have."""
        return {
            item.cluster_id
            for other in self.together(article)
            for item in self._not_in.get(other, ())
        }

    def project(
        self, units: Sequence[Collection[Key]], cluster_of: Mapping[Key, str]
    ) -> Projection:
        """Return what the constraints say of units of articles.

        Parameters
        ----------
        units
            Disjoint; an article that no constraint names may be left out.
        cluster_of
            Where articles are now, for the clusters that are forbidden to an article.
        """
        unit_of = {key: number for number, unit in enumerate(units) for key in unit}
        sets = _DisjointSets[int]()
        # Only what the units name is looked at: a decision must not cost more the more is said.
        groups = dict.fromkeys(self._group_of[key] for key in unit_of if key in self._group_of)
        for group in groups:
            held = {unit_of[key] for key in group if key in unit_of}
            if len(held) > 1:
                sets.unite(sorted(held))
        block_of: dict[int, int] = {}
        blocks: list[tuple[int, ...]] = []
        joined = {number: group for group in sets.groups() for number in group}
        for number in range(len(units)):
            if number not in block_of:
                block = tuple(sorted(joined.get(number, (number,))))
                block_of.update(dict.fromkeys(block, len(blocks)))
                blocks.append(block)
        pairs = set()
        broken = False
        for first in unit_of:
            if first not in self._apart and first not in self._not_in:
                continue
            for second in self.apart(first, cluster_of):
                if second in unit_of:
                    a, b = block_of[unit_of[first]], block_of[unit_of[second]]
                    broken |= a == b
                    pairs.add((min(a, b), max(a, b)))
        kept = tuple(sorted(pair for pair in pairs if pair[0] != pair[1]))
        return Projection(tuple(blocks), kept, broken)

    def contradiction(self) -> tuple[ChainLink[Key], ...]:
        """Return a chain of constraints that cannot all hold; empty when they can.

        Must-links that lead from one article to another, as few as possible, and last what keeps
        these two apart.
        """
        chains = (
            self._chain(item.constraint_id, first, second)
            for item in self._items
            for first, second in _kept_apart(item)
            if second in self.together(first)
        )
        return min(chains, key=len, default=())

    def _chain(self, constraint_id: str, first: Key, second: Key) -> tuple[ChainLink[Key], ...]:
        """Walk the must-links from ``first``, breadth first, until ``second`` is reached."""
        at: dict[Key, list[MustLink[Key]]] = defaultdict(list)
        for item in self._items:
            if isinstance(item, MustLink):
                for key in item.articles:
                    at[key].append(item)
        came_by: dict[Key, ChainLink[Key] | None] = {first: None}
        waiting = deque([first])
        while second not in came_by:
            here = waiting.popleft()
            for item in at[here]:
                for key in item.articles:
                    if key not in came_by:
                        came_by[key] = ChainLink(item.constraint_id, True, here, key)
                        waiting.append(key)
        chain = [ChainLink(constraint_id, False, second, first)]
        step = came_by[second]
        while step is not None:
            chain.append(step)
            step = came_by[step.first]
        return (*chain[:0:-1], chain[0])


def _kept_apart(item: Constraint[Key]) -> Iterator[tuple[Key, Key]]:
    match item:
        case CannotLink():
            yield item.first, item.second
        case NotInCluster():
            yield from ((item.article, member) for member in item.members)
        case MustLink():
            pass


class _DisjointSets(Generic[Key]):
    """Union-find with path halving; the first key of a set to come stands for it."""

    def __init__(self) -> None:
        self._parent: dict[Key, Key] = {}

    def unite(self, keys: Sequence[Key]) -> None:
        root = self._root(keys[0])
        for key in keys[1:]:
            self._parent[self._root(key)] = root

    def groups(self) -> list[tuple[Key, ...]]:
        found: dict[Key, list[Key]] = defaultdict(list)
        for key in self._parent:
            found[self._root(key)].append(key)
        return [tuple(group) for group in found.values()]

    def _root(self, key: Key) -> Key:
        parent = self._parent
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key
