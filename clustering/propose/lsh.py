"""Locality-sensitive hashing: signatures to buckets, shared buckets to candidates.

A signature is cut into b bands of r rows; each band's rows together name a bucket, and articles
that share a bucket are candidates. Signature entries agree with probability J, the Jaccard
similarity of the two sets, so a band agrees with probability J^r, none of b bands with
(1 - J^r)^b, and at least one with `s_curve` (Leskovec, Rajaraman and Ullman 2020, "Mining of
Massive Datasets", section 3.4.2). The text signature's five rows want near-copies; the event
signature's single row lets in anything that shares a salient term, and the number of shared
buckets, an estimate of the weighted Jaccard similarity, then ranks what was let in.

**The candidate rule**, which the store's script and `CandidateIndex` follow alike:

1. N is the number of articles that are in at least one bucket, the asking one excluded if it is
   not yet in. L is max(min_bucket_articles, floor(max_bucket_share * N)), computed in doubles, and
   at most max_bucket_articles, where that is given.
2. An event bucket that holds more than L handles is skipped. Of a text bucket the
   ``max_text_bucket_articles`` highest handles count, however many it holds.
3. Every handle that is left gets the sum of the weights (`bucket_weights`) of the buckets it is
   counted in.
4. The answer is the first ``limit`` handles by that sum, descending, and among equal sums by
   handle, descending (newer first).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import chain
from math import floor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import (
    ArticleFeatures,
    TextKind,
    UInt8Array,
    UInt32Array,
    UInt64Array,
)
from clustering.columns import FeatureColumns
from clustering.errors import ConfigurationError
from clustering.propose import kernels
from clustering.propose.permutations import affine32_permutations
from clustering.propose.signatures import REPEAT_STEP, SignatureScheme

BUCKET_BITS: Final = 44
"""Bits of a bucket id: few enough to pack well. See `bucket_ids` for what they say."""

SLOT_BITS: Final = kernels.SLOT_BITS
"""The lowest bits of an id: they tell a bucket from the others of its group, whose name the rest
is. What stores buckets may write an article down once a group: 58 entries instead of 153."""

TEXT_BIT: Final = 1 << 43
"""Set in the id of a text bucket, so that an id alone tells its weight. A text bucket is a group
by itself: its slot is 0. The lower bits of a group's name are evenly spread, and the upper ones of
an event bucket's are not."""

EVENT_WEIGHT: Final = 1
TEXT_WEIGHT: Final = kernels.TEXT_WEIGHT
"""Shared by the in-memory index, the batch and the store's script."""

_WEIGHTS: Final = np.array([EVENT_WEIGHT, TEXT_WEIGHT], dtype=np.uint8)
_TEXT_SHIFT: Final = np.uint64(TEXT_BIT.bit_length() - 1)
_ONE: Final = np.uint64(1)


def bucket_ids(features: ArticleFeatures, scheme: SignatureScheme) -> UInt64Array:
    """Name the buckets of an article.

    Parameters
    ----------
    features
        Of one article. Only ``ORDINARY`` ones have buckets.
    scheme
        The one its signature and event tokens were made under.

    Returns
    -------
    ids
        uint64, shape (text_bands + event_bands,), each below 2^44: text bands first. An empty
        signature has no buckets; other kinds have none at all: shape (0,).

        Of a text band: a 64-bit mix of its number and its rows, cut to 35 bits, above `SLOT_BITS`
        clear ones and below `TEXT_BIT`. Two of 10^8 buckets in use coincide by chance with
        probability 10^8 / 2^35 = .003 for any one of them, and what is proposed so is verified.

        Of an event band of one row, which says that a token is the least of the article's: the
        token, mixed by a bijection, so that unlike tokens have unlike buckets. Repeats of a term
        differ by a fixed step, and of every two of them the first is what is mixed: the uppermost
        bit of the slot says that it was the second, the others are the band. (Bands above 127 have
        groups of their own, by the three bits above the mixed token.) Of more rows: a mix of them
        in place of the token.

    Raises
    ------
    ConfigurationError
        If the text signature was made under a scheme of another size.
    """
    text, tokens = features.text_signature, features.event_tokens
    return _bucket_ids(
        np.array([features.kind is TextKind.ORDINARY]),
        np.array([0, text.size], dtype=np.int64),
        text,
        np.array([0, tokens.size], dtype=np.int64),
        tokens,
        scheme,
    )[1]


