"""In how many articles of a publisher each line was seen: what repeated lines are told from.

Only the one that counts reads these; what follows from them for everybody is small
(`RepeatedLines`). Both are bounded, and hold hashes in place of text.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from clustering.articles import UInt8Array, UInt32Array
from clustering.errors import ConfigurationError
from clustering.prepare.line_tables import TableReader, TableWriter
from clustering.prepare.repeats import (
    LONG_LINE,
    LONG_LINE_ARTICLES,
    SENTENCE_LINE,
    SHORT_LINE_ARTICLES,
    RepeatedLines,
)

_COUNTS_MAGIC: Final = b"SSLC1\n"
_HIGHEST_COUNT = 255

COUNTED_LINES_PER_PUBLISHER = 2048
COUNTED_PUBLISHERS = 2048
"""With the lines of each, at 5 bytes a line: 2,000 publishers take at most 21 MB."""
_LINES_OF_A_NOTE: Final = 16
"""A text of up to so many lines has no navigation around it, or hardly any."""
REPEATED_LINES_PER_PUBLISHER = 1024
"""At 4 bytes and a bit a line: 2,000 publishers take at most 8.5 MB; with 60 lines each, 0.5 MB."""


class LineCounts:
    """Counts, per publisher, in how many articles each line was seen.

    Parameters
    ----------
    max_lines_per_publisher
        Beyond it the lines seen in one article only are forgotten, oldest first; a line that
        repeats comes back. Must be at least 64.
    max_publishers
        Beyond it the publisher not heard from for longest is forgotten.

    Raises
    ------
    ConfigurationError
        If a bound is too small.

    Notes
    -----
    An article that a publisher posts again, corrected or updated, repeats its own lines. So a line
    is counted once a text and not once an article: a copy or another version of an article that
    was counted counts for nothing. Not thread safe.
    """

    def __init__(
        self,
        *,
        max_lines_per_publisher: int = COUNTED_LINES_PER_PUBLISHER,
        max_publishers: int = COUNTED_PUBLISHERS,
    ) -> None:
        if max_lines_per_publisher < 64:
            raise ConfigurationError("max_lines_per_publisher must be at least 64")
        if max_publishers < 1:
            raise ConfigurationError("max_publishers must be at least 1")
        self.max_lines_per_publisher = max_lines_per_publisher
        self.max_publishers = max_publishers
        # Packed while at rest: as a dict, a line takes twenty times its 5 bytes.
        self._publishers: OrderedDict[str, tuple[UInt32Array, UInt8Array]] = OrderedDict()

    @classmethod
    def of_window(cls, articles: Iterable[tuple[str, UInt32Array]]) -> LineCounts:
        """Count articles that are there all at once: their order does not matter.

        As an article can be told from another version of itself only in some order, they are
        counted in one that their lines alone decide. Nothing is forgotten.
        """
        ordered = sorted(articles, key=lambda item: (item[0], item[1].tobytes()))
        lines = sum(hashes.size for _, hashes in ordered)
        counts = cls(max_lines_per_publisher=max(64, lines), max_publishers=max(1, len(ordered)))
        counts.observe(ordered)
        return counts

    def __len__(self) -> int:
        """Count the lines held, over all publishers."""
        return sum(hashes.size for hashes, _ in self._publishers.values())

    def observe(self, articles: Iterable[tuple[str, UInt32Array]]) -> None:
        """Count articles in order; a line twice in one counts once.

        Parameters
        ----------
        articles
            Of each its publisher, as `publisher_of` names it, and its lines, as `line_hashes`
            gives them. An empty publisher is ignored: lines of unknown origin say nothing about
            a page.
        """
        by_publisher: dict[str, list[UInt32Array]] = {}
        for publisher, hashes in articles:
            if not publisher:
                continue
            # Taken out and put back, so that publishers stand by who was heard from last.
            heard = by_publisher.pop(publisher, [])
            heard.append(hashes)
            by_publisher[publisher] = heard
        for publisher, heard in by_publisher.items():
            self._observe(publisher, heard)
        while len(self._publishers) > self.max_publishers:
            self._publishers.popitem(last=False)

    def _observe(self, publisher: str, articles: Sequence[UInt32Array]) -> None:
        known: dict[int, int] = {}
        if publisher in self._publishers:
            packed_hashes, packed_counts = self._publishers.pop(publisher)
            known = dict(zip(packed_hashes.tolist(), packed_counts.tolist(), strict=True))
        for hashes in articles:
            distinct = list(dict.fromkeys(hashes.tolist()))
            if _is_another_printing(distinct, known):
                continue
            for hashed in distinct:
                known[hashed] = min(_HIGHEST_COUNT, known.get(hashed, 0) + 1)
            if len(known) > self.max_lines_per_publisher:
                known = self._trimmed(known)
        self._publishers[publisher] = (
            np.fromiter(known.keys(), dtype=np.uint32, count=len(known)),
            np.fromiter(known.values(), dtype=np.uint8, count=len(known)),
        )

    def _trimmed(self, known: dict[int, int]) -> dict[int, int]:
        """Keep three quarters: repeated lines first, then the newest of those seen once."""
        keep = self.max_lines_per_publisher * 3 // 4
        repeated = [hashed for hashed, count in known.items() if count > 1][-keep:]
        once = [hashed for hashed, count in known.items() if count == 1]
        room = keep - len(repeated)
        chosen = {*repeated, *(once[-room:] if room > 0 else ())}
        return {hashed: count for hashed, count in known.items() if hashed in chosen}

    def repeated(
        self, *, max_lines_per_publisher: int = REPEATED_LINES_PER_PUBLISHER
    ) -> RepeatedLines:
        """Return the lines seen in enough articles of a publisher to be its page's.

        Enough is ``SHORT_LINE_ARTICLES`` for a line under ``SHORT_LINE_WORDS`` words, and
        ``LONG_LINE_ARTICLES`` from there on, where a standing phrase of prose is likelier. Of more
        than ``max_lines_per_publisher`` the ones seen most often are kept, the newest on a tie.
        """
        repeated: dict[str, UInt32Array] = {}
        common: dict[str, UInt32Array] = {}
        for publisher, (hashes, counts) in self._publishers.items():
            least = np.where(hashes & LONG_LINE, LONG_LINE_ARTICLES, SHORT_LINE_ARTICLES)
            enough = np.flatnonzero(counts >= least)
            if enough.size > max_lines_per_publisher:
                order = np.lexsort((enough, counts[enough]))
                enough = enough[order[-max_lines_per_publisher:]]
            repeated[publisher] = hashes[enough]
            common[publisher] = hashes[enough[counts[enough] >= LONG_LINE_ARTICLES]]
        return RepeatedLines(repeated, common)

    def to_bytes(self) -> bytes:
        """Pack into bytes that `from_bytes` reads: counts and hashes, no text of any line."""
        writer = TableWriter(_COUNTS_MAGIC)
        writer.number(self.max_lines_per_publisher)
        writer.number(self.max_publishers)
        writer.number(len(self._publishers))
        for publisher, (hashes, counts) in self._publishers.items():
            writer.publisher(publisher, hashes)
            writer.counts(counts)
        return writer.sealed()

    @classmethod
    def from_bytes(cls, packed: bytes) -> LineCounts:
        """Read what `to_bytes` packed; no bytes are a table without lines, with default bounds.

        Raises
        ------
        CorruptRecordError
            If the bytes are truncated, altered, or of another format.
        """
        if not packed:
            return cls()
        reader = TableReader(packed, _COUNTS_MAGIC)
        counts = cls(max_lines_per_publisher=reader.number(), max_publishers=reader.number())
        for _ in range(reader.number()):
            publisher, hashes = reader.publisher()
            counts._publishers[publisher] = (hashes, reader.counts(hashes.size))
        return counts


def _is_another_printing(distinct: Sequence[int], known: Mapping[int, int]) -> bool:
    """Whether an article is a copy or another version of one that was counted.

    Lines seen in many articles are the page's and say nothing. Of the others, the article's own, a
    copy brings none that is new; another version brings fewer new sentences than known ones. Half
    of them is enough in a short text, where no navigation can have brought the known ones.
    """
    own = [hashed for hashed in distinct if known.get(hashed, 0) < LONG_LINE_ARTICLES]
    new = [hashed for hashed in own if hashed not in known]
    sentences = sum(hashed & SENTENCE_LINE != 0 for hashed in own)
    new_sentences = sum(hashed & SENTENCE_LINE != 0 for hashed in new)
    if not new:
        return True
    if sentences < 2:
        return False
    return 2 * new_sentences < sentences + (len(own) <= _LINES_OF_A_NOTE)
