"""In-memory stand-ins for constraints and lineage: kept in a list, moving nothing."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import replace
from datetime import UTC, datetime

from service.constraint_views import (
    ConstraintDraft,
    ConstraintOutcome,
    ConstraintView,
    InvalidConstraintError,
    check_draft,
)
from service.lineage import LineageEvent, LineageView
from service.views import InvalidCursorError

SAID_AT = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)


class FakeConstraining:
    def __init__(self, said: list[ConstraintView], call: Callable[..., None]) -> None:
        self._said = said
        self._call = call

    async def add(self, draft: ConstraintDraft) -> ConstraintOutcome:
        self._call(writes=True)
        check_draft(draft)
        view = ConstraintView(
            constraint_id=f"k_{len(self._said)}",
            kind=draft.kind,
            state="in_force",
            article_ids=draft.article_ids,
            cluster_id=draft.cluster_id or None,
            apart_from_count=0,
            headline=draft.headline or None,
            author=draft.author,
            reason=draft.reason,
            created_at=SAID_AT,
            undone_by=None,
            undo_reason=None,
            undone_at=None,
        )
        self._said.append(view)
        return ConstraintOutcome(view, True, ())

    async def get(self, constraint_id: str) -> ConstraintView | None:
        self._call()
        return next((item for item in self._said if item.constraint_id == constraint_id), None)

    async def page(
        self, *, article_id: str, cluster_id: str, cursor: str | None, limit: int
    ) -> tuple[list[ConstraintView], str | None]:
        self._call()
        if cursor is not None:
            raise InvalidCursorError("there is one page: start again without it")
        found = [
            item
            for item in reversed(self._said)
            if (not article_id or article_id in item.article_ids)
            and (not cluster_id or item.cluster_id == cluster_id)
        ]
        return found[:limit], None

    async def undo(
        self, constraint_id: str, *, author: str, reason: str
    ) -> ConstraintOutcome | None:
        self._call(writes=True)
        if not author.strip():
            raise InvalidConstraintError("say who undoes it, in `author`", field="author")
        for place, item in enumerate(self._said):
            if item.constraint_id == constraint_id:
                self._said[place] = replace(
                    item, state="undone", undone_by=author, undo_reason=reason, undone_at=SAID_AT
                )
                return ConstraintOutcome(self._said[place], False, ())
        return None


class FakeLineage:
    def __init__(self, known: Container[str], call: Callable[..., None]) -> None:
        self._known = known
        self._call = call

    async def lineage(self, cluster_id: str) -> LineageView | None:
        self._call()
        if cluster_id not in self._known:
            return None
        return LineageView(
            cluster_id=cluster_id,
            state="open",
            created_at=SAID_AT,
            merged_into=None,
            split_from=None,
            split_into=(),
            events=(LineageEvent("minted", SAID_AT, None, "posting", None),),
            events_left_out=False,
        )
