"""TF-IDF weighted vectors of many articles, packed into a few flat arrays for the compiled loops.

The weight of term w in an article where it occurs tf times is ``(1 + ln tf) · idf(w)`` for
tf ≥ 1, and vectors are scaled to Euclidean length 1, so that the dot product of two of them is
their cosine. That is ``TfidfTransformer(sublinear_tf=True, norm="l2")`` of scikit-learn, but with
the idf of a background table instead of one learned from the articles at hand (Salton and Buckley
1988, "Term-weighting approaches in automatic text retrieval", table 1, "tfc" with a logarithmic
tf). Each article gets three such vectors over the same terms: body, lead and title.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from clustering.articles import ArticleFeatures, UInt8Array, UInt32Array
from clustering.columns import UNDATED, FeatureColumns
from clustering.compiled import compiled
from clustering.errors import ConfigurationError
from clustering.pieces import in_pieces
from clustering.prepare import FrequencyTable

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
Int64Array = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

UNKNOWN_LANGUAGE: Final = "und"

_PIECE_ARTICLES: Final = 1_024
"""Articles weighted at once, with half a million terms: what was looked up is still in the cache
when it is scaled."""

NUMBER_FLAG: Final = 1
"""Bit of ``TermVector.term_flags`` set for numbers."""
NAME_FLAG: Final = 2
"""Bit of ``TermVector.term_flags`` set for terms written with a capital inside a sentence."""


class DocumentFrequencies(Protocol):
    """What the weighting needs of a frequency table."""

    def idf(self, term_ids: UInt32Array, lang: str) -> Float32Array:
        """Return the idf of each term in a language; float32, shape (n,), positive."""
        ...

    def bigram_idf(self, bigram_ids: UInt32Array) -> Float32Array:
        """Return the idf of each pair of neighbouring terms; float32, shape (m,), positive."""
        ...


@dataclass(frozen=True, slots=True)
class WeightedCorpus:
    """Weighted vectors of n articles with N terms and M bigrams in all.

    Article k has the entries ``term_offsets[k]:term_offsets[k + 1]`` of the term arrays and
    ``bigram_offsets[k]:bigram_offsets[k + 1]`` of the bigram arrays. Build it with
    `WeightedCorpus.build`.

    Attributes
    ----------
    term_offsets, bigram_offsets
        int64, shape (n + 1,).
    term_ids
        uint32, shape (N,): strictly increasing within an article.
    idf
        float32, shape (N,): of each term in its article's language.
    weights
        float32, shape (N, 3): body, lead and title weight; each column has length 1 within an
        article, or is all zeros where the article has no such terms.
    counts
        uint8, shape (N,): raw body counts.
    flags
        uint8, shape (N,): ``NUMBER_FLAG``, ``NAME_FLAG``.
    bigram_ids
        uint32, shape (M,): strictly increasing within an article.
    bigram_weights
        float32, shape (M,): idf scaled to length 1 within an article.
    summaries
        float32, shape (n, 5): length of the body vector's part that are numbers; of its part that
        are names; sum of idf over distinct terms; ln(1 + distinct terms); 1 with a title, else 0.
    languages
        int16, shape (n,): equal numbers for equal languages, -1 for unknown.
    usable
        bool, shape (n,): whether the article may join others (``TextKind.ORDINARY``).
    published_at_seconds
        float64, shape (n,): Unix time, nan where unknown.
    text_signatures
        uint32, shape (n, P): zeros where an article has none; P = 0 when no article has one.
    has_text_signature
        bool, shape (n,).
    looseness
        float32, shape (n,): half of what is added to the similarity of a pair for either article,
        as the events of its language are looser or denser than usual (``refine.looseness``).
    """

    term_offsets: Int64Array
    term_ids: UInt32Array
    idf: Float32Array
    weights: Float32Array
    counts: UInt8Array
    flags: UInt8Array
    bigram_offsets: Int64Array
    bigram_ids: UInt32Array
    bigram_weights: Float32Array
    summaries: Float32Array
    languages: NDArray[np.int16]
    usable: BoolArray
    published_at_seconds: Float64Array
    text_signatures: UInt32Array
    has_text_signature: BoolArray
    looseness: Float32Array

    @property
    def article_count(self) -> int:
        """Number of articles."""
        return int(self.usable.size)

    @classmethod
    def build(
        cls,
        features: Sequence[ArticleFeatures],
        frequencies: DocumentFrequencies,
        *,
        threads: int = 1,
    ) -> WeightedCorpus:
        """Weight the vectors of articles.

        Parameters
        ----------
        features
            The articles; none is fine.
        frequencies
            Where idf comes from, by term and language.
        threads
            To use for thousands of articles; the result does not depend on it.

        Raises
        ------
        ConfigurationError
            If the articles' text signatures differ in length: they were made under different
            signature schemes and cannot be compared.
        """
        columns = FeatureColumns.of(features)
        idf, weights, bigram_weights, summaries = _weighted(columns, frequencies, threads)
        seconds = columns.published_at_seconds
        has_signature = columns.has_signature
        return cls(
            term_offsets=columns.term_offsets,
            term_ids=columns.term_ids,
            idf=idf,
            weights=weights,
            counts=columns.body_counts,
            flags=columns.term_flags,
            bigram_offsets=columns.bigram_offsets,
            bigram_ids=columns.bigram_ids,
            bigram_weights=bigram_weights,
            summaries=summaries,
            languages=_language_numbers(columns),
            usable=columns.is_ordinary,
            published_at_seconds=np.where(seconds == UNDATED, np.nan, seconds),
            text_signatures=_signatures(columns, has_signature),
            has_text_signature=has_signature,
            looseness=looseness_of(columns.language_names, frequencies)[columns.languages],
        )


def _weighted(
    columns: FeatureColumns, frequencies: DocumentFrequencies, threads: int
) -> tuple[Float32Array, Float32Array, Float32Array, Float32Array]:
    """Return idf, weights, bigram weights and summaries as `WeightedCorpus` describes them."""
    if len(columns) <= _PIECE_ARTICLES:
        return _weighted_at_once(columns, frequencies)
    terms, bigrams = columns.term_offsets, columns.bigram_offsets
    idf = np.empty(terms[-1], dtype=np.float32)
    weights = np.empty((terms[-1], 3), dtype=np.float32)
    bigram_weights = np.empty(bigrams[-1], dtype=np.float32)
    summaries = np.empty((len(columns), 5), dtype=np.float32)

    def weigh(begin: int, end: int) -> None:
        own = slice(terms[begin], terms[end])
        (
            idf[own],
            weights[own],
            bigram_weights[bigrams[begin] : bigrams[end]],
            summaries[begin:end],
        ) = _weighted_at_once(columns[begin:end], frequencies)

    # The first piece by itself: it has the tables made that all of them look things up in.
    weigh(0, _PIECE_ARTICLES)
    others = range(_PIECE_ARTICLES, len(columns))
    for _ in in_pieces(others, _PIECE_ARTICLES, weigh, threads=threads):
        pass
    return idf, weights, bigram_weights, summaries


def _weighted_at_once(
    columns: FeatureColumns, frequencies: DocumentFrequencies
) -> tuple[Float32Array, Float32Array, Float32Array, Float32Array]:
    idf = idf_by_language(columns, frequencies)
    weights, bigram_weights, summaries = weigh_terms(
        columns.term_offsets,
        idf,
        columns.body_counts,
        columns.lead_counts,
        columns.title_counts,
        columns.term_flags,
        columns.bigram_offsets,
        bigram_idf_of(columns, frequencies),
    )
    return idf, weights, bigram_weights, summaries


def looseness_of(languages: Sequence[str], frequencies: DocumentFrequencies) -> Float32Array:
    """Return `WeightedCorpus.looseness` of an article in each of some languages."""
    # Document frequencies from elsewhere know nothing of it.
    known = (
        frequencies.observed.looseness.by_language
        if isinstance(frequencies, FrequencyTable)
        else {}
    )
    return np.array([0.5 * known.get(lang, 0.0) for lang in languages], np.float32)


def _language_numbers(columns: FeatureColumns) -> NDArray[np.int16]:
    """Give each language a number; unknown ones get -1, which agrees with every language."""
    numbers = [
        -1 if lang in {"", UNKNOWN_LANGUAGE} else number
        for number, lang in enumerate(columns.language_names)
    ]
    return np.array(numbers, dtype=np.int16)[columns.languages]


def idf_by_language(columns: FeatureColumns, frequencies: DocumentFrequencies) -> Float32Array:
    """Look idf up once a language instead of once an article: a lookup has a fixed cost."""
    names = columns.language_names
    present = [0] if len(names) == 1 else np.unique(columns.languages).tolist()
    if len(present) == 1:
        return frequencies.idf(columns.term_ids, names[present[0]])
    idf = np.zeros(columns.term_ids.size, dtype=np.float32)
    of_terms = np.repeat(columns.languages, np.diff(columns.term_offsets))
    for number in present:
        rows = np.flatnonzero(of_terms == number)
        idf[rows] = frequencies.idf(columns.term_ids[rows], names[number])
    return idf


def bigram_idf_of(columns: FeatureColumns, frequencies: DocumentFrequencies) -> Float32Array:
    """Return the idf of all bigrams."""
    return frequencies.bigram_idf(columns.bigram_ids)


def _signatures(columns: FeatureColumns, has_signature: BoolArray) -> UInt32Array:
    sizes = columns.signature_offsets[1:] - columns.signature_offsets[:-1]
    if sizes.size and (sizes == sizes[0]).all():
        return columns.text_signatures.reshape(sizes.size, sizes[0])
    lengths = np.unique(sizes[has_signature]).tolist()
    if len(lengths) > 1:
        raise ConfigurationError(
            f"text signatures of {', '.join(map(str, lengths))} permutations cannot be "
            "compared: prepare all articles under one signature scheme"
        )
    permutations = lengths[0] if lengths else 0
    signatures = np.zeros((len(columns), permutations), dtype=np.uint32)
    signatures[has_signature] = columns.text_signatures.reshape(-1, permutations or 1)
    return signatures


@compiled
def weigh_terms(
    term_offsets: Int64Array,
    idf: Float32Array,
    body_counts: UInt8Array,
    lead_counts: UInt8Array,
    title_counts: UInt8Array,
    flags: UInt8Array,
    bigram_offsets: Int64Array,
    bigram_idf: Float32Array,
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Return (weights, bigram weights, summaries) as `WeightedCorpus` describes them."""
    articles = term_offsets.size - 1
    weights = np.zeros((idf.size, 3), dtype=np.float32)
    bigram_weights = np.zeros(bigram_idf.size, dtype=np.float32)
    summaries = np.zeros((articles, 5), dtype=np.float32)
    # ln of every possible count: a table of 256 entries costs less than one article's logarithms.
    sublinear = np.zeros(256, dtype=np.float64)
    for count in range(1, 256):
        sublinear[count] = 1.0 + np.log(float(count))
    for article in range(articles):
        first, last = term_offsets[article], term_offsets[article + 1]
        squares_body, squares_lead, squares_title, idf_sum = 0.0, 0.0, 0.0, 0.0
        for t in range(first, last):
            body = sublinear[body_counts[t]] * idf[t]
            lead = sublinear[lead_counts[t]] * idf[t]
            title = sublinear[title_counts[t]] * idf[t]
            weights[t, 0], weights[t, 1], weights[t, 2] = body, lead, title
            squares_body += body * body
            squares_lead += lead * lead
            squares_title += title * title
            idf_sum += idf[t]
        scale_body = 1.0 / np.sqrt(squares_body) if squares_body > 0.0 else 0.0
        scale_lead = 1.0 / np.sqrt(squares_lead) if squares_lead > 0.0 else 0.0
        scale_title = 1.0 / np.sqrt(squares_title) if squares_title > 0.0 else 0.0
        squares_numbers, squares_names = 0.0, 0.0
        for t in range(first, last):
            weights[t, 0] *= scale_body
            weights[t, 1] *= scale_lead
            weights[t, 2] *= scale_title
            square = weights[t, 0] * weights[t, 0]
            if flags[t] & 1:
                squares_numbers += square
            if flags[t] & 2:
                squares_names += square
        squares_bigrams = 0.0
        first_bigram, last_bigram = bigram_offsets[article], bigram_offsets[article + 1]
        for b in range(first_bigram, last_bigram):
            squares_bigrams += bigram_idf[b] * bigram_idf[b]
        scale_bigrams = 1.0 / np.sqrt(squares_bigrams) if squares_bigrams > 0.0 else 0.0
        for b in range(first_bigram, last_bigram):
            bigram_weights[b] = bigram_idf[b] * scale_bigrams
        summaries[article, 0] = np.sqrt(squares_numbers)
        summaries[article, 1] = np.sqrt(squares_names)
        summaries[article, 2] = idf_sum
        summaries[article, 3] = np.log(1.0 + (last - first))
        summaries[article, 4] = 1.0 if squares_title > 0.0 else 0.0
    return weights, bigram_weights, summaries
