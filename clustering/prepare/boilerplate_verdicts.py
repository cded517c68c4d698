"""What the form of each line makes certain: furniture, captions, and the marks where articles end.

Most lines are never shown to a pattern, for the compiled pass saw that none can match; of the
others the verdicts are remembered, since the furniture of a site stands on all of its pages.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from clustering.articles import UInt8Array
from clustering.prepare.boilerplate_lines import MeasuredLines
from clustering.prepare.boilerplate_rules import is_caption, is_end_mark, is_furniture
from clustering.prepare.kernel_judge import CAPTION, END_MARK, FURNITURE
from clustering.prepare.line_numbers import ASKS_CAPTION, ASKS_END, ASKS_FURNITURE, IS_FURNITURE

_ASKS: Final = ASKS_FURNITURE | ASKS_CAPTION | ASKS_END
_REMEMBERED_LINES: Final = 1 << 15
_REMEMBERED_CHARACTERS: Final = 300
"""What is remembered takes at most some 20 MB, and mostly 5."""

_remembered: dict[str, int] = {}
"""Verdicts on lines that were shown to the patterns: they depend on nothing but the line."""


def line_verdicts(lines: MeasuredLines) -> UInt8Array:
    """Tell what each line's form makes certain: uint8 of shape (n,), bits of `kernel_judge`."""
    found = np.zeros(lines.ends.size, dtype=np.uint8)
    for index, bits in enumerate(lines.bits):
        if not bits & (_ASKS | IS_FURNITURE):
            continue
        certain = FURNITURE if bits & IS_FURNITURE else 0
        if bits & _ASKS:
            text = lines.texts[index]
            verdict = _remembered.get(text)
            if verdict is None:
                verdict = _verdict(lines, index)
                if len(text) <= _REMEMBERED_CHARACTERS:
                    if len(_remembered) >= _REMEMBERED_LINES:
                        _remembered.clear()
                    _remembered[text] = verdict
            certain |= verdict
        found[index] = certain
    return found


def _verdict(lines: MeasuredLines, index: int) -> int:
    bits = lines.bits[index]
    line = lines.line(index)
    verdict = 0
    if bits & ASKS_FURNITURE and is_furniture(line, bits):
        verdict |= FURNITURE
    if bits & ASKS_CAPTION and is_caption(line):
        verdict |= CAPTION
    if bits & ASKS_END and is_end_mark(line):
        verdict |= END_MARK
    return verdict
