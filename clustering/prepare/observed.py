"""What a stream has shown: in how many of its articles each term and each pair of terms stands.

Counts are kept as sorted arrays, so that looking many terms up is one binary search, and so that
the packed bytes are the arrays themselves.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import xxhash
from numpy.typing import NDArray

from clustering.articles import TermVector, UInt32Array
from clustering.errors import CorruptRecordError

_OBSERVED_MAGIC = b"SSOF"
_OBSERVED_VERSION = 1
# Magic, layout, articles, terms, bigrams; then XXH32 of all of it and of the counts that follow.
_HEADER = struct.Struct("<4sIIII")
_CHECKSUM = struct.Struct("<I")


@dataclass(frozen=True, slots=True, eq=False)
class ObservedFrequencies:
    """Document counts of the terms and bigrams of a stream.

    Attributes
    ----------
    article_count
        Articles counted.
    term_ids, term_counts
        uint32, shape (n,): strictly increasing ids, and how many articles contain each.
    bigram_ids, bigram_counts
        uint32, shape (m,): the same for pairs of neighbouring terms.
    """

    article_count: int = 0
    term_ids: UInt32Array = field(default_factory=lambda: np.zeros(0, dtype=np.uint32))
    term_counts: UInt32Array = field(default_factory=lambda: np.zeros(0, dtype=np.uint32))
    bigram_ids: UInt32Array = field(default_factory=lambda: np.zeros(0, dtype=np.uint32))
    bigram_counts: UInt32Array = field(default_factory=lambda: np.zeros(0, dtype=np.uint32))

    @classmethod
    def of(cls, vectors: Iterable[TermVector], *, distinct_limit: int = 500_000) -> Self:
        """Count the articles of a stream.

        Parameters
        ----------
        vectors
            Read once.
        distinct_limit
            With more distinct terms than this (or bigrams), those of a single article are
            dropped: they are most of a large table, and one count hardly moves an idf.
        """
        article_count = 0
        terms = _Counter(distinct_limit)
        bigrams = _Counter(distinct_limit)
        for vector in vectors:
            article_count += 1
            terms.add(vector.term_ids)
            bigrams.add(vector.bigram_ids)
        return cls(article_count, *terms.result(), *bigrams.result())

    def plus(self, other: Self, *, distinct_limit: int = 500_000) -> Self:
        """Return the counts of both streams together, which must not share an article."""
        terms, bigrams = _Counter(distinct_limit), _Counter(distinct_limit)
        for part in (self, other):
            terms.add_counted(part.term_ids, part.term_counts)
            bigrams.add_counted(part.bigram_ids, part.bigram_counts)
        return type(self)(
            self.article_count + other.article_count, *terms.result(), *bigrams.result()
        )

    def to_bytes(self) -> bytes:
        """Pack into bytes that `from_bytes` reads on any machine."""
        parts = [self.term_ids, self.term_counts, self.bigram_ids, self.bigram_counts]
        payload = b"".join(part.astype("<u4").tobytes() for part in parts)
        header = _HEADER.pack(
            _OBSERVED_MAGIC,
            _OBSERVED_VERSION,
            self.article_count,
            self.term_ids.size,
            self.bigram_ids.size,
        )
        return header + _CHECKSUM.pack(xxhash.xxh32_intdigest(header + payload)) + payload

    @classmethod
    def from_bytes(cls, packed: bytes) -> Self:
        """Unpack `to_bytes`.

        Raises
        ------
        CorruptRecordError
            Truncated, altered, of another version, or not ours.
        """
        if len(packed) < _HEADER.size + _CHECKSUM.size:
            raise CorruptRecordError("observed frequencies: shorter than their header")
        magic, version, article_count, terms, bigrams = _HEADER.unpack_from(packed)
        if magic != _OBSERVED_MAGIC or version != _OBSERVED_VERSION:
            raise CorruptRecordError(
                f"observed frequencies: not in layout {_OBSERVED_VERSION}; recluster to count again"
            )
        header = packed[: _HEADER.size]
        payload = packed[_HEADER.size + _CHECKSUM.size :]
        (checksum,) = _CHECKSUM.unpack_from(packed, _HEADER.size)
        if (
            len(payload) != 8 * (terms + bigrams)
            or xxhash.xxh32_intdigest(header + payload) != checksum
        ):
            raise CorruptRecordError("observed frequencies: truncated or altered")
        values = np.frombuffer(payload, dtype="<u4").astype(np.uint32)
        cuts = np.cumsum([terms, terms, bigrams])
        return cls(article_count, *np.split(values, cuts))


class _Counter:
    """Counts ids in batches, so that memory follows the distinct ids and not the articles."""

    _BATCH = 1 << 20

    def __init__(self, distinct_limit: int) -> None:
        self._limit = distinct_limit
        self._pending: list[UInt32Array] = []
        self._pending_size = 0
        self._ids = np.zeros(0, dtype=np.uint32)
        self._counts = np.zeros(0, dtype=np.int64)

    def add(self, ids: UInt32Array) -> None:
        self._pending.append(ids)
        self._pending_size += ids.size
        if self._pending_size >= self._BATCH:
            self._merge()

    def _merge(self) -> None:
        new_ids, new_counts = np.unique(
            np.concatenate([np.zeros(0, np.uint32), *self._pending]), return_counts=True
        )
        self._pending = []
        self._pending_size = 0
        self.add_counted(new_ids, new_counts)

    def add_counted(self, ids: UInt32Array, counts: NDArray[np.integer]) -> None:
        """Add ids, each of them once, that were counted elsewhere."""
        together, slots = np.unique(np.concatenate([self._ids, ids]), return_inverse=True)
        sums = np.zeros(together.size, dtype=np.int64)
        np.add.at(sums, slots, np.concatenate([self._counts, counts.astype(np.int64)]))
        self._ids, self._counts = together, sums

    def result(self) -> tuple[UInt32Array, UInt32Array]:
        self._merge()
        ids, counts = self._ids, self._counts
        if ids.size > self._limit:
            kept = counts > 1
            ids, counts = ids[kept], counts[kept]
        return ids, np.minimum(counts, 0xFFFFFFFF).astype(np.uint32)
