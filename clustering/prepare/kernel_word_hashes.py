"""The compiled hashes of words and keys of lines, and their search in a table of known ones."""

from __future__ import annotations

from typing import Final

import numpy as np

from clustering.articles import UInt32Array, UInt64Array
from clustering.compiled import compiled
from clustering.instructions import AT_ONCE
from clustering.prepare.line_classes import WORD_TABLE_BITS, begun_hash

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_BITS: Final = np.uint64(WORD_TABLE_BITS)
_ALL_BITS: Final = np.uint64((1 << WORD_TABLE_BITS) - 1)
_PAIR_BEGIN: Final = np.uint64(begun_hash(2))
_LETTER_BITS: Final = 8
_HALF_BITS: Final = np.uint64(64)


@compiled
def find_bits(hashed: np.uint64, slots: UInt64Array) -> int:
    """Look a word or key up; 0 where it is not there."""
    last = np.uint64(slots.size - 1)
    slot = (hashed >> np.uint64(32)) & last
    while True:
        there = slots[slot]
        # Nobody can foresee which of the two it is, so that is not branched on; nearly always it
        # is one of them.
        is_it = ((there ^ hashed) >> _BITS) == 0
        if is_it | (there == 0):
            return int(np.int64(there & _ALL_BITS)) * int(is_it)
        slot = (slot + np.uint64(1)) & last


@compiled
def hash_of_letters(first: np.uint64, second: np.uint64) -> np.uint64:
    """Return what `hash_of` does, of ASCII as `clustering.instructions.same_letters` gives it."""
    mixed = (_GOLDEN ^ first) * _GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(32)) ^ second) * _GOLDEN
    return mixed or np.uint64(1)


@compiled
def hash_of(codes: UInt32Array, begin: int, end: int) -> np.uint64:
    """Return what `line_classes.hash_of` does, of folded characters."""
    if end - begin <= AT_ONCE:
        first, second, seen = np.uint64(0), np.uint64(0), np.uint64(0)
        for at in range(begin, end):
            code = np.uint64(codes[np.uint64(at)])
            seen |= code
            place = np.uint64(_LETTER_BITS * (at - begin))
            if place < _HALF_BITS:
                first |= code << place
            else:
                second |= code << (place - _HALF_BITS)
        if seen < 0x80:
            return hash_of_letters(first, second)
    # Four at a time, none of which waits for another.
    lanes = _GOLDEN, _GOLDEN, _GOLDEN, _GOLDEN
    at = begin
    while at + 4 <= end:
        lanes = (
            (lanes[0] ^ np.uint64(codes[np.uint64(at)])) * _GOLDEN,
            (lanes[1] ^ np.uint64(codes[np.uint64(at + 1)])) * _GOLDEN,
            (lanes[2] ^ np.uint64(codes[np.uint64(at + 2)])) * _GOLDEN,
            (lanes[3] ^ np.uint64(codes[np.uint64(at + 3)])) * _GOLDEN,
        )
        at += 4
    mixed = np.uint64(end - begin)
    for lane in lanes:
        mixed = (mixed ^ lane) * _GOLDEN
    while at < end:
        mixed = (mixed ^ np.uint64(codes[np.uint64(at)])) * _GOLDEN
        at += 1
    return mixed or np.uint64(1)


@compiled
def pair_hash(first: np.uint32, second: np.uint32) -> np.uint64:
    """Return what `hash_of` does, of two characters beyond ASCII."""
    paired = (_PAIR_BEGIN ^ np.uint64(first)) * _GOLDEN
    paired = (paired ^ np.uint64(second)) * _GOLDEN
    return paired or np.uint64(1)
