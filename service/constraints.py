"""The use case: what editors say of articles and clusters, in force from the moment they say it.

A constraint is written in one step with what it changes of the clusters it touches, and from then
on every decision respects it: those for postings (``service.ingest``) and those of the night. It
can be undone, and stays in the history. One that contradicts those in force is refused with the
chain that contradicts.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import orjson

from clustering.constraints import Constraints
from service.clusterer import Clusterer
from service.constraint_records import own_articles, pack_said, unpack_said, view_of
from service.constraint_relinking import relink_stored
from service.constraint_views import (
    ChainView,
    ConstraintDraft,
    ConstraintOutcome,
    ConstraintView,
    ContradictionError,
    InvalidConstraintError,
    PlacedArticle,
    chain_in_words,
    check_draft,
)
from service.constraints_in_force import ConstraintsInForce, FollowedConstraints, item_of
from service.identifiers import (
    mint_constraint_id,
)
from service.store import ConflictError, StoredArticle
from service.store.constraints import ConstrainedStore, ConstraintWrite, StoredConstraint
from service.views import ContentionError, InvalidCursorError

_ATTEMPTS = 32
_BACKOFF_SECONDS = 0.01
_SAME_CONSTRAINTS_READ = 1000
_EVERYONE = 1 << 31


class Constraining:
    """Takes editors' words, tells them, and takes them back.

    Parameters
    ----------
    store
        An opened store.
    clusterer
        The configuration in force.
    now
        Clock giving Unix seconds.
    constraints
        Shared by the use cases of a process.
    """

    def __init__(
        self,
        store: ConstrainedStore,
        clusterer: Clusterer,
        *,
        now: Callable[[], float] = time.time,
        constraints: FollowedConstraints | None = None,
    ) -> None:
        self._store = store
        self._clusterer = clusterer
        self._now = now
        self._constraints = FollowedConstraints() if constraints is None else constraints

    async def add(self, draft: ConstraintDraft) -> ConstraintOutcome:
        """Put a constraint in force; saying the same thing again changes nothing.

        Raises
        ------
        InvalidConstraintError
            It names too few articles, or an article or cluster that is not there.
        ContradictionError
            It cannot hold together with those in force.
        ContentionError
            Others kept writing to the same clusters; nothing was written.
        """
        check_draft(draft)
        constraint_id = mint_constraint_id()
        for attempt in range(_ATTEMPTS):
            if attempt:
                await _back_off(attempt)
                # The answer to a write may have been lost, and not the write.
                written = await self._store.constraint(constraint_id)
                if written is not None:
                    return await self._outcome(written, created=True)
            said = await self._constraints.refresh(self._store)
            articles = await self._articles(draft.article_ids)
            same = await self._same(draft)
            if same is not None:
                return await self._outcome(same, created=False)
            members = await self._members_named(draft)
            constraint = StoredConstraint(
                constraint_id=constraint_id,
                kind=draft.kind,
                in_force=True,
                cluster_id=draft.cluster_id,
                article_ids=(*draft.article_ids, *(member.article_id for member in members)),
                payload=pack_said(
                    author=draft.author,
                    reason=draft.reason,
                    headline=draft.headline,
                    created_at_seconds=self._now(),
                ),
            )
            _refuse_contradiction(said, constraint)
            handles = [article.handle for article in (*articles, *members)]
            item = item_of(constraint, handles)
            by_handle = said.by_handle if item is None else said.by_handle.plus(item)
            touched = _clusters_to_relink(constraint, articles)
            if await self._write(constraint, said.epoch, by_handle, touched, handles[:1]):
                return await self._outcome(constraint, created=True)
        raise _contention()

    async def get(self, constraint_id: str) -> ConstraintView | None:
        """Return a constraint, undone or not; ``None`` when there is none of that id."""
        stored = await self._store.constraint(constraint_id)
        return None if stored is None else view_of(stored)

    async def page(
        self, *, article_id: str, cluster_id: str, cursor: str | None, limit: int
    ) -> tuple[list[ConstraintView], str | None]:
        """Return constraints, newest first, and the cursor of the next page.

        Raises
        ------
        InvalidCursorError
            The cursor is not one that this listing gave out.
        """
        if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 16):
            raise InvalidCursorError(
                "the cursor is not one that this listing gave out: start again without it"
            )
        found = await self._store.constraints(
            article_id=article_id,
            cluster_id=cluster_id,
            before=None if cursor is None else int(cursor),
            limit=limit + 1,
        )
        following = str(found[limit - 1].number) if len(found) > limit else None
        return [view_of(stored) for stored in found[:limit]], following

    async def undo(
        self, constraint_id: str, *, author: str, reason: str
    ) -> ConstraintOutcome | None:
        """Take a constraint back; ``None`` when there is none. Twice is as once.

        Raises
        ------
        InvalidConstraintError
            There is no author.
        ContentionError
            Others kept writing to the same clusters; nothing was written.
        """
        if not author.strip():
            raise InvalidConstraintError("say who undoes it, in `author`", field="author")
        for attempt in range(_ATTEMPTS):
            if attempt:
                await _back_off(attempt)
            said = await self._constraints.refresh(self._store)
            stored = await self._store.constraint(constraint_id)
            if stored is None:
                return None
            if not stored.in_force:
                return await self._outcome(stored, created=False)
            undone = replace(
                stored,
                in_force=False,
                payload=pack_said(
                    **orjson.loads(stored.payload),
                    undone_by=author,
                    undo_reason=reason,
                    undone_at_seconds=self._now(),
                ),
            )
            articles = await self._store_articles(own_articles(stored))
            touched = {article.cluster_id for article in articles}
            if stored.kind == "not-in-cluster":
                touched.add(stored.cluster_id)
            elif stored.kind == "headline":
                touched = set()
            by_handle = said.by_handle.without(constraint_id)
            handles = [article.handle for article in articles]
            if await self._write(undone, said.epoch, by_handle, touched, handles):
                return await self._outcome(undone, created=False)
        raise _contention()

    async def _write(
        self,
        constraint: StoredConstraint,
        epoch: int,
        by_handle: Constraints[int],
        touched: Iterable[str],
        involved: Sequence[int],
    ) -> bool:
        """Link the touched clusters again and write it all; ``False`` for a conflict."""
        relinking, revisions = await relink_stored(
            self._store, self._clusterer, touched, by_handle, involved
        )
        try:
            await self._store.constrain(
                ConstraintWrite(
                    constraint=constraint,
                    constraint_epoch=epoch,
                    now_seconds=self._now(),
                    expected_revisions=revisions,
                    moves=relinking.moves,
                    group_moves=relinking.group_moves,
                    merged_into=relinking.merged_into,
                    split_into=relinking.split_into,
                )
            )
        except ConflictError:
            return False
        return True

    async def _articles(self, article_ids: Sequence[str]) -> list[StoredArticle]:
        found = await self._store_articles(article_ids)
        missing = set(article_ids) - {article.article_id for article in found}
        if missing:
            raise InvalidConstraintError(
                f"there is no article with the id {min(missing)[:80]!r}: post it first",
                field="article_ids",
            )
        return found

    async def _store_articles(self, article_ids: Sequence[str]) -> list[StoredArticle]:
        found = [await self._store.article(article_id) for article_id in article_ids]
        return [article for article in found if article is not None]

    async def _members_named(self, draft: ConstraintDraft) -> list[StoredArticle]:
        """Check the cluster that is named; return the members that an article is kept from."""
        if not draft.cluster_id:
            return []
        cluster = await self._store.cluster(draft.cluster_id)
        if cluster is None or cluster.state != "open":
            led = "" if cluster is None or not cluster.merged_into else cluster.merged_into
            raise InvalidConstraintError(
                f"the cluster was merged into {led}: name that one"
                if led
                else f"there is no cluster with the id {draft.cluster_id[:80]!r}",
                field="cluster_id",
            )
        if draft.kind != "not-in-cluster":
            return []
        handles = await self._store.cluster_handles(draft.cluster_id, after=0, limit=_EVERYONE)
        members = await self._store.articles(handles)
        others = [member for member in members if member.article_id not in draft.article_ids]
        if not others:
            raise InvalidConstraintError(
                f"article {draft.article_ids[0][:80]!r} is all that is in {draft.cluster_id}: "
                "there is nothing to keep it apart from",
                field="cluster_id",
            )
        return others

    async def _same(self, draft: ConstraintDraft) -> StoredConstraint | None:
        """Return a constraint in force that says the same."""
        for stored in await self._store.constraints(
            article_id=draft.article_ids[0] if draft.article_ids else "",
            cluster_id=draft.cluster_id,
            before=None,
            limit=_SAME_CONSTRAINTS_READ,
        ):
            if (
                stored.in_force
                and stored.kind == draft.kind
                and stored.cluster_id == draft.cluster_id
                and set(own_articles(stored)) == set(draft.article_ids)
                and unpack_said(stored)["headline"] == draft.headline
            ):
                return stored
        return None

    async def _outcome(self, stored: StoredConstraint, *, created: bool) -> ConstraintOutcome:
        """Return a constraint with where its articles are now."""
        articles = await self._store_articles(own_articles(stored))
        return ConstraintOutcome(
            constraint=view_of(stored),
            created=created,
            articles=tuple(
                PlacedArticle(item.article_id, item.cluster_id, item.duplicate_group_id)
                for item in articles
            ),
        )


def _clusters_to_relink(
    constraint: StoredConstraint, articles: Sequence[StoredArticle]
) -> set[str]:
    """Return the clusters in which a new constraint does not hold yet; none when it does."""
    homes = {article.cluster_id for article in articles}
    match constraint.kind:
        case "must-link":
            return homes if len(homes) > 1 else set()
        case "cannot-link":
            return homes if len(homes) == 1 else set()
        case "not-in-cluster":
            return homes & {constraint.cluster_id}
        case "headline":
            return set()


def _refuse_contradiction(said: ConstraintsInForce, constraint: StoredConstraint) -> None:
    item = item_of(constraint, constraint.article_ids)
    if item is None:
        return
    chain = said.by_article_id.plus(item).contradiction()
    if chain:
        new = constraint.constraint_id
        shown = tuple(
            ChainView(
                constraint_id="" if link.constraint_id == new else link.constraint_id,
                relation="together" if link.together else "apart",
                first_article_id=link.first,
                second_article_id=link.second,
            )
            for link in chain
        )
        raise ContradictionError(chain_in_words(shown), shown)


async def _back_off(attempt: int) -> None:
    await asyncio.sleep(random.uniform(0, min(0.2, _BACKOFF_SECONDS * 2**attempt)))


def _contention() -> ContentionError:
    return ContentionError(
        f"gave up after {_ATTEMPTS} attempts: others kept changing the same clusters; try again"
    )
