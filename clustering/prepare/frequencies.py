"""How common a term is: the prior that ships, and what the stream has shown since.

The first article ever posted must already be weighted sensibly, and a stream must be able to
learn its own common words. Both are document counts, so they add up: the prior weighs as much as
`PRIOR_ARTICLES` articles would.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from clustering.articles import TermVector, UInt8Array, UInt32Array
from clustering.compiled import compiled
from clustering.errors import ConfigurationError
from clustering.prepare import kernel_terms
from clustering.prepare.kernel_terms import BIGRAM_ID_BITS
from clustering.prepare.languages import UNKNOWN_LANGUAGE
from clustering.prepare.lookup import IdTable, as_ids, slot_of
from clustering.prepare.observed import ObservedFrequencies
from clustering.prepare.shipped import (
    BIGRAMS,
    COMMON,
    LEVEL_TO_PROBABILITY,
    PriorColumn,
    shipped_frequencies,
)

__all__ = [
    "PRIOR_ARTICLES",
    "SUPPORTED_LANGUAGES",
    "FrequencyTable",
    "ObservedFrequencies",
    "salient_terms",
]

PRIOR_ARTICLES = 10_000
"""Number of articles that the shipped frequencies weigh as much as."""

SUPPORTED_LANGUAGES: tuple[str, ...] = (
    "ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi", "hu",
    "id", "is", "it", "ja", "ko", "lt", "lv", "mk", "ms", "nl", "no", "pl", "pt", "ro", "ru", "sh",
    "sk", "sl", "sv", "ta", "tl", "tr", "uk", "ur", "vi", "zh",
)  # fmt: skip
"""Languages with stop words and document frequencies of their own. Articles in others are
clustered too; their common words lose weight as the stream shows them."""


_PROBABILITY_OF_ENTRY: NDArray[np.float64] = np.concatenate([[0.0], LEVEL_TO_PROBABILITY])
"""float64, shape (257,): p by level + 1; 0 for a term that is not there."""


_MANY_BIGRAMS = 1 << 19
"""So many fill a table that is larger than one byte for each that there can be."""
BIGRAM_PLACE_BITS = int(BIGRAM_ID_BITS).bit_count()
_BIGRAM_SHIFT = np.uint32(32 - BIGRAM_PLACE_BITS)
_LOWER_BITS = np.uint32((1 << (32 - BIGRAM_PLACE_BITS)) - 1)
_LOOK_UP = 255
_NO_COUNTS: UInt8Array = np.empty(0, dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class _Seen:
    """In how many articles of a stream ids stand.

    Attributes
    ----------
    table
        By id.
    small
        Empty, or of bigrams by the bits of their ids: how many articles of the stream have it,
        where that is below `_LOOK_UP` and the prior lacks it; the table holds the others alone. A
        look-up in a hash table of two million bigrams waits for memory twice as long.
    """

    table: IdTable
    small: UInt8Array


@dataclass(frozen=True, slots=True, eq=False)
class FrequencyTable:
    """Document frequencies of terms: a prior, and what a stream has shown.

    Attributes
    ----------
    columns
        The prior by language; terms of no language under `COMMON`, bigrams under `BIGRAMS`.
    digest
        Of the prior, 16 hex digits; part of the configuration's fingerprint.
    observed
        What the stream has shown.

    Notes
    -----
    For a term w that a share p(w) of articles contains by the prior, and that ``seen`` of the
    stream's n articles contain, with N₀ = `PRIOR_ARTICLES`::

        idf(w) = ln((N₀ + n + 1) / (N₀ p(w) + seen(w) + 1/2))

    which is Spärck Jones's ln(N / df) over both collections together, smoothed so that a term
    never met has the finite weight ln(2 (N₀ + n + 1)). A term that the prior lacks has p = 0.
    """

    columns: dict[str, PriorColumn]
    digest: str
    observed: ObservedFrequencies = field(default_factory=ObservedFrequencies)
    _prior_tables: dict[tuple[str, ...], IdTable] = field(default_factory=dict, repr=False)
    """Columns made ready for look-ups, by names, when first asked for; tables of one prior share
    them."""

    @staticmethod
    def shipped() -> FrequencyTable:
        """Return the table that ships with the package, before any stream. Loaded once."""
        return _shipped_table()

    @property
    def article_count(self) -> int:
        """Articles of the stream that are counted in; 0 for the prior alone."""
        return self.observed.article_count

    def with_observed(self, observed: ObservedFrequencies) -> FrequencyTable:
        """Return a table of the same prior with these counts instead of the former ones."""
        return FrequencyTable(self.columns, self.digest, observed, self._prior_tables)

    def idf(self, term_ids: UInt32Array, lang: str) -> NDArray[np.float32]:
        """Return the weights of terms.

        Parameters
        ----------
        term_ids
            uint32, any one-dimensional shape and order.
        lang
            Language whose prior holds.

        Returns
        -------
        numpy.ndarray
            float32, shape of ``term_ids``, in [0, ln(2 (N₀ + n + 1))], natural logarithms.
        """
        return self._weights(self._prior_of(lang), self._seen("terms"), term_ids)

    def bigram_idf(self, bigram_ids: UInt32Array) -> NDArray[np.float32]:
        """Return the weights of pairs of neighbouring terms, as `idf` does for single ones.

        The prior knows frequent pairs of English news only; other pairs weigh as unseen.
        """
        return self._weights(self._prior((BIGRAMS,)), self._seen("bigrams"), bigram_ids)

    def _prior_of(self, lang: str) -> IdTable:
        key = "en" if lang == UNKNOWN_LANGUAGE else lang
        return self._prior((COMMON, key) if key in self.columns else (COMMON,))

    def _prior(self, names: tuple[str, ...]) -> IdTable:
        """Return levels + 1 by id, by some columns, of which the last one that has an id counts."""
        table = self._prior_tables.get(names)
        if table is None:
            columns = [self.columns[name] for name in names if name in self.columns]
            # Levels begin at 0, which in an `IdTable` means that nothing is there.
            table = IdTable(
                [(column.ids, column.levels.astype(np.uint32) + 1) for column in columns]
                if names != (BIGRAMS,)
                else map(_of_short_ids, columns)
            )
            self._prior_tables[names] = table
        return table

    def _seen(self, what: str) -> _Seen:
        # A few bigrams are looked up otherwise because of the prior.
        key = self.digest, what
        found: _Seen | None = self.observed.tables.get(key)
        if found is None:
            seen = self.observed
            if what == "terms":
                found = _Seen(IdTable([(seen.term_ids, seen.term_counts)]), _NO_COUNTS)
            else:
                found = self._seen_bigrams(seen.bigram_ids, seen.bigram_counts)
            self.observed.tables[key] = found
        return found

    def _seen_bigrams(self, ids: UInt32Array, counts: UInt32Array) -> _Seen:
        """Make the counts of bigrams ready, nearly all of them by place if there are many."""
        if ids.size < _MANY_BIGRAMS or (ids & ~BIGRAM_ID_BITS).any():
            return _Seen(IdTable([(ids, counts)]), _NO_COUNTS)
        small = np.zeros(1 << BIGRAM_PLACE_BITS, dtype=np.uint8)
        small[ids >> _BIGRAM_SHIFT] = np.minimum(counts, _LOOK_UP)
        column = self.columns.get(BIGRAMS)
        if column is not None:
            small[_of_short_ids(column)[0] >> _BIGRAM_SHIFT] = _LOOK_UP
        left = small[ids >> _BIGRAM_SHIFT] == _LOOK_UP
        return _Seen(IdTable([(ids[left], counts[left])]), small)

    def _weights(self, prior: IdTable, seen: _Seen, ids: UInt32Array) -> NDArray[np.float32]:
        inverse_shares = _inverse_shares(
            as_ids(ids),
            seen.small,
            prior.slots,
            prior.bits,
            seen.table.slots,
            seen.table.bits,
            PRIOR_ARTICLES + self.observed.article_count + 1,
        )
        # p and seen near 1 both: the half in the denominator would make it −0.00005.
        idf: NDArray[np.float32] = np.maximum(np.log(inverse_shares), 0.0).astype(np.float32)
        return idf


@compiled
def _inverse_shares(
    ids: UInt32Array,
    small: UInt8Array,
    prior_slots: NDArray[np.uint32],
    prior_bits: int,
    seen_slots: NDArray[np.uint32],
    seen_bits: int,
    articles: int,
) -> NDArray[np.float64]:
    """Divide the number of articles by that of those that have a term: what ln is taken of."""
    found = np.empty(ids.size, dtype=np.float64)
    left = np.empty(ids.size, dtype=np.int64)
    left_count = 0
    if small.size > 0:
        counts = np.empty(ids.size, dtype=np.uint8)
        # By itself: most of this is waiting for memory, and a loop that decides nothing asks for
        # the next places while it waits for the first.
        for k in range(ids.size):
            counts[k] = small[ids[k] >> _BIGRAM_SHIFT]
        for k in range(ids.size):
            found[k] = articles / (np.float64(counts[k]) + 0.5)
            left[left_count] = k
            left_count += int(counts[k] == _LOOK_UP or ids[k] & _LOWER_BITS != 0)
    else:
        for k in range(ids.size):
            left[k] = k
        left_count = ids.size
    for at in range(left_count):
        k = left[at]
        entry = prior_slots[slot_of(prior_slots, prior_bits, ids[k]), 1]
        seen = np.float64(seen_slots[slot_of(seen_slots, seen_bits, ids[k]), 1])
        found[k] = articles / (PRIOR_ARTICLES * _PROBABILITY_OF_ENTRY[entry] + seen + 0.5)
    return found


def _of_short_ids(column: PriorColumn) -> tuple[UInt32Array, UInt32Array]:
    """Return ids and levels + 1 of bigrams, whose ids are some of their hashes' bits.

    Where two have one id, the more frequent one (of the lower level) counts.
    """
    order = np.lexsort((column.levels, column.ids & BIGRAM_ID_BITS))
    ids, first = np.unique((column.ids & BIGRAM_ID_BITS)[order], return_index=True)
    return ids, column.levels[order][first].astype(np.uint32) + 1


@cache
def _shipped_table() -> FrequencyTable:
    columns, digest = shipped_frequencies()
    return FrequencyTable(columns, digest)


def salient_terms(
    vector: TermVector, idf: NDArray[np.float32], limit: int
) -> tuple[UInt32Array, NDArray[np.float32]]:
    """Return an article's heaviest terms.

    Parameters
    ----------
    vector
        Raw counts.
    idf
        float32, shape of ``vector.term_ids``: their weights.
    limit
        How many at most; at least 0.

    Returns
    -------
    term_ids, weights
        uint32 and float32, shape (min(limit, n),): heaviest first, ties by id. A term's weight is
        (1 + ln tf) · idf with tf its count in body and title together.

    Raises
    ------
    ConfigurationError
        ``limit`` is negative, or ``idf`` is of another shape than the terms.
    """
    if limit < 0:
        raise ConfigurationError(f"limit is {limit}: ask for 0 terms or more")
    if idf.shape != vector.term_ids.shape:
        raise ConfigurationError(
            f"idf has shape {idf.shape}, the vector {vector.term_ids.shape}: "
            "compute it for the vector's own term_ids"
        )
    offsets = np.array([0, vector.term_ids.size], dtype=np.int64)
    _, term_ids, weights = kernel_terms.salient_terms(
        offsets, vector.term_ids, vector.body_counts, vector.title_counts, idf, limit
    )
    return term_ids, weights