def bucket_ids_of_all(
    features: FeatureColumns,
    scheme: SignatureScheme,
    without_buckets: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], UInt64Array]:
    """Name the buckets of articles; see `bucket_ids`.

    Parameters
    ----------
    features, scheme
        As there.
    without_buckets
        bool, shape (n,): articles that get none; by default all have theirs.

    Returns
    -------
    ends
        int64, shape (n,): how many ids there are up to the end of each article.
    ids
        uint64, article after article.

    Raises
    ------
    ConfigurationError
        As `bucket_ids`.
    """
    with_buckets = features.is_ordinary
    if without_buckets is not None:
        with_buckets &= ~without_buckets
    return _bucket_ids(
        with_buckets,
        features.signature_offsets,
        features.text_signatures,
        features.event_offsets,
        features.event_tokens,
        scheme,
    )


def _bucket_ids(
    with_buckets: NDArray[np.bool_],
    signature_offsets: NDArray[np.int64],
    text_signatures: UInt32Array,
    event_offsets: NDArray[np.int64],
    event_tokens: UInt32Array,
    scheme: SignatureScheme,
) -> tuple[NDArray[np.int64], UInt64Array]:
    multipliers, offsets = affine32_permutations(scheme.event_permutations, scheme.seed)
    wrong_size, ends, ids = kernels.bucket_ids_of_all(
        with_buckets,
        signature_offsets,
        text_signatures,
        event_offsets,
        event_tokens,
        multipliers,
        offsets,
        _inverses(scheme.event_permutations, scheme.seed),
        scheme.text_permutations,
        scheme.text_bands,
        scheme.text_rows,
        scheme.event_bands,
        scheme.event_rows,
        REPEAT_STEP,
        TEXT_BIT,
    )
    if wrong_size:
        raise ConfigurationError(
            f"a text signature of {wrong_size} entries was not made under this scheme of "
            f"{scheme.text_permutations}: index the articles again"
        )
    return ends, ids


@cache
def _inverses(count: int, seed: int) -> UInt32Array:
    """Return what the odd multipliers of permutations have to be multiplied by to give 1."""
    multipliers, _ = affine32_permutations(count, seed)
    # Newton's iteration modulo 2^32: an odd number is its own inverse modulo 8, and every step
    # doubles the bits that are right.
    inverses: UInt32Array = multipliers.copy()
    for _ in range(4):
        inverses *= np.uint32(2) - multipliers * inverses
    return inverses


def bucket_weights(ids: UInt64Array) -> UInt8Array:
    """Give what sharing each bucket counts.

    Five agreeing rows of shingles are a near-copy, which must come before all others: a text
    bucket counts as much as eight event buckets.

    Parameters
    ----------
    ids
        uint64, shape (n,), from `bucket_ids`.

    Returns
    -------
    weights
        uint8, shape (n,): ``TEXT_WEIGHT`` (8) where `TEXT_BIT` is set, else ``EVENT_WEIGHT`` (1).
    """
    return _WEIGHTS[((ids >> _TEXT_SHIFT) & _ONE).astype(np.intp)]


def s_curve(bands: int, rows: int, jaccard: float) -> float:
    """Probability that two sets share at least one bucket: 1 - (1 - J^rows)^bands.

    Parameters
    ----------
    bands, rows
        At least 1 each.
    jaccard
        Jaccard similarity, in [0, 1].

    Returns
    -------
    probability
        In [0, 1].
    """
    if bands < 1 or rows < 1 or not 0 <= jaccard <= 1:
        raise ConfigurationError(
            f"an S-curve needs bands and rows of at least 1 and a similarity in [0, 1], "
            f"not {bands}, {rows}, {jaccard}"
        )
    return float(1 - (1 - jaccard**rows) ** bands)


@dataclass(frozen=True, slots=True)
class BucketLimits:
    """When a bucket says too little to be read; see the candidate rule in the module docstring.

    Attributes
    ----------
    min_bucket_articles
        An event bucket of up to this many articles is always read.
    max_bucket_share
        In [0, 1]: an event bucket with a larger share of all indexed articles is skipped (unless
        it is small by the above).
    max_text_bucket_articles
        Of a text bucket, this many of the newest articles are read.
    faint_share, strong_weight
        Where many candidates are asked for at once, one that shares less than this share of what
        the article's best one shares (of at most ``strong_weight``) is left out; ``faint_share``
        in [0, 1], 0 for none. The rule above, which decides on single articles, knows no such.
    max_bucket_articles
        An event bucket of more articles is skipped, whatever their share; ``None`` for no such
        limit, otherwise not below ``min_bucket_articles``. Without it, reading the buckets of N
        articles takes time that grows as N².
    """

    min_bucket_articles: int = 64
    max_bucket_share: float = 0.002
    max_text_bucket_articles: int = 64
    faint_share: float = 0.0
    strong_weight: int = 40
    max_bucket_articles: int | None = None

    def __post_init__(self) -> None:
        if self.min_bucket_articles < 1 or self.max_text_bucket_articles < 1:
            raise ConfigurationError("bucket limits must be at least 1 article")
        if not 0 <= self.max_bucket_share <= 1:
            raise ConfigurationError(
                f"max_bucket_share must lie in [0, 1], not {self.max_bucket_share}"
            )
        if (
            self.max_bucket_articles is not None
            and self.max_bucket_articles < self.min_bucket_articles
        ):
            raise ConfigurationError(
                f"max_bucket_articles must be at least min_bucket_articles, which is "
                f"{self.min_bucket_articles}, not {self.max_bucket_articles}"
            )
        if not 0 <= self.faint_share <= 1:
            raise ConfigurationError(f"faint_share must lie in [0, 1], not {self.faint_share}")

    def event_bucket_articles(self, indexed_articles: int) -> int:
        """L of the candidate rule."""
        most = max(self.min_bucket_articles, floor(self.max_bucket_share * indexed_articles))
        return most if self.max_bucket_articles is None else min(most, self.max_bucket_articles)


