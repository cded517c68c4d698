"""The similarity of pairs of articles: its parts by name, and the one number that decides.

``similarity = clip((logit + 4) / 8 + looseness, 0, 1)``, where logit is the verifier's log odds
that the two report one event, and looseness is what the stream has shown of their language
(``refine.looseness``); less a little when both are dated and the dates lie apart. It is 0 between
articles in different languages, between look-alikes, and for whatever is not an ordinary text.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from clustering.articles import UInt8Array
from clustering.errors import ConfigurationError
from clustering.refine.all_pairs import all_pair_logits, by_id
from clustering.refine.duplicates import are_near_duplicates
from clustering.refine.kernel_pairs import (
    are_comparable,
    are_positions,
    compare_rows,
    time_penalties,
    weigh_pairs,
)
from clustering.refine.kernels import copy_evidence, pair_logits, pair_parts
from clustering.refine.lookalikes import LookAlike, LookAlikeKind, LookAlikeTest
from clustering.refine.parts import PART_NAMES
from clustering.refine.ready import ReadyArticles
from clustering.refine.subjects import find_items
from clustering.refine.tfidf import (
    BoolArray,
    DocumentFrequencies,
    Float32Array,
    Float64Array,
    Int64Array,
    WeightedCorpus,
)
from clustering.refine.verifier import LOGIT_OFFSET, LOGIT_SPAN, Verifier
from clustering.refine.weighed import WeighedArticles
from clustering.unpacking import Comparable

_DAY_SECONDS: Final = 86_400.0
_CHUNK_PAIRS: Final = 50_000
LEAST_COPY_ESTIMATE: Final = 0.4
"""Least estimate of shared shingles from which on pairs are looked at as copies at all."""
_FEW_PAIRS: Final = 200
"""Of more, `_weigh_among` knows a quicker way."""
_MOST_AT_ONCE: Final = 500
"""Of more articles, all pairs would take too much memory at once: 150 bytes each."""


@dataclass(frozen=True, slots=True)
class SharedTerm:
    """A term that two articles share, and what it adds to the cosine of their bodies."""

    term_id: int
    idf: float
    cosine_share: float


@dataclass(frozen=True, slots=True)
class PairSimilarity:
    """Why two articles are as similar as they are.

    Attributes
    ----------
    similarity
        In [0, 1].
    probability
        Of reporting one event, by the verifier alone, in (0, 1).
    parts
        Name → value, the names of ``PART_NAMES``.
    contributions
        Name → what the part adds to the log odds.
    looseness
        What was added because events of this language are looser here than usual; below 0 where
        they are denser.
    time_penalty
        What the distance in time took off, in [0, .15].
    days_apart
        ``None`` when either date is unknown.
    languages_differ
        Whether that alone makes the similarity 0.
    near_duplicate
        Whether one is a copy of the other.
    look_alike
        In what they differ when they are written alike about different things, which alone makes
        the similarity 0; ``None`` when they are no look-alikes.
    shared_terms
        Largest share in the body cosine first.
    """

    similarity: float
    probability: float
    parts: dict[str, float]
    contributions: dict[str, float]
    looseness: float
    time_penalty: float
    days_apart: float | None
    languages_differ: bool
    near_duplicate: bool
    look_alike: LookAlike | None
    shared_terms: tuple[SharedTerm, ...]


class Comparison:
    """Articles made ready to be compared with each other, pair by pair.

    Parameters
    ----------
    features
        The articles, made ready or not; positions among them name them from here on.
    frequencies
        Document frequencies that weight their terms, or articles weighted by them already.
    verifier
        Turns the parts of a pair into its similarity.
    threads
        To make thousands of articles ready with.
    """

    def __init__(
        self,
        features: Sequence[Comparable] | ReadyArticles,
        frequencies: DocumentFrequencies | WeighedArticles,
        verifier: Verifier,
        *,
        threads: int = 1,
    ) -> None:
        if isinstance(features, ReadyArticles):
            self._ready = features
        elif isinstance(frequencies, WeighedArticles):
            self._ready = frequencies.ready(features, threads=threads)
        else:
            self._ready = ReadyArticles.build(features, frequencies, threads=threads)
        # All loops run over the articles that are held, whichever of them this is about: to copy
        # some sixty out of twenty thousand takes longer than to compare them.
        self._among = self._ready.among
        self._rows = self._ready.rows
        self.verifier = verifier
        self._look_alike_test = LookAlikeTest(
            self._among, self._ready.publishers, self._ready.token_counts, self._ready.figures
        )

    def __len__(self) -> int:
        return self._among.article_count if self._rows is None else self._rows.size

    @cached_property
    def corpus(self) -> WeightedCorpus:
        """The weighted vectors of these articles alone."""
        return self._ready.corpus

    @cached_property
    def items(self) -> Int64Array:
        """Positions of the earnings and payout items (``subjects``), in order."""
        if self._ready.is_item is None or self._rows is None:
            return find_items(self.corpus)
        return np.flatnonzero(self._ready.is_item[self._rows])

    @property
    def begins_with_item(self) -> bool:
        """Whether the first article is such an item."""
        if self._ready.is_item is None or self._rows is None:
            return bool((self.items[:1] == 0).any())
        return bool(self._ready.is_item[self._rows[0]])

    def similarities(
        self, first: ArrayLike, second: ArrayLike, *, threads: int = 1
    ) -> Float32Array:
        """Return the similarity of pairs.

        Parameters
        ----------
        first, second
            Positions, shape (m,) each; every pair of them is compared on its own, in any order.
        threads
            Threads to spread the pairs over; does not change the result.

        Returns
        -------
        float32, shape (m,), in [0, 1]. Symmetric. 0 where languages differ, a text is not
        ordinary, or the two are look-alikes (``refine.lookalikes``). An article with itself has
        the similarity that an exact copy would have.

        Raises
        ------
        ConfigurationError
            If a position is out of range or the shapes differ.
        """
        i, j = self._positions(first, second)
        if threads <= 1 or i.size <= _CHUNK_PAIRS:
            return self._similarities(i, j)
        starts = range(0, i.size, _CHUNK_PAIRS)
        with ThreadPoolExecutor(threads) as pool:
            chunks = pool.map(
                lambda k: self._similarities(i[k : k + _CHUNK_PAIRS], j[k : k + _CHUNK_PAIRS]),
                starts,
            )
            return np.concatenate(list(chunks))

    def similarity_matrix(self) -> Float32Array:
        """Return the similarity of all pairs; float32, shape (n, n), symmetric, ones inside."""
        known = self._ready.known
        if known is None or self._rows is None:
            count = len(self)
            matrix = np.eye(count, dtype=np.float32)
            first, second = np.triu_indices(count, k=1)
            similarities, kinds = self._weigh_among(first, second)
            similarities[kinds != LookAlikeKind.NONE] = 0.0
            matrix[first, second] = matrix[second, first] = similarities
            return matrix
        matrix, first, second = known.matrix(self._rows)
        if first.size:
            weighed = self._weigh_among(first, second)
            known.put_missing(self._rows, first, second, *weighed, matrix)
        return matrix

    def _weigh_among(
        self, first: Int64Array, second: Int64Array
    ) -> tuple[Float32Array, UInt8Array]:
        """Return what `look_alikes` does, of pairs in order, the smaller position first."""
        count = len(self)
        every = count * (count - 1) // 2
        i, j = (first, second) if self._rows is None else (self._rows[first], self._rows[second])
        logits = None
        if 2 < count <= _MOST_AT_ONCE and 2 * first.size > every:
            # All at once is quicker where most are wanted.
            logits = self._all_logits()
            if first.size < every:
                # Pair (i, j) follows those of all smaller i, of which k has count - 1 - k.
                logits = logits[first * (2 * count - first - 1) // 2 + second - first - 1]
        return self._weigh(i, j, logits)

    def logits(self, first: ArrayLike, second: ArrayLike) -> Float64Array:
        """Return the verifier's log odds of pairs, time and language left out; shape (m,)."""
        i, j = self._positions(first, second)
        return self._logits(i, j)

    def parts(self, first: ArrayLike, second: ArrayLike) -> Float32Array:
        """Return the parts of pairs; float32, shape (m, parts), columns as in ``PART_NAMES``."""
        i, j = self._positions(first, second)
        c = self._among
        return pair_parts(
            i,
            j,
            c.term_offsets,
            c.term_ids,
            c.idf,
            c.weights,
            c.flags,
            c.bigram_offsets,
            c.bigram_ids,
            c.bigram_weights,
            c.summaries,
        )

    def near_duplicates(self, first: ArrayLike, second: ArrayLike) -> BoolArray:
        """Return whether pairs carry the same text; bool, shape (m,). See ``duplicates``."""
        i, j = self._positions(first, second)
        same = are_near_duplicates(self._copy_evidence(i, j))
        # Most pairs are no copies; what else speaks against it is asked of the others.
        left = np.flatnonzero(same)
        if left.size:
            i, j = i[left], j[left]
            same[left] = self._comparable(i, j) & (
                self._look_alike_test.kinds(i, j) == LookAlikeKind.NONE
            )
        return same

    def look_alikes(self, first: ArrayLike, second: ArrayLike) -> tuple[Float32Array, UInt8Array]:
        """Return how alike pairs are to the verifier, and which are look-alikes all the same.

        Returns
        -------
        similarities
            float32, shape (m,): as `similarities` gives them, but not 0 for look-alikes.
        kinds
            uint8, shape (m,): `LookAlikeKind`; ``NONE`` where the similarity is 0 anyway.
        """
        return self._weigh(*self._positions(first, second))

    def candidates(self) -> tuple[Float32Array, UInt8Array, BoolArray]:
        """Compare the first article with every other one, in all ways that a decision asks for.

        Returns
        -------
        similarities, kinds
            As `look_alikes` returns them.
        copies
            As `near_duplicates` returns them.
        """
        rows = np.arange(len(self)) if self._rows is None else self._rows
        similarities, kinds, copies = self._compared(
            np.full(rows.size - 1, rows[0]), rows[1:], rows
        )
        if self._ready.known is not None:
            # Those who are alike are likely to be linked next.
            self._ready.known.put_first(rows, similarities, kinds)
        return similarities, kinds, copies

    def neighbourhood(self) -> tuple[Float32Array, BoolArray]:
        """Compare all articles with one another, as linking them again asks for.

        Returns
        -------
        matrix
            As `similarity_matrix` returns it.
        copies
            bool, shape (n - 1,): which of the others are `near_duplicates` of the first.
        """
        known, rows = self._ready.known, self._rows
        if known is None or rows is None:
            others = np.arange(1, len(self))
            return self.similarity_matrix(), self.near_duplicates(np.zeros_like(others), others)
        matrix, first, second = known.matrix(rows)
        few = slice(0 if first.size > _FEW_PAIRS else None)
        similarities, kinds, copies = self._compared(rows[first[few]], rows[second[few]], rows)
        if first.size > _FEW_PAIRS:
            similarities, kinds = self._weigh_among(first, second)
        if first.size:
            known.put_missing(rows, first, second, similarities, kinds, matrix)
        return matrix, copies

    def evidence(
        self, first: ArrayLike, second: ArrayLike, *, threads: int = 1
    ) -> tuple[Float32Array, Float32Array]:
        """Return what similarity is made of, looseness left out.

        Returns
        -------
        evidence
            float32, shape (m,): ``(logit + 4) / 8``, any number; -inf for pairs whose similarity
            is 0 whatever the parts say.
        time_penalties
            float32, shape (m,), in [0, .15].
        """
        i, j = self._positions(first, second)

        def part(begin: int) -> tuple[Float64Array, Float64Array]:
            a, b = i[begin : begin + _CHUNK_PAIRS], j[begin : begin + _CHUNK_PAIRS]
            evidence = (self._logits(a, b) + LOGIT_OFFSET) / LOGIT_SPAN
            evidence[~self._comparable(a, b)] = -np.inf
            # As in `_weigh`, tested only where it matters: what is written alike has evidence.
            alike = np.flatnonzero(evidence > 0)
            kinds = self._look_alike_test.kinds(a[alike], b[alike])
            evidence[alike[kinds != LookAlikeKind.NONE]] = -np.inf
            return evidence, time_penalties(a, b, self._among.published_at_seconds)

        nothing = np.zeros(0, dtype=np.float64)
        with ThreadPoolExecutor(max(1, threads)) as pool:
            parts = [(nothing, nothing), *pool.map(part, range(0, i.size, _CHUNK_PAIRS))]
        evidence, penalties = (np.concatenate(column) for column in zip(*parts, strict=True))
        return evidence.astype(np.float32), penalties.astype(np.float32)

    def look_alike(self, i: int, j: int) -> LookAlike | None:
        """Return in what one pair differs; ``None`` where the two are no look-alikes."""
        return self._look_alike_test.explain(*self._rows_of(i, j))

    def difference(self, i: int, j: int, kind: LookAlikeKind) -> LookAlike:
        """Return in what one pair differs, as `look_alikes` or `other_subjects` say it does."""
        return self._look_alike_test.difference(*self._rows_of(i, j), kind)

    def copy_evidence(
        self, first: ArrayLike, second: ArrayLike, *, least_estimate: float = LEAST_COPY_ESTIMATE
    ) -> Float32Array:
        """Return the columns of ``kernels.copy_evidence``; float32, shape (m, 5)."""
        return self._copy_evidence(*self._positions(first, second), least_estimate=least_estimate)

    def _copy_evidence(
        self, i: Int64Array, j: Int64Array, *, least_estimate: float = LEAST_COPY_ESTIMATE
    ) -> Float32Array:
        c = self._among
        evidence = copy_evidence(
            i,
            j,
            c.term_offsets,
            c.term_ids,
            c.weights,
            c.counts,
            c.flags,
            c.text_signatures,
            least_estimate,
        )
        evidence[~(c.has_text_signature[i] & c.has_text_signature[j])] = 0.0
        return evidence

    def explain(self, i: int, j: int, *, terms: int = 20) -> PairSimilarity:
        """Return the parts of one pair's similarity, with its heaviest shared terms.

        Parameters
        ----------
        i, j
            Positions.
        terms
            Shared terms to name at most.
        """
        first, second = np.array([i]), np.array([j])
        values = self.parts(first, second)[0].astype(np.float64)
        clipped = np.maximum(values, 0.0)
        added = self.verifier.linear * clipped + self.verifier.roots * np.sqrt(clipped)
        logit = float(self.logits(first, second)[0])
        seconds = self.corpus.published_at_seconds
        days = abs(float(seconds[i] - seconds[j])) / _DAY_SECONDS
        languages = self.corpus.languages
        return PairSimilarity(
            similarity=float(self.similarities(first, second)[0]),
            probability=float(1.0 / (1.0 + np.exp(-logit))),
            parts=dict(zip(PART_NAMES, values.tolist(), strict=True)),
            contributions=dict(zip(PART_NAMES, added.tolist(), strict=True)),
            looseness=float(self.corpus.looseness[i] + self.corpus.looseness[j]),
            time_penalty=float(time_penalties(first, second, seconds)[0]),
            days_apart=None if np.isnan(days) else days,
            languages_differ=bool(
                languages[i] >= 0 and languages[j] >= 0 and languages[i] != languages[j]
            ),
            near_duplicate=bool(self.near_duplicates(first, second)[0]),
            look_alike=self.look_alike(i, j),
            shared_terms=self._shared_terms(i, j)[:terms],
        )

    def _shared_terms(self, i: int, j: int) -> tuple[SharedTerm, ...]:
        c = self.corpus
        start_i, start_j = int(c.term_offsets[i]), int(c.term_offsets[j])
        shared, at_i, at_j = np.intersect1d(
            c.term_ids[start_i : int(c.term_offsets[i + 1])],
            c.term_ids[start_j : int(c.term_offsets[j + 1])],
            assume_unique=True,
            return_indices=True,
        )
        share = c.weights[start_i + at_i, 0] * c.weights[start_j + at_j, 0]
        idf = c.idf[start_i + at_i]
        order = np.lexsort((shared, -idf, -share))
        return tuple(
            SharedTerm(term_id=int(shared[k]), idf=float(idf[k]), cosine_share=float(share[k]))
            for k in order
        )

    def _positions(self, first: ArrayLike, second: ArrayLike) -> tuple[Int64Array, Int64Array]:
        """Check positions: the compiled loops read memory at them without looking."""
        i = np.ascontiguousarray(first, dtype=np.int64)
        j = np.ascontiguousarray(second, dtype=np.int64)
        if i.ndim != 1 or i.shape != j.shape:
            raise ConfigurationError(
                f"positions of pairs need two equal shapes (m,), not {i.shape} and {j.shape}"
            )
        if not are_positions(i, j, len(self)):
            raise ConfigurationError(f"a position is out of range: {len(self)} articles are here")
        return (i, j) if self._rows is None else (self._rows[i], self._rows[j])

    def _rows_of(self, i: int, j: int) -> tuple[int, int]:
        first, second = self._positions([i], [j])
        return int(first[0]), int(second[0])

    def _logits(self, i: Int64Array, j: Int64Array) -> Float64Array:
        c = self._among
        return pair_logits(
            i,
            j,
            c.term_offsets,
            c.term_ids,
            c.idf,
            c.weights,
            c.flags,
            c.bigram_offsets,
            c.bigram_ids,
            c.bigram_weights,
            c.summaries,
            self.verifier.intercept,
            self.verifier.linear,
            self.verifier.roots,
        )

    def _all_logits(self) -> Float64Array:
        """Return `_logits` of all pairs i < j, in order of i, then j."""
        c = self._among
        rows = np.arange(c.article_count) if self._rows is None else self._rows
        terms, term_owners, term_places = by_id(rows, c.term_offsets, c.term_ids)
        bigrams, bigram_owners, bigram_places = by_id(rows, c.bigram_offsets, c.bigram_ids)
        # Here and not in the compiled loop: numpy sorts by vector instructions.
        terms.sort()
        bigrams.sort()
        return all_pair_logits(
            rows,
            terms,
            term_owners,
            term_places,
            bigrams,
            bigram_owners,
            bigram_places,
            c.idf,
            c.weights,
            c.flags,
            c.bigram_weights,
            c.summaries,
            self.verifier.intercept,
            self.verifier.linear,
            self.verifier.roots,
        )

    def _similarities(
        self, i: Int64Array, j: Int64Array, logits: Float64Array | None = None
    ) -> Float32Array:
        similarity, kinds = self._weigh(i, j, logits)
        similarity[kinds != LookAlikeKind.NONE] = 0.0
        return similarity

    def _weigh(
        self, i: Int64Array, j: Int64Array, logits: Float64Array | None = None
    ) -> tuple[Float32Array, UInt8Array]:
        """Return similarities as if there were no look-alikes, and which of the pairs are.

        ``logits`` are those of the pairs, where they are known.
        """
        c, ready = self._among, self._ready
        return weigh_pairs(
            i,
            j,
            self._logits(i, j) if logits is None else logits,
            c.looseness,
            c.usable,
            c.languages,
            c.term_offsets,
            c.term_ids,
            c.idf,
            c.weights,
            c.flags,
            c.bigram_offsets,
            c.bigram_ids,
            c.published_at_seconds,
            ready.publishers,
            ready.token_counts,
            ready.figures,
        )

    def _compared(
        self, i: Int64Array, j: Int64Array, rows: Int64Array
    ) -> tuple[Float32Array, UInt8Array, BoolArray]:
        """Return what `compare_rows` returns."""
        c, ready = self._among, self._ready
        return compare_rows(
            i,
            j,
            rows,
            c.term_offsets,
            c.term_ids,
            c.idf,
            c.weights,
            c.counts,
            c.flags,
            c.bigram_offsets,
            c.bigram_ids,
            c.bigram_weights,
            c.summaries,
            c.languages,
            c.usable,
            c.published_at_seconds,
            c.text_signatures,
            c.has_text_signature,
            c.looseness,
            ready.publishers,
            ready.token_counts,
            ready.figures,
            self.verifier.intercept,
            self.verifier.linear,
            self.verifier.roots,
            LEAST_COPY_ESTIMATE,
        )

    def _comparable(self, i: Int64Array, j: Int64Array) -> BoolArray:
        return are_comparable(i, j, self._among.usable, self._among.languages)
