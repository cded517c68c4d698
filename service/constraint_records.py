"""Between what editors say and what is stored of it: who, when, why, and what people read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from service.constraint_views import ConstraintView
from service.store.constraints import StoredConstraint


def own_articles(stored: StoredConstraint) -> tuple[str, ...]:
    """Return the articles that the editor named: of a not-in-cluster, the first."""
    return stored.article_ids[:1] if stored.kind == "not-in-cluster" else stored.article_ids


def pack_said(**values: Any) -> bytes:
    """Return who, when and why as they are stored."""
    return orjson.dumps(values)


def unpack_said(stored: StoredConstraint) -> dict[str, Any]:
    """Return what `pack_said` packed."""
    values: dict[str, Any] = orjson.loads(stored.payload)
    return values


def view_of(stored: StoredConstraint) -> ConstraintView:
    """Return a stored constraint as people read it."""
    values = unpack_said(stored)
    own = own_articles(stored)
    return ConstraintView(
        constraint_id=stored.constraint_id,
        kind=stored.kind,
        state="in_force" if stored.in_force else "undone",
        article_ids=own,
        cluster_id=stored.cluster_id or None,
        apart_from_count=len(stored.article_ids) - len(own),
        headline=values["headline"] or None,
        author=values["author"],
        reason=values["reason"],
        created_at=_moment(values["created_at_seconds"]),
        undone_by=values.get("undone_by"),
        undo_reason=values.get("undo_reason"),
        undone_at=None if stored.in_force else _moment(values["undone_at_seconds"]),
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
