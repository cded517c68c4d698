"""The compiled passes over whole texts: enough words, known texts in it, one spelling of it."""

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
    HAN,
    INVISIBLE,
    LETTER,
    MARK,
    NEEDLE_SIZES,
    NUMBER,
    PIECE_SHIFT,
    SOUTHEAST,
    SPACE,
)

_OF_WORD: Final = LETTER | MARK | NUMBER
_BEGINS_WORD: Final = LETTER | NUMBER
_SPACELESS: Final = HAN | SOUTHEAST
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_LONGEST_FOLD: Final = 3
# Words of a script written without spaces, estimated from its letters: Chinese and Japanese words
# average about 1.6 characters in news, Thai, Lao, Khmer and Burmese words about 4.
_HAN_WORDS: Final = 0.6
_SOUTHEAST_WORDS: Final = 0.25


@compiled
def _words_begun(kind: np.uint32, code: np.uint32, in_word: bool) -> tuple[float, bool]:
    """How many words begin with a character, and whether it is in one."""
    if kind & INVISIBLE:
        return 0.0, in_word
    if kind & _SPACELESS:
        if kind & _BEGINS_WORD:
            return _HAN_WORDS if kind & HAN else _SOUTHEAST_WORDS, False
        return 0.0, False
    if in_word:
        return 0.0, kind & _OF_WORD != 0 or code == APOSTROPHE or code == 0x2019
    if kind & _BEGINS_WORD:
        return 1.0, True
    return 0.0, False


@compiled
def _past_wording(
    codes: UInt32Array,
    at: int,
    wanted: UInt32Array,
    classes: UInt32Array,
    folds: UInt32Array,
    long_folds: UInt32Array,
) -> int:
    """End of a folded wording that may stand at a place, white space aside; 0 if it does not."""
    matched = 0
    while matched < wanted.size:
        if classes[wanted[matched]] & SPACE:
            matched += 1
            continue
        if at == codes.size:
            return 0
        code = codes[at]
        kind = classes[code]
        at += 1
        # How lines are joined and blanks are squeezed makes no difference, then.
        if kind & (SPACE | INVISIBLE):
            continue
        if kind & FOLDS_TO_MANY:
            # Rather than to go on with the pieces.
            return at if long_folds[folds[code], 0] == wanted[matched] else 0
        if (np.uint32(APOSTROPHE) if code == 0x2019 else folds[code]) != wanted[matched]:
            return 0
        matched += 1
    return at


@compiled
def has_more_words(
    codes: UInt32Array,
    classes: UInt32Array,
    folds: UInt32Array,
    long_folds: UInt32Array,
    left_out: UInt32Array,
    limit: float,
) -> bool:
    """Whether a text surely has more words than a limit, sentences of a certain wording left out.

    Parameters
    ----------
    codes
        uint32: the text, or its beginning.
    classes, folds, long_folds
        As for `count_lines`.
    left_out
        uint32: key of the sentences that do not count, which begins with no blank; may be empty.
    limit
        A number of words.

    Returns
    -------
    bool
        ``False`` where the text has hardly more words, or a character has no class yet.
    """
    # A sentence that is left out has no more words than this. So one that is only begun where
    # counting stops makes no difference.
    most = 0.0
    in_word = False
    for place in range(left_out.size):
        kind = classes[left_out[place]]
        if kind == 0:
            return False
        more, in_word = _words_begun(kind, left_out[place], in_word)
        most += more
    enough = limit + most + 1.0
    words = 0.0
    in_word = False
    at, past = 0, 0
    while at < codes.size:
        code = codes[np.uint64(at)]
        kind = classes[code]
        if kind == 0:
            return False
        more, in_word = _words_begun(kind, code, in_word)
        words += more
        if words > enough:
            return True
        if (
            left_out.size
            and at >= past
            and kind & _BEGINS_WORD
            and (folds[code] == left_out[0] or kind & FOLDS_TO_MANY)
        ):
            past_other = _past_wording(codes, at, left_out, classes, folds, long_folds)
            if past_other:
                # As many words as it may have do not count.
                enough += most
                past = past_other
        at += 1
    return False


@compiled
def find_needles(
    codes: UInt32Array,
    line_ends: NDArray[np.int64],
    classes: UInt32Array,
    folds: UInt32Array,
    long_folds: UInt32Array,
    slots: UInt64Array,
    numbers: NDArray[np.int32],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find where beginnings of certain texts stand in lines, case aside.

    Parameters
    ----------
    codes, line_ends, classes, folds, long_folds
        As for `count_lines`.
    slots, numbers
        Of `clustering.prepare.line_classes.NeedleTable`.

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
        size = 0
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
