"""Weighted vectors kept from one comparison to the next.

The articles of a running event are candidates again and again. Looking up what their terms weigh
and putting their vectors together takes longer than comparing them; so both are done once an
article, in a few large arrays, and a comparison copies what it needs out of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import ArticleFeatures, UInt8Array, UInt32Array
from clustering.compiled import compiled
from clustering.refine.tfidf import (
    DocumentFrequencies,
    Float32Array,
    Int64Array,
    WeightedCorpus,
)

_MOST_ARTICLES: Final = 5_000
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
)


class WeighedArticles:
    """Makes the `WeightedCorpus` of any articles, most of them met before.

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
        self._held: list[ArticleFeatures] = []
        self._kept: _Kept | None = None

    def corpus(self, features: Sequence[ArticleFeatures]) -> WeightedCorpus:
        """Return what `WeightedCorpus.build` returns for these articles.

        The numbers of the languages may be others; they are equal for equal languages all the
        same.

        Raises
        ------
        ConfigurationError
            As `WeightedCorpus.build`.
        """
        if not features or len(features) > min(_MOST_AT_ONCE, self._most_articles):
            return WeightedCorpus.build(features, self._frequencies)
        with self._lock:
            new = {id(item): item for item in features if id(item) not in self._rows}
            if len(self._held) + len(new) > self._most_articles:
                self._forget()
                new = {id(item): item for item in features}
            if new and not self._add(list(new.values())):
                return WeightedCorpus.build(features, self._frequencies)
            rows = np.array([self._rows[id(item)] for item in features], dtype=np.int64)
            if self._kept is None:
                raise AssertionError("articles were added")
            return self._kept.corpus(rows)

    def _add(self, new: list[ArticleFeatures]) -> bool:
        """Keep articles; ``False`` when they were made under another scheme than those kept."""
        built = WeightedCorpus.build(new, self._frequencies)
        if self._kept is None:
            self._kept = _Kept(built.text_signatures.shape[1])
        if not self._kept.add(built, [item.lang for item in new]):
            return False
        for item in new:
            self._rows[id(item)] = len(self._held)
            self._held.append(item)
        return True


class _Kept:
    """The arrays of a `WeightedCorpus` that grows, and gives out corpora of some of its articles.

    Parameters
    ----------
    signature_entries
        Length of the articles' text signatures.
    """

    def __init__(self, signature_entries: int) -> None:
        self._signature_entries = signature_entries
        self._arrays: dict[str, _Growing] = {}
        self._term_ends = _Growing(np.zeros(1, dtype=np.int64))
        self._bigram_ends = _Growing(np.zeros(1, dtype=np.int64))
        self._languages: dict[str, int] = {"und": -1, "": -1}
        self._language_numbers = _Growing(np.zeros(0, dtype=np.int16))

    def add(self, built: WeightedCorpus, languages: Sequence[str]) -> bool:
        """Append articles; ``False``, and nothing done, if their signatures have another length."""
        if built.text_signatures.shape[1] != self._signature_entries:
            return False
        for name in (*_OF_TERMS, *_OF_BIGRAMS, *_OF_ARTICLES):
            values = getattr(built, name)
            if name in self._arrays:
                self._arrays[name].append(values)
            else:
                self._arrays[name] = _Growing(values)
        for ends, offsets in (
            (self._term_ends, built.term_offsets),
            (self._bigram_ends, built.bigram_offsets),
        ):
            ends.append(offsets[1:] + ends.values[-1])
        numbers = [self._languages.setdefault(lang, len(self._languages)) for lang in languages]
        self._language_numbers.append(np.array(numbers, dtype=np.int16))
        return True

    def corpus(self, rows: Int64Array) -> WeightedCorpus:
        """Return the corpus of the articles that were added as numbers ``rows``, in that order."""
        terms = _gather_terms(
            rows, self._term_ends.values, *(self._arrays[name].values for name in _OF_TERMS)
        )
        bigrams = _gather_bigrams(
            rows, self._bigram_ends.values, *(self._arrays[name].values for name in _OF_BIGRAMS)
        )
        found: dict[str, Any] = {
            **dict(zip(("term_offsets", *_OF_TERMS), terms, strict=True)),
            **dict(zip(("bigram_offsets", *_OF_BIGRAMS), bigrams, strict=True)),
            **{name: self._arrays[name].values[rows] for name in _OF_ARTICLES},
            "languages": self._language_numbers.values[rows],
        }
        return WeightedCorpus(**found)


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
