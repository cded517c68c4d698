"""Which patterns of `boilerplate_rules` a line need not be shown to, told from its characters.

Each of these says "maybe" where the pattern it stands before can match, and sometimes where it
cannot; it never says "no" where it can.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from clustering.articles import UInt8Array, UInt32Array
from clustering.compiled import compiled
from clustering.prepare.code_points import (
    APOSTROPHE,
    CLOSE_ROUND,
    CLOSE_SQUARE,
    COLON,
    COMMA_SIGN,
    EXCLAMATION_MARK,
    FULL_STOP,
    HYPHEN,
    LINE_FEED,
    OPEN_ROUND,
    OPEN_SQUARE,
    QUESTION_MARK,
    SLASH,
)
from clustering.prepare.line_classes import (
    BEGINS_FURNITURE,
    DECIMAL,
    HAN,
    LETTER,
    LONG_CREDIT,
    LONG_PHRASE,
    MARK,
    PIECE_BEGIN,
    PIECE_LONG,
    PIECE_SHIFT,
    PIECE_SHORT,
    SHORT_CREDIT,
    SHORT_PHRASE,
    SPACE,
    TITLE,
    UPPER,
)
from clustering.prepare.line_numbers import DATELINE_CHARACTERS

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
# Here, because `ord` would have to be compiled.
_CAPITAL_E: Final = ord("E")
_CAPITAL_F: Final = ord("F")
_CAPITAL_H: Final = ord("H")
_CAPITAL_I: Final = ord("I")
_CAPITAL_K: Final = ord("K")
_CAPITAL_M: Final = ord("M")
_CAPITAL_P: Final = ord("P")
_CAPITAL_R: Final = ord("R")
_CAPITAL_T: Final = ord("T")
_SMALL_H: Final = ord("h")
_SMALL_K: Final = ord("k")
_SMALL_M: Final = ord("m")
_SMALL_N: Final = ord("n")
_SMALL_P: Final = ord("p")
_SMALL_S: Final = ord("s")
_SMALL_T: Final = ord("t")
# No credit is longer, whatever stands between its mark and the line's end.
_CREDIT_CHARACTERS: Final = 96


@compiled
def _place(packed: np.uint64, size: int) -> np.uint64:
    """Place of the last few characters in the table of pieces; see `line_classes.piece_place`."""
    kept = packed & ((np.uint64(1) << np.uint64(PIECE_SHIFT * size)) - np.uint64(1))
    return np.uint64((kept * _GOLDEN) >> np.uint64(48))


@compiled
def phrases_in(folded: UInt32Array, size: int, pieces: UInt8Array) -> int:
    """Which kinds of phrases may be in a line, in bits."""
    packed = np.uint64(0)
    found = 0
    for at in range(size):
        packed = (packed << np.uint64(PIECE_SHIFT)) ^ np.uint64(folded[np.uint64(at)])
        found |= int(pieces[_place(packed, PIECE_LONG)]) & (LONG_PHRASE | LONG_CREDIT)
        found |= int(pieces[_place(packed, PIECE_SHORT)]) & (SHORT_PHRASE | SHORT_CREDIT)
    return found


@compiled
def begins_furniture(folded: UInt32Array, begin: int, size: int, pieces: UInt8Array) -> bool:
    """Whether a line may begin as furniture does, ``begin`` being behind its leading marks."""
    packed = np.uint64(0)
    for length in range(1, min(PIECE_BEGIN, size - begin) + 1):
        packed = (packed << np.uint64(PIECE_SHIFT)) ^ np.uint64(folded[begin + length - 1])
        if pieces[_place(packed, length)] & BEGINS_FURNITURE:
            return True
    return False


@compiled
def begins_sentence(codes: UInt32Array, classes: UInt32Array, begin: int, at: int) -> bool:
    """Whether a sentence may begin at a word: nothing before it, or the end of another one."""
    if at == begin:
        return True
    before = at - 1
    if classes[codes[before]] & SPACE == 0:
        return False
    while before >= begin and classes[codes[before]] & SPACE:
        before -= 1
    if before >= begin and codes[before] in (0x22, 0x27, 0x201D, 0x2019):
        before -= 1
    return before >= begin and codes[before] in (FULL_STOP, EXCLAMATION_MARK, QUESTION_MARK)


@compiled
def may_begin_dateline(
    codes: UInt32Array, classes: UInt32Array, begin: int, end: int, has_bracket: bool
) -> bool:
    """Whether `trim_start` may find something: a bracket, or capitals and a dash behind."""
    first = codes[begin]
    kind = classes[first]
    if first == OPEN_ROUND or first == 0xFF08 or kind & HAN:
        return True
    if kind & (UPPER | TITLE) == 0:
        return False
    end = min(end, begin + DATELINE_CHARACTERS)
    second = codes[begin + 1] if begin + 1 < end else np.uint32(0)
    # Of capitals, or of marks that may stand in a name in capitals.
    in_capitals = classes[second] & (UPPER | TITLE) != 0 or second in (
        FULL_STOP,
        APOSTROPHE,
        0x2019,
        HYPHEN,
    )
    if not in_capitals and not has_bracket:
        return False
    for at in range(begin + 1, end):
        code = codes[at]
        if code == OPEN_ROUND:
            return True
        if in_capitals and (code == HYPHEN or 0x2013 <= code <= 0x2015):
            return True
    return False


@compiled
def may_end_in_credit(codes: UInt32Array, classes: UInt32Array, begin: int, end: int) -> bool:
    """Whether `trim_end` may find something: a bracket at the end, or a word like REUTER."""
    last = codes[end - 1]
    if last in (CLOSE_ROUND, CLOSE_SQUARE, LINE_FEED):
        return True
    if last == FULL_STOP and end - begin > 1 and codes[end - 2] in (CLOSE_ROUND, CLOSE_SQUARE):
        return True
    at = end - 1
    while at > begin and classes[codes[at]] & (LETTER | MARK | DECIMAL) == 0:
        at -= 1
    while at > begin and classes[codes[at - 1]] & SPACE == 0:
        at -= 1
    # Its last word, where it begins behind a blank.
    return codes[at] in (_CAPITAL_R, _CAPITAL_E)


@compiled
def may_carry_credit(codes: UInt32Array, begin: int, end: int) -> tuple[bool, bool]:
    """Whether the captions' patterns may find a glued credit, or one of an agency."""
    glued = codes[end - 1] in (CLOSE_ROUND, CLOSE_SQUARE)
    agency = False
    for at in range(max(begin, end - _CREDIT_CHARACTERS), end):
        code = codes[at]
        glued |= code in (COLON, 0xFF1A)
        agency |= code in (OPEN_ROUND, OPEN_SQUARE, SLASH)
    return glued, agency


