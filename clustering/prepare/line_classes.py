"""What every character and word is to the compiled pass over lines, as tables it can index.

Characters are looked up block by block when a text first brings one of the block, for a table of
all of Unicode takes longer to make than most processes have texts for. Python and ``regex`` say
what a character is, so that the pass and the patterns of `boilerplate_rules` never differ.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import regex
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array, UInt64Array
from clustering.prepare.line_patterns import AFTER_SENTENCE, SENTENCE_ENDS

KNOWN: Final = 1 << 0
LETTER: Final = 1 << 1
MARK: Final = 1 << 2
NUMBER: Final = 1 << 3
DECIMAL: Final = 1 << 4
BARE: Final = 1 << 5
"""Lead a line and say nothing: bullets, blanks and brackets before a piece of furniture."""
UPPER: Final = 1 << 6
LOWER: Final = 1 << 7
TITLE: Final = 1 << 8
LOWERS: Final = 1 << 9
"""In lower case it is another character."""
BLANK: Final = 1 << 10
SPACE: Final = 1 << 11
INVISIBLE: Final = 1 << 12
LINE_END: Final = 1 << 13
HAN: Final = 1 << 14
"""Of Chinese or Japanese; so is `SOUTHEAST` of the other scripts without spaces."""
SOUTHEAST: Final = 1 << 15
PAIRED: Final = 1 << 16
"""Compared in pairs of neighbouring characters instead of words."""
STOP: Final = 1 << 17
"""May end a sentence inside a line, if what `CLOSES` and then `OPENS` follows."""
ENDS: Final = 1 << 18
AFTER: Final = 1 << 19
"""May stand between what `ENDS` a sentence and the end of its line."""
CLOSES: Final = 1 << 20
OPENS: Final = 1 << 21
OTHER_LETTER: Final = 1 << 22
COMMA: Final = 1 << 23
QUOTE: Final = 1 << 24
SEPARATOR: Final = 1 << 25
BULLET: Final = 1 << 26
FUNCTION_CHARACTER: Final = 1 << 27
FOLDS_APART: Final = 1 << 28
"""Patterns that ignore case take it for another letter than case folding does."""
FOLDS_TO_MANY: Final = 1 << 29
BEFORE_BAR: Final = 1 << 30
"""A bar after it may be a Hindi full stop."""
UNCOMMON: Final = 1 << 31
"""Takes the slow way through a word."""

# Of words, and of keys of lines.
FUNCTION_WORD: Final = 1
MENU_WORD: Final = 2
INVITES: Final = 4
MENU_ENTRY: Final = 8
RAIL_HEADER: Final = 16
DATE_WORD: Final = 32

WORD_TABLE_BITS: Final = 8

# Of hashed pieces of lines.
BEGINS_FURNITURE: Final = 1
SHORT_PHRASE: Final = 2
LONG_PHRASE: Final = 4
SHORT_CREDIT: Final = 8
LONG_CREDIT: Final = 16
PIECE_BEGIN: Final = 6
PIECE_SHORT: Final = 4
PIECE_LONG: Final = 6
PIECE_SHIFT: Final = 10
"""Bits by which a piece is moved to make room for the next character; of the longest, all but the
last six have left a 64-bit number by then, or are in bits that are cut off."""

_BLOCK: Final = 256
_CODE_POINTS: Final = 0x110000
_LONGEST_FOLD: Final = 3
_LETTERS: Final = 16
PIECE_BITS: Final = 16
_GOLDEN: Final = 0x9E3779B97F4A7C15
_MASK64: Final = (1 << 64) - 1

BULLETS: Final = "-–—*•·▪‣◦►▶→>+"
LEADING_MARKS: Final = " -–•*·|>»[("
_SETS: Final = (
    (LINE_END, "\n\r\u2028\u2029\x0b\x0c"),
    (ENDS, "".join(SENTENCE_ENDS)),
    (AFTER, AFTER_SENTENCE),
    (STOP, ".!?…。！？؟۔।"),
    (CLOSES, "'\"”’»」』)）"),
    (OPENS, '"“‘«'),
    (COMMA, ",，、،;；"),
    (QUOTE, '"“”„«»「」『』'),
    (SEPARATOR, "|>›»·•/→←»▸▶–—"),
    (BULLET, BULLETS + "#"),
    (BARE, LEADING_MARKS),
    (FOLDS_APART, "\u017f\u0130\u0131\u212a"),
)
_PATTERNS: Final = tuple(
    (bits, regex.compile(pattern, regex.V1))
    for bits, pattern in (
        (LETTER, r"\p{L}"),
        (MARK, r"\p{M}"),
        (NUMBER, r"\p{N}"),
        (DECIMAL, r"\d"),
        (BLANK, r"[\p{Zs}\t]"),
        (SPACE, r"\s"),
        (INVISIBLE, r"[\p{Cf}--[\u200c\u200d]]|[\p{Cc}--[\n\t\r\x0b\x0c]]|[\p{Cs}\p{Co}]"),
        (HAN, r"[\p{Han}\p{Hiragana}\p{Katakana}]"),
        (SOUTHEAST, r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"),
        (PAIRED, r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]"),
        (OPENS, r"[\p{Lu}\p{Lo}\p{N}]"),
        (OTHER_LETTER, r"\p{Lo}"),
        (TITLE, r"\p{Lt}"),
        (BEFORE_BAR, r"[\p{Devanagari}\d]"),
    )
)


def hash_of(codes: Iterable[int]) -> int:
    """Return the 64 bits by which the compiled pass knows a word or a key; never 0.

    Of up to sixteen characters of ASCII it is a hash of two numbers of eight bytes, as the
    processor reads them from memory; others go through four hashes by turns.
    """
    given = list(codes)
    if len(given) <= _LETTERS and max(given, default=0) < 0x80:
        data = bytes(given).ljust(_LETTERS, b"\0")
        first, second = (int.from_bytes(data[k : k + 8], "little") for k in (0, 8))
        mixed = ((_GOLDEN ^ first) * _GOLDEN) & _MASK64
        mixed = ((mixed ^ (mixed >> 32) ^ second) * _GOLDEN) & _MASK64
        return mixed or 1
    lanes = [_GOLDEN] * 4
    whole = len(given) // 4 * 4
    for at, code in enumerate(given[:whole]):
        lanes[at % 4] = ((lanes[at % 4] ^ code) * _GOLDEN) & _MASK64
    mixed = begun_hash(len(given), lanes)
    for code in given[whole:]:
        mixed = ((mixed ^ code) * _GOLDEN) & _MASK64
    return mixed or 1


def begun_hash(characters: int, lanes: Sequence[int] = (_GOLDEN,) * 4) -> int:
    """Return a hash of so many characters before the last ones, fewer than four, are taken in."""
    mixed = characters
    for lane in lanes:
        mixed = ((mixed ^ lane) * _GOLDEN) & _MASK64
    return mixed


def piece_place(codes: Sequence[int]) -> int:
    """Return the place of up to six folded characters in ``WordTable.pieces``."""
    return (packed_codes(codes) * _GOLDEN & _MASK64) >> (64 - PIECE_BITS)


def packed_codes(codes: Sequence[int]) -> int:
    """Return up to six folded characters as one number."""
    packed = 0
    for code in codes:
        packed = packed << PIECE_SHIFT ^ code
    return packed & (1 << PIECE_SHIFT * len(codes)) - 1


class CharacterClasses:
    """Classes and case folding of the characters met so far.

    Attributes
    ----------
    classes
        uint32, shape (0x110000,): the bits above; 0 for what was not met yet.
    folds
        uint32, shape (0x110000,): what it is case folded, or a row of ``long_folds``.
    long_folds
        uint32, shape (256, 3): of characters that fold to several, 0 where there are fewer.
    """

    def __init__(self, function_characters: Iterable[str]) -> None:
        # Memory that was never written to costs nothing.
        self.classes: UInt32Array = np.zeros(_CODE_POINTS, dtype=np.uint32)
        self.folds: UInt32Array = np.zeros(_CODE_POINTS, dtype=np.uint32)
        self.long_folds: UInt32Array = np.zeros((_BLOCK, _LONGEST_FOLD), dtype=np.uint32)
        self._long = 0
        self._lock = threading.Lock()
        self._function_characters = frozenset(function_characters)

    def meet(self, codes: UInt32Array) -> None:
        """Fill in every block that these characters are of."""
        for block in np.unique(codes // _BLOCK).tolist():
            with self._lock:
                if not self.classes[block * _BLOCK] & KNOWN:
                    self._fill(block * _BLOCK)

    def _fill(self, first: int) -> None:
        characters = [chr(code) for code in range(first, first + _BLOCK)]
        joined = "".join(characters)
        found = np.full(_BLOCK, KNOWN, dtype=np.uint32)
        for bits, pattern in _PATTERNS:
            found[[match.start() for match in pattern.finditer(joined)]] |= np.uint32(bits)
        for bits, members in _SETS:
            found[[at for at, each in enumerate(characters) if each in members]] |= np.uint32(bits)
        for at, character in enumerate(characters):
            bits = character.isupper() * UPPER | character.islower() * LOWER
            bits |= (character.lower() != character) * LOWERS
            bits |= (character in self._function_characters) * FUNCTION_CHARACTER
            folded = character.casefold()
            if len(folded) == 1:
                self.folds[first + at] = ord(folded)
            else:
                bits |= FOLDS_TO_MANY
                self.long_folds[self._long, : len(folded)] = [ord(each) for each in folded]
                self.folds[first + at] = self._long
                self._long += 1
            found[at] |= np.uint32(bits)
        is_other_number = found & (NUMBER | DECIMAL) == NUMBER
        is_uncommon = found & (FOLDS_TO_MANY | HAN | SOUTHEAST) != 0
        found[is_uncommon | is_other_number] |= np.uint32(UNCOMMON)
        # Last, for it says that the rest is there.
        self.classes[first : first + _BLOCK] = found


@dataclass(frozen=True, slots=True, eq=False)
class WordTable:
    """Words, keys of lines, and pieces of phrases that the compiled pass looks for.

    Attributes
    ----------
    slots
        uint64, a power of two of them: of a hash the upper 56 bits, and in the others what the word
        or key is; 0 where there is none.
    pieces
        uint8, shape (65536,): which kinds of phrases have a piece with this hash. A piece that is
        not there is in no phrase; one that is may still be another.
    """

    slots: UInt64Array
    pieces: UInt8Array

    @classmethod
    def of(
        cls,
        words: Iterable[tuple[str, int]],
        phrases: Iterable[str],
        credit_marks: Iterable[str],
        starts: Iterable[str],
    ) -> WordTable:
        """Build the table of words and keys with their bits, and of phrases as case folded.

        Phrases have `PIECE_SHORT` characters or more.
        """
        known: dict[int, int] = {}
        for word, bits in words:
            hashed = hash_of(map(ord, word))
            known[hashed] = known.get(hashed, 0) | bits
        size = 1 << (4 * len(known)).bit_length()
        slots = np.zeros(size, dtype=np.uint64)
        for hashed, bits in known.items():
            slot = hashed >> 32 & size - 1
            while slots[slot]:
                slot = slot + 1 & size - 1
            slots[slot] = hashed >> WORD_TABLE_BITS << WORD_TABLE_BITS | bits
        pieces = np.zeros(1 << PIECE_BITS, dtype=np.uint8)
        for texts, long, short in (
            (phrases, LONG_PHRASE, SHORT_PHRASE),
            (credit_marks, LONG_CREDIT, SHORT_CREDIT),
        ):
            for text in texts:
                codes = [ord(each) for each in text.replace("’", "'")]
                if len(codes) >= PIECE_LONG:
                    pieces[piece_place(codes[:PIECE_LONG])] |= long
                else:
                    pieces[piece_place(codes[:PIECE_SHORT])] |= short
        for start in starts:
            codes = [ord(each) for each in start.replace("’", "'")]
            pieces[piece_place(codes[:PIECE_BEGIN])] |= BEGINS_FURNITURE
        return cls(slots, pieces)


def codes_of(text: str) -> UInt32Array:
    """Return the code points of a text.

    Always in a writable array, for a compiled loop is another one where it is not.
    """
    # numpy keeps a string as its code points: one copy, whatever they are. Of an empty one it keeps
    # a null.
    return np.array([text]).view(np.uint32)[: len(text)]


def ends_of(rows: Sequence[str]) -> NDArray[np.int64]:
    """Return where rows end that are joined by line feeds: int64, shape (rows,)."""
    return np.cumsum([len(row) + 1 for row in rows], dtype=np.int64) - 1
