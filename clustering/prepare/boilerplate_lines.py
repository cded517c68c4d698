"""A page dump as lines that can be judged: unwrapped and measured.

A judge of lines needs lines that are paragraphs, headlines or menu entries. Telegraphic wires and
e-mail wrap paragraphs at a fixed width, so wrapping is undone first. What is measured of a line
must mean the same in scripts without spaces or capitals; where it cannot, it takes a neutral value
instead of a misleading zero. The work is done by `kernel_line_counts` and `kernel_lines`, for all
lines of a text at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import regex
from numpy.typing import NDArray

from clustering.articles import UInt32Array, UInt64Array
from clustering.prepare import kernel_unwrap, line_classes, line_numbers
from clustering.prepare.boilerplate_vocabulary import character_classes, word_table
from clustering.prepare.kernel_line_counts import count_lines
from clustering.prepare.kernel_lines import describe_lines
from clustering.prepare.kernel_unwrap import unwrap_lines
from clustering.prepare.line_classes import codes_of, ends_of
from clustering.prepare.line_patterns import line_key

_INVISIBLE = regex.compile(r"[\p{Cf}--[\u200c\u200d]]|[\p{Cc}--[\n\t]]|[\p{Cs}\p{Co}]", regex.V1)
_DEVANAGARI_BAR = regex.compile(r"(?<=[\p{Devanagari}\d])\s*\|")


class Line(NamedTuple):
    """One unwrapped line and what the judges ask of it.

    Attributes
    ----------
    text
        Stripped, never empty.
    word_count
        Words written with letters or digits, or an estimate of their number in scripts without
        spaces.
    is_final
        Whether it ends as a sentence does.
    sentence_count
        Sentence ends inside it, the last included.
    is_solid
        Whether it can only be a paragraph: long, and ending (or breaking) as sentences do.
    is_sentence
        Whether it reads like at least one full sentence.
    is_rail_header
        Whether it announces a list of other articles ("Related", "Ranking", "相关新闻").
    """

    text: str
    word_count: float
    is_final: bool
    sentence_count: int
    is_solid: bool
    is_sentence: bool
    is_rail_header: bool

    @property
    def key(self) -> str:
        """See `line_key`; empty for a line of marks alone."""
        return line_key(self.text)


@dataclass(frozen=True, eq=False)
class MeasuredLines:
    """The lines of texts, and what is counted in each and told of it.

    Attributes
    ----------
    codes, ends, text_lines
        As `unwrap_lines` returns them.
    word_counts, features, numbers, hashes
        See `describe_lines`.
    keys, terms
        See `count_lines`.
    """

    codes: UInt32Array
    ends: NDArray[np.int64]
    text_lines: NDArray[np.int64]
    word_counts: NDArray[np.float64]
    features: NDArray[np.float64]
    numbers: NDArray[np.int64]
    keys: UInt64Array
    hashes: UInt32Array
    terms: UInt64Array

    @cached_property
    def texts(self) -> list[str]:
        """The lines one by one."""
        return _texts_of(self.codes, self.ends)

    @cached_property
    def bits(self) -> list[int]:
        """Of each line, what ``numbers`` has in the column ``N_BITS``."""
        bits: list[int] = self.numbers[:, line_numbers.N_BITS].tolist()
        return bits

    @cached_property
    def words(self) -> list[float]:
        """``word_counts`` as numbers of Python's own."""
        words: list[float] = self.word_counts.tolist()
        return words

    @cached_property
    def key_hashes(self) -> list[int]:
        """``hashes`` without the bits that are not of the lines' keys."""
        hashes: list[int] = (self.hashes & line_numbers.KEY_BITS).tolist()
        return hashes

    def line(self, index: int) -> Line:
        """Return a line with what the patterns ask of it."""
        bits = self.bits[index]
        return Line(
            text=self.texts[index],
            word_count=float(self.word_counts[index]),
            is_final=bool(bits & line_numbers.IS_FINAL),
            sentence_count=int(self.numbers[index, line_numbers.N_SENTENCES]),
            is_solid=bool(bits & line_numbers.IS_SOLID),
            is_sentence=bool(bits & line_numbers.IS_SENTENCE),
            is_rail_header=bool(bits & line_numbers.IS_RAIL_HEADER),
        )

    def content_terms(self, index: int) -> set[int]:
        """Content terms of a line as hashes: words that are no function words, or character pairs.

        For comparing lines, of whatever texts.
        """
        begin = int(self.numbers[index - 1, line_numbers.N_TERM_END]) if index else 0
        return set(self.terms[begin : int(self.numbers[index, line_numbers.N_TERM_END])].tolist())


