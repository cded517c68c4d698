"""The compiled passes over whole texts: known texts in it, one spelling of it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array, UInt64Array
from clustering.compiled import compiled
from clustering.prepare.code_points import (
    APOSTROPHE,
    QUESTION_MARK,
    SPACE_SIGN,
)
from clustering.prepare.kernel_fold import put_code
from clustering.prepare.line_classes import (
    FOLDS_APART,
    FOLDS_TO_MANY,
    PIECE_SHIFT,
    SPACE,
)
from clustering.prepare.needles import NEEDLE_SIZES

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_LONGEST_FOLD: Final = 3


@compiled
def _begins(packed: np.uint64, pieces: UInt8Array, size: int) -> int:
    """Return what is known of the last few characters; see `line_classes.piece_place`."""
    kept = packed & ((np.uint64(1) << np.uint64(PIECE_SHIFT * size)) - np.uint64(1))
    return int(pieces[np.uint64(kept * _GOLDEN) >> np.uint64(48)])


@compiled
def find_needles(
    codes: UInt32Array,
    line_ends: NDArray[np.int64],
    classes: UInt32Array,
    folds: UInt32Array,
    long_folds: UInt32Array,
    slots: UInt64Array,
    numbers: NDArray[np.int32],
    pieces: UInt8Array,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find where beginnings of certain texts stand in lines, case aside.

    Parameters
    ----------
    codes, line_ends, classes, folds, long_folds
        As for `count_lines`.
    slots, numbers, pieces
        Of `clustering.prepare.needles.NeedleTable`.

    Returns
    -------
    lines, found
        int64, shape (hits,): the line of each hit, and the number of the beginning; -1 for a line
        with a letter that patterns take for others than case folding does.
    """
    found_lines = np.empty(_LONGEST_FOLD * len(NEEDLE_SIZES) * codes.size, dtype=np.int64)
    found = np.empty(found_lines.size, dtype=np.int64)
    hits = 0
    last = np.uint64(slots.size - 1)
    begin = 0
    for line in range(line_ends.size):
        packed = np.uint64(0)
        size, pairs, fours = 0, 0, 0
        seen = np.uint32(0)
        for at in range(begin, line_ends[line]):
            code = codes[np.uint64(at)]
            kind = classes[code]
            seen |= kind
            for part in range(_LONGEST_FOLD):
                fold = np.uint32(APOSTROPHE) if code == 0x2019 else folds[code]
                if kind & FOLDS_TO_MANY:
                    fold = long_folds[folds[code], part]
                    if fold == 0:
                        break
                elif part:
                    break
                packed = (packed << np.uint64(PIECE_SHIFT)) ^ np.uint64(fold)
                size += 1
                # Which sizes may end here: those of the two and of the four characters that a
                # needle may begin with, and of what they become with one or two more.
                pairs = (pairs << 1) | (_begins(packed, pieces, 2) & 2)
                fours = (fours << 1) | (_begins(packed, pieces, 4) & 4)
                may_end = (pairs & 6) | (fours & 20)
                if may_end == 0:
                    continue
                for wanted in NEEDLE_SIZES:
                    if size < wanted:
                        break
                    mask = (np.uint64(1) << np.uint64(PIECE_SHIFT * wanted)) - np.uint64(1)
                    needle = ((packed & mask) << np.uint64(3)) | np.uint64(wanted)
                    slot = ((needle * _GOLDEN) >> np.uint64(32)) & last
                    while slots[slot]:
                        if slots[slot] == needle:
                            found_lines[hits] = line
                            found[hits] = numbers[slot]
                            hits += 1
                            break
                        slot = (slot + np.uint64(1)) & last
        if seen & FOLDS_APART:
            found_lines[hits] = line
            found[hits] = -1
            hits += 1
        begin = line_ends[line] + 1
    return found_lines[:hits], found[:hits]


@compiled
def fold_text(
    codes: UInt32Array,
    classes: UInt32Array,
    folds: UInt32Array,
    long_folds: UInt32Array,
) -> tuple[bool, UInt8Array]:
    """Write texts as UTF-8, case folded, runs of white space made one space, none at their ends.

    Parameters
    ----------
    codes
        uint32: the texts, a null between any two.
    classes, folds, long_folds
        As for `count_lines`.

    Returns
    -------
    is_done
        ``False`` where a character has no class yet.
    data
        uint8; a question mark for each lone surrogate, which has no UTF-8.
    """
    data = np.empty(4 * _LONGEST_FOLD * codes.size + 4, dtype=np.uint8)
    size, begin = 0, 0
    is_blank = False
    for at in range(codes.size):
        code = codes[np.uint64(at)]
        kind = classes[code]
        if kind == 0:
            return False, data[:0]
        if kind & SPACE:
            is_blank = True
            continue
        if is_blank and code != 0 and size > begin:
            data[size] = SPACE_SIGN
            size += 1
        is_blank = False
        if code == 0:
            begin = size + 1
        fold = folds[code]
        if kind & FOLDS_TO_MANY:
            for part in range(_LONGEST_FOLD):
                if long_folds[fold, part]:
                    size = put_code(long_folds[fold, part], data, size)
        elif fold < 0x80 or 0xD800 <= fold < 0xE000:
            data[size] = fold if fold < 0x80 else QUESTION_MARK
            size += 1
        else:
            size = put_code(fold, data, size)
    return True, data[:size]
