"""Weighted vectors kept from one comparison to the next.

The articles of a running event are candidates again and again. Looking up what their terms weigh
and putting their vectors together takes longer than comparing them; so both are done once an
article, in a few large arrays, and a comparison copies what it needs out of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array
from clustering.columns import FeatureColumns
from clustering.compiled import compiled
from clustering.refine.tfidf import (
    DocumentFrequencies,
    Float32Array,
    Int64Array,
    WeightedCorpus,
)
from clustering.unpacking import Comparable, PackedFeatures, features_of, unpack_columns

_MOST_ARTICLES: Final = 20_000
_MOST_AT_ONCE: Final = 500
"""Larger comparisons are built from scratch: they are batches, whose articles come once."""

_OF_TERMS: Final = ("term_ids", "idf", "weights", "counts", "flags")
_OF_BIGRAMS: Final = ("bigram_ids", "bigram_weights")
_OF_ARTICLES: Final = (
    "summaries",
    "usable",
    "published_at_seconds",
    "text_signatures",
    "has_text_signature",
    "looseness",
)


@dataclass(frozen=True, slots=True)
class ReadyArticles:
    """Articles made ready to be compared.

    Attributes
    ----------
    corpus
        Their weighted vectors.
    publishers
        int64, shape (n,): equal numbers for equal publishers, -1 for unknown.
    token_counts
        int64, shape (n,).
    """

    corpus: WeightedCorpus
    publishers: Int64Array
    token_counts: Int64Array

    @classmethod
    def build(
        cls, features: Sequence[Comparable], frequencies: DocumentFrequencies
    ) -> ReadyArticles:
        """Make articles ready that are met once.

        Raises
        ------
        ConfigurationError
            As `WeightedCorpus.build`.
        """
        columns = _columns_of(features)
        known = [-1 if not name else number for number, name in enumerate(columns.publisher_names)]
        return cls(
            WeightedCorpus.build(columns, frequencies),
            np.array(known, dtype=np.int64)[columns.publishers],
            columns.token_counts,
        )


class WeighedArticles:
    """Makes any articles ready to be compared, most of them met before.

    Parameters
    ----------
    frequencies
        Where idf comes from; never changes.
    most_articles
        How many to keep, about 7 kB each. Beyond it, all are forgotten.
    """

    def __init__(
        self, frequencies: DocumentFrequencies, most_articles: int = _MOST_ARTICLES
    ) -> None:
        self._frequencies = frequencies
        self._most_articles = most_articles
        self._lock = Lock()
        self._forget()

    def _forget(self) -> None:
        # By identity: equal features are one object where they come from a cache of records. The
        # features are held so that their identity is not given to others.
        self._rows: dict[int, int] = {}
        self._held: list[Comparable] = []
        self._kept: _Kept | None = None

    def ready(self, features: Sequence[Comparable]) -> ReadyArticles:
        """Return what `ReadyArticles.build` returns for these articles.

        The numbers of languages and publishers may be others; they are equal for equal ones all
        the same.

        Raises
        ------
        ConfigurationError
            As `WeightedCorpus.build`.
        CorruptRecordError
            A packed one is not what was packed.
        """
        if (
            not features
            or isinstance(features, FeatureColumns)  # a batch: its articles are no objects
            or len(features) > min(_MOST_AT_ONCE, self._most_articles)
        ):
            return ReadyArticles.build(features, self._frequencies)
        with self._lock:
            new = {id(item): item for item in features if id(item) not in self._rows}
            if len(self._held) + len(new) > self._most_articles:
                self._forget()
                new = {id(item): item for item in features}
            if new and not self._add(list(new.values())):
                self._forget()
                return ReadyArticles.build(features, self._frequencies)
            rows = np.array([self._rows[id(item)] for item in features], dtype=np.int64)
            if self._kept is None:
                raise AssertionError("articles were added")
            return self._kept.ready(rows)

    def _add(self, new: list[Comparable]) -> bool:
        """Keep articles; ``False`` when they were made under another scheme than those kept."""
        packed = [item for item in new if isinstance(item, PackedFeatures)]
        plain = [item for item in new if not isinstance(item, PackedFeatures)]
        for some in (packed, plain):
            if not some:
                continue
            columns = _columns_of(some)
            lengths = set(np.diff(columns.signature_offsets).tolist()) - {0}
            if self._kept is None:
                self._kept = _Kept(max(lengths, default=0))
            if not lengths <= {self._kept.signature_entries}:
                return False
            self._kept.add(columns, self._frequencies)
            for item in some:
                self._rows[id(item)] = len(self._held)
                self._held.append(item)
        return True


def _columns_of(features: Sequence[Comparable]) -> FeatureColumns:
    if isinstance(features, FeatureColumns):
        return features
    packed = [item.record for item in features if isinstance(item, PackedFeatures)]
    if packed and len(packed) == len(features):
        return unpack_columns(packed)
    return FeatureColumns.of([features_of(item) for item in features])


class _Kept:
    """The arrays of a `WeightedCorpus` that grows, and gives out corpora of some of its articles.

    Parameters
    ----------
    signature_entries
        Length of the articles' text signatures.
    """

    def __init__(self, signature_entries: int) -> None:
        self.signature_entries = signature_entries
        self._arrays: dict[str, _Growing] = {}
        self._term_ends = _Growing(np.zeros(1, dtype=np.int64))
        self._bigram_ends = _Growing(np.zeros(1, dtype=np.int64))
        self._languages: dict[str, int] = {"und": -1, "": -1}
        self._publishers: dict[str, int] = {"": -1}

    def add(self, columns: FeatureColumns, frequencies: DocumentFrequencies) -> None:
        """Weight articles and append them; their signatures have the right length, or none."""
        built = WeightedCorpus.build(columns, frequencies)
        signatures = built.text_signatures
        if signatures.shape[1] != self.signature_entries:  # none of these has one
            signatures = np.zeros((len(columns), self.signature_entries), dtype=np.uint32)
        added: dict[str, NDArray[Any]] = {
            **{name: getattr(built, name) for name in (*_OF_TERMS, *_OF_BIGRAMS, *_OF_ARTICLES)},
            "text_signatures": signatures,
            "token_counts": columns.token_counts,
            "languages": _renumbered(
                columns.languages, columns.language_names, self._languages
            ).astype(np.int16),
            "publishers": _renumbered(
                columns.publishers, columns.publisher_names, self._publishers
            ),
        }
        for name, values in added.items():
            if name in self._arrays:
                self._arrays[name].append(values)
            else:
                self._arrays[name] = _Growing(values)
        for ends, offsets in (
            (self._term_ends, columns.term_offsets),
            (self._bigram_ends, columns.bigram_offsets),
        ):
            ends.append(offsets[1:] + ends.values[-1])

    def ready(self, rows: Int64Array) -> ReadyArticles:
        """Return the articles that were added as numbers ``rows``, in that order."""
        terms = _gather_terms(
            rows, self._term_ends.values, *(self._arrays[name].values for name in _OF_TERMS)
        )
        bigrams = _gather_bigrams(
            rows, self._bigram_ends.values, *(self._arrays[name].values for name in _OF_BIGRAMS)
        )
        found: dict[str, Any] = {
            **dict(zip(("term_offsets", *_OF_TERMS), terms, strict=True)),
            **dict(zip(("bigram_offsets", *_OF_BIGRAMS), bigrams, strict=True)),
            **{name: self._arrays[name].values[rows] for name in (*_OF_ARTICLES, "languages")},
        }
        return ReadyArticles(
            WeightedCorpus(**found),
            self._arrays["publishers"].values[rows],
            self._arrays["token_counts"].values[rows],
        )


def _renumbered(
    numbers: NDArray[np.int32], names: Sequence[str], known: dict[str, int]
) -> Int64Array:
    """Return numbers for names that are equal for equal names of earlier columns, too."""
    new = [known.setdefault(name, len(known)) for name in names]
    return np.array(new, dtype=np.int64)[numbers]


class _Growing:
    """An array that is appended to, with as much room again behind it when it had to move."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._room = values.copy()
        self.values = self._room

    def append(self, more: NDArray[Any]) -> None:
        size = len(self.values)
        wanted = size + len(more)
        if wanted > len(self._room):
            room = np.empty((2 * wanted, *self._room.shape[1:]), dtype=self._room.dtype)
            room[:size] = self.values
            self._room = room
        self._room[size:wanted] = more
        self.values = self._room[:wanted]


