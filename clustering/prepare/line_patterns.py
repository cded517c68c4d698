"""The form of a line in which its printings are equal, in any script.

The patterns for any script ask the properties of every character, which takes ten times as long
as a look into a table of them. So *plain* text, which is nearly all text in Latin letters, is given
to a quicker one. Both find the same.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

import regex

# Latin letters with their usual accents, common punctuation and currency signs. No combining mark
# and no white space but the space is among them, and what they are no Unicode version changes.
_PLAIN_RANGES: Final = (
    (0x20, 0x7E),
    (0xA1, 0x24F),
    (0x2010, 0x2027),
    (0x2030, 0x205E),
    (0x20A0, 0x20BF),
)


def _plain_class(*categories: str) -> str:
    """Inside of a character class: the plain characters of these Unicode categories."""
    return "".join(
        re.escape(chr(code))
        for first, last in _PLAIN_RANGES
        for code in range(first, last + 1)
        if unicodedata.category(chr(code)).startswith(categories)
    )


_ALNUM: Final = _plain_class("L", "N")
_PLAIN = re.compile("[" + "".join(f"{chr(a)}-{chr(b)}" for a, b in _PLAIN_RANGES) + "]*")
_PLAIN_CORE = re.compile(rf"[{_ALNUM}](?:.*[{_ALNUM}])?")

_BLANKS = regex.compile(r"[\p{Zs}\t]+")
# The look-behind lets a run of marks be tried from its beginning only, not from each of its marks.
_EDGE_MARKS = regex.compile(r"^[^\p{L}\p{N}]+|(?<![^\p{L}\p{N}])[^\p{L}\p{N}]++$")

SENTENCE_ENDS: Final = frozenset(".!?…。！？؟۔।॥։።。")
_WHITE_SPACE: Final = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u2028\u2029\u202f\u205f\u3000"
)
AFTER_SENTENCE: Final = "'\"”’»›」』)）]" + _WHITE_SPACE


def is_plain(text: str) -> bool:
    """Whether the quick patterns may be used on a text, and hold for it what the others do."""
    if text.isascii():
        return text.isprintable()
    return _PLAIN.fullmatch(text) is not None


def squeezed_blanks(text: str) -> str:
    """Return a text with every run of blanks made one space."""
    if text.isprintable() and "  " not in text:  # a space is the only blank that is printable
        return text
    return _BLANKS.sub(" ", text)


def line_key(line: str) -> str:
    """Form of a line in which two printings of it are equal: case, bullets and spacing dropped."""
    squeezed = squeezed_blanks(line)
    if is_plain(squeezed):
        core = _PLAIN_CORE.search(squeezed)
        key = core.group() if core else ""
    else:
        key = _EDGE_MARKS.sub("", squeezed)
    return key.casefold().replace("’", "'")


@lru_cache(256)
def headline_key(title: str) -> str:
    """Return the `line_key` of a headline, which is asked for more than once of an article."""
    return line_key(title)
