"""What every code point is to the tokeniser, as two tables indexed by code point.

The tables ship with the package, so that tokens do not depend on which Unicode version a Python or
a library has; ``python -m clustering.training.character_table`` makes them.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt32Array
from clustering.errors import CorruptRecordError

CODE_POINTS: Final = 0x110000

LETTER: Final = 1 << 0
"""A letter of a script with spaces."""
WORD: Final = 1 << 1
"""A letter, mark or number of a script with spaces: what words consist of."""
DIGIT: Final = 1 << 2
"""A decimal digit of any script (Nd)."""
UNSPACED: Final = 1 << 3
"""Chinese, Japanese, Thai, Lao, Myanmar or Khmer: scripts without spaces between words."""
SPACE: Final = 1 << 4
STOP: Final = 1 << 5
"""Ends a sentence where `AFTER_STOP` or the text's end follows."""
BREAK: Final = 1 << 6
"""Ends a sentence wherever it stands."""
AFTER_STOP: Final = 1 << 7
HEBREW: Final = 1 << 8
LETTER_OR_NUMBER: Final = 1 << 9
"""Of any script: a token without one is no word."""
EXTENDS: Final = 1 << 10
"""Seen as one character with what stands before it (UAX 29, rules GB9 and GB9a)."""
CONSONANT: Final = 1 << 11
"""Joins what stands before it where a linker comes last there (GB9c)."""
LINKER: Final = 1 << 12
CONJUNCT_EXTENDS: Final = 1 << 13
"""May stand between a linker and the consonant it joins."""
MARK: Final = 1 << 14
BEYOND_PLAIN: Final = 1 << 15
"""Not among the characters that normalising leaves alone and that hide nothing."""
INVISIBLE: Final = 1 << 16
"""Removed, or made a space, before normalising."""
CASED: Final = 1 << 17
"""Case folding changes it."""
COMBINES: Final = 1 << 18
"""May compose with the character before it once that is folded."""
CONTINUES: Final = 1 << 19
"""Behind letters, it may go on with the same token: a full stop, an apostrophe, a Hebrew quote."""

_FILE: Final = "characters.npz"


@dataclass(frozen=True, slots=True)
class CharacterTable:
    """Both tables; all arrays are read-only.

    Attributes
    ----------
    classes
        uint32, shape (0x110000,): the bits above.
    fold_index
        uint16, shape (0x110000,): 0 where folding leaves a character alone, else one more than
        its row in the following.
    fold_begins
        int64, shape (rows + 1,): row r folds to ``folded[fold_begins[r] : fold_begins[r + 1]]``.
    folded
        uint32: code points.
    """

    classes: UInt32Array
    fold_index: NDArray[np.uint16]
    fold_begins: NDArray[np.int64]
    folded: UInt32Array


def decode_characters(payload: bytes) -> CharacterTable:
    """Unpack the table file.

    Raises
    ------
    CorruptRecordError
        The bytes are not such a file, or are damaged.
    """
    message = "the character table is damaged: reinstall the package or build the table again"
    try:
        with np.load(io.BytesIO(payload), allow_pickle=False) as npz:
            run_lengths = npz["run_lengths"].astype(np.int64)
            classes = np.repeat(npz["run_classes"].astype(np.uint32), run_lengths)
            changed = npz["changed"].astype(np.int64)
            sizes = npz["fold_sizes"].astype(np.int64)
            folded = npz["folded"].astype(np.uint32)
        fold_index = np.zeros(CODE_POINTS, dtype=np.uint16)
        fold_index[changed] = np.arange(1, changed.size + 1, dtype=np.uint16)
    except Exception as error:  # zipfile, zlib, numpy and OS errors alike
        raise CorruptRecordError(message) from error
    if classes.size != CODE_POINTS or sizes.size != changed.size or sizes.sum() != folded.size:
        raise CorruptRecordError(message)
    table = CharacterTable(classes, fold_index, np.r_[0, np.cumsum(sizes)], folded)
    for array in (table.classes, table.fold_index, table.fold_begins, table.folded):
        array.setflags(write=False)
    return table


@cache
def character_table() -> CharacterTable:
    """Return the shipped table."""
    return decode_characters((files("clustering") / "prepare" / "tables" / _FILE).read_bytes())
