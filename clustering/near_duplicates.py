"""Near-duplicates among many raw texts, all at once: without clusters, languages or a store.

Texts become sets of word shingles; MinHash signatures propose pairs (`clustering.propose.lsh`
derives the S-curve) and every proposed pair is verified on the sets themselves, so that what comes
back is exact and only a pair that was never proposed can be missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt64Array
from clustering.errors import ConfigurationError
from clustering.prepare import sequence_hashes, token_hashes, window_hashes64
from clustering.propose import SignatureScheme
from clustering.propose.kernel_sets import (
    distinct_hashes,
    jaccard_similarities,
    pairs_in_buckets,
)
from clustering.propose.kernels import band_buckets_of_all, minhash
from clustering.propose.lsh import s_curve
from clustering.propose.permutations import affine32_permutations

RECALL_AT_THRESHOLD: Final = 0.98
"""Chance, at least, that a pair exactly at the threshold is proposed; more alike ones have more."""

PAIRS_A_TEXT: Final = 64
"""In one bucket a text meets the first and this many of those before it, however many there are."""

LOWEST_JACCARD_THRESHOLD: Final = 0.05

_CHARACTERS_A_CHUNK: Final = 1 << 17
_PAIRS_A_CHUNK: Final = 1 << 12

_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True, slots=True, eq=False)
class NearDuplicates:
    """What `near_duplicate_pairs` found.

    Attributes
    ----------
    first, second
        int64, shape (n,): positions of the texts of a pair, first < second, ordered by first,
        then second.
    jaccard
        float64, shape (n,): Jaccard similarity of their sets of shingles, exact.
    copy_of
        int64, shape (texts,): for a text with the same tokens as an earlier one, the first such
        text; for any other its own position. Copies are paired with that first text alone, whose
        other pairs are theirs, too: a thousand copies make 999 pairs and not half a million.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    jaccard: NDArray[np.float64]
    copy_of: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.first.size)

    def expanded(self) -> NearDuplicates:
        """Return the same with all pairs of copies: their number is quadratic in the copies."""
        members: dict[int, list[int]] = {}
        copies = np.flatnonzero(self.copy_of != np.arange(self.copy_of.size))
        for text, original in zip(copies.tolist(), self.copy_of[copies].tolist(), strict=True):
            members.setdefault(original, [original]).append(text)
        has_copies = np.isin(np.arange(self.copy_of.size), self.copy_of[copies])
        of_originals = self.copy_of[self.second] == self.second
        alone = of_originals & ~has_copies[self.first] & ~has_copies[self.second]
        found = [(a, b, 1.0) for group in members.values() for a, b in combinations(group, 2)]
        others = of_originals & ~alone
        for first, second, jaccard in zip(
            self.first[others].tolist(),
            self.second[others].tolist(),
            self.jaccard[others].tolist(),
            strict=True,
        ):
            found.extend(
                (min(a, b), max(a, b), jaccard)
                for a in members.get(first, [first])
                for b in members.get(second, [second])
            )
        columns = list(zip(*found, strict=True)) or [(), (), ()]
        return _ordered(
            np.concatenate([self.first[alone], np.array(columns[0], dtype=np.int64)]),
            np.concatenate([self.second[alone], np.array(columns[1], dtype=np.int64)]),
            np.concatenate([self.jaccard[alone], np.array(columns[2], dtype=np.float64)]),
            self.copy_of,
        )


def _ordered(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    jaccard: NDArray[np.float64],
    copy_of: NDArray[np.int64],
) -> NearDuplicates:
    order = np.lexsort((second, first))
    return NearDuplicates(first[order], second[order], jaccard[order], copy_of)


