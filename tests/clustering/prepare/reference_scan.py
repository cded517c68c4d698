"""The tokeniser as regular expressions: the reference for the compiled one.

It is how tokens were cut before there was a compiled pass, kept word for word but for one thing:
here white space includes the information separators U+001C to U+001F everywhere.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

import regex

# Chinese, Japanese, Thai, Lao, Myanmar and Khmer: no spaces between words. U+30FC is the long
# vowel mark of katakana, U+3005 and U+3007 an iteration mark and the zero of Chinese.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\u30FC\u3005\u3007\p{Thai}\p{Lao}\p{Myanmar}\p{Khmer}"
_LETTER = rf"[\p{{L}}--[{_UNSPACED}]]"
_WORD = rf"[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]"

# A full stop ends a sentence only before white space, a quote or the end; a line break only where
# a blank line, a bullet or the end follows, since wire copy is hard-wrapped.
_SENTENCE_END = (
    r"[.!?:;\u2026]+(?=[\s\x1c-\x1f\"'\u201C\u201D\u2019)\]]|$)|[\u3002\uFF01\uFF1F\uFF61\u061F\u06D4\u0964\u0965"
    r"\"\u201C\u201D\u00AB\u00BB\u201E\u2022|]|\n[\s\x1c-\x1f]*(?=\n|[-*\u2022])"
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


def scan(text: str) -> list[str]:
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
