"""Text to raw tokens and sentence ends, in any script, without knowing the language.

A token keeps its capitals here, because a capital inside a sentence marks a name; `fold` takes
them away. Scripts written without spaces give overlapping pairs of characters, which need no
dictionary and so behave alike everywhere.

What is one token:

- initials (U.S., P.M.), with their stops;
- a number with its separators and what is written on to it (1,000; 1.13bn; 3rd);
- letters, marks and digits, with apostrophes between letters, and the double ones of Hebrew
  abbreviations;
- in a run of a script without spaces, each pair of neighbouring characters, marks included;
- a sentence end: stops before white space, a quote or the text's end (a full stop elsewhere is
  part of a name or a number); a full stop of another script, a quote, a bullet; a line break only
  where a blank line, a bullet or a dash follows, since wire copy is hard-wrapped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
import regex
from numpy.typing import NDArray

from clustering.articles import UInt32Array
from clustering.prepare import characters
from clustering.prepare.kernel import TOKEN_LENGTH_LIMIT, scan_documents, seen_classes
from clustering.prepare.line_classes import codes_of

__all__ = ["TOKEN_LENGTH_LIMIT", "CodePoints", "code_points", "fold", "is_number", "scan"]

INVISIBLE: Final = (
    "[\u00ad\u061c\u180e\u200c-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufe00-\ufe0f]"
)
"""Pattern of characters inside words that are not part of the spelling: soft hyphen, joiners,
direction marks. U+200B is a word separator in Khmer and Thai and becomes a space instead."""

OPTIONAL_MARKS: Final = (
    "[\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]"
)
"""Pattern of Arabic vowel signs, superscript alef and tatweel, Hebrew points and cantillation.
Printed rarely and inconsistently, so a word is the same with or without them."""

APOSTROPHES: Final = str.maketrans(
    {"\u2019": "'", "\u02bc": "'", "\uff07": "'", "\u05f3": "'", "\u05f4": '"'}
)

_INVISIBLE = re.compile(INVISIBLE)
_OPTIONAL_MARKS = re.compile(OPTIONAL_MARKS)
_HAS_LETTER = regex.compile(r"[\p{L}\p{N}]")
_NOT_ASCII_DIGIT = regex.compile(r"[\p{Nd}--[0-9]]", regex.VERSION1)

_THOUSANDS = re.compile(r"\d{1,3}(?:[.,'\u2019\u066C]\d{3})+(?=$|[.,\u066B]\d)")
_NOT_DIGIT = re.compile(r"\D")
_NUMBER = re.compile(r"(\d+(?:[.,'\u2019\u066B\u066C]\d+)*)(bn|mn|m|tn|k|st|nd|rd|th)?")


@dataclass(frozen=True, slots=True, eq=False)
class CodePoints:
    """Texts as their tokens are cut from them, one behind the other.

    Attributes
    ----------
    readable
        Each text in NFKC without invisible characters. Where it holds nothing that this would
        change inside a token, which a table tells in a fraction of the time, the text itself.
    codes
        uint32: their code points.
    document_ends
        int64, shape (texts,): where each ends in ``codes``.
    """

    readable: list[str]
    codes: UInt32Array
    document_ends: NDArray[np.int64]


def code_points(texts: Sequence[str]) -> CodePoints:
    """Normalise texts and take them apart. Any strings, lone surrogates included."""
    readable = list(texts)
    joined = "".join(readable)
    codes, document_ends = codes_of(joined), _ends(readable)
    if joined.isascii():
        return CodePoints(readable, codes, document_ends)
    seen = seen_classes(codes, document_ends, characters.character_table().classes)
    beyond_plain = np.flatnonzero(seen & characters.BEYOND_PLAIN).tolist()
    if not beyond_plain:
        return CodePoints(readable, codes, document_ends)
    parts = []
    begins = [0, *document_ends.tolist()]
    done = 0
    for document in beyond_plain:
        text = readable[document]
        if seen[document] & characters.INVISIBLE:
            text = _INVISIBLE.sub("", text.replace("\u200b", " "))
        readable[document] = unicodedata.normalize("NFKC", text)
        parts += [codes[done : begins[document]], codes_of(readable[document])]
        done = begins[document + 1]
    return CodePoints(readable, np.concatenate([*parts, codes[done:]]), _ends(readable))


def _ends(texts: list[str]) -> NDArray[np.int64]:
    return np.array(list(accumulate(map(len, texts))), dtype=np.int64)


def scan(text: str) -> list[str]:
    """Split a text into tokens and sentence ends.

    Parameters
    ----------
    text
        Any string; lone surrogates, nulls and symbols separate tokens.

    Returns
    -------
    list of str
        NFKC-normalised tokens with their capitals, in text order, and between them the
        punctuation or blank lines that end a sentence, which `fold` to nothing.
    """
    points = code_points([text])
    begins, ends, _ = scan_documents(
        points.codes, points.document_ends, characters.character_table().classes
    )
    readable = points.readable[0]
    return [readable[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]


def fold(token: str) -> str:
    """Return a token case-folded, with plain apostrophes and without optional marks.

    Numbers come back in one form: ``"1,000"``, ``"1.000"`` and ``"١٠٠٠"`` as ``"1000"``, ``"3rd"``
    as ``"3"``, ``"1.50"`` as ``"1.5"``. Initials lose their stops. The result is empty for the
    end of a sentence and for a token of optional marks alone; characters beyond
    `TOKEN_LENGTH_LIMIT` are dropped.
    """
    token = token[:TOKEN_LENGTH_LIMIT]
    if not token[0].isalnum() and not _HAS_LETTER.search(token):
        return ""
    if token.isascii():
        token = token.lower()
    else:
        # Folding can take a composed letter apart (U+0390), so compose again. A dotted capital I
        # folds to i and a combining dot that no other spelling of the word has.
        token = unicodedata.normalize("NFKC", token.casefold().translate(APOSTROPHES))
        token = _OPTIONAL_MARKS.sub("", token).replace("i\u0307", "i")
        if _NOT_ASCII_DIGIT.search(token):
            token = _NOT_ASCII_DIGIT.sub(lambda m: str(unicodedata.digit(m[0], m[0])), token)
    if not token:
        return ""
    if token[0].isdigit():
        return _fold_number(token)
    if "." in token:
        return token.replace(".", "")
    return token


def is_number(folded: str) -> bool:
    """Whether a folded token is a number."""
    return folded[0].isdigit() and _NUMBER.fullmatch(folded) is not None


def _fold_number(token: str) -> str:
    match = _NUMBER.fullmatch(token)
    if match is None:
        return token
    number = match[1]
    # Groups of exactly three digits are thousands whatever the separator: three decimals are rarer.
    grouped = _THOUSANDS.match(number)
    if grouped is not None:
        whole = _NOT_DIGIT.sub("", grouped[0])
        number = whole + number[grouped.end() :]
    number = _NOT_DIGIT.sub(".", number)
    if number.count(".") == 1:
        number = number.rstrip("0").rstrip(".")
    number = number.lstrip("0")
    return number if number[:1].isdigit() else "0" + number
