"""The compiled pass that splits a text into lines and undoes the breaks at a margin."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array
from clustering.compiled import compiled
from clustering.prepare.code_points import (
    BAR,
    CARRIAGE_RETURN,
    HYPHEN,
    LINE_FEED,
    SPACE_SIGN,
    TAB,
)
from clustering.prepare.kernel_margins import (
    ends_sentence,
    may_hold_full_stops,
    reach,
    wrap_width,
)
from clustering.prepare.line_classes import (
    BLANK,
    BULLET,
    HAN,
    INVISIBLE,
    LINE_END,
    LOWER,
)

# What `unwrap_lines` says of a text.
UNWRAPPED: Final = 0
NOT_MET: Final = 1
HAS_BARS: Final = 2
# What it is told of each, and says.
BARS_READ: Final = 1
BARS_FOUND: Final = 2
_NOT_JUST_WRITTEN: Final = BLANK | INVISIBLE | LINE_END
_TAB_WIDTH: Final = 4
_BLOCK: Final = 32
_FIRST_PRINTED: Final = np.uint32(0x20)
_FIRST_INK: Final = np.uint32(0x21)
_LAST_PRINTED: Final = np.uint32(0x7E)


@compiled
def _is_plain(given: UInt32Array, at: int) -> bool:
    """Whether a block is copied as it is: ASCII, without double blanks and breaks of lines.

    What stands behind it, which is there, is no blank that would have to be joined with its last.
    """
    bad = np.uint32(0)
    for step in range(np.uint64(_BLOCK)):
        code = given[np.uint64(at) + step]
        behind = given[np.uint64(at) + step + np.uint64(1)]
        is_blank = np.uint32(code == SPACE_SIGN)
        bad |= np.uint32(np.uint32(code - _FIRST_PRINTED) > _LAST_PRINTED - _FIRST_PRINTED)
        bad |= np.uint32(code == BAR)
        bad |= is_blank & np.uint32(np.uint32(behind - _FIRST_INK) > _LAST_PRINTED - _FIRST_INK)
    return bool(bad == 0)


@compiled
def _rows_of(
    given: UInt32Array,
    first: int,
    last: int,
    classes: UInt32Array,
    rows: UInt32Array,
    row_ends: NDArray[np.int64],
    indents: NDArray[np.int64],
) -> tuple[int, int, bool]:
    """Write the rows of ``given[first:last]`` without what is blank around them.

    Returns their number, -1 where a character has no class yet; their characters; and whether there
    is a bar.
    """
    count = 0
    size = 0
    begin = 0
    indent = 0
    is_blank = False
    has_bar = False
    at = first
    next_block = first
    while at <= last:
        code = np.uint32(LINE_FEED)
        kind = np.uint32(LINE_END)
        if at < last:
            code = given[np.uint64(at)]
            if code > SPACE_SIGN and at >= next_block and at + _BLOCK < last and not is_blank:
                if _is_plain(given, at):
                    for step in range(np.uint64(_BLOCK)):
                        rows[np.uint64(size) + step] = given[np.uint64(at) + step]
                    size += _BLOCK
                    at += _BLOCK
                    continue
                # What is not plain may stand anywhere in it.
                next_block = at + _BLOCK
            kind = classes[code]
            if kind == 0:
                return -1, 0, False
        if kind & _NOT_JUST_WRITTEN == 0:
            if is_blank and size > begin:
                rows[size] = SPACE_SIGN
                size += 1
            is_blank = False
            has_bar |= code == BAR
            rows[size] = code
            size += 1
        elif kind & LINE_END:
            if code != LINE_FEED or not first < at < last or given[at - 1] != CARRIAGE_RETURN:
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
        at += 1
    return count, size, has_bar


@compiled
def unwrap_lines(
    given: UInt32Array,
    text_ends: NDArray[np.int64],
    classes: UInt32Array,
    bars: UInt8Array,
) -> tuple[int, UInt32Array, NDArray[np.int64], NDArray[np.int64]]:
    r"""Split texts into stripped, non-empty lines, joining lines that were broken at a margin.

    Parameters
    ----------
    given
        uint32: the texts' code points, one behind the other.
    text_ends
        int64, shape (texts,): where each ends in ``given``.
    classes
        Of `clustering.prepare.line_classes.CharacterClasses`.
    bars
        uint8, shape (texts,): ``BARS_READ`` where bars that may be Hindi full stops were looked at
        already. The others that have such bars become ``BARS_FOUND``.

    Returns
    -------
    status
        ``UNWRAPPED``; or ``NOT_MET`` where a character has no class yet, with the rest empty; or
        ``HAS_BARS`` where some texts have to be looked at.
    codes
        uint32: the lines, a line feed between any two.
    line_ends
        int64, shape (lines,): where each ends in ``codes``. The next begins one further.
    text_lines
        int64, shape (texts,): how many lines there are up to the end of each text.
    """
    nothing = np.empty(0, dtype=np.int64)
    longest = 0
    first = 0
    for text in range(text_ends.size):
        longest = max(longest, text_ends[text] - first)
        first = text_ends[text]
    # A break of paragraphs is two ends of lines. What is not written is never mapped to memory.
    rows = np.empty(longest + _BLOCK, dtype=np.uint32)
    row_ends = np.empty(2 * longest + 2, dtype=np.int64)
    indents = np.empty(2 * longest + 2, dtype=np.int64)
    codes = np.empty(given.size + text_ends.size, dtype=np.uint32)
    line_ends = np.empty(given.size + 1, dtype=np.int64)
    status = UNWRAPPED
    text_lines = np.empty(text_ends.size, dtype=np.int64)
    # Zero, but no literal one: what is called with literals would be compiled twice.
    first = min(0, text_ends.size)
    written, lines = first, first
    for text in range(text_ends.size):
        last = text_ends[text]
        count, size, has_bar = _rows_of(given, first, last, classes, rows, row_ends, indents)
        if count < 0:
            return NOT_MET, codes[:0], nothing, nothing
        if has_bar and bars[text] != BARS_READ and may_hold_full_stops(given[first:last], classes):
            bars[text] = BARS_FOUND
            status = HAS_BARS
        written, lines = _join_rows(
            rows[:size],
            row_ends[:count],
            indents[:count],
            classes,
            codes,
            line_ends,
            written,
            lines,
        )
        text_lines[text] = lines
        first = last
    return status, codes[:written], line_ends[:lines], text_lines


@compiled
def _join_rows(
    rows: UInt32Array,
    row_ends: NDArray[np.int64],
    indents: NDArray[np.int64],
    classes: UInt32Array,
    codes: UInt32Array,
    line_ends: NDArray[np.int64],
    written: int,
    lines: int,
) -> tuple[int, int]:
    """Write a text's lines behind those of others; returns how many characters and lines these are.

    There are ``written`` characters and ``lines`` lines before it.
    """
    zero = min(0, lines)
    count = row_ends.size
    width = wrap_width(rows, row_ends, indents, classes)
    has_indents = reach(indents)[1] >= 2
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
    return written, lines
