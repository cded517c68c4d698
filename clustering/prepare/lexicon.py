"""What is known of every spelling of a language: worked out once, then only looked up.

Python works out a spelling's stem and properties when it is met for the first time; the arrays here
are what the compiled loops look it up in ever after.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import regex
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array
from clustering.prepare.kernel_terms import (
    BEGINS_WITH_LETTER,
    CAPITALISED_FLAG,
    IS_ABBREVIATION,
    IS_SHOUTABLE,
    IS_TERM,
    IS_TOKEN,
    IS_UPPER,
    NUMBER_FLAG,
    place_rows,
)
from clustering.prepare.languages import UNKNOWN_LANGUAGE
from clustering.prepare.shipped import shipped_stop_words
from clustering.prepare.stems import bare_word, stem, term_id
from clustering.prepare.tokens import TOKEN_LENGTH_LIMIT, fold, is_number

_FIRST_ROWS = 1 << 12
_UNITS_A_ROW = 16

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
        int32: rows by the hash of their spelling, see `kernel_terms.find_rows`.
    spellings, spelling_ends
        uint32 and int64: code points of the spellings, row after row.
    texts
        uint8: UTF-8, row after row, the folded token and then its stem.
    text_begins, folded_ends, stem_ends
        int64: where they stand.
    term_ids, properties
        uint32 and uint8: id of the stem, 0 for none; bits of `kernel_terms`.
    """

    slots: NDArray[np.int32]
    spellings: UInt32Array
    spelling_ends: NDArray[np.int64]
    texts: UInt8Array
    text_begins: NDArray[np.int64]
    folded_ends: NDArray[np.int64]
    stem_ends: NDArray[np.int64]
    term_ids: UInt32Array
    properties: UInt8Array

    @classmethod
    def of(cls, rows: int, code_points: int, text_bytes: int) -> Pages:
        """Return empty pages with room for so much; ``rows`` is a power of two."""
        return cls(
            slots=np.full(4 * rows, -1, dtype=np.int32),
            spellings=np.zeros(code_points, dtype=np.uint32),
            spelling_ends=np.zeros(rows + 1, dtype=np.int64),
            texts=np.zeros(text_bytes, dtype=np.uint8),
            text_begins=np.zeros(rows + 1, dtype=np.int64),
            folded_ends=np.zeros(rows, dtype=np.int64),
            stem_ends=np.zeros(rows, dtype=np.int64),
            term_ids=np.zeros(rows, dtype=np.uint32),
            properties=np.zeros(rows, dtype=np.uint8),
        )

    def grown(self, filled: int, rows: int, code_points: int, text_bytes: int) -> Pages:
        """Return larger pages with the same first ``filled`` rows."""
        pages = Pages.of(rows, code_points, text_bytes)
        for name in ("spellings", "texts", "folded_ends", "stem_ends", "term_ids", "properties"):
            old = getattr(self, name)
            getattr(pages, name)[: old.size] = old
        pages.spelling_ends[: filled + 1] = self.spelling_ends[: filled + 1]
        pages.text_begins[: filled + 1] = self.text_begins[: filled + 1]
        place_rows(pages.slots, pages.spellings, pages.spelling_ends, 0, filled)
        return pages


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
        self._lock = threading.Lock()

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
        looked_at = [self._looked_at(token) for token in tokens]
        with self._lock:
            new = [
                (token, *known)
                for token, known in zip(tokens, looked_at, strict=True)
                if token not in self.rows
            ]
            if not new:
                return
            row, last = len(self.rows), len(self.rows) + len(new)
            spelling = np.frombuffer("".join([each[0] for each in new]).encode("utf-32-le"), "<u4")
            text = np.frombuffer(b"".join([part for each in new for part in each[1:3]]), np.uint8)
            pages = self._with_room(row, last, spelling.size, text.size)
            begin, text_begin = int(pages.spelling_ends[row]), int(pages.text_begins[row])
            pages.spellings[begin : begin + spelling.size] = spelling
            pages.texts[text_begin : text_begin + text.size] = text
            folded_ends, stem_ends, spelling_ends = [], [], []
            for token, folded, stemmed, _, _ in new:
                begin += len(token)
                spelling_ends.append(begin)
                folded_ends.append(text_begin + len(folded))
                text_begin += len(folded) + len(stemmed)
                stem_ends.append(text_begin)
            pages.spelling_ends[row + 1 : last + 1] = spelling_ends
            pages.text_begins[row + 1 : last + 1] = stem_ends
            pages.folded_ends[row:last] = folded_ends
            pages.stem_ends[row:last] = stem_ends
            pages.term_ids[row:last] = [each[3] for each in new]
            pages.properties[row:last] = [each[4] for each in new]
            # Last: from now on other threads find them.
            place_rows(pages.slots, pages.spellings, pages.spelling_ends, row, last)
            self.rows.update(zip([each[0] for each in new], range(row, last), strict=True))

    def _with_room(self, row: int, last: int, code_points: int, text_bytes: int) -> Pages:
        """Return pages with room for rows up to ``last``, of so much more."""
        pages = self.pages
        rows = pages.properties.size
        while (
            last > rows
            or pages.spelling_ends[row] + code_points > pages.spellings.size
            or pages.text_begins[row] + text_bytes > pages.texts.size
        ):
            rows *= 2
            units = _UNITS_A_ROW * rows
            pages = self.pages = pages.grown(row, rows, units, units)
        return pages

    def _looked_at(self, token: str) -> tuple[bytes, bytes, int, int]:
        """Return a spelling folded, its stem, empty for none, the stem's id, and properties."""
        folded = fold(token)
        word_stem, properties = self._read(token, folded) if folded else ("", 0)
        if token[0].isalpha():
            properties |= BEGINS_WITH_LETTER
        if token.isupper():
            properties |= IS_UPPER
        return (
            folded.encode(),
            word_stem.encode(),
            term_id(word_stem) if word_stem else 0,
            properties,
        )

    def _read(self, token: str, folded: str) -> tuple[str, int]:
        """Return the stem, empty for a stop word, and the properties of a spelling."""
        if is_number(folded):
            return folded, NUMBER_FLAG | IS_TERM | IS_TOKEN
        is_upper = token.isupper()
        properties = IS_TOKEN
        if token[0].isupper():
            properties |= CAPITALISED_FLAG
            if len(token) == 1 or (len(token) <= 3 and not is_upper):
                properties |= IS_ABBREVIATION
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
        return self.lang == "en" and _CONTRACTION.fullmatch(folded) is not None


class _Rows(dict[str, int]):
    """Token to its row; asks for a new row where there is none."""

    def __init__(self, rows_of: Callable[[Sequence[str]], list[int]]) -> None:
        super().__init__()
        self._rows_of = rows_of

    def __missing__(self, token: str) -> int:
        return self._rows_of([token])[0]
