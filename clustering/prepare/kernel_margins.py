"""Where a text was broken at a margin, and other questions of rows, for `kernel_unwrap`."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt32Array
from clustering.compiled import compiled
from clustering.prepare.code_points import BAR
from clustering.prepare.line_classes import (
    AFTER,
    BEFORE_BAR,
    ENDS,
    INVISIBLE,
    LOWER,
    SPACE,
    UPPER,
)

# A line has to be this long before it can have been broken at a margin.
_MIN_WRAP_WIDTH: Final = 36
_MAX_WRAP_WIDTH: Final = 110


@compiled
def ends_sentence(codes: UInt32Array, begin: int, end: int, classes: UInt32Array) -> bool:
    """Whether a piece of text ends as a sentence does, quotes and brackets after it left aside."""
    at = end
    while at > begin and classes[codes[at - 1]] & AFTER:
        at -= 1
    return at > begin and classes[codes[at - 1]] & ENDS != 0


@compiled
def may_hold_full_stops(codes: UInt32Array, classes: UInt32Array) -> bool:
    """Whether a bar may be a Hindi full stop."""
    for at in range(codes.size):
        if codes[at] == BAR:
            before = at - 1
            while before >= 0 and classes[codes[before]] & (SPACE | INVISIBLE):
                before -= 1
            if before >= 0 and classes[codes[before]] & BEFORE_BAR:
                return True
    return False


@compiled
def reach(indents: NDArray[np.int64]) -> tuple[int, int]:
    """Least and most of the indents; numpy's own would take half a second to compile."""
    least = most = indents[0]
    for indent in indents:
        least = min(least, indent)
        most = max(most, indent)
    return least, most


@compiled
def wrap_width(
    rows: UInt32Array, ends: NDArray[np.int64], indents: NDArray[np.int64], classes: UInt32Array
) -> int:
    """Width in characters at which a text was wrapped, or 0 if it was not.

    Wrapped text shows itself twice: no line passes the margin, and most lines that are followed
    by another one without a blank between stop close to it. A list of headlines has ragged ends.
    """
    # No literal one, with which what is called would be compiled once more.
    zero = min(0, ends.size)
    width = 0
    begin = zero
    for row in range(ends.size):
        width = max(width, ends[row] - begin)
        begin = ends[row]
    if not _MIN_WRAP_WIDTH <= width <= _MAX_WRAP_WIDTH:
        return 0
    pairs, lowered, full_open, full, open_ends = 0, 0, 0, 0, 0
    begin = zero
    for row in range(ends.size - 1):
        end = ends[row]
        if end > begin and ends[row + 1] > end and indents[row + 1] <= indents[row] + 1:
            pairs += 1
            lowered += classes[rows[end]] & LOWER != 0
            full += end - begin >= 0.8 * width
            if not ends_sentence(rows, begin, end, classes):
                open_ends += 1
                full_open += end - begin >= 0.7 * width
        begin = end
    if pairs == 0:
        return 0
    if lowered >= 0.35 * pairs:
        return width
    least_indent, most_indent = reach(indents)
    if most_indent >= 2 and least_indent == 0 and full_open >= 0.5 * pairs:
        # Indented paragraphs, and rows that run up to the margin with their sentence open.
        return width
    for at in range(rows.size):
        if classes[rows[at]] & (UPPER | LOWER):
            return 0
    return width if pairs >= 3 and full >= 0.7 * pairs and 0.7 * pairs <= open_ends else 0
