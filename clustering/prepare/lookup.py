"""Numbers by 32-bit id, in one hash table: a look-up touches one place in memory.

A binary search among n ids touches log₂ n places, most of them far apart. Ids are hashes already,
so a table of open addressing (Knuth, "The Art of Computer Programming", volume 3, section 6.4,
algorithm L: linear probing) filled to at most one half needs 1.5 probes for an id that is there
and 2.5 for one that is not, on average; they lie side by side.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt32Array
from clustering.compiled import compiled

_SPREAD: Final = np.uint32(0x9E3779B1)
"""2^32 over the golden ratio: neighbouring ids land far apart (Knuth, same section)."""


class IdTable:
    """Positive numbers by id. Immutable; share one between threads.

    Parameters
    ----------
    parts
        (ids, values): uint32, shape (n,) each, ids all different within a part; where parts name
        the same id, the later one counts. A value of 0 is the same as no entry.

    Attributes
    ----------
    slots, bits
        What `slot_of` takes; uint32, shape (2^bits, 2): ids and values.
    """

    def __init__(self, parts: Iterable[tuple[UInt32Array, UInt32Array]]) -> None:
        parts = list(parts)
        entries = sum(ids.size for ids, _ in parts)
        self.bits = max(4, int(2 * entries).bit_length())
        self.slots = np.zeros((1 << self.bits, 2), dtype=np.uint32)
        for ids, values in parts:
            # Copies, since numba compiles anew for arrays that cannot be written.
            _insert(self.slots, self.bits, ids.copy(), values.copy())

    @property
    def slot_bytes(self) -> int:
        """Memory of the table, in bytes: 16 to 32 an entry."""
        return self.slots.nbytes

    def values(self, ids: UInt32Array) -> NDArray[np.uint32]:
        """Return the values of ids; uint32, shape of ``ids`` (one dimension), 0 where unknown."""
        return _found(self.slots, self.bits, as_ids(ids))


def as_ids(ids: UInt32Array) -> UInt32Array:
    """Return ids as compiled loops take them, which are compiled for one kind of array."""
    flags = ids.flags
    if ids.dtype != np.uint32 or not (flags.c_contiguous and flags.writeable):
        ids = np.require(ids, np.uint32, ["C", "W"])
    return ids


@compiled
def slot_of(slots: NDArray[np.uint32], bits: int, wanted: np.uint32) -> np.int64:
    """Return where an id stands, or else the empty slot where it would."""
    mask = slots.shape[0] - 1
    # The highest bits of the product are the ones that every bit of the id has moved.
    at = np.int64(np.uint32(wanted * _SPREAD) >> np.uint32(32 - bits))
    while slots[at, 1] != 0 and slots[at, 0] != wanted:
        at = (at + 1) & mask
    return at


@compiled
def _insert(slots: NDArray[np.uint32], bits: int, ids: UInt32Array, values: UInt32Array) -> None:
    for k in range(ids.size):
        at = slot_of(slots, bits, ids[k])
        # An entry of 0 would look like an empty slot, and cut off what was put behind it.
        if values[k] != 0:
            slots[at, 0] = ids[k]
            slots[at, 1] = values[k]


@compiled
def _found(slots: NDArray[np.uint32], bits: int, ids: UInt32Array) -> NDArray[np.uint32]:
    found = np.empty(ids.size, dtype=np.uint32)
    for k in range(ids.size):
        found[k] = slots[slot_of(slots, bits, ids[k]), 1]
    return found
