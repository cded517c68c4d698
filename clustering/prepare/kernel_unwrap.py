"""The compiled pass that splits a text into lines and undoes the breaks at a margin."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt32Array
from clustering.compiled import compiled
from clustering.prepare.code_points import (
    BAR,
    CARRIAGE_RETURN,
    HYPHEN,
    LINE_FEED,
    SPACE_SIGN,
    TAB,
)
from clustering.prepare.line_classes import (
    AFTER,
    BEFORE_BAR,
    BLANK,
    BULLET,
    ENDS,
    HAN,
    INVISIBLE,
    KNOWN,
    LINE_END,
    LOWER,
    SPACE,
    UPPER,
)

# What `unwrap_lines` says of a text.
UNWRAPPED: Final = 0
NOT_MET: Final = 1
HAS_BARS: Final = 2
_NOT_JUST_WRITTEN: Final = BLANK | INVISIBLE | LINE_END
# A line has to be this long before it can have been broken at a margin.
_MIN_WRAP_WIDTH: Final = 36
_MAX_WRAP_WIDTH: Final = 110
_TAB_WIDTH: Final = 4


@compiled
def ends_sentence(codes: UInt32Array, begin: int, end: int, classes: UInt32Array) -> bool:
    """Whether a piece of text ends as a sentence does, quotes and brackets after it left aside."""
    at = end
    while at > begin and classes[codes[at - 1]] & AFTER:
        at -= 1
    return at > begin and classes[codes[at - 1]] & ENDS != 0


@compiled
def _has_bar(codes: UInt32Array, classes: UInt32Array) -> bool:
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
def _reach(indents: NDArray[np.int64]) -> tuple[int, int]:
    """Least and most of the indents; numpy's own would take half a second to compile."""
    least = most = indents[0]
    for indent in indents:
        least = min(least, indent)
        most = max(most, indent)
    return least, most


@compiled
def _wrap_width(
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
    least_indent, most_indent = _reach(indents)
    if most_indent >= 2 and least_indent == 0 and full_open >= 0.5 * pairs:
        # Indented paragraphs, and rows that run up to the margin with their sentence open.
        return width
    for at in range(rows.size):
        if classes[rows[at]] & (UPPER | LOWER):
            return 0
    return width if pairs >= 3 and full >= 0.7 * pairs and 0.7 * pairs <= open_ends else 0


@compiled
def unwrap_lines(
    given: UInt32Array, classes: UInt32Array, bars_are_read: bool
) -> tuple[int, UInt32Array, NDArray[np.int64]]:
    r"""Split a text into stripped, non-empty lines, joining lines that were broken at a margin.

    Parameters
    ----------
    given
        uint32: the text's code points.
    classes
        Of `clustering.prepare.line_classes.CharacterClasses`.
    bars_are_read
        Whether bars that may be Hindi full stops were looked at already.

    Returns
    -------
    status
        ``UNWRAPPED``; or ``NOT_MET`` where a character has no class yet, or ``HAS_BARS``, with the
        rest empty.
    codes
        uint32: the lines, a line feed between any two.
    line_ends
        int64, shape (lines,): where each ends in ``codes``. The next begins one further.
    """
    nothing = np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.int64)
    every = np.uint32(KNOWN)
    bars = 0
    ends = 1
    for at in range(given.size):
        code = given[np.uint64(at)]
        kind = classes[code]
        every &= kind
        bars += code == BAR
        ends += (kind & LINE_END != 0) + (code == 0x2029)
    if every == 0:
        return NOT_MET, nothing[0], nothing[1]
    if bars and not bars_are_read and _has_bar(given, classes):
        return HAS_BARS, nothing[0], nothing[1]
    zero = min(0, ends)
    rows = np.empty(given.size, dtype=np.uint32)
    row_ends = np.empty(ends, dtype=np.int64)
    indents = np.empty(ends, dtype=np.int64)
    count = 0
    size = 0
    begin = zero
    indent = 0
    is_blank = False
    for at in range(given.size + 1):
        code = np.uint32(LINE_FEED)
        kind = np.uint32(LINE_END)
        if at < given.size:
            code = given[np.uint64(at)]
            kind = classes[code]
        if kind & _NOT_JUST_WRITTEN == 0:
            if is_blank and size > begin:
                rows[size] = SPACE_SIGN
                size += 1
            is_blank = False
            rows[size] = code
            size += 1
        elif kind & LINE_END:
            if code == LINE_FEED and 0 < at < given.size and given[at - 1] == CARRIAGE_RETURN:
                continue
            row_ends[count] = size
            indents[count] = indent
            count += 1
            if code == 0x2029:
                row_ends[count] = size
                indents[count] = 0
                count += 1
            begin = size
            indent = 0
            is_blank = False
        elif kind & BLANK:
            is_blank = True
            if size == begin:
                indent += _TAB_WIDTH - indent % _TAB_WIDTH if code == TAB else 1
    rows = rows[:size]
    row_ends = row_ends[:count]
    indents = indents[:count]
    width = _wrap_width(rows, row_ends, indents, classes)
    has_indents = _reach(indents)[1] >= 2
    codes = np.empty(size + count, dtype=np.uint32)
    line_ends = np.empty(count, dtype=np.int64)
    lines = 0
    written = zero
    head = 0
    above = 0
    begin = zero
    for row in range(count):
        end = row_ends[row]
        if end == begin:
            above = 0
            continue
        first = rows[begin]
        kind = classes[first]
        continues = False
        if above and kind & BULLET == 0:
            is_lower = kind & LOWER != 0
            if width == 0:
                # Pages put links on lines of their own inside a sentence; what goes on in lower
                # case after an open end was one sentence. Menus in lower case have short lines.
                continues = (
                    is_lower
                    and above >= 40
                    and not ends_sentence(rows, begin - above, begin, classes)
                )
            elif indents[row] < indents[row - 1] + 2:
                word_end = begin
                while word_end < end and rows[word_end] != SPACE_SIGN:
                    word_end += 1
                # The line would have had room for the next word, so the break was meant. Where
                # paragraphs begin with an indent, a row without one goes on; the first row of a
                # wire is short because its dateline was cut.
                continues = (
                    is_lower
                    or (
                        above + 1 + word_end - begin > 0.85 * width
                        and written - head >= 0.6 * width
                    )
                    or (
                        has_indents
                        and above >= 0.4 * width
                        and not ends_sentence(rows, begin - above, begin, classes)
                    )
                )
        if continues:
            lines -= 1
            # A hyphen at the margin stays, for it may belong to the word.
            is_hyphen = codes[written - 1] == HYPHEN and not (
                written - head > 1 and codes[written - 2] == SPACE_SIGN
            )
            if not is_hyphen and not (kind & HAN and classes[codes[written - 1]] & HAN):
                codes[written] = SPACE_SIGN
                written += 1
        else:
            if lines:
                codes[written] = LINE_FEED
                written += 1
            head = written
        for at in range(begin, end):
            codes[written] = rows[at]
            written += 1
        line_ends[lines] = written
        lines += 1
        above = end - begin
        begin = end
    return UNWRAPPED, codes[:written], line_ends[:lines]
