"""The compiled pass over texts: code points to tokens.

It reads any number of documents at once, from one array of code points. What a token is says
`clustering.prepare.tokens`; the regular expressions there were are the reference in its tests.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt32Array
from clustering.compiled import compiled, trailing_zeros
from clustering.instructions import WORD_BITS, ascii_words
from clustering.prepare import characters

TOKEN_LENGTH_LIMIT: Final = 64
"""Characters of a token that count; longer runs are encoded data, not words."""

# Numba takes constants from its own module's globals only.
_LETTER: Final = characters.LETTER
_WORD: Final = characters.WORD
_DIGIT: Final = characters.DIGIT
_UNSPACED: Final = characters.UNSPACED
_SPACE: Final = characters.SPACE
_STOP: Final = characters.STOP
_BREAK: Final = characters.BREAK
_AFTER_STOP: Final = characters.AFTER_STOP
_HEBREW: Final = characters.HEBREW
_EXTENDS: Final = characters.EXTENDS
_CONSONANT: Final = characters.CONSONANT
_LINKER: Final = characters.LINKER
_CONTINUES: Final = characters.CONTINUES
_CONJUNCT_EXTENDS: Final = characters.CONJUNCT_EXTENDS
_MARK: Final = characters.MARK
_BEGINS_SOMETHING: Final = _WORD | _DIGIT | _UNSPACED | _STOP | _BREAK

_BLOCK: Final = 32
_LAST_ASCII: Final = 0x7F
_LINE_FEED: Final = 0x0A
_QUOTE: Final = 0x22
_APOSTROPHE: Final = 0x27
_ASTERISK: Final = 0x2A
_COMMA: Final = 0x2C
_HYPHEN: Final = 0x2D
_FULL_STOP: Final = 0x2E
_MODIFIER_APOSTROPHE: Final = 0x2BC
_GERESH: Final = 0x5F3
_GERSHAYIM: Final = 0x5F4
_ARABIC_DECIMAL: Final = 0x66B
_ARABIC_THOUSANDS: Final = 0x66C
_RIGHT_QUOTE: Final = 0x2019
_BULLET: Final = 0x2022


@compiled
def seen_classes(
    codes: UInt32Array, document_ends: NDArray[np.int64], classes: UInt32Array
) -> UInt32Array:
    """All class bits of the characters beyond ASCII in each document: uint32, shape (documents,).

    Parameters are those of `scan_documents`.
    """
    found = np.empty(document_ends.size, dtype=np.uint32)
    at = 0
    for document in range(document_ends.size):
        end = document_ends[document]
        seen = np.uint32(0)
        while at < end:
            # Most text is ASCII, and a block of a fixed length is told at once.
            if at + _BLOCK <= end:
                bits = np.uint32(0)
                for step in range(np.uint64(_BLOCK)):
                    bits |= codes[np.uint64(at) + step]
                if bits <= _LAST_ASCII:
                    at += _BLOCK
                    continue
            block_end = min(at + _BLOCK, end)
            while at < block_end:
                code = codes[np.uint64(at)]
                if code > _LAST_ASCII:
                    seen |= classes[code]
                at += 1
        found[document] = seen
    return found


@compiled
def _class_at(codes: UInt32Array, classes: UInt32Array, at: int) -> np.uint32:
    # Unsigned, since for a signed index numba provides for negative ones.
    found: np.uint32 = classes[codes[np.uint64(at)]]
    return found


@compiled
def _is_digit_separator(code: int) -> bool:
    return code in (
        _COMMA,
        _FULL_STOP,
        _APOSTROPHE,
        _RIGHT_QUOTE,
        _ARABIC_DECIMAL,
        _ARABIC_THOUSANDS,
    )


@compiled
def _past_initials(codes: UInt32Array, classes: UInt32Array, begin: int, end: int) -> int:
    """End of ``L.(L.)+`` that no letter follows; ``begin + 1`` where there is none."""
    at = begin
    while at + 1 < end and _class_at(codes, classes, at) & _LETTER and codes[at + 1] == _FULL_STOP:
        at += 2
    if at < begin + 4 or (at < end and _class_at(codes, classes, at) & _LETTER):
        return begin + 1
    return at


@compiled
def _past_words(codes: UInt32Array, classes: UInt32Array, at: int, end: int) -> int:
    while at < end and _class_at(codes, classes, at) & _WORD:
        at += 1
    return at


@compiled
def _past_digits(codes: UInt32Array, classes: UInt32Array, at: int, end: int) -> int:
    while at < end and _class_at(codes, classes, at) & _DIGIT:
        at += 1
    return at


@compiled
def _past_number(codes: UInt32Array, classes: UInt32Array, at: int, end: int) -> int:
    at = _past_digits(codes, classes, at, end)
    while (
        at + 1 < end
        and _is_digit_separator(codes[at])
        and _class_at(codes, classes, at + 1) & _DIGIT
    ):
        at = _past_digits(codes, classes, at + 1, end)
    return _past_words(codes, classes, at, end)


@compiled
def _past_word(codes: UInt32Array, classes: UInt32Array, at: int, end: int) -> int:
    """End of a word, ``at`` being the end of its first run of letters."""
    while at + 1 < end:
        code = codes[at]
        following = _class_at(codes, classes, at + 1)
        if code in (_APOSTROPHE, _RIGHT_QUOTE, _MODIFIER_APOSTROPHE):
            joins = following & _LETTER != 0
        elif code in (_QUOTE, _GERESH, _GERSHAYIM):
            joins = (
                following & _WORD != 0
                and following & _HEBREW != 0
                and _class_at(codes, classes, at - 1) & _HEBREW != 0
            )
        else:
            joins = False
        if not joins:
            break
        at = _past_words(codes, classes, at + 1, end)
    return at


@compiled
def _past_cluster(codes: UInt32Array, classes: UInt32Array, at: int, end: int) -> int:
    """End of what is seen as one character (UAX 29): a base, and the marks it carries."""
    # Set while a linker stands before ``at`` with nothing but marks that belong to it between.
    linked = _class_at(codes, classes, at) & _LINKER != 0
    at += 1
    while at < end:
        kind = _class_at(codes, classes, at)
        if kind & _EXTENDS:
            linked = kind & _LINKER != 0 or (linked and kind & _CONJUNCT_EXTENDS != 0)
        elif linked and kind & _CONSONANT:
            linked = False
        else:
            break
        at += 1
    return at


@compiled
def _past_line_end(
    codes: UInt32Array, classes: UInt32Array, begin: int, end: int
) -> tuple[int, int]:
    r"""End of ``\n\s*`` before a line feed or a bullet, and where to look on.

    The first is ``begin`` where nothing of the kind follows.
    """
    past = begin + 1
    last_feed = begin
    while past < end and _class_at(codes, classes, past) & _SPACE:
        if codes[past] == _LINE_FEED:
            last_feed = past
        past += 1
    if past < end and (
        codes[past] == _HYPHEN or codes[past] == _ASTERISK or codes[past] == _BULLET
    ):
        return past, past
    # Between the last line feed and ``past`` there is only white space, which begins nothing.
    return last_feed, past


@compiled
def scan_documents(
    codes: UInt32Array, document_ends: NDArray[np.int64], classes: UInt32Array
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Find the tokens and sentence ends of documents that stand one behind the other.

    Parameters
    ----------
    codes
        uint32, shape (n,), n < 2^31: code points, normalised.
    document_ends
        int64, shape (documents,): where each ends in ``codes``; the next begins there.
    classes
        Of `clustering.prepare.characters.CharacterTable`.

    Returns
    -------
    begins, ends
        int32, shape (tokens,): where each token stands in ``codes``. Sentence ends are among
        them. Tokens of scripts without spaces overlap.
    token_ends
        int64, shape (documents,): how many tokens there are up to the end of each document.
    """
    # No two tokens begin at one place. What is not written is never mapped to memory.
    begins = np.empty(codes.size, dtype=np.int32)
    ends = np.empty(codes.size, dtype=np.int32)
    token_ends = np.empty(document_ends.size, dtype=np.int64)
    # Which of the 64 characters before ``words_end`` are ASCII letters or digits.
    words = np.uint64(0)
    words_end = 0
    found = 0
    at = 0
    for document in range(document_ends.size):
        end = document_ends[document]
        while at < end:
            code = codes[at]
            kind = classes[code]
            begin = at
            if kind & _BEGINS_SOMETHING == 0:
                if code != _LINE_FEED:
                    at += 1
                    continue
                past, at = _past_line_end(codes, classes, begin, end)
                if past == begin:
                    continue
            else:
                # Most tokens are runs of letters: those cost no call.
                past = begin + 1
                if kind & _WORD and kind & _DIGIT == 0:
                    # The processor cannot foresee how long a word is, so this has no branch that
                    # depends on it; what stands behind the document does no harm.
                    while True:
                        if past < words_end:
                            others = ~(words >> np.uint64(WORD_BITS - (words_end - past)))
                            past += trailing_zeros(others) if others else WORD_BITS
                            if past < words_end:
                                break
                        if past + WORD_BITS > codes.size:
                            break
                        words = ascii_words(codes, np.uint64(past))
                        words_end = past + WORD_BITS
                    past = min(past, end)
                    # Of other scripts, or at the very end.
                    while past < end and _class_at(codes, classes, past) & _WORD:
                        past += 1
                    if past < end and _class_at(codes, classes, past) & _CONTINUES:
                        if past == begin + 1 and kind & _LETTER and codes[past] == _FULL_STOP:
                            past = _past_initials(codes, classes, begin, end)
                        else:
                            past = _past_word(codes, classes, past, end)
                elif kind & _DIGIT:
                    past = _past_number(codes, classes, past, end)
                elif kind & _UNSPACED:
                    past = begin + 1
                    while past < end and _class_at(codes, classes, past) & (_UNSPACED | _MARK):
                        past += 1
                elif kind & _STOP:
                    past = begin + 1
                    while past < end and _class_at(codes, classes, past) & _STOP:
                        past += 1
                    if past < end and _class_at(codes, classes, past) & _AFTER_STOP == 0:
                        at = past
                        continue
                else:
                    past = begin + 1
                at = past
            if kind & _UNSPACED == 0:
                begins[found] = begin
                ends[found] = past
                found += 1
                continue
            # Pairs of neighbouring characters; one alone stands for itself.
            second = _past_cluster(codes, classes, begin, past)
            if second == past:
                begins[found] = begin
                ends[found] = past
                found += 1
            while second < past:
                third = _past_cluster(codes, classes, second, past)
                begins[found] = begin
                ends[found] = third
                found += 1
                begin, second = second, third
        token_ends[document] = found
    return begins[:found], ends[:found], token_ends
