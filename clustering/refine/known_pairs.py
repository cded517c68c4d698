"""Similarities that were worked out before, kept for as long as the articles are kept ready.

The members of a cluster are linked again with every article that touches it, and all but one of
their pairs were compared the last time. Average linkage needs those similarities and no more; so
they are kept, and a large cluster costs a new article its own pairs alone.
"""

from __future__ import annotations

from threading import Lock
from typing import Final

import numpy as np

from clustering.articles import UInt8Array, UInt64Array
from clustering.compiled import compiled
from clustering.refine.tfidf import Float32Array, Int64Array

_MOST_PAIRS: Final = 1 << 19
_FEWEST_SLOTS: Final = 1 << 8
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio: see `clustering.prepare.lookup`, which does the same with ids."""


class KnownPairs:
    """Similarity by pair of rows, in a hash table of open addressing. Threads may share one.

    Parameters
    ----------
    most_pairs
        How many to keep, 24 to 48 bytes each. Beyond it, all are forgotten.
    """

    def __init__(self, most_pairs: int = _MOST_PAIRS) -> None:
        self._most_pairs = most_pairs
        self._lock = Lock()
        self._forget()

    def __len__(self) -> int:
        return self._count

    def _forget(self) -> None:
        self._keys = np.zeros(_FEWEST_SLOTS, dtype=np.uint64)
        self._values = np.zeros(_FEWEST_SLOTS, dtype=np.float32)
        self._count = 0

    def matrix(self, rows: Int64Array) -> tuple[Float32Array, Int64Array, Int64Array]:
        """Return what is known of all pairs of some rows.

        Parameters
        ----------
        rows
            int64, shape (n,), at least 0 and below 2^31.

        Returns
        -------
        float32 (n, n), symmetric, ones inside, 0 for pairs that are not known; and the positions
        of those, the smaller first, int64 (m,) each, in order.
        """
        with self._lock:
            return _looked_up(self._keys, self._values, rows)

    def put_first(self, rows: Int64Array, similarities: Float32Array, kinds: UInt8Array) -> None:
        """Keep those of the first row with each other one that are not 0.

        ``kinds`` says which pairs have 0 all the same: those that are not 0 there.
        """
        with self._lock:
            self._make_room(similarities.size)
            self._count += _put_first(self._keys, self._values, rows, similarities, kinds)

    def put_missing(
        self,
        rows: Int64Array,
        first: Int64Array,
        second: Int64Array,
        similarities: Float32Array,
        kinds: UInt8Array,
        matrix: Float32Array,
    ) -> None:
        """Keep those of the pairs of positions that `matrix` did not know, and write them into it.

        ``kinds`` as in `put_first`.
        """
        with self._lock:
            self._make_room(first.size)
            self._count += _put_missing(
                self._keys, self._values, rows, first, second, similarities, kinds, matrix
            )

    def _make_room(self, more: int) -> None:
        if self._count + more > self._most_pairs:
            self._forget()
        wanted = 2 * (self._count + more)
        if wanted > self._keys.size:
            slots = 1 << wanted.bit_length()
            keys, values = np.zeros(slots, np.uint64), np.zeros(slots, np.float32)
            _put(keys, values, self._keys, self._values)
            self._keys, self._values = keys, values


@compiled
def _key(row: int, other: int) -> np.uint64:
    """Return a number for an unordered pair that is never 0."""
    low, high = min(row, other), max(row, other)
    return np.uint64((np.uint64(high + 1) << np.uint64(32)) | np.uint64(low))


@compiled
def _slot(keys: UInt64Array, wanted: np.uint64) -> int:
    """Return where a key stands, or else the empty slot where it would."""
    mask = np.uint64(keys.size - 1)
    # The upper half of the product is what every bit of the key has moved.
    at = (np.uint64(wanted * _SPREAD) >> np.uint64(32)) & mask
    while keys[at] != 0 and keys[at] != wanted:
        at = (at + np.uint64(1)) & mask
    return int(at)


@compiled
def _put(
    keys: UInt64Array, values: Float32Array, new_keys: UInt64Array, new_values: Float32Array
) -> int:
    """Enter all keys that are not 0; returns how many were not there."""
    added = 0
    for k in range(new_keys.size):
        if new_keys[k] != 0:
            added += _enter(keys, values, new_keys[k], new_values[k])
    return added


@compiled
def _enter(keys: UInt64Array, values: Float32Array, key: np.uint64, value: np.float32) -> int:
    """Enter one key; returns how many were not there."""
    at = _slot(keys, key)
    added = int(keys[at] == 0)
    keys[at] = key
    values[at] = value
    return added


@compiled
def _put_first(
    keys: UInt64Array,
    values: Float32Array,
    rows: Int64Array,
    similarities: Float32Array,
    kinds: UInt8Array,
) -> int:
    """Do what `KnownPairs.put_first` does; returns how many were not there."""
    added = 0
    for k in range(similarities.size):
        if similarities[k] != 0:
            value = similarities[k] if kinds[k] == 0 else np.float32(0)
            added += _enter(keys, values, _key(rows[0], rows[k + 1]), value)
    return added


@compiled
def _put_missing(
    keys: UInt64Array,
    values: Float32Array,
    rows: Int64Array,
    first: Int64Array,
    second: Int64Array,
    similarities: Float32Array,
    kinds: UInt8Array,
    matrix: Float32Array,
) -> int:
    """Do what `KnownPairs.put_missing` does; returns how many were not there."""
    added = 0
    for k in range(first.size):
        i, j = first[k], second[k]
        value = similarities[k] if kinds[k] == 0 else np.float32(0)
        matrix[i, j] = matrix[j, i] = value
        added += _enter(keys, values, _key(rows[i], rows[j]), value)
    return added


@compiled
def _looked_up(
    keys: UInt64Array, values: Float32Array, rows: Int64Array
) -> tuple[Float32Array, Int64Array, Int64Array]:
    """Return what `KnownPairs.matrix` returns."""
    count = rows.size
    matrix = np.zeros((count, count), dtype=np.float32)
    first = np.empty(count * (count - 1) // 2, dtype=np.int64)
    second = np.empty(count * (count - 1) // 2, dtype=np.int64)
    missing = 0
    for i in range(count):
        matrix[i, i] = 1.0
        for j in range(i + 1, count):
            wanted = _key(rows[i], rows[j])
            at = _slot(keys, wanted)
            if keys[at] == wanted:
                matrix[i, j] = matrix[j, i] = values[at]
            else:
                first[missing], second[missing] = i, j
                missing += 1
    return matrix, first[:missing], second[:missing]