def near_duplicate_pairs(
    texts: Sequence[str],
    *,
    jaccard_threshold: float = 0.7,
    shingle_words: int = 5,
    threads: int | None = None,
) -> NearDuplicates:
    """Find the pairs of texts whose word shingles have a Jaccard similarity of a threshold or more.

    Parameters
    ----------
    texts
        Raw texts in any language and script. Those without letters and digits are in no pair.
    jaccard_threshold
        In [0.05, 1]. Shared shingles over all shingles of the two.
    shingle_words
        Neighbouring tokens that make a shingle, at least 1. A text of fewer tokens is one shingle.
    threads
        Threads to use, at least 1; ``None`` means one for each processor this process may use. The
        result does not depend on it.

    Returns
    -------
    NearDuplicates
        Every pair in it is verified: its similarity is exact and not below the threshold. A pair
        at the threshold is there with a probability of `RECALL_AT_THRESHOLD` at least, a more
        alike one with more. Where over `PAIRS_A_TEXT` different texts share a bucket, each is
        compared with the first of them and the `PAIRS_A_TEXT` before it, so that work and answer
        stay linear in the number of texts: such a group hangs together without all its pairs.

    Raises
    ------
    ConfigurationError
        For an argument out of range.

    Notes
    -----
    Memory, besides the texts: about 250 bytes a text, and 8 bytes a token of those texts that are
    in a candidate pair. Sets are sets of 64-bit hashes, made of the hashes of a shingle's tokens:
    two different shingles of one pair of 1,000-word texts are taken for one with a probability of
    10^-13, two different ones of a million texts for copies with one of 10^-7.
    """
    if not LOWEST_JACCARD_THRESHOLD <= jaccard_threshold <= 1:
        raise ConfigurationError(
            f"jaccard_threshold must lie in [{LOWEST_JACCARD_THRESHOLD}, 1], not "
            f"{jaccard_threshold}: below it, compare all pairs"
        )
    workers = _processors() if threads is None else threads
    if workers < 1:
        raise ConfigurationError(f"threads must be at least 1, not {threads}")
    scheme = _scheme(jaccard_threshold, shingle_words)
    with ThreadPoolExecutor(workers) as pool:
        finder = _Finder(texts, scheme, pool, workers)
        return finder.found(jaccard_threshold)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _scheme(jaccard_threshold: float, shingle_words: int) -> SignatureScheme:
    """Return the banding with the most rows that still finds pairs at the threshold.

    More rows let fewer unlike pairs through to be verified, fewer rows find more.
    """
    permutations = SignatureScheme().text_permutations
    rows = max(
        rows
        for rows in range(1, permutations + 1)
        if rows == 1
        or s_curve(permutations // rows, rows, jaccard_threshold) >= RECALL_AT_THRESHOLD
    )
    return SignatureScheme(
        shingle_words=shingle_words, text_rows=rows, text_bands=permutations // rows
    )


@dataclass(frozen=True, slots=True)
class _Finder:
    texts: Sequence[str]
    scheme: SignatureScheme
    pool: ThreadPoolExecutor
    workers: int

    def found(self, jaccard_threshold: float) -> NearDuplicates:
        chunks = list(pairwise(_chunk_bounds(self.texts)))
        signed = self._in_threads(self._sign, chunks)
        contents = np.concatenate([np.zeros(0, dtype=np.uint64), *(part[0] for part in signed)])
        copy_of = _first_of_equals(contents)
        is_copy = copy_of != np.arange(contents.size)
        originals = np.flatnonzero((contents != 0) & ~is_copy)

        def proposed(band: int) -> NDArray[np.int64]:
            buckets = np.concatenate([part[1][band] for part in signed])[originals]
            return pairs_in_buckets(buckets, np.argsort(buckets), PAIRS_A_TEXT)

        pairs = np.zeros(0, dtype=np.int64)
        if originals.size > 1:
            pairs = np.unique(
                np.concatenate(self._in_threads(proposed, range(self.scheme.text_bands)))
            )
        first = originals[pairs // max(1, originals.size)]
        second = originals[pairs % max(1, originals.size)]
        jaccard = self._verified(first, second)
        kept = jaccard >= jaccard_threshold
        copies = np.flatnonzero(is_copy)
        return _ordered(
            np.concatenate([first[kept], copy_of[copies]]),
            np.concatenate([second[kept], copies]),
            np.concatenate([jaccard[kept], np.ones(copies.size)]),
            copy_of,
        )

    def _in_threads(self, work: Callable[[_In], _Out], items: Sequence[_In]) -> list[_Out]:
        if self.workers == 1:
            return [work(item) for item in items]
        return list(self.pool.map(work, items))

    def _sign(self, bounds: tuple[int, int]) -> tuple[UInt64Array, UInt64Array]:
        """Hash what a chunk's texts say, 0 where that is nothing, and name their buckets."""
        hashes, ends = self._shingles(self.texts[slice(*bounds)])
        scheme = self.scheme
        multipliers, offsets = affine32_permutations(scheme.text_permutations, scheme.seed)
        signatures = minhash(hashes.astype(np.uint32), ends, multipliers, offsets)
        buckets = band_buckets_of_all(signatures, scheme.text_bands, scheme.text_rows)
        return sequence_hashes(hashes, ends), buckets

    def _shingles(self, texts: Sequence[str]) -> tuple[UInt64Array, NDArray[np.int64]]:
        tokens = token_hashes(texts)
        return window_hashes64(tokens.hashes, tokens.word_ends, self.scheme.shingle_words)

    def _verified(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """Jaccard similarities of pairs."""
        if not first.size:
            return np.zeros(0, dtype=np.float64)
        used = np.unique(np.concatenate([first, second]))
        texts = [self.texts[text] for text in used.tolist()]

        def shingles(bounds: tuple[int, int]) -> tuple[UInt64Array, NDArray[np.int64]]:
            return distinct_hashes(*self._shingles(texts[slice(*bounds)]))

        parts = self._in_threads(shingles, list(pairwise(_chunk_bounds(texts))))
        hashes = np.concatenate([part[0] for part in parts])
        sizes = np.concatenate([np.diff(part[1], prepend=0) for part in parts])
        begins = np.r_[0, np.cumsum(sizes)]
        of_first, of_second = np.searchsorted(used, first), np.searchsorted(used, second)

        def compared(begin: int) -> NDArray[np.float64]:
            part = slice(begin, begin + _PAIRS_A_CHUNK)
            return jaccard_similarities(hashes, begins, of_first[part], of_second[part])

        return np.concatenate(self._in_threads(compared, range(0, first.size, _PAIRS_A_CHUNK)))


def _first_of_equals(contents: UInt64Array) -> NDArray[np.int64]:
    """For each text the first that says the same; those that say nothing have only themselves."""
    _, firsts, groups = np.unique(contents, return_index=True, return_inverse=True)
    return np.where(contents != 0, firsts[groups], np.arange(contents.size))


def _chunk_bounds(texts: Sequence[str]) -> list[int]:
    """Positions that cut texts into parts which fit the processor's cache."""
    bounds = [0]
    characters = 0
    for position, text in enumerate(texts):
        characters += len(text)
        if characters >= _CHARACTERS_A_CHUNK:
            bounds.append(position + 1)
            characters = 0
    if bounds[-1] != len(texts):
        bounds.append(len(texts))
    return bounds