DEFAULT_LIMITS: Final = BucketLimits()


class CandidateIndex:
    """Buckets in memory: the twin of the store's, for clustering without a server.

    Parameters
    ----------
    limits
        When a bucket is skipped.
    """

    def __init__(self, limits: BucketLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        # Three of four buckets hold one article: a bare number there saves most of the memory.
        self._buckets: dict[int, int | list[int]] = {}
        self._buckets_of: dict[int, UInt64Array] = {}

    def __len__(self) -> int:
        """Count the articles that are in at least one bucket."""
        return len(self._buckets_of)

    def __contains__(self, handle: int) -> bool:
        return handle in self._buckets_of

    def add(self, handle: int, ids: UInt64Array) -> None:
        """Put an article into its buckets.

        Parameters
        ----------
        handle
            Its number; not in the index yet.
        ids
            uint64, from `bucket_ids`. An article without buckets is not indexed.

        Raises
        ------
        ValueError
            If the handle is in the index.
        """
        if handle in self._buckets_of:
            raise ValueError(f"handle {handle} is in the index already: remove it first")
        if not ids.size:
            return
        ids = np.unique(ids)
        self._buckets_of[handle] = ids
        for bucket_id in ids.tolist():
            handles = self._buckets.get(bucket_id)
            if handles is None:
                self._buckets[bucket_id] = handle
            elif isinstance(handles, int):
                self._buckets[bucket_id] = [min(handles, handle), max(handles, handle)]
            elif handles[-1] < handle:
                handles.append(handle)
            else:
                insort(handles, handle)

    def remove(self, handle: int) -> None:
        """Take an article out of all its buckets; nothing happens if it is not in."""
        ids = self._buckets_of.pop(handle, None)
        if ids is None:
            return
        for bucket_id in ids.tolist():
            handles = self._buckets[bucket_id]
            if isinstance(handles, int):
                del self._buckets[bucket_id]
                continue
            del handles[bisect_left(handles, handle)]
            if len(handles) == 1:
                self._buckets[bucket_id] = handles[0]

    def candidates(self, ids: UInt64Array, limit: int) -> list[tuple[int, int]]:
        """Articles that share buckets, by the candidate rule.

        Parameters
        ----------
        ids
            uint64, from `bucket_ids`, of an article that is usually not in the index; one that
            is, is among its own candidates.
        limit
            Most candidates to return.

        Returns
        -------
        candidates
            (handle, shared weight), best first.
        """
        most = self._limits.event_bucket_articles(len(self._buckets_of))
        newest = self._limits.max_text_bucket_articles
        ids = np.unique(ids)
        event_buckets: list[list[int]] = []
        text_buckets: list[list[int]] = []
        for bucket_id in ids.tolist():
            handles = self._buckets.get(bucket_id)
            if handles is None:
                continue
            if isinstance(handles, int):
                handles = [handles]
            if bucket_id & TEXT_BIT:
                text_buckets.append(handles[-newest:])
            elif len(handles) <= most:
                event_buckets.append(handles)
        # Counting a chain of lists runs in C, which the thousands of entries need.
        shared = Counter(chain.from_iterable(event_buckets))
        for handle in chain.from_iterable(text_buckets):
            shared[handle] += TEXT_WEIGHT
        found = np.fromiter(shared.keys(), dtype=np.int64, count=len(shared))
        weights = np.fromiter(shared.values(), dtype=np.int64, count=len(shared))
        best = np.lexsort((found, weights))[::-1][:limit]
        return list(zip(found[best].tolist(), weights[best].tolist(), strict=True))
