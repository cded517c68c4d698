"""Articles made ready to be compared, by themselves or among others that are kept.

A comparison reads weighted vectors in place, wherever they lie: to copy sixty articles out of
many takes longer than to compare them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from clustering.articles import UInt8Array, UInt32Array
from clustering.columns import FeatureColumns
from clustering.compiled import compiled
from clustering.pieces import in_pieces
from clustering.refine.known_pairs import KnownPairs
from clustering.refine.lookalike_rules import summarise
from clustering.refine.tfidf import (
    BoolArray,
    DocumentFrequencies,
    Float32Array,
    Int64Array,
    WeightedCorpus,
)
from clustering.unpacking import Comparable, PackedFeatures, features_of, stacked_records

OF_TERMS: Final = ("term_ids", "idf", "weights", "counts", "flags")
"""Attributes of `WeightedCorpus` with an entry a term."""
OF_BIGRAMS: Final = ("bigram_ids", "bigram_weights")
_PIECE_ARTICLES: Final = 8_192
OF_ARTICLES: Final = (
    "summaries",
    "usable",
    "published_at_seconds",
    "text_signatures",
    "has_text_signature",
    "looseness",
)
"""Those with an entry an article, but for its language."""


@dataclass(frozen=True, slots=True)
class ReadyArticles:
    """Articles made ready to be compared: some rows of a corpus that may hold others, too.

    Attributes
    ----------
    among
        Weighted vectors of n articles.
    rows
        int64, shape (m,): which of them, in order; ``None`` for all n.
    publishers
        int64, shape (n,): equal numbers for equal publishers, -1 for unknown.
    token_counts
        int64, shape (n,).
    figures
        What ``lookalike_rules.summarise`` returns of the n; float32, shape (n, 5).
    is_item
        bool, shape (n,): which of the n ``subjects.find_items`` names. ``None`` where nobody has
        looked yet.
    known
        Similarities of pairs of rows, where they are kept.
    """

    among: WeightedCorpus
    rows: Int64Array | None
    publishers: Int64Array
    token_counts: Int64Array
    figures: Float32Array
    is_item: BoolArray | None = None
    known: KnownPairs | None = None

    @classmethod
    def build(
        cls,
        features: Sequence[Comparable],
        frequencies: DocumentFrequencies,
        *,
        threads: int = 1,
    ) -> ReadyArticles:
        """Make articles ready that are met once, by so many threads where they are thousands.

        Raises
        ------
        ConfigurationError
            As `WeightedCorpus.build`.
        """
        columns = columns_of(features)
        known = [-1 if not name else number for number, name in enumerate(columns.publisher_names)]
        corpus = WeightedCorpus.build(columns, frequencies, threads=threads)
        return cls(
            corpus,
            None,
            np.array(known, dtype=np.int64)[columns.publishers],
            columns.token_counts,
            figures_of(corpus, threads=threads),
        )

    @property
    def corpus(self) -> WeightedCorpus:
        """The m articles by themselves, copied where ``among`` holds others."""
        return self.among if self.rows is None else _taken(self.among, self.rows)


def figures_of(corpus: WeightedCorpus, *, threads: int = 1) -> Float32Array:
    """Return what the look-alike test needs to know of each article by itself."""
    of_terms = corpus.idf, corpus.weights, corpus.counts, corpus.flags
    pieces = in_pieces(
        range(corpus.article_count),
        _PIECE_ARTICLES,
        lambda begin, end: summarise(corpus.term_offsets[begin : end + 1], *of_terms),
        threads=threads,
    )
    found = [np.zeros((0, 5), dtype=np.float32), *pieces]
    return found[1] if len(found) == 2 else np.concatenate(found)


def columns_of(features: Sequence[Comparable]) -> FeatureColumns:
    """Return the columns of articles, packed or not; those themselves if they are columns."""
    if isinstance(features, FeatureColumns):
        return features
    packed = [item for item in features if isinstance(item, PackedFeatures)]
    if packed and len(packed) == len(features):
        return stacked_records(packed).columns()
    return FeatureColumns.of([features_of(item) for item in features])


def _taken(corpus: WeightedCorpus, rows: Int64Array) -> WeightedCorpus:
    """Copy some articles out of a corpus."""
    terms = _gather_terms(rows, corpus.term_offsets, *(getattr(corpus, name) for name in OF_TERMS))
    bigrams = _gather_bigrams(
        rows, corpus.bigram_offsets, *(getattr(corpus, name) for name in OF_BIGRAMS)
    )
    found: dict[str, Any] = {
        **dict(zip(("term_offsets", *OF_TERMS), terms, strict=True)),
        **dict(zip(("bigram_offsets", *OF_BIGRAMS), bigrams, strict=True)),
        **{name: getattr(corpus, name)[rows] for name in (*OF_ARTICLES, "languages")},
    }
    return WeightedCorpus(**found)


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