@compiled
def _offsets_of(rows: Int64Array, ends: Int64Array) -> Int64Array:
    offsets = np.zeros(rows.size + 1, dtype=np.int64)
    for k in range(rows.size):
        offsets[k + 1] = offsets[k] + ends[rows[k] + 1] - ends[rows[k]]
    return offsets


@compiled
def _gather_terms(
    rows: Int64Array,
    ends: Int64Array,
    term_ids: UInt32Array,
    idf: Float32Array,
    weights: Float32Array,
    counts: UInt8Array,
    flags: UInt8Array,
) -> tuple[Int64Array, UInt32Array, Float32Array, Float32Array, UInt8Array, UInt8Array]:
    """Copy what belongs to articles, one after the other; their offsets come first."""
    offsets = _offsets_of(rows, ends)
    size = offsets[-1]
    own_ids = np.empty(size, dtype=np.uint32)
    own_idf = np.empty(size, dtype=np.float32)
    own_weights = np.empty((size, 3), dtype=np.float32)
    own_counts = np.empty(size, dtype=np.uint8)
    own_flags = np.empty(size, dtype=np.uint8)
    for k in range(rows.size):
        begin = ends[rows[k]]
        for at in range(offsets[k], offsets[k + 1]):
            place = begin + at - offsets[k]
            own_ids[at] = term_ids[place]
            own_idf[at] = idf[place]
            own_weights[at, 0] = weights[place, 0]
            own_weights[at, 1] = weights[place, 1]
            own_weights[at, 2] = weights[place, 2]
            own_counts[at] = counts[place]
            own_flags[at] = flags[place]
    return offsets, own_ids, own_idf, own_weights, own_counts, own_flags


@compiled
def _gather_bigrams(
    rows: Int64Array, ends: Int64Array, bigram_ids: UInt32Array, bigram_weights: Float32Array
) -> tuple[Int64Array, UInt32Array, Float32Array]:
    """Copy the bigrams of articles, one after the other; their offsets come first."""
    offsets = _offsets_of(rows, ends)
    own_ids = np.empty(offsets[-1], dtype=np.uint32)
    own_weights = np.empty(offsets[-1], dtype=np.float32)
    for k in range(rows.size):
        begin = ends[rows[k]]
        for at in range(offsets[k], offsets[k + 1]):
            own_ids[at] = bigram_ids[begin + at - offsets[k]]
            own_weights[at] = bigram_weights[begin + at - offsets[k]]
    return offsets, own_ids, own_weights
