"""Similarities that were worked out before, kept for as long as the articles are kept ready.

The members of a cluster are linked again with every article that touches it, and all but one of
their pairs were compared the last time. Average linkage needs those similarities and no more; so
they are kept, and a large cluster costs a new article its own pairs alone.
"""

from __future__ import annotations

from threading import Lock
from typing import Final

import numpy as np

from clustering.articles import UInt64Array
from clustering.compiled import compiled
from clustering.refine.tfidf import Float32Array, Int64Array

_MOST_PAIRS: Final = 1 << 19
_FEWEST_SLOTS: Final = 1 << 12
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

    def put(self, first: Int64Array, second: Int64Array, similarities: Float32Array) -> None:
        """Keep the similarities of pairs of rows; the order within a pair means nothing."""
        with self._lock:
            if self._count + first.size > self._most_pairs:
                self._forget()
            wanted = 2 * (self._count + first.size)
            if wanted > self._keys.size:
                slots = 1 << wanted.bit_length()
                keys, values = np.zeros(slots, np.uint64), np.zeros(slots, np.float32)
                _put(keys, values, self._keys, self._values)
                self._keys, self._values = keys, values
            self._count += _put(self._keys, self._values, _keys_of(first, second), similarities)


@compiled
def _key(row: int, other: int) -> np.uint64:
    """Return a number for an unordered pair that is never 0."""
    low, high = min(row, other), max(row, other)
    return np.uint64((np.uint64(high + 1) << np.uint64(32)) | np.uint64(low))


@compiled
def _keys_of(first: Int64Array, second: Int64Array) -> UInt64Array:
    keys = np.empty(first.size, dtype=np.uint64)
    for k in range(first.size):
        keys[k] = _key(first[k], second[k])
    return keys


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
            at = _slot(keys, new_keys[k])
            added += keys[at] == 0
            keys[at] = new_keys[k]
            values[at] = new_values[k]
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