@compiled
def may_name_file_picture(codes: UInt32Array, begin: int, end: int) -> bool:
    """Whether a line may begin as captions of file pictures do."""
    first = codes[begin]
    if first in (OPEN_SQUARE, OPEN_ROUND):
        return True
    if end - begin < 4:
        return False
    second = codes[begin + 1]
    return (
        (first == _CAPITAL_F and second == _CAPITAL_I)
        or (first == _CAPITAL_P and second in (_CAPITAL_H, _CAPITAL_I))
        or (first == _CAPITAL_I and second == _SMALL_N and codes[begin + 3] == _SMALL_T)
        or (first == _CAPITAL_T and second == _SMALL_H and codes[begin + 3] == _SMALL_S)
    )


@compiled
def may_count(codes: UInt32Array, classes: UInt32Array, begin: int, end: int) -> bool:
    """Whether a line with a digit may be a counter or a page's number, "12 comments"."""
    first = codes[begin]
    if classes[first] & DECIMAL or first in (OPEN_ROUND, _SMALL_P, _CAPITAL_P):
        return True
    last = codes[end - 1]
    if last == CLOSE_ROUND:
        return True
    at = end - 1
    while at > begin and codes[at] in (
        COMMA_SIGN,
        FULL_STOP,
        _SMALL_K,
        _CAPITAL_K,
        _SMALL_M,
        _CAPITAL_M,
    ):
        at -= 1
    return bool(classes[codes[at]] & DECIMAL != 0)
