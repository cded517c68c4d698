"""Which lines repeat across the articles of a window, and which articles hold one.

Most lines stand in one article alone. They are told apart by sorting all of them at once, so that
only the rest is counted line by line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt32Array
from clustering.prepare import LineCounts, RepeatedLines

Int64Array = NDArray[np.int64]


class WindowLines:
    """Lines of numbered articles, of which some count.

    Parameters
    ----------
    chosen
        int64: numbers of the articles that count.
    publishers
        int64, shape (n,): of each article, its place in ``publisher_names``.
    publisher_names
        All different; the empty one for unknown.
    counts
        int64, shape (n,): lines of each article.
    hashes
        uint32: of the lines, as `ExtractedArticle.line_hashes` gives them, article after article.
    """

    def __init__(
        self,
        *,
        chosen: Int64Array,
        publishers: Int64Array,
        publisher_names: tuple[str, ...],
        counts: Int64Array,
        hashes: UInt32Array,
    ) -> None:
        self._publishers = publishers
        self._names = publisher_names
        self._hashes = hashes
        self._begins = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
        counted = np.zeros(counts.size, dtype=np.bool_)
        counted[chosen] = True
        self._shared = _Shared.of(
            np.repeat(np.arange(counts.size), np.where(counted, counts, 0)),
            hashes[np.repeat(counted, counts)],
            publishers,
        )

    def of_article(self, number: int) -> tuple[str, UInt32Array]:
        """Return an article's publisher and the hashes of its lines."""
        publisher = self._names[self._publishers[number]]
        return publisher, self._hashes[self._begins[number] : self._begins[number + 1]]

    def repeated(self) -> RepeatedLines:
        """Return the repeated lines that `LineCounts.of_window` finds in the articles that count.

        An article none of whose lines another one of its publisher has is no version of another,
        makes no line repeat and lets none be forgotten: it need not be counted.
        """
        sharing = np.unique(self._shared.articles).tolist()
        counts = LineCounts.of_window(map(self.of_article, sharing))
        return counts.repeated(max_lines_per_publisher=max(1, len(counts)))

    def holding_repeated(self, repeated: RepeatedLines) -> Int64Array:
        """Return the numbers of articles that hold a repeated line, increasing; int64."""
        found = [np.zeros(0, dtype=np.int64)]
        publishers = self._publishers[self._shared.articles]
        order = np.argsort(publishers, kind="stable")
        bounds = np.flatnonzero(np.diff(publishers[order])) + 1
        for rows in np.split(order, bounds):
            if rows.size:
                name = self._names[publishers[rows[0]]]
                hit = repeated.among(name, self._shared.hashes[rows])
                found.append(self._shared.articles[rows[hit]])
        return np.unique(np.concatenate(found))

    def known_of(self, numbers: Int64Array, repeated: RepeatedLines) -> RepeatedLines:
        """Return what a table knows of the lines of these articles, and no more."""
        lines: dict[str, list[UInt32Array]] = {}
        for number in numbers.tolist():
            publisher, hashes = self.of_article(number)
            lines.setdefault(publisher, []).append(hashes)
        hits = {name: np.concatenate(parts) for name, parts in lines.items()}
        hits = {name: hashes[repeated.among(name, hashes)] for name, hashes in hits.items()}
        return RepeatedLines(
            hits,
            {name: hashes[repeated.common_among(name, hashes)] for name, hashes in hits.items()},
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Shared:
    """Lines that several articles of one publisher hold: the article, and the hash, of each."""

    articles: Int64Array
    hashes: UInt32Array

    @classmethod
    def of(cls, articles: Int64Array, hashes: UInt32Array, publishers: Int64Array) -> _Shared:
        """Choose them from all lines; articles are increasing."""
        if not hashes.size:
            return cls(articles, hashes)
        keys = (publishers[articles].astype(np.uint64) << np.uint64(32)) | hashes
        order = np.argsort(keys, kind="stable")
        same_line = keys[order][1:] == keys[order][:-1]
        begins = np.flatnonzero(np.concatenate([[True], ~same_line]))
        # Of one line the articles are increasing, so it stands in several if its ends differ.
        ends = np.append(begins[1:], keys.size) - 1
        several = articles[order[begins]] != articles[order[ends]]
        kept = np.sort(order[np.repeat(several, ends + 1 - begins)])
        return cls(articles[kept], hashes[kept])
