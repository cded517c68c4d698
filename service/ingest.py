"""The use case: an article in, its cluster id out; many of them, in order, at a time.

`service.sketches` prepares articles, `service.placing` finds their places.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from clustering.articles import Article
from service.clusterer import Clusterer
from service.constraints_in_force import FollowedConstraints
from service.findings import Findings
from service.gathering import Gathering
from service.placing import Placer
from service.sketches import Prepared, Sketcher, belongs_aside, caught
from service.store import StoreError, StoreUnavailableError
from service.store.constraints import ConstrainedStore
from service.views import IngestOutcome

# Articles of one process between finding and commit. The more there are, the more of them find that
# another one got in before them and must be decided again: of articles posted by 8 connections at
# once 18 in 100, where 3 are let in 7. Fewer, and the process waits for a server that is far away.
_PLACED_AT_ONCE = 3

# Articles of a batch that are prepared together, in some five milliseconds.
_PREPARED_AT_ONCE = 32

# Articles of a wave. The first of a batch tries a few; where all of them could be decided together,
# the next one tries twice as many.
_FIRST_WAVE = 4
_LONGEST_WAVE = 32


class Ingest:
    """Places articles.

    Parameters
    ----------
    store
        An opened store.
    clusterer
        Preparation and decision under the configuration in force.
    now
        Clock giving Unix seconds.
    constraints
        What editors said; shared by the use cases of a process.
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
        self._now = now
        self._sketcher = Sketcher(clusterer)
        self._placer = Placer(
            store,
            clusterer,
            self._sketcher,
            now=now,
            constraints=FollowedConstraints() if constraints is None else constraints,
        )
        self._places = asyncio.Semaphore(_PLACED_AT_ONCE)
        # Waves of several batches get in each other's way more than they gain: of four batches at
        # once through two workers 20 to 25 in 100 articles had to be decided by themselves, with
        # one wave a process at a time 6 to 9.
        self._one_wave = asyncio.Lock()
        self._posts = Gathering(self.post_many, most=_LONGEST_WAVE)

    async def post(self, article: Article) -> IngestOutcome:
        """Store and place one article; those that are posted at the same time, together.

        Raises
        ------
        InvalidArticleError
            Neither text nor HTML was given.
        ContentionError
            Too many articles race for the same cluster.
        StoreUnavailableError, StoreFullError
            The store cannot take it. Nothing was written.
        """
        if not belongs_aside(article):
            return await self._posts.do(article)
        prepared = await self._sketcher.prepare(article)
        async with self._places:
            return await self._placer.place(prepared)

    async def post_many(self, articles: Sequence[Article]) -> list[IngestOutcome | Exception]:
        """Place articles in order; what goes wrong with one is returned in its place.

        The outcomes are those of posting one after the other. Articles that do not depend on one
        another share their round trips (`service.waves`), and some are prepared while the server is
        busy with those before them. Once the store does not answer, the rest is not tried: each
        would wait as long again.
        """
        outcomes: list[IngestOutcome | Exception] = []
        chunks = [
            articles[begin : begin + _PREPARED_AT_ONCE]
            for begin in range(0, len(articles), _PREPARED_AT_ONCE)
        ]
        ready: list[Prepared | Exception] = []
        findings = self._placer.new_findings()
        wave_articles = _FIRST_WAVE
        while chunks or ready:
            if not ready:
                ready = await self._sketcher.prepare_many(chunks.pop(0))
            ready = await self._sketcher.renew(ready)
            some = ready[:wave_articles]
            placing = caught(self._wave(some, findings))
            if chunks and len(ready) < _LONGEST_WAVE:
                async with asyncio.TaskGroup() as group:
                    task = group.create_task(placing)
                    # Once round the loop, and the server has the first question.
                    await asyncio.sleep(0)
                    ready += await self._sketcher.prepare_many(chunks.pop(0))
                placed = task.result()
            else:
                placed = await placing
            if isinstance(placed, Exception):
                if len(some) > 1 and not isinstance(placed, StoreError):
                    wave_articles = 1  # which of them it was, only each by itself tells
                    continue
                placed = [placed]
            outcomes += placed
            for item in ready[: len(placed)]:
                if isinstance(item, Prepared):
                    findings.forget(item)
            ready = ready[len(placed) :]
            if any(isinstance(outcome, StoreUnavailableError) for outcome in placed):
                error = next(o for o in placed if isinstance(o, StoreUnavailableError))
                return outcomes + [error] * (len(articles) - len(outcomes))
            whole = len(placed) == len(some)
            wave_articles = min(
                _LONGEST_WAVE, 2 * len(some) if whole else max(_FIRST_WAVE, len(placed) + 2)
            )
        return outcomes

    async def delete(self, article_id: str) -> bool:
        """Remove every trace of an article; ``False`` when there is none."""
        return await self._store.delete_article(article_id, now_seconds=self._now())

    async def _wave(
        self, ready: Sequence[Prepared | Exception], findings: Findings
    ) -> list[IngestOutcome | Exception]:
        async with self._one_wave, self._places:
            return await self._placer.place_wave(ready, findings)
