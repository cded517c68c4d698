"""The JSON shapes of constraints and lineage, as documented in OpenAPI.

As in ``service.schemas``: what comes in is checked by its model, answers are rendered straight from
``service.constraint_views`` and ``service.lineage``, and a test holds the two together.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from service.constraint_views import (
    MAX_AUTHOR_CHARACTERS,
    MAX_HEADLINE_CHARACTERS,
    MAX_LINKED_ARTICLES,
    MAX_REASON_CHARACTERS,
    ConstraintState,
    Relation,
)
from service.lineage import Cause, ClusterState, LineageEventKind
from service.schemas import example
from service.store.constraints import ConstraintKind

CANNOT_LINK_EXAMPLE: Final[dict[str, Any]] = {
    "kind": "cannot-link",
    "article_ids": ["wire-2041", "gazette-17"],
    "author": "ada",
    "reason": "The ferry of the week before.",
}
MUST_LINK_EXAMPLE: Final[dict[str, Any]] = {
    "kind": "must-link",
    "article_ids": ["wire-2041", "gazette-18", "radio-5"],
    "author": "ada",
}
NOT_IN_CLUSTER_EXAMPLE: Final[dict[str, Any]] = {
    "kind": "not-in-cluster",
    "article_ids": ["gazette-17"],
    "cluster_id": "c_mzxw6ytboi3damjs",
    "author": "ada",
}
HEADLINE_EXAMPLE: Final[dict[str, Any]] = {
    "kind": "headline",
    "cluster_id": "c_mzxw6ytboi3damjs",
    "headline": "Ferry aground off Tarnholm: all 212 rescued",
    "author": "ada",
}
CONSTRAINT_EXAMPLE: Final[dict[str, Any]] = {
    "constraint_id": "k_ojswg3dvon2gk4tj",
    "kind": "cannot-link",
    "state": "in_force",
    "article_ids": ["wire-2041", "gazette-17"],
    "cluster_id": None,
    "apart_from_count": 0,
    "headline": None,
    "author": "ada",
    "reason": "The ferry of the week before.",
    "created_at": "2026-03-10T09:12:44Z",
    "undone_by": None,
    "undo_reason": None,
    "undone_at": None,
}
PLACED_EXAMPLE: Final[dict[str, Any]] = {
    "article_id": "wire-2041",
    "cluster_id": "c_mzxw6ytboi3damjs",
    "duplicate_group_id": "d_nbswy3dpeb3w64tm",
}
CHAIN_EXAMPLE: Final[list[dict[str, Any]]] = [
    {
        "constraint_id": "k_nfxgizlsmuqhg33n",
        "relation": "together",
        "first_article_id": "wire-2041",
        "second_article_id": "gazette-17",
    },
    {
        "constraint_id": "",
        "relation": "apart",
        "first_article_id": "gazette-17",
        "second_article_id": "wire-2041",
    },
]
LINEAGE_EXAMPLE: Final[dict[str, Any]] = {
    "cluster_id": "c_orugkidcmfxgc3tb",
    "state": "merged",
    "created_at": "2026-03-10T06:12:03Z",
    "merged_into": "c_mzxw6ytboi3damjs",
    "split_from": None,
    "split_into": [],
    "events": [
        {
            "event": "minted",
            "at": "2026-03-10T06:12:03Z",
            "cluster_id": None,
            "cause": "posting",
            "cause_id": None,
        },
        {
            "event": "merged_into",
            "at": "2026-03-11T02:01:37Z",
            "cluster_id": "c_mzxw6ytboi3damjs",
            "cause": "reclustering",
            "cause_id": "r_ojswg3dvon2gk4tj",
        },
    ],
    "events_left_out": False,
}


class ConstraintInput(BaseModel):
    """What an editor says. `null` and the empty string stand for "not given"."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [CANNOT_LINK_EXAMPLE]}
    )

    kind: ConstraintKind
    article_ids: list[str] | None = Field(
        None,
        description=f"Two or more of a `must-link` (at most {MAX_LINKED_ARTICLES}), two of a "
        "`cannot-link`, one of a `not-in-cluster`; a `headline` has none.",
    )
    cluster_id: str | None = Field(None, description="Of a `not-in-cluster` or a `headline`.")
    headline: str | None = Field(
        None, max_length=MAX_HEADLINE_CHARACTERS, description="What to show for the cluster."
    )
    author: str = Field(max_length=MAX_AUTHOR_CHARACTERS, description="Who says so.")
    reason: str | None = Field(None, max_length=MAX_REASON_CHARACTERS, description="Why.")


class ConstraintOutput(BaseModel):
    """A constraint with its history."""

    model_config = example(CONSTRAINT_EXAMPLE)

    constraint_id: str
    kind: ConstraintKind
    state: ConstraintState
    article_ids: list[str]
    cluster_id: str | None
    apart_from_count: int = Field(
        description="Of a `not-in-cluster`: how many articles the cluster held then. The article "
        "is kept apart from each of them, wherever they go."
    )
    headline: str | None
    author: str
    reason: str
    created_at: datetime
    undone_by: str | None
    undo_reason: str | None
    undone_at: datetime | None


class PlacedArticleOutput(BaseModel):
    """Where an article is."""

    model_config = example(PLACED_EXAMPLE)

    article_id: str
    cluster_id: str
    duplicate_group_id: str


class ConstraintOutcomeOutput(BaseModel):
    """A constraint, and where its articles are with it."""

    model_config = example(
        {"constraint": CONSTRAINT_EXAMPLE, "created": True, "articles": [PLACED_EXAMPLE]}
    )

    constraint: ConstraintOutput
    created: bool = Field(description="`false` when the same was in force already.")
    articles: list[PlacedArticleOutput]


class ConstraintPageOutput(BaseModel):
    """Part of the listing of constraints."""

    model_config = example({"constraints": [CONSTRAINT_EXAMPLE], "next_cursor": None})

    constraints: list[ConstraintOutput]
    next_cursor: str | None = Field(description="`null` on the last page.")


class ChainLinkOutput(BaseModel):
    """One step of a contradiction, in the `chain` of the problem that tells it."""

    model_config = example(CHAIN_EXAMPLE[0])

    constraint_id: str = Field(description="Empty for the constraint that was refused.")
    relation: Relation
    first_article_id: str
    second_article_id: str


class LineageEventOutput(BaseModel):
    """One thing that happened to a cluster."""

    model_config = example(LINEAGE_EXAMPLE["events"][1])

    event: LineageEventKind = Field(
        description="`minted`; `merged_in`: all of another came; `merged_into`: all went to "
        "another; `split_into`, `split_from`: some went to, or came from, another; `reopened`: a "
        "rollback took a merge back; `closed`: its last article was deleted or expired."
    )
    at: datetime
    cluster_id: str | None = Field(description="The other cluster.")
    cause: Cause | None = Field(description="`null` where it is not known any more.")
    cause_id: str | None = Field(description="Of the reclustering or the constraint.")


class LineageOutput(BaseModel):
    """The history of a cluster id, oldest event first."""

    model_config = example(LINEAGE_EXAMPLE)

    cluster_id: str
    state: ClusterState
    created_at: datetime
    merged_into: str | None = Field(description="Where the id leads now.")
    split_from: str | None = Field(description="The cluster it was divided from at its beginning.")
    split_into: list[str]
    events: list[LineageEventOutput]
    events_left_out: bool = Field(description="The log keeps 64 events; older ones are not told.")
