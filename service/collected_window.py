"""The articles of an input while all are decided at once: columns in memory, texts in a spool.

They come in chunks, prepared as if no line of theirs repeated, and those that turn out to hold such
lines are put in their places once more.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt32Array
from clustering.batch import Digests, canonical_order
from clustering.collected_columns import CollectedColumns
from clustering.columns import FeatureColumns
from clustering.prepare import RepeatedLines
from clustering.preparer import ExtractedArticle
from service.article_chunks import PreparedChunk, RepeatedChunk, extracted_in
from service.preparing import core_count
from service.spool import Spool
from service.window_lines import WindowLines

Int64Array = NDArray[np.int64]

Again: TypeAlias = Iterator[tuple[int, RepeatedChunk]]
"""Chunks by their number, and what of each is to be prepared again."""


class CollectedWindow:
    """The articles of the input, numbered from 0: texts aside, what deciding needs at hand.

    Attributes
    ----------
    ids
        Of every article of the input.
    numbers
        Id → number of the last article that has it, in the order of those: the ones that count.
    """

    def __init__(self, spool: Spool) -> None:
        self.ids: list[str] = []
        self.numbers: dict[str, int] = {}
        self.prepared_count = 0
        self._spool = spool
        self._features = CollectedColumns()
        # Where among the features an article is that was prepared again.
        self._replaced: dict[int, int] = {}
        self._digests: list[Digests] = []
        self._line_hashes: list[UInt32Array] = []
        self._line_counts: list[Int64Array] = []
        self._begins = [0]

    def put(self, prepared: PreparedChunk) -> None:
        """Keep the articles that come next."""
        for number, article_id in enumerate(prepared.article_ids, start=len(self.ids)):
            # Taken out first, so that an update takes its own place in the order, not the first
            # one's.
            self.numbers.pop(article_id, None)
            self.numbers[article_id] = number
        self.ids += prepared.article_ids
        self._features.add(prepared.features)
        self._digests.append(prepared.digests)
        self._line_hashes.append(prepared.line_hashes)
        self._line_counts.append(np.diff(prepared.line_ends, prepend=0))
        self._spool.put(prepared.content)
        self.prepared_count += len(prepared.features)
        self._begins.append(self.prepared_count)

    @property
    def chosen(self) -> Int64Array:
        """Numbers of the articles that count, in their order; int64."""
        return np.fromiter(self.numbers.values(), dtype=np.int64, count=len(self.numbers))

    @property
    def places(self) -> Int64Array:
        """For every article of the input, which of those that count stands for it; int64."""
        place_of = {article_id: place for place, article_id in enumerate(self.numbers)}
        each = map(place_of.__getitem__, self.ids)
        return np.fromiter(each, dtype=np.int64, count=len(self.ids))

    def taken_features(self) -> FeatureColumns:
        """Return the features of the articles that count, and forget all features."""
        rows = np.arange(self.prepared_count)
        rows[list(self._replaced)] = list(self._replaced.values())
        return self._features.taken(rows[self.chosen], threads=core_count())

    def put_in_canonical_order(self) -> Digests:
        """Let the articles that count stand as they will be clustered; return their digests."""
        nothing = np.zeros((0, 2), dtype=np.uint64)
        digests = np.concatenate([nothing, *self._digests])[self.chosen]
        dates = self._features.published_at_seconds[self.chosen]
        order = canonical_order(dates, digests)
        ids = list(self.numbers)
        self.numbers = {ids[k]: self.numbers[ids[k]] for k in order.tolist()}
        return digests[order]

    def lines(self) -> WindowLines:
        """Return the lines of the articles that count, by publisher."""
        publishers, names = self._features.publishers
        nothing = np.zeros(0, dtype=np.int64)
        return WindowLines(
            chosen=self.chosen,
            publishers=publishers.astype(np.int64),
            publisher_names=names,
            counts=np.concatenate([nothing, *self._line_counts]),
            hashes=np.concatenate([np.zeros(0, dtype=np.uint32), *self._line_hashes]),
        )

    def forget_lines(self) -> None:
        """Let go of what `lines` needs: of a million articles some hundred megabytes."""
        self._line_hashes, self._line_counts = [], []

    def extracted(self, number: int) -> ExtractedArticle:
        """Return an article of a known publisher as it was before it was cleaned."""
        chunk = bisect_right(self._begins, number) - 1
        return extracted_in(self._spool.get(chunk), [number - self._begins[chunk]])[0]

    def again(self, numbers: Int64Array, lines: WindowLines, repeated: RepeatedLines) -> Again:
        """Ask for these articles, in increasing order, to be prepared without repeated lines."""
        for chunk, positions in self.by_chunk(numbers):
            known = lines.known_of(positions + self._begins[chunk], repeated)
            yield chunk, RepeatedChunk(self._spool.get(chunk), positions.tolist(), known)

    def by_chunk(self, numbers: Int64Array) -> Iterator[tuple[int, Int64Array]]:
        """Tell which chunk holds which of these articles, in increasing order: their positions."""
        chunk_of = np.searchsorted(self._begins, numbers, side="right") - 1
        chunks, begins = np.unique(chunk_of, return_index=True)
        for chunk, own in zip(chunks.tolist(), np.split(numbers, begins[1:]), strict=False):
            yield chunk, own - self._begins[chunk]

    def replace(self, chunk: int, positions: Sequence[int], prepared: PreparedChunk) -> None:
        """Put articles that were prepared again in the place of some of a chunk."""
        for row, position in enumerate(positions, start=len(self._features)):
            self._replaced[self._begins[chunk] + position] = row
        self._features.add(prepared.features)
        self._digests[chunk][list(positions)] = prepared.digests
