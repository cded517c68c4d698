"""The compiled search for what is known of a token's spelling: its row in a lexicon.

Nearly all tokens are short and of ASCII. Those are two numbers, whatever their length, and so
nothing about them has to be guessed by the processor.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt32Array, UInt64Array
from clustering.compiled import compiled
from clustering.instructions import AT_ONCE, same_letters
from clustering.prepare.kernel import TOKEN_LENGTH_LIMIT

# Columns of the entries of a lexicon, see `clustering.prepare.lexicon.Pages`.
E_FIRST: Final = 0
E_SECOND: Final = 1
E_TEXT: Final = 2
E_TERM: Final = 3
OFFSET_BITS: Final = np.uint64(0xFFFFFFFF)
LENGTH_BITS: Final = np.uint64(0xFFFF)
FOLDED_SHIFT: Final = np.uint64(32)
STEM_SHIFT: Final = np.uint64(48)
STEM_FURTHER: Final = np.uint64(16)
PROPERTIES_SHIFT: Final = np.uint64(32)

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_SPREAD: Final = np.uint64(0xC2B2AE3D27D4EB4F)
_LAST_ASCII: Final = 0x7F
_HALF: Final = 8
"""Characters of a half of what `same_letters` gives, and bits of a character."""


@compiled
def _letters(codes: UInt32Array, begin: int, end: int) -> tuple[np.uint64, np.uint64, np.uint32]:
    """Return what `same_letters` does of up to sixteen code points, wherever they stand."""
    first, second, beyond = np.uint64(0), np.uint64(0), np.uint32(0)
    for at in range(begin, end):
        code = np.uint64(codes[np.uint64(at)])
        beyond |= np.uint32(code > _LAST_ASCII)
        place = at - begin
        if place < _HALF:
            first |= code << np.uint64(_HALF * place)
        else:
            second |= code << np.uint64(_HALF * (place - _HALF))
    return first, second, beyond


@compiled
def _slot_of_letters(first: np.uint64, second: np.uint64) -> np.uint64:
    mixed = (first ^ (second * _SPREAD)) * _GOLDEN
    return np.uint64((mixed ^ (mixed >> np.uint64(29))) >> np.uint64(8))


@compiled
def _slot_of_any(codes: UInt32Array, begin: int, end: int) -> np.uint64:
    mixed = np.uint64(end - begin)
    for at in range(begin, end):
        mixed = (mixed ^ np.uint64(codes[np.uint64(at)])) * _GOLDEN
    return np.uint64(mixed >> np.uint64(32))


@compiled
def find_rows(
    codes: UInt32Array,
    begins: NDArray[np.int32],
    ends: NDArray[np.int32],
    slots: NDArray[np.int32],
    entries: UInt64Array,
    spellings: UInt32Array,
    spelling_ends: NDArray[np.int64],
) -> NDArray[np.int32]:
    """Look the spelling of every token up.

    Parameters
    ----------
    codes, begins, ends
        As `clustering.prepare.kernel.scan_documents` takes and gives them.
    slots
        int32, a power of two of them: rows by the hash of their spelling, -1 where there is none.
    entries
        uint64, shape (rows, 4): what is known of each row. Nearly all tokens are found by the two
        first numbers: spellings of up to sixteen characters of ASCII, as `same_letters` gives them;
        0 for others.
    spellings, spelling_ends
        uint32 and int64: row r is spelled ``spellings[spelling_ends[r] : spelling_ends[r + 1]]``.

    Returns
    -------
    rows
        int32, shape (tokens,); -1 for a spelling that is not there.
    """
    rows = np.empty(begins.size, dtype=np.int32)
    last = np.uint64(slots.size - 1)
    for token in range(begins.size):
        begin = int(begins[token])
        end = min(int(ends[token]), begin + TOKEN_LENGTH_LIMIT)
        if end - begin <= AT_ONCE:
            if begin + AT_ONCE <= codes.size:
                first, second, beyond = same_letters(
                    codes, np.uint64(begin), np.uint32(end - begin)
                )
            else:
                first, second, beyond = _letters(codes, begin, end)
            if beyond == 0:
                slot = _slot_of_letters(first, second) & last
                row = slots[slot]
                while row >= 0 and (
                    entries[row, E_FIRST] != first or entries[row, E_SECOND] != second
                ):
                    slot = (slot + np.uint64(1)) & last
                    row = slots[slot]
                rows[token] = row
                continue
        slot = _slot_of_any(codes, begin, end) & last
        while True:
            row = slots[slot]
            if row < 0:
                break
            spelled = spelling_ends[row]
            if spelling_ends[row + 1] - spelled == end - begin:
                at = begin
                while (
                    at < end and codes[np.uint64(at)] == spellings[np.uint64(spelled + at - begin)]
                ):
                    at += 1
                if at == end:
                    break
            slot = (slot + np.uint64(1)) & last
        rows[token] = row
    return rows


@compiled
def place_rows(
    slots: NDArray[np.int32],
    entries: UInt64Array,
    spellings: UInt32Array,
    spelling_ends: NDArray[np.int64],
    numbers: NDArray[np.int64],
    begin: int,
    end: int,
) -> None:
    """Put the rows from ``begin`` up to ``end`` into the slots, where they are not yet.

    ``numbers`` are int64, shape (5, rows): the length of each spelling, the bytes of the folded
    token and of its stem, the stem's id, and properties; none where the rows are filled in already.
    """
    last = np.uint64(slots.size - 1)
    text = np.uint64(0)
    if begin > 0:
        before = entries[begin - 1, E_TEXT]
        text = (
            (before & OFFSET_BITS)
            + ((before >> FOLDED_SHIFT) & LENGTH_BITS)
            + (before >> STEM_SHIFT)
        )
    for row in range(begin, end):
        if numbers.size > 0:
            place = row - begin
            folded, stemmed = numbers[1, place], numbers[2, place]
            term, properties = numbers[3, place], numbers[4, place]
            spelling_ends[row + 1] = spelling_ends[row] + numbers[0, place]
            entries[row, E_TEXT] = (
                text | np.uint64(folded) << FOLDED_SHIFT | np.uint64(stemmed) << STEM_SHIFT
            )
            entries[row, E_TERM] = np.uint64(term) | np.uint64(properties) << PROPERTIES_SHIFT
            text += np.uint64(folded + stemmed)
        first_code, end_code = spelling_ends[row], spelling_ends[row + 1]
        first, second, beyond = np.uint64(0), np.uint64(0), np.uint32(1)
        if end_code - first_code <= AT_ONCE:
            first, second, beyond = _letters(spellings, first_code, end_code)
        if beyond == 0:
            entries[row, E_FIRST], entries[row, E_SECOND] = first, second
            slot = _slot_of_letters(first, second) & last
        else:
            slot = _slot_of_any(spellings, first_code, end_code) & last
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & last
        slots[slot] = row