def _texts_of(codes: UInt32Array, ends: NDArray[np.int64]) -> list[str]:
    """Take lines that hold no line feed apart."""
    if not ends.size:
        return []
    # By the quickest way; no surrogate is left in them.
    highest = np.bitwise_or.reduce(codes)
    if highest < 0x100:
        text = codes.astype(np.uint8).tobytes().decode("latin-1")
    elif highest < 0x10000:
        text = codes.astype("<u2").tobytes().decode("utf-16-le", "surrogatepass")
    else:
        text = codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
    return text.split("\n")


def _unwrapped(
    texts: Sequence[str],
) -> tuple[UInt32Array, NDArray[np.int64], NDArray[np.int64]]:
    """Return what `unwrap_lines` does, of texts whose characters may not have been met."""
    characters = character_classes()
    given = list(texts)
    bars = np.zeros(len(given), dtype=np.uint8)
    while True:
        codes = codes_of("".join(given))
        text_ends = np.array(list(accumulate(map(len, given))), dtype=np.int64)
        status, unwrapped, ends, text_lines = unwrap_lines(
            codes, text_ends, characters.classes, bars
        )
        if status == kernel_unwrap.UNWRAPPED:
            return unwrapped, ends, text_lines
        if status == kernel_unwrap.NOT_MET:
            characters.meet(codes)
            continue
        for text in np.flatnonzero(bars == kernel_unwrap.BARS_FOUND).tolist():
            given[text] = _with_bars_read(given[text])
            bars[text] = kernel_unwrap.BARS_READ


def _measured(
    codes: UInt32Array, ends: NDArray[np.int64], text_lines: NDArray[np.int64]
) -> MeasuredLines:
    characters, words = character_classes(), word_table()
    counts, keys, hashes, terms = count_lines(
        codes,
        ends,
        characters.classes,
        characters.folds,
        characters.long_folds,
        words.slots,
        words.pieces,
    )
    told = describe_lines(codes, ends, characters.classes, counts, hashes)
    return MeasuredLines(codes, ends, text_lines, *told, keys, hashes, terms)


def measure_texts(texts: Sequence[str]) -> MeasuredLines:
    """Split texts into lines as `dump_lines` does and measure them, at least one."""
    return _measured(*_unwrapped(texts))


def measure_text(text: str) -> MeasuredLines:
    """Do as `measure_texts` does for one text."""
    return measure_texts([text])


def measure_rows(rows: Sequence[str]) -> MeasuredLines:
    """Measure lines that are stripped already, and not empty, as those of one text."""
    codes = codes_of("\n".join(rows))
    characters = character_classes()
    if not (characters.classes[codes] & line_classes.KNOWN).all():
        characters.meet(codes)
    return _measured(codes, ends_of(rows), np.array([len(rows)], dtype=np.int64))


def measure_line(text: str) -> Line:
    """Measure one stripped, non-empty line."""
    return measure_rows([text]).line(0)


def dump_lines(text: str) -> list[str]:
    """Split a text into stripped, non-empty lines, joining lines that were broken at a margin.

    Parameters
    ----------
    text
        Plain text, any line endings. Control and invisible characters are dropped.

    Returns
    -------
    list of str
        In order; empty for a text without visible characters. `measure_line` takes them as
        they are.
    """
    codes, ends, _ = _unwrapped([text])
    return _texts_of(codes, ends)


def _with_bars_read(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n")
    text = text.replace("\u2029", "\n\n").replace("\x0c", "\n").replace("\x0b", "\n")
    return "\n".join(map(_danda, _INVISIBLE.sub("", text).split("\n")))


def _danda(row: str) -> str:
    """Read the bar that Hindi keyboards give for a full stop as one; a menu's bars stay bars."""
    if "|" in row and _DEVANAGARI_BAR.search(row):
        parts = row.split("|")
        if len(row.split()) >= 5 * max(1, len([part for part in parts if part.strip()])):
            return _DEVANAGARI_BAR.sub("।", row)
    return row
