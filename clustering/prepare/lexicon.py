"""What is known of every spelling of a language: worked out once, then only looked up.

Python works out a spelling's stem and properties when it is met for the first time; the arrays here
are what the compiled loops look it up in ever after.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, compress

import numpy as np
import regex
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array, UInt64Array
from clustering.prepare.kernel_rows import place_rows
from clustering.prepare.kernel_terms import (
    BEGINS_WITH_LETTER,
    CAPITALISED_FLAG,
    IS_ABBREVIATION,
    IS_SHOUTABLE,
    IS_TERM,
    IS_TOKEN,
    IS_UPPER,
    NUMBER_FLAG,
)
from clustering.prepare.languages import UNKNOWN_LANGUAGE
from clustering.prepare.line_classes import codes_of
from clustering.prepare.shipped import shipped_stop_words
from clustering.prepare.stems import ELISIONS, bare_word, encoded_term_id, stem, stems
from clustering.prepare.tokens import TOKEN_LENGTH_LIMIT, fold, is_number

_FIRST_ROWS = 1 << 12
_UNITS_A_ROW = 16
_NO_NUMBERS: NDArray[np.int64] = np.zeros((5, 0), dtype=np.int64)

_CONTRACTION = re.compile(
    r".+(?:n't|'(?:ll|re|ve|d|m))|(?:are|can|could|did|do|does|is|was|wo|would)nt"
)
_IDEOGRAPH = regex.compile(r"\p{Han}")


def stop_words(lang: str) -> frozenset[str]:
    """Return the folded stop words of a language; those of English when it is unknown.

    Empty for a language without any, see `clustering.prepare.frequencies.SUPPORTED_LANGUAGES`.
    """
    return shipped_stop_words().get("en" if lang == UNKNOWN_LANGUAGE else lang, frozenset())


@dataclass(frozen=True, slots=True)
class Pages:
    """The arrays of a lexicon: rows are filled in place, and never changed once they are.

    Attributes
    ----------
    slots
        int32: rows by the hash of their spelling, see `kernel_rows.find_rows`.
    entries
        uint64, shape (rows, 4): all that is mostly asked of a row, which costs one look at memory.
        Two numbers for a short spelling of ASCII, see there; where its text begins in ``texts``
        (32 bits), and how many bytes the folded token and its stem have (16 each); the id of the
        stem, 0 for none (32 bits), and properties, bits of `kernel_terms`.
    spellings, spelling_ends
        uint32 and int64: code points of the spellings, row after row.
    texts
        uint8: UTF-8, row after row, the folded token and then its stem.
    """

    slots: NDArray[np.int32]
    entries: UInt64Array
    spellings: UInt32Array
    spelling_ends: NDArray[np.int64]
    texts: UInt8Array

    @classmethod
    def of(cls, rows: int, code_points: int, text_bytes: int) -> Pages:
        """Return empty pages with room for so much; ``rows`` is a power of two."""
        return cls(
            slots=np.full(4 * rows, -1, dtype=np.int32),
            entries=np.zeros((rows, 4), dtype=np.uint64),
            spellings=np.zeros(code_points, dtype=np.uint32),
            spelling_ends=np.zeros(rows + 1, dtype=np.int64),
            texts=np.zeros(text_bytes, dtype=np.uint8),
        )

    def grown(self, filled: int, rows: int, code_points: int, text_bytes: int) -> Pages:
        """Return larger pages with the same first ``filled`` rows."""
        pages = Pages.of(rows, code_points, text_bytes)
        for name in ("entries", "spellings", "spelling_ends", "texts"):
            old = getattr(self, name)
            getattr(pages, name)[: len(old)] = old
        pages.place(_NO_NUMBERS, 0, filled)
        return pages

    def place(self, numbers: NDArray[np.int64], begin: int, end: int) -> None:
        """Fill rows in and let them be found; see `kernel_rows.place_rows`."""
        place_rows(
            self.slots, self.entries, self.spellings, self.spelling_ends, numbers, begin, end
        )


class Lexicon:
    """What is known of every spelling met in one language; grows as texts are read.

    Spellings are numbered in the order they are met. Rows are never changed, so a thread may read
    them while another adds some: it takes `pages` *after* it has its rows.

    Parameters
    ----------
    lang
        Whose stemmer to use.
    stop_words
        Folded words that are no terms.
    """

    def __init__(self, lang: str, stop_words: frozenset[str]) -> None:
        self.lang = lang
        self.rows = _Rows(self.rows_of)
        self.pages = Pages.of(_FIRST_ROWS, _UNITS_A_ROW * _FIRST_ROWS, _UNITS_A_ROW * _FIRST_ROWS)
        self._stop_words = stop_words
        # Elsewhere there may be an article before the word, too.
        self._possessives = ("'s", "’s") if lang not in ELISIONS else ()
        self._lock = threading.Lock()
        self._spelling_codes = 0
        self._text_bytes = 0

    def __len__(self) -> int:
        return len(self.rows)

    def rows_of(self, tokens: Sequence[str]) -> list[int]:
        """Return the rows of spellings, of those met for the first time new ones."""
        cut = [token[:TOKEN_LENGTH_LIMIT] for token in tokens]
        rows = self.rows
        unmet = [token for token in dict.fromkeys(cut) if token not in rows]
        if unmet:
            self._add(unmet)
        return [rows[token] for token in cut]

    def _add(self, tokens: Sequence[str]) -> None:
        """Make rows for different spellings, of up to `TOKEN_LENGTH_LIMIT` characters."""
        folded, stemmed, properties = self._looked_at(tokens)
        with self._lock:
            spelled = tokens
            if any(token in self.rows for token in tokens):
                # Another thread has met some of them meanwhile.
                is_new = [token not in self.rows for token in tokens]
                spelled, folded = list(compress(tokens, is_new)), list(compress(folded, is_new))
                stemmed = list(compress(stemmed, is_new))
                properties = list(compress(properties, is_new))
            if not spelled:
                return
            row, last = len(self.rows), len(self.rows) + len(spelled)
            spelling = codes_of("".join(spelled))
            text = np.frombuffer(
                b"".join(chain.from_iterable(zip(folded, stemmed, strict=True))), np.uint8
            )
            ids = [encoded_term_id(each) if each else 0 for each in stemmed]
            lengths = [
                [len(each) for each in spelled],
                [len(each) for each in folded],
                [len(each) for each in stemmed],
            ]
            begin, text_begin = self._spelling_codes, self._text_bytes
            pages = self._with_room(row, last, spelling.size, text.size)
            self._spelling_codes += spelling.size
            self._text_bytes += text.size
            pages.spellings[begin : self._spelling_codes] = spelling
            pages.texts[text_begin : self._text_bytes] = text
            # Last: from now on other threads find them.
            pages.place(np.array([*lengths, ids, properties], dtype=np.int64), row, last)
            self.rows.update(zip(spelled, range(row, last), strict=True))

    def _with_room(self, row: int, last: int, code_points: int, text_bytes: int) -> Pages:
        """Return pages with room for rows up to ``last``, of so much more."""
        pages = self.pages
        rows = len(pages.entries)
        while (
            last > rows
            or self._spelling_codes + code_points > pages.spellings.size
            or self._text_bytes + text_bytes > pages.texts.size
        ):
            rows *= 2
            units = _UNITS_A_ROW * rows
            pages = self.pages = pages.grown(row, rows, units, units)
        return pages

    def _looked_at(self, tokens: Sequence[str]) -> tuple[list[bytes], list[bytes], list[int]]:
        """Return each spelling folded, its stem, empty for none, and its properties."""
        all_folded: list[str] = []
        all_stems: list[str] = []
        all_properties: list[int] = []
        words: list[str] = []
        places: list[int] = []
        for place, token in enumerate(tokens):
            # Most new spellings are plain words, with their possessives, and numbers; the long way
            # finds the same of them.
            bare = token[:-2] if token.endswith(self._possessives) else token
            if not (bare.isascii() and bare.isalpha()):
                if token.isascii() and token.isdigit():
                    folded = word_stem = token.lstrip("0") or "0"
                    properties = NUMBER_FLAG | IS_TERM | IS_TOKEN
                else:
                    folded, word_stem, properties = self._looked_at_one(token)
                all_folded.append(folded)
                all_stems.append(word_stem)
                all_properties.append(properties)
                continue
            word = bare.lower()
            folded = word if bare is token else f"{word}'s"
            properties = IS_TOKEN | BEGINS_WITH_LETTER
            if bare != word:
                properties |= _capitals(token)
            word_stem = ""
            if not (
                len(folded) == 1
                or folded in self._stop_words
                or word in self._stop_words
                or (word.endswith("nt") and self._is_contraction(folded))
            ):
                properties |= IS_TERM
                words.append(word)
                places.append(place)
            elif properties & IS_UPPER and len(folded) > 1:
                properties |= IS_TERM | IS_SHOUTABLE
                word_stem = folded.upper()
            all_folded.append(folded)
            all_stems.append(word_stem)
            all_properties.append(properties)
        for place, word_stem in zip(places, stems(words, self.lang), strict=True):
            all_stems[place] = word_stem
        return (
            [each.encode() for each in all_folded],
            [each.encode() for each in all_stems],
            all_properties,
        )

    def _looked_at_one(self, token: str) -> tuple[str, str, int]:
        folded = fold(token)
        word_stem, properties = self._read(token, folded) if folded else ("", 0)
        if token[0].isalpha():
            properties |= BEGINS_WITH_LETTER
        if token.isupper():
            properties |= IS_UPPER
        return folded, word_stem, properties

    def _read(self, token: str, folded: str) -> tuple[str, int]:
        """Return the stem, empty for a stop word, and the properties of a spelling."""
        if is_number(folded):
            return folded, NUMBER_FLAG | IS_TERM | IS_TOKEN
        is_upper = token.isupper()
        properties = IS_TOKEN | _capitals(token)
        if not self._is_stop_word(folded):
            return stem(folded, self.lang), properties | IS_TERM
        if is_upper and len(folded) > 1:
            # Kept in capitals, so that US the country never counts as us the pronoun.
            return folded.upper(), properties | IS_TERM | IS_SHOUTABLE
        return "", properties

    def _is_stop_word(self, folded: str) -> bool:
        if folded in self._stop_words or bare_word(folded, self.lang) in self._stop_words:
            return True
        if len(folded) == 1:
            return not _IDEOGRAPH.match(folded)
        return self._is_contraction(folded)

    def _is_contraction(self, folded: str) -> bool:
        return self.lang == "en" and _CONTRACTION.fullmatch(folded) is not None


def _capitals(token: str) -> int:
    """Return what the capitals of a spelling say of it."""
    properties = 0
    is_upper = token.isupper()
    if is_upper:
        properties |= IS_UPPER
    if token[0].isupper():
        properties |= CAPITALISED_FLAG
        if len(token) == 1 or (len(token) <= 3 and not is_upper):
            properties |= IS_ABBREVIATION
    return properties


class _Rows(dict[str, int]):
    """Token to its row; asks for a new row where there is none."""

    def __init__(self, rows_of: Callable[[Sequence[str]], list[int]]) -> None:
        super().__init__()
        self._rows_of = rows_of

    def __missing__(self, token: str) -> int:
        return self._rows_of([token])[0]
