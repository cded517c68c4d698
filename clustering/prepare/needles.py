"""Texts that are looked for in others all at once, by their beginnings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt64Array
from clustering.prepare.line_classes import PIECE_BITS, packed_codes, piece_place

_GOLDEN: Final = 0x9E3779B97F4A7C15
_MASK64: Final = (1 << 64) - 1

NEEDLE_SIZES: Final = (2, 3, 4, 6)
NEEDLE_BEGINS: Final = (2, 4)


@dataclass(frozen=True, slots=True, eq=False)
class NeedleTable:
    """Beginnings of texts that are looked for all at once.

    Attributes
    ----------
    slots
        uint64, a power of two of them: a beginning of one of ``NEEDLE_SIZES``, 0 where there is
        none.
    numbers
        int32, shape of ``slots``: which beginning is in a slot.
    pieces
        uint8, shape (65536,): which of `NEEDLE_BEGINS` characters with this hash a needle may begin
        with.
    owners
        For each beginning, the texts that begin so, and whose they are.
    """

    slots: UInt64Array
    numbers: NDArray[np.int32]
    pieces: UInt8Array
    owners: tuple[tuple[tuple[str, int], ...], ...]

    @classmethod
    def of(cls, needles: Iterable[tuple[str, int]]) -> NeedleTable:
        """Build it of texts, case folded and of two characters or more, and whose they are."""
        owners: dict[int, list[tuple[str, int]]] = {}
        pieces = np.zeros(1 << PIECE_BITS, dtype=np.uint8)
        for needle, owner in needles:
            codes = list(map(ord, needle))
            size = max(size for size in NEEDLE_SIZES if size <= len(needle))
            packed = packed_codes(codes[:size])
            begin = max(size for size in NEEDLE_BEGINS if size <= len(needle))
            pieces[piece_place(codes[:begin])] |= begin
            owners.setdefault(packed << 3 | size, []).append((needle, owner))
        count = 1 << (4 * len(owners)).bit_length()
        slots = np.zeros(count, dtype=np.uint64)
        numbers = np.zeros(count, dtype=np.int32)
        for number, packed in enumerate(owners):
            slot = ((packed * _GOLDEN & _MASK64) >> 32) & count - 1
            while slots[slot]:
                slot = slot + 1 & count - 1
            slots[slot], numbers[slot] = packed, number
        return cls(slots, numbers, pieces, tuple(map(tuple, owners.values())))
