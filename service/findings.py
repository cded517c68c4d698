"""What was found for the articles of a batch that are not placed yet, brought up to date.

A wave ends before the first article that depends on one of it (`service.waves`). What was found for
those behind it is still right but for the few articles that were stored since, and fetching these
costs a small part of finding everything again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from service.sketches import Prepared
from service.store import BucketQuery, ClusterStore, Finding, FoundArticle, Newcomers
from service.waves import Wave, ranked


class Findings:
    """What is near the articles of one batch.

    Parameters
    ----------
    store
        An opened store.
    query_of
        What to ask it for an article.
    """

    def __init__(self, store: ClusterStore, query_of: Callable[[Prepared], BucketQuery]) -> None:
        self._store = store
        self._query_of = query_of
        # With the articles, so that no other one can have the same number meanwhile.
        self._kept: dict[int, tuple[Prepared, Finding]] = {}

    def forget(self, item: Prepared) -> None:
        """Let go of what was found for an article that is placed, and for updates of it."""
        name = item.article_id
        for key in [key for key, (kept, _) in self._kept.items() if kept.article_id == name]:
            del self._kept[key]

    async def of(self, items: Sequence[Prepared]) -> list[Finding]:
        """Return what is near each article, as `ClusterStore.find` would.

        All as of one horizon, unless something was stored between the round trips.
        """
        before = dict(self._kept)
        await self._find([item for item in items if id(item) not in before])
        old = [self._kept[id(item)][1] for item in items if id(item) in before]
        if old:
            since = await self._store.newcomers(min(old, key=lambda finding: finding.horizon))
            outdated = self._bring_up_to_date(items, since)
            await self._find(outdated)
        return [self._kept[id(item)][1] for item in items]

    async def _find(self, items: Sequence[Prepared]) -> None:
        if items:
            found = await self._store.find([self._query_of(item) for item in items])
            for item, finding in zip(items, found, strict=True):
                self._kept[id(item)] = (item, finding)

    def _bring_up_to_date(
        self, items: Sequence[Prepared], since: Newcomers | None
    ) -> list[Prepared]:
        """Return those for which that cannot be done."""
        outdated = []
        waves: dict[int, Wave] = {}
        for item in items:
            finding = self._kept[id(item)][1]
            newer = None
            if since is not None:
                if finding.horizon not in waves:
                    waves[finding.horizon] = _wave_of(since, finding.horizon)
                limit = self._query_of(item).limit
                newer = _updated(finding, since, waves[finding.horizon], limit)
            if newer is None:
                outdated.append(item)
            else:
                self._kept[id(item)] = (item, newer)
        return outdated


def _wave_of(since: Newcomers, horizon: int) -> Wave:
    wave = Wave()
    for newcomer in since.articles:
        if newcomer.handle > horizon:
            wave.add_stored(newcomer)
    return wave


def _updated(finding: Finding, since: Newcomers, wave: Wave, limit: int) -> Finding | None:
    """Return what would be found by now; ``None`` where newcomers make a bucket over-full."""
    told = wave.fellows_and_sizes(finding)
    if told is None or since.horizon < finding.horizon:
        return None
    fellows, sizes = told
    newer = [item for item in since.articles if item.handle > finding.horizon]
    candidates = tuple(
        item
        if isinstance(item, FoundArticle)
        else FoundArticle(newer[item.number].handle, item.shared_weight, item.record)
        for item in ranked(finding.candidates, fellows, limit)
    )
    buckets = finding.buckets
    return replace(
        finding,
        horizon=since.horizon,
        frequency_epoch=since.frequency_epoch,
        constraint_epoch=since.constraint_epoch,
        candidates=candidates,
        buckets=replace(
            buckets,
            sizes=sizes,
            indexed_articles=buckets.indexed_articles + wave.indexed_articles,
        ),
    )
