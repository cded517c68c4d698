"""The articles of an archive: a window that keeps what will be stored of each in a second spool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.archive_chunks import KeptChunk
from service.article_chunks import PreparedChunk
from service.collected_window import CollectedWindow
from service.spool import Spool


@dataclass(frozen=True, slots=True, eq=False)
class ChosenArticles:
    """Those of a chunk that count.

    Attributes
    ----------
    numbers
        int64, increasing: theirs in the window.
    kept
        What will be stored of them.
    again
        What preparing them again made of each one's document; ``None`` where it was not needed.
    """

    numbers: NDArray[np.int64]
    kept: KeptChunk
    again: Sequence[bytes | None]


class ArchiveWindow(CollectedWindow):
    """As `CollectedWindow`, for chunks of `service.archive_chunks.archive_preparing`.

    Parameters
    ----------
    spool
        For the texts.
    kept
        For what will be stored.
    """

    def __init__(self, spool: Spool, kept: Spool) -> None:
        super().__init__(spool)
        self._kept = kept
        # Of a chunk, where in the spool is what was prepared again, and which articles these are.
        self._kept_again: dict[int, tuple[int, Sequence[int]]] = {}

    def put(self, prepared: PreparedChunk) -> None:
        """Keep the articles that come next."""
        super().put(prepared)
        self._kept.put(prepared.kept)

    def replace(self, chunk: int, positions: Sequence[int], prepared: PreparedChunk) -> None:
        """Put articles that were prepared again in the place of some of a chunk."""
        super().replace(chunk, positions, prepared)
        self._kept_again[chunk] = self._kept.put(prepared.kept), positions

    def kept_of(self, numbers: NDArray[np.int64]) -> Iterator[ChosenArticles]:
        """Return what will be stored of these articles, increasing, chunk by chunk."""
        for chunk, positions in self.by_chunk(numbers):
            yield self._chosen(chunk, positions)

    def _chosen(self, chunk: int, positions: NDArray[np.int64]) -> ChosenArticles:
        kept = KeptChunk.from_bytes(self._kept.get(chunk))
        records, buckets = list(kept.records), list(kept.buckets)
        documents: dict[int, bytes] = {}
        if chunk in self._kept_again:
            number, again_positions = self._kept_again[chunk]
            again = KeptChunk.from_bytes(self._kept.get(number))
            documents = dict(zip(again_positions, again.documents, strict=True))
            for place, position in enumerate(again_positions):
                records[position] = again.records[place]
                buckets[position] = again.buckets[place]
        places = positions.tolist()
        return ChosenArticles(
            positions + self._begins[chunk],
            KeptChunk(
                [kept.documents[k] for k in places],
                [records[k] for k in places],
                [kept.digests[k] for k in places],
                [buckets[k] for k in places],
            ),
            [documents.get(k) for k in places],
        )
