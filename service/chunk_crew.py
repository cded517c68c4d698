"""Whoever prepares the chunks of an input: this process, others of this machine, a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from types import TracebackType
from typing import Final, Self

from clustering import spreading
from clustering.articles import Article
from clustering.spreading import Workers
from service.article_chunks import (
    Chunk,
    ChunkWork,
    PreparedChunk,
    chunk_preparing,
    chunks_of,
)
from service.line_chunks import LineChunk
from service.preparing import Crew

_MANY_CHUNKS: Final = 20
"""With so many chunks in the input, processes are started at once: here they would take longer."""


class ChunkCrew:
    """Prepares chunks in order, on this machine's processes or on a Dask cluster.

    A context manager.

    Parameters
    ----------
    workers
        The Dask cluster; ``None`` for this machine's processes.
    make_work
        Makes what prepares a chunk; as in `service.preparing.Crew`.
    """

    def __init__(
        self, workers: Workers | None, make_work: Callable[[], ChunkWork] = chunk_preparing
    ) -> None:
        self._workers = workers
        self._make_work = make_work
        self._crew: Crew[Chunk, PreparedChunk] = Crew(make_work)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """End the processes, if any were started."""
        self._crew.end()

    def all_of(self, articles: Iterable[Article | LineChunk]) -> Iterator[PreparedChunk]:
        """Prepare all articles as they are read, here or, line by line, by who prepares them."""
        chunks = chunks_of(articles)
        if self._workers is None:
            first = list(islice(chunks, _MANY_CHUNKS))
            if len(first) == _MANY_CHUNKS:
                self._crew.start()
            chunks = chain(first, chunks)
        return self.worked(chunks)

    def worked(self, chunks: Iterable[Chunk]) -> Iterator[PreparedChunk]:
        """Do the work on chunks, in order."""
        if self._workers is None:
            return self._crew.worked(chunks)
        return spreading.worked_in_order(self._workers, chunks, self._make_work)
