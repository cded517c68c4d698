"""What editors say and what they are answered: the values that routes and commands render.

::

    UseCaseError
    ├── InvalidConstraintError   it names too little, too much, or what is not there
    └── ContradictionError       it cannot hold together with what is in force
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol, TypeAlias

from service.store.constraints import ConstraintKind
from service.views import UseCaseError

MAX_AUTHOR_CHARACTERS: Final = 200
MAX_REASON_CHARACTERS: Final = 2000
MAX_HEADLINE_CHARACTERS: Final = 500
MAX_LINKED_ARTICLES: Final = 100

ConstraintState: TypeAlias = Literal["in_force", "undone"]
Relation: TypeAlias = Literal["together", "apart"]


class InvalidConstraintError(UseCaseError, ValueError):
    """A constraint cannot be used as it is; the message says what to change.

    Parameters
    ----------
    message
        What is wrong and what to do about it.
    field
        The field that is wrong.
    """

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class ChainView:
    """One step of a contradiction. ``constraint_id`` is empty for the one that was refused."""

    constraint_id: str
    relation: Relation
    first_article_id: str
    second_article_id: str


class ContradictionError(UseCaseError):
    """A constraint cannot hold together with those in force.

    Parameters
    ----------
    message
        The chain in words.
    chain
        What leads from one article to another that it must be with, and what keeps them apart.
    """

    def __init__(self, message: str, chain: Sequence[ChainView]) -> None:
        super().__init__(message)
        self.chain = tuple(chain)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstraintDraft:
    """What an editor says.

    Attributes
    ----------
    article_ids
        Two or more of a must-link, two of a cannot-link, one of a not-in-cluster, no other.
    cluster_id
        Of a not-in-cluster or a headline.
    headline
        The text of a headline.
    author, reason
        Who says so, and why.
    """

    kind: ConstraintKind
    author: str
    reason: str = ""
    article_ids: tuple[str, ...] = ()
    cluster_id: str = ""
    headline: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstraintView:
    """A constraint with its history. The three last are ``None`` while it is in force.

    ``apart_from_count`` is the number of members that the cluster of a not-in-cluster had then.
    """

    constraint_id: str
    kind: ConstraintKind
    state: ConstraintState
    article_ids: tuple[str, ...]
    cluster_id: str | None
    apart_from_count: int
    headline: str | None
    author: str
    reason: str
    created_at: datetime
    undone_by: str | None
    undo_reason: str | None
    undone_at: datetime | None


@dataclass(frozen=True, slots=True)
class PlacedArticle:
    """Where an article is."""

    article_id: str
    cluster_id: str
    duplicate_group_id: str


@dataclass(frozen=True, slots=True)
class ConstraintOutcome:
    """A constraint, whether it is new, and where its articles are with it."""

    constraint: ConstraintView
    created: bool
    articles: tuple[PlacedArticle, ...]


class ConstrainingUseCase(Protocol):
    """What the constraint routes need. Each method may raise a `StoreError` besides."""

    async def add(self, draft: ConstraintDraft) -> ConstraintOutcome:
        """Put a constraint in force.

        May raise `InvalidConstraintError`, `ContradictionError`, `ContentionError`.
        """
        ...

    async def get(self, constraint_id: str) -> ConstraintView | None:
        """Constraint of that id, undone or not; ``None`` when there is none."""
        ...

    async def page(
        self, *, article_id: str, cluster_id: str, cursor: str | None, limit: int
    ) -> tuple[list[ConstraintView], str | None]:
        """Newest first, and the cursor of the next page; a bad one raises `InvalidCursorError`."""
        ...

    async def undo(
        self, constraint_id: str, *, author: str, reason: str
    ) -> ConstraintOutcome | None:
        """Take a constraint back; ``None`` when there is none of that id."""
        ...


_SHAPES: Final[dict[ConstraintKind, tuple[int, int, bool, bool]]] = {
    # Fewest and most articles, whether with a cluster, whether with a headline.
    "must-link": (2, MAX_LINKED_ARTICLES, False, False),
    "cannot-link": (2, 2, False, False),
    "not-in-cluster": (1, 1, True, False),
    "headline": (0, 0, True, True),
}


def check_draft(draft: ConstraintDraft) -> None:
    """Raise `InvalidConstraintError` unless a draft has what its kind needs, and no more."""
    fewest, most, with_cluster, with_headline = _SHAPES[draft.kind]
    count = len(draft.article_ids)
    if len(set(draft.article_ids)) != count:
        raise InvalidConstraintError("an article is named twice", field="article_ids")
    if not fewest <= count <= most:
        wanted = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        noun = "article" if wanted == "1" else "articles"
        raise InvalidConstraintError(
            f"a {draft.kind} names {wanted} {noun}, not {count}", field="article_ids"
        )
    for field, needed in (("cluster_id", with_cluster), ("headline", with_headline)):
        given = getattr(draft, field).strip()
        if needed and not given:
            raise InvalidConstraintError(f"a {draft.kind} needs `{field}`", field=field)
        if given and not needed:
            raise InvalidConstraintError(
                f"a {draft.kind} has no `{field}`: leave it out", field=field
            )
    if not draft.author.strip():
        raise InvalidConstraintError("say who says so, in `author`", field="author")


def chain_in_words(chain: Sequence[ChainView]) -> str:
    """Return a contradiction as a sentence."""

    def source(link: ChainView) -> str:
        return f"({link.constraint_id})" if link.constraint_id else "(this one)"

    steps = [
        f"{link.first_article_id!r} must be with {link.second_article_id!r} {source(link)}"
        for link in chain[:-1]
    ]
    last = chain[-1]
    return (
        f"it cannot hold: {', '.join(steps)}, and {last.second_article_id!r} must not be with "
        f"{last.first_article_id!r} {source(last)}; undo one of these first"
    )
