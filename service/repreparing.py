"""Prepare stored articles anew where what is known of their publisher's pages has changed.

An article is stored as it was prepared when it came, under a table of repeated lines that has grown
since. By night the lines of everything stored are counted afresh; the articles out of which the
new table would take something else than was taken are prepared again from their documents.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from clustering.articles import ArticleFeatures
from clustering.packing import pack_features, unpack_document, unpack_features
from clustering.prepare import LineCounts
from clustering.preparer import Preparer
from clustering.propose import bucket_ids
from service.documents import extracted_of, redone_document
from service.spool import Spool
from service.store import ClusterStore, Rewrite, StoredArticle
from service.stored_lines import StoredLines, read_stored_lines

_ARTICLES_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Recount:
    """The lines of everything stored, counted afresh.

    Attributes
    ----------
    counts
        As the service counts them: in order of arrival, and bounded.
    preparer
        With the table that follows from them.
    stale_handles
        Articles that were prepared otherwise than ``preparer`` would.
    """

    counts: LineCounts
    preparer: Preparer
    stale_handles: tuple[int, ...]


async def recount_lines(
    store: ClusterStore,
    handles: Sequence[int],
    preparer: Preparer,
    *,
    on_progress: Callable[[float], None],
) -> Recount:
    """Count the lines of stored articles, and find those that are stale.

    Parameters
    ----------
    store
        An opened store.
    handles
        The articles, in order of arrival.
    preparer
        What articles are prepared with; its own table of repeated lines does not matter.
    on_progress
        Told the share that is done, 0..1.
    """
    counts = LineCounts()
    # Read once: 4 bytes a line, some 160 an article.
    lines: list[StoredLines] = []
    async for some in read_stored_lines(store, handles):
        counts.observe((item.publisher, item.hashes) for item in some)
        lines += some
        on_progress(len(lines) / len(handles))
    repeated = counts.repeated()
    stale = [
        item.handle
        for item in lines
        if repeated.mark(item.publisher, item.hashes) != item.repeated_mark
    ]
    return Recount(counts, preparer.with_repeated(repeated), tuple(stale))


class Reprepared:
    """Articles prepared anew and not written yet; their texts are in a spool.

    ``features`` are those that changed, by handle.
    """

    def __init__(self, spool: Spool) -> None:
        self.features: dict[int, ArticleFeatures] = {}
        self._spool = spool
        self._numbers: dict[int, int] = {}

    async def prepare(
        self,
        store: ClusterStore,
        recount: Recount,
        *,
        on_progress: Callable[[float], None],
    ) -> None:
        """Prepare the stale articles; those deleted meanwhile are left out."""
        stale = recount.stale_handles
        for start in range(0, len(stale), _ARTICLES_AT_ONCE):
            articles = await store.articles(stale[start : start + _ARTICLES_AT_ONCE])
            await asyncio.to_thread(self._prepare, articles, recount.preparer)
            on_progress(min(1.0, (start + _ARTICLES_AT_ONCE) / len(stale)))

    def _prepare(self, articles: Sequence[StoredArticle], preparer: Preparer) -> None:
        for article in articles:
            document = unpack_document(article.document)
            preparation = preparer.prepare_extracted(extracted_of(document))
            self.features[article.handle] = preparation.article.features
            self._numbers[article.handle] = self._spool.put(redone_document(document, preparation))

    async def write(self, store: ClusterStore, preparer: Preparer, *, now_seconds: float) -> int:
        """Write them; returns how many were written. Those changed meanwhile are left."""
        written = 0
        handles = list(self._numbers)
        for start in range(0, len(handles), _ARTICLES_AT_ONCE):
            some = handles[start : start + _ARTICLES_AT_ONCE]
            for handle, record in zip(some, await store.records(some), strict=True):
                if record is None:
                    continue
                features = self.features[handle]
                # Posts go on meanwhile: each is a step of its own, and whoever decides on what the
                # article was finds its cluster changed and decides again.
                written += await store.rewrite(
                    Rewrite(
                        handle=handle,
                        replaced_record=record,
                        replaced_bucket_ids=np.unique(
                            bucket_ids(unpack_features(record), preparer.scheme)
                        ),
                        record=pack_features(features),
                        document=self._spool.get(self._numbers[handle]),
                        bucket_ids=np.unique(bucket_ids(features, preparer.scheme)),
                        now_seconds=now_seconds,
                    )
                )
        return written
