"""The lines of stored articles, read back from their documents to be counted.

Nothing of a line is kept in the store but a count beside its hash; what counts is read again from
the articles that are there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from clustering.articles import UInt32Array
from clustering.packing import unpack_document
from service.documents import extracted_of, repeated_mark_of
from service.store import ClusterStore, StoredArticle

_ARTICLES_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class StoredLines:
    """Lines of one stored article, and what was taken out of it when it was prepared.

    Attributes
    ----------
    hashes
        As `clustering.prepare.text_line_hashes` gives them.
    repeated_mark
        As `clustering.prepare.RepeatedLines.mark` gives it.
    """

    handle: int
    publisher: str
    hashes: UInt32Array
    repeated_mark: int


async def read_stored_lines(
    store: ClusterStore, handles: Sequence[int]
) -> AsyncIterator[list[StoredLines]]:
    """Read the lines of those of ``handles`` that exist, some at a time, in the order asked."""
    for start in range(0, len(handles), _ARTICLES_AT_ONCE):
        articles = await store.articles(handles[start : start + _ARTICLES_AT_ONCE])
        yield await asyncio.to_thread(_lines_of, articles)


def _lines_of(articles: Sequence[StoredArticle]) -> list[StoredLines]:
    found = []
    for article in articles:
        document = unpack_document(article.document)
        extracted = extracted_of(document)
        found.append(
            StoredLines(
                article.handle,
                extracted.publisher,
                extracted.line_hashes(),
                repeated_mark_of(document),
            )
        )
    return found
