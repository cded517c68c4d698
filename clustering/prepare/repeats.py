"""Lines that repeat across one publisher's articles are the page's, not the article's.

A menu, a newsletter box or a legal notice comes back on every page of a site; a sentence of news
does not. Counting line hashes per publisher needs no training, no language and no markup, and
removes what the line classifier cannot tell from prose.

``RepeatedLines`` holds the lines seen often enough: it is small, for all that prepare articles read
it. What they are counted from is ``line_counts``. A line is its hash, 32 bits: 30 of xxh32 over its
key, and two that tell what kind of line it is, so that no table needs to keep more of it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import xxhash

from clustering.articles import UInt32Array
from clustering.prepare import line_numbers
from clustering.prepare.boilerplate_lines import measure_text
from clustering.prepare.line_tables import BoolArray, TableReader, TableWriter

_REPEATED_MAGIC: Final = b"SSRL2\n"

LONG_LINE: Final = line_numbers.LONG_LINE
"""Bit of a hash: the line has ``SHORT_LINE_WORDS`` words or more."""
SENTENCE_LINE: Final = line_numbers.SENTENCE_LINE
"""Bit of a hash: the line is a full sentence of prose."""
SHORT_LINE_WORDS: Final = line_numbers.SHORT_LINE_WORDS
SHORT_LINE_ARTICLES = 2
LONG_LINE_ARTICLES = 4
"""Articles that a line must stand in to be the page's: a short one, and a long one, where a
standing phrase of prose is likelier. From there on it is common: no longer taken for prose."""


_REMEMBERED_TEXTS: Final = 256
_REMEMBERED_CHARACTERS: Final = 20_000
"""The lines of an article are hashed where it is cleaned, and asked for a little later: of the last
few that are not longer than this the hashes are kept in between."""
_remembered: dict[str, UInt32Array] = {}
_remembering = threading.Lock()


def key_hash(key: str) -> int:
    """Return the hash of a line with this key, in ``KEY_BITS``."""
    return xxhash.xxh32_intdigest(key.encode("utf-8", "surrogatepass")) & line_numbers.KEY_BITS


def remember_line_hashes(
    texts: Sequence[str], hashes: UInt32Array, spans: Sequence[tuple[int, int]]
) -> None:
    """Take note of the hashes of texts' lines for `text_line_hashes`, text after text."""
    with _remembering:
        if len(_remembered) + len(texts) > _REMEMBERED_TEXTS:
            for text in list(_remembered)[: max(len(texts), _REMEMBERED_TEXTS // 2)]:
                del _remembered[text]
        for text, (begin, end) in zip(texts, spans, strict=True):
            if len(text) <= _REMEMBERED_CHARACTERS:
                _remembered[text] = hashes[begin:end]


def text_line_hashes(text: str) -> UInt32Array:
    """Return a hash a line that `clean_dump` makes of a text, uint32 of shape (n,).

    Printings of a line that differ in case, bullets and spacing alone have one hash.
    """
    if not text:
        return np.zeros(0, dtype=np.uint32)
    known = _remembered.get(text)
    if known is None:
        known = measure_text(text).hashes
        remember_line_hashes([text], known, [(0, known.size)])
    return known.copy()


class RepeatedLines:
    """The lines of each publisher that stand in several of its articles. Never changes.

    Parameters
    ----------
    hashes
        Publisher → its repeated lines, uint32 of any order.
    common_hashes
        Those of them that stand in so many articles that they cannot be prose of any one.
    """

    def __init__(
        self,
        hashes: Mapping[str, UInt32Array] | None = None,
        common_hashes: Mapping[str, UInt32Array] | None = None,
    ) -> None:
        self._hashes = _sorted(hashes)
        self._common_hashes = _sorted(common_hashes)

    def __len__(self) -> int:
        """Count the lines held, over all publishers."""
        return sum(map(len, self._hashes.values()))

    def among(self, publisher: str, hashes: UInt32Array) -> BoolArray:
        """Which of an article's lines repeat in its publisher's articles, bool of shape (n,).

        Parameters
        ----------
        publisher
            As `publisher_of` names it; of an unknown (empty) one nothing is known.
        hashes
            As `line_hashes` gives them, shape (n,).
        """
        return _found(self._hashes.get(publisher), hashes)

    def common_among(self, publisher: str, hashes: UInt32Array) -> BoolArray:
        """Which of them stand in ``LONG_LINE_ARTICLES`` or more, bool of shape (n,)."""
        return _found(self._common_hashes.get(publisher), hashes)

    def look_up(self, publisher: str, hashes: UInt32Array) -> tuple[BoolArray, BoolArray, int]:
        """Return what `among`, `common_among` and `mark` do, for less."""
        again = self.among(publisher, hashes)
        if not again.any():
            return again, again, 0
        common = self.common_among(publisher, hashes)
        hits, places = np.unique(hashes[again], return_index=True)
        named = hits.tobytes() + common[again][places].tobytes()
        return again, common, xxhash.xxh3_64_intdigest(named) >> 1

    def mark(self, publisher: str, hashes: UInt32Array) -> int:
        """Return 63 bits that name what this table knows of an article's lines; 0 for nothing.

        What `clean_dump` makes of a text depends on the table by nothing else. So an article was
        prepared as this table would have it where the mark is the same.
        """
        return self.look_up(publisher, hashes)[2]

    def to_bytes(self) -> bytes:
        """Pack into bytes that `from_bytes` reads: hashes, no text of any line."""
        writer = TableWriter(_REPEATED_MAGIC)
        writer.number(len(self._hashes))
        for publisher, hashes in self._hashes.items():
            writer.publisher(publisher, hashes)
            writer.flags(self.common_among(publisher, hashes))
        return writer.sealed()

    @classmethod
    def from_bytes(cls, packed: bytes) -> RepeatedLines:
        """Read what `to_bytes` packed; no bytes are an empty table.

        Raises
        ------
        CorruptRecordError
            If the bytes are truncated, altered, or of another format.
        """
        if not packed:
            return cls()
        reader = TableReader(packed, _REPEATED_MAGIC)
        repeated: dict[str, UInt32Array] = {}
        common: dict[str, UInt32Array] = {}
        for _ in range(reader.number()):
            publisher, hashes = reader.publisher()
            repeated[publisher] = hashes
            common[publisher] = hashes[reader.flags(hashes.size)]
        return cls(repeated, common)


def _sorted(hashes: Mapping[str, UInt32Array] | None) -> dict[str, UInt32Array]:
    given = {} if hashes is None else hashes
    return {
        publisher: np.unique(np.asarray(given[publisher], dtype=np.uint32))
        for publisher in sorted(given)
        if publisher and len(given[publisher])
    }


def _found(known: UInt32Array | None, hashes: UInt32Array) -> BoolArray:
    if known is None or not hashes.size:
        return np.zeros(hashes.size, dtype=np.bool_)
    places = np.minimum(np.searchsorted(known, hashes), known.size - 1)
    return np.asarray(known[places] == hashes, dtype=np.bool_)
