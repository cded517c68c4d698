"""Text to raw tokens and sentence ends, in any script, without knowing the language.

A token keeps its capitals here, because a capital inside a sentence marks a name; `fold` takes
them away. Scripts written without spaces give overlapping pairs of characters, which need no
dictionary and so behave alike everywhere.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

import regex

TOKEN_LENGTH_LIMIT = 64
"""Characters of a token that count; longer runs are encoded data, not words."""

# Chinese, Japanese, Thai, Lao, Myanmar and Khmer: no spaces between words. U+30FC is the long
# vowel mark of katakana, U+3005 and U+3007 an iteration mark and the zero of Chinese.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\u30FC\u3005\u3007\p{Thai}\p{Lao}\p{Myanmar}\p{Khmer}"
_LETTER = rf"[\p{{L}}--[{_UNSPACED}]]"
_WORD = rf"[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]"

# A full stop ends a sentence only before white space, a quote or the end; a line break only where
# a blank line, a bullet or the end follows, since wire copy is hard-wrapped.
_SENTENCE_END = (
    r"[.!?:;\u2026]+(?=[\s\"'\u201C\u201D\u2019)\]]|$)|[\u3002\uFF01\uFF1F\uFF61\u061F\u06D4\u0964\u0965"
    r"\"\u201C\u201D\u00AB\u00BB\u201E\u2022|]|\n\s*(?=\n|[-*\u2022])"
)

_TOKEN = regex.compile(
    # U.S., U.N., P.M.: initials are one word
    rf"{_LETTER}\.(?:{_LETTER}\.)+(?!{_LETTER})"
    # 1,000 or 1.5 or 1.13bn or 3rd
    rf"|\p{{Nd}}+(?:[.,'\u2019\u066B\u066C]\p{{Nd}}+)*{_WORD}*"
    # words; apostrophes (and the double ones of Hebrew abbreviations) only between letters
    rf"|{_WORD}+(?:['\u2019\u02BC]{_LETTER}{_WORD}*|(?<=\p{{Hebrew}})[\"\u05F3\u05F4](?=\p{{Hebrew}}){_WORD}+)*"
    # runs without spaces
    rf"|[{_UNSPACED}](?:[{_UNSPACED}]|\p{{M}})*"
    rf"|{_SENTENCE_END}",
    regex.VERSION1,
)


def _simple_token(letter: str, word: str, digit: str) -> re.Pattern[str]:
    # `_TOKEN` in the standard library's engine, which needs a third of the time. The most
    # frequent alternative comes first, and the guard gives up at once where nothing can begin.
    apostrophes = rf"(?:['\u2019\u02BC]{letter}{word}*)*"
    return re.compile(
        rf"(?![ ,])(?:{letter}{word}+{apostrophes}"
        rf"|{letter}\.(?:{letter}\.)+(?!{letter})"
        rf"|{digit}+(?:[.,'\u2019]{digit}+)*{word}*"
        rf"|{word}{apostrophes}"
        rf"|{_SENTENCE_END})"
    )


_ASCII_TOKEN = _simple_token("[A-Za-z]", "[A-Za-z0-9]", "[0-9]")
# For texts with nothing beyond Latin, Greek, Cyrillic and general punctuation.
_SIMPLE_TOKEN = _simple_token(r"[^\W\d_]", r"[^\W_]", r"\d")
_BEYOND_SIMPLE = re.compile(
    "[^\u0000-\u02ff\u0370-\u0482\u048a-\u052f\u1e00-\u1fff\u2000-\u206f\u20a0-\u20cf]"
)
# Letters and punctuation of European languages that NFKC leaves alone and that hide nothing: most
# texts, for which normalising would take as long as half the scan. The no-break space and the
# ellipsis would become a space and three stops, which separate in the same way.
_BEYOND_PLAIN = re.compile(
    "[^\u0000-\u00a7\u00a9\u00ab\u00ac\u00ae\u00b0\u00b1\u00b6\u00b7\u00bb\u00bf-\u0131"
    "\u0134-\u013e\u0141-\u0148\u014a-\u017e\u0180-\u01c3\u01cd-\u01f0\u01f4-\u02af\u0386\u0388-\u03cf"
    "\u0400-\u0481\u048a-\u052f\u2010\u2012-\u2016\u2018-\u2023\u2026\u2030\u20ac]"
)
_HAS_UNSPACED = regex.compile(rf"[{_UNSPACED}]", regex.VERSION1)
# What is seen as one character: the marks above and below stay with their consonant.
_CLUSTER = regex.compile(r"\X")

# Invisible characters inside words (soft hyphen, joiners, direction marks) are not part of the
# spelling. U+200B is a word separator in Khmer and Thai and becomes a space.
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200c-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufe00-\ufe0f]"
)
_HAS_LETTER = regex.compile(r"[\p{L}\p{N}]")
_NOT_ASCII_DIGIT = regex.compile(r"[\p{Nd}--[0-9]]", regex.VERSION1)

# Arabic vowel signs, superscript alef and tatweel; Hebrew points and cantillation. Printed rarely
# and inconsistently, so a word is the same with or without them.
_OPTIONAL_MARKS = re.compile(
    "[\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]"
)
_APOSTROPHES = str.maketrans(
    {"\u2019": "'", "\u02bc": "'", "\uff07": "'", "\u05f3": "'", "\u05f4": '"'}
)

_THOUSANDS = re.compile(r"\d{1,3}(?:[.,'\u2019\u066C]\d{3})+(?=$|[.,\u066B]\d)")
_NUMBER = re.compile(r"(\d+(?:[.,'\u2019\u066B\u066C]\d+)*)(bn|mn|m|tn|k|st|nd|rd|th)?")


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
    if text.isascii():
        return _ASCII_TOKEN.findall(text)
    if not _BEYOND_PLAIN.search(text):
        return _SIMPLE_TOKEN.findall(text)
    text = _INVISIBLE.sub("", text.replace("\u200b", " "))
    text = unicodedata.normalize("NFKC", text)
    if not _BEYOND_SIMPLE.search(text):
        return _SIMPLE_TOKEN.findall(text)
    found: list[str] = _TOKEN.findall(text)
    if not _HAS_UNSPACED.search(text):
        return found
    tokens: list[str] = []
    for token in found:
        if _HAS_UNSPACED.match(token):
            characters = _CLUSTER.findall(token)
            if len(characters) == 1:
                tokens.append(token)
            else:
                tokens.extend(first + second for first, second in pairwise(characters))
        else:
            tokens.append(token)
    return tokens


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
        token = unicodedata.normalize("NFKC", token.casefold().translate(_APOSTROPHES))
        token = _OPTIONAL_MARKS.sub("", token).replace("i\u0307", "i")
        if _NOT_ASCII_DIGIT.search(token):
            token = _NOT_ASCII_DIGIT.sub(lambda m: str(unicodedata.digit(m[0])), token)
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
        whole = re.sub(r"\D", "", grouped[0])
        number = whole + number[grouped.end() :]
    number = re.sub(r"\D", ".", number)
    if number.count(".") == 1:
        number = number.rstrip("0").rstrip(".")
    number = number.lstrip("0")
    return number if number[:1].isdigit() else "0" + number
