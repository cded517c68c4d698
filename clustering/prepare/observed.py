"""What a stream has shown: in how many of its articles each term and each pair of terms stands.

Counts are kept as sorted arrays, so that looking many terms up is one binary search, and so that
the packed bytes are the arrays themselves.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import xxhash
from numpy.typing import NDArray

from clustering.articles import TermVector, UInt32Array
from clustering.columns import FeatureColumns
from clustering.compiled import compiled
from clustering.errors import CorruptRecordError
from clustering.pieces import in_pieces

_OBSERVED_MAGIC = b"SSOF"
_OBSERVED_VERSION = 2
_WITHOUT_LOOSENESS = 1
# Magic, layout, articles, terms, bigrams; then XXH32 of all of it and of what follows: the counts,
# and from layout 2 on the looseness as JSON.
_HEADER = struct.Struct("<4sIIII")
_CHECKSUM = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Looseness:
    """How loosely the articles of one event hang together (``clustering.refine.looseness``).

    Attributes
    ----------
    by_language
        Language → what to add to the similarity of its pairs, in [-1, 1]; 0 where none is named.
    article_count
        Articles the stream had when this was measured; 0 for never.
    """

    by_language: Mapping[str, float] = field(default_factory=dict)
    article_count: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class ObservedFrequencies:
    """Document counts of the terms and bigrams of a stream, and what else it has shown.

    Attributes
    ----------
    article_count
        Articles counted.
    term_ids, term_counts
        uint32, shape (n,): strictly increasing ids, and how many articles contain each.
    bigram_ids, bigram_counts
        uint32, shape (m,): the same for pairs of neighbouring terms.
    looseness
        Of the stream's events; it is stored with the counts, as both weigh the same comparisons.
    tables
        What `FrequencyTable` makes of the counts to look them up, kept for others with the same
        counts.
    """

    article_count: int = 0
    term_ids: UInt32Array = field(default_factory=lambda: np.zeros(0, dtype=np.uint32))
    term_counts: UInt32Array = field(default_factory=lambda: np.zeros(0, dtype=np.uint32))
    bigram_ids: UInt32Array = field(default_factory=lambda: np.zeros(0, dtype=np.uint32))
    bigram_counts: UInt32Array = field(default_factory=lambda: np.zeros(0, dtype=np.uint32))
    looseness: Looseness = field(default_factory=Looseness)
    tables: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)

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

    @classmethod
    def of_columns(
        cls, features: FeatureColumns, *, distinct_limit: int = 500_000, threads: int = 1
    ) -> Self:
        """Count as `of` does, where the vectors of the articles stand side by side.

        Two threads count terms and bigrams at the same time.
        """
        ids = features.term_ids, features.bigram_ids

        def counted(begin: int, end: int) -> tuple[UInt32Array, UInt32Array]:
            counter = _Counter(distinct_limit)
            for each in ids[begin:end]:
                counter.add(each)
            return counter.result()

        terms, bigrams = in_pieces(range(2), 1, counted, threads=threads)
        return cls(len(features), *terms, *bigrams)

    def plus(self, other: Self, *, distinct_limit: int = 500_000) -> Self:
        """Return the counts of both streams together, which must not share an article.

        The looseness is that of this one.
        """
        terms, bigrams = _Counter(distinct_limit), _Counter(distinct_limit)
        for part in (self, other):
            terms.add_counted(part.term_ids, part.term_counts)
            bigrams.add_counted(part.bigram_ids, part.bigram_counts)
        return type(self)(
            self.article_count + other.article_count,
            *terms.result(),
            *bigrams.result(),
            self.looseness,
        )

    def with_looseness(self, by_language: Mapping[str, float]) -> Self:
        """Return the same counts with the looseness measured now."""
        return replace(self, looseness=Looseness(dict(by_language), self.article_count))

    def to_bytes(self) -> bytes:
        """Pack into bytes that `from_bytes` reads on any machine."""
        parts = [self.term_ids, self.term_counts, self.bigram_ids, self.bigram_counts]
        looseness = {
            "article_count": self.looseness.article_count,
            "by_language": dict(self.looseness.by_language),
        }
        payload = b"".join(part.astype("<u4").tobytes() for part in parts)
        payload += json.dumps(looseness, sort_keys=True).encode()
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
        if magic != _OBSERVED_MAGIC or version not in {_OBSERVED_VERSION, _WITHOUT_LOOSENESS}:
            raise CorruptRecordError(
                f"observed frequencies: not in layout {_OBSERVED_VERSION}; recluster to count again"
            )
        header = packed[: _HEADER.size]
        payload = packed[_HEADER.size + _CHECKSUM.size :]
        (checksum,) = _CHECKSUM.unpack_from(packed, _HEADER.size)
        size = 8 * (terms + bigrams)
        if (
            len(payload) < size
            or (version == _WITHOUT_LOOSENESS and len(payload) > size)
            or xxhash.xxh32_intdigest(header + payload) != checksum
        ):
            raise CorruptRecordError("observed frequencies: truncated or altered")
        values = np.frombuffer(payload[:size], dtype="<u4").astype(np.uint32)
        cuts = np.cumsum([terms, terms, bigrams])
        looseness = Looseness() if version == _WITHOUT_LOOSENESS else _looseness(payload[size:])
        term_ids, term_counts, bigram_ids, bigram_counts = np.split(values, cuts)
        return cls(article_count, term_ids, term_counts, bigram_ids, bigram_counts, looseness)


def _looseness(packed: bytes) -> Looseness:
    try:
        document = json.loads(packed)
        by_language = {str(lang): float(step) for lang, step in document["by_language"].items()}
        looseness = Looseness(by_language, int(document["article_count"]))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CorruptRecordError("observed frequencies: their looseness is unreadable") from error
    if not all(-1.0 <= step <= 1.0 for step in by_language.values()):
        raise CorruptRecordError("observed frequencies: their looseness is out of range")
    return looseness


class _Counter:
    """Counts ids in batches, so that memory follows the distinct ids and not the articles."""

    _BATCH = 1 << 20
    _LARGE_BATCH = 1 << 21
    """Where all ids are there already: fewer tables to add up, in 100 MB at most."""

    def __init__(self, distinct_limit: int) -> None:
        self._limit = distinct_limit
        self._pending: list[UInt32Array] = []
        self._pending_size = 0
        self._ids = np.zeros(0, dtype=np.uint32)
        self._counts = np.zeros(0, dtype=np.int64)

    def add(self, ids: UInt32Array) -> None:
        """Add the ids of an article, each once; or those of many one behind the other."""
        if ids.size >= self._BATCH:
            for begin in range(0, ids.size, self._LARGE_BATCH):
                self._merge_sorted(np.sort(ids[begin : begin + self._LARGE_BATCH]))
            return
        self._pending.append(ids)
        self._pending_size += ids.size
        if self._pending_size >= self._BATCH:
            self._merge()

    def _merge(self) -> None:
        merged = np.concatenate([np.zeros(0, np.uint32), *self._pending])
        self._pending = []
        self._pending_size = 0
        merged.sort()
        self._merge_sorted(merged)

    def _merge_sorted(self, ids: UInt32Array) -> None:
        begins = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]])) if ids.size else ids
        counts = np.diff(begins, append=ids.size)
        self._ids, self._counts = _merged(
            self._ids, self._counts, ids[begins], counts.astype(np.int64)
        )

    def add_counted(self, ids: UInt32Array, counts: NDArray[np.integer]) -> None:
        """Add ids, each of them once, that were counted elsewhere."""
        order = np.argsort(ids)
        self._ids, self._counts = _merged(
            self._ids, self._counts, ids[order], counts[order].astype(np.int64)
        )

    def result(self) -> tuple[UInt32Array, UInt32Array]:
        self._merge()
        ids, counts = self._ids, self._counts
        if ids.size > self._limit:
            kept = counts > 1
            ids, counts = ids[kept], counts[kept]
        return ids, np.minimum(counts, 0xFFFFFFFF).astype(np.uint32)


@compiled
def _merged(
    ids: UInt32Array, counts: NDArray[np.int64], more: UInt32Array, more_counts: NDArray[np.int64]
) -> tuple[UInt32Array, NDArray[np.int64]]:
    """Add up two tables of increasing ids."""
    merged = np.empty(ids.size + more.size, dtype=np.uint32)
    sums = np.empty(merged.size, dtype=np.int64)
    size, a, b = 0, 0, 0
    while a < ids.size or b < more.size:
        if b == more.size or (a < ids.size and ids[a] < more[b]):
            merged[size], sums[size] = ids[a], counts[a]
            a += 1
        elif a == ids.size or more[b] < ids[a]:
            merged[size], sums[size] = more[b], more_counts[b]
            b += 1
        else:
            merged[size], sums[size] = ids[a], counts[a] + more_counts[b]
            a += 1
            b += 1
        size += 1
    return merged[:size].copy(), sums[:size].copy()
