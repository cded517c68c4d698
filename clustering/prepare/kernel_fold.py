"""The compiled folding of tokens: code points to one spelling, and that to its hash.

It does what `clustering.prepare.tokens.fold` does, which says what the one spelling is, for all
tokens but the few that need the Unicode database; those it reports.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array, UInt64Array
from clustering.compiled import compiled
from clustering.instructions import AT_ONCE, small_letters
from clustering.prepare import characters
from clustering.prepare.kernel import TOKEN_LENGTH_LIMIT

_LETTER_OR_NUMBER: Final = characters.LETTER_OR_NUMBER
_CASED: Final = characters.CASED
_COMBINES: Final = characters.COMBINES

_APOSTROPHE: Final = 0x27
_COMMA: Final = 0x2C
_FULL_STOP: Final = 0x2E
_ARABIC_DECIMAL: Final = 0x66B
_ARABIC_THOUSANDS: Final = 0x66C

_LONGEST_FOLD: Final = 2
"""Code points that one folds to, at most; each has at most four bytes of UTF-8."""

_BLOCK_BYTES: Final = 16
_GOLDEN64: Final = np.uint64(0x9E3779B97F4A7C15)
_FMIX64_1: Final = np.uint64(0xFF51AFD7ED558CCD)
_FMIX64_2: Final = np.uint64(0xC4CEB9FE1A85EC53)


@compiled
def _is_digit_separator(code: int) -> bool:
    # Other apostrophes are folded by now.
    return code in (_COMMA, _FULL_STOP, _APOSTROPHE, _ARABIC_DECIMAL, _ARABIC_THOUSANDS)


@compiled
def put_code(code: int, data: UInt8Array, at: int) -> int:
    """Write a code point as UTF-8; returns where the next goes."""
    if code < 0x80:
        data[at] = code
        return at + 1
    if code < 0x800:
        data[at] = 0xC0 | (code >> 6)
        data[at + 1] = 0x80 | (code & 0x3F)
        return at + 2
    if code < 0x10000:
        data[at] = 0xE0 | (code >> 12)
        data[at + 1] = 0x80 | ((code >> 6) & 0x3F)
        data[at + 2] = 0x80 | (code & 0x3F)
        return at + 3
    data[at] = 0xF0 | (code >> 18)
    data[at + 1] = 0x80 | ((code >> 12) & 0x3F)
    data[at + 2] = 0x80 | ((code >> 6) & 0x3F)
    data[at + 3] = 0x80 | (code & 0x3F)
    return at + 4


@compiled
def _is_ascii_digit(code: int) -> bool:
    return 0x30 <= code <= 0x39


@compiled
def _is_unit(codes: UInt32Array, begin: int, end: int) -> bool:
    """Whether bn, mn, m, tn, k, st, nd, rd or th stands there, or nothing."""
    if begin == end:
        return True
    first = codes[begin]
    if end - begin == 1:
        return first in (ord("m"), ord("k"))
    if end - begin != 2:
        return False
    second = codes[begin + 1]
    if second == ord("n"):
        return first in (ord("b"), ord("m"), ord("t"))
    if second == ord("d"):
        return first in (ord("n"), ord("r"))
    return bool(
        (first == ord("s") and second == ord("t")) or (first == ord("t") and second == ord("h"))
    )


@compiled
def _thousands_end(codes: UInt32Array, number_end: int) -> int:
    """End of leading groups of three digits, or 0; as ``_THOUSANDS`` in ``tokens``."""
    at = 0
    while at < number_end and _is_ascii_digit(codes[at]):
        at += 1
    if at > 3:
        return 0
    grouped = 0
    while at < number_end:
        separator = codes[at]
        if separator == _ARABIC_DECIMAL:
            break
        group = at + 1
        while group < number_end and _is_ascii_digit(codes[group]):
            group += 1
        if group - at != 4:
            break
        at = group
        # A further group behind an apostrophe has to be of three digits, too.
        if at == number_end or codes[at] in (_COMMA, _FULL_STOP, _ARABIC_DECIMAL):
            grouped = at
    return grouped


@compiled
def _normalise_number(codes: UInt32Array, size: int) -> int:
    """Bring a folded number to its one form, in place; returns its new size.

    Anything else is left as it is. What the form is says `clustering.prepare.tokens.fold`.
    """
    number_end = 0
    while number_end < size and _is_ascii_digit(codes[number_end]):
        number_end += 1
        if (
            number_end + 1 < size
            and _is_digit_separator(codes[number_end])
            and _is_ascii_digit(codes[number_end + 1])
        ):
            number_end += 1
    if number_end == 0 or not _is_unit(codes, number_end, size):
        return size
    grouped = _thousands_end(codes, number_end)
    written = 0
    points = 0
    for at in range(number_end):
        code = codes[at]
        if _is_ascii_digit(code):
            codes[written] = code
            written += 1
        elif at >= grouped:
            codes[written] = _FULL_STOP
            written += 1
            points += 1
    if points == 1:
        while codes[written - 1] == ord("0"):
            written -= 1
        if codes[written - 1] == _FULL_STOP:
            written -= 1
    zeros = 0
    while zeros < written and codes[zeros] == ord("0"):
        zeros += 1
    if zeros == written or codes[zeros] == _FULL_STOP:
        zeros -= 1
    for at in range(zeros, written):
        codes[at - zeros] = codes[at]
    return written - zeros


@compiled
def _fold_codes(
    codes: UInt32Array,
    begin: int,
    end: int,
    fold_index: NDArray[np.uint16],
    fold_begins: NDArray[np.int64],
    folded: UInt32Array,
    scratch: UInt32Array,
) -> int:
    """Fold a token into ``scratch``; returns how many code points it has there."""
    size = 0
    for at in range(begin, end):
        code = codes[at]
        row = int(fold_index[code])
        if row == 0:
            scratch[size] = code
            size += 1
        else:
            for part in range(fold_begins[row - 1], fold_begins[row]):
                scratch[size] = folded[part]
                size += 1
    if size == 0:
        return 0
    if _is_ascii_digit(scratch[0]):
        return _normalise_number(scratch, size)
    # Only initials hold a full stop.
    kept = 0
    for at in range(size):
        if scratch[at] != _FULL_STOP:
            scratch[kept] = scratch[at]
            kept += 1
    return kept


@compiled
def _added(mixed: np.uint64, first: np.uint64, second: np.uint64) -> np.uint64:
    """Add sixteen bytes to the hash of those before."""
    mixed += first * _GOLDEN64 + second * _FMIX64_1
    mixed = (mixed ^ (mixed >> np.uint64(33))) * _FMIX64_2
    return np.uint64(mixed ^ (mixed >> np.uint64(33)))


@compiled
def token_hash(blocks: UInt64Array, size: int) -> np.uint64:
    """64-bit hash of a token's UTF-8, which is followed by zeros up to a multiple of 16 bytes.

    Each block of 16 bytes is two little-endian numbers; their sum, each times an odd constant, is
    added to the hash so far, and MurmurHash3's finaliser mixes it. So different tokens of up to
    eight bytes always have different hashes, and others hardly ever the same.
    """
    mixed = np.uint64(0)
    for block in range(np.uint64(size + 15) >> np.uint64(4)):
        first = np.uint64(2) * np.uint64(block)
        mixed = _added(mixed, blocks[first], blocks[first + np.uint64(1)])
    return mixed


@compiled
def hash_documents(
    codes: UInt32Array,
    begins: NDArray[np.int32],
    ends: NDArray[np.int32],
    token_ends: NDArray[np.int64],
    classes: UInt32Array,
    fold_index: NDArray[np.uint16],
    fold_begins: NDArray[np.int64],
    folded: UInt32Array,
) -> tuple[UInt64Array, NDArray[np.int64], NDArray[np.bool_]]:
    """Hash the folded tokens of documents.

    Parameters
    ----------
    codes, classes
        As for `scan_documents`.
    begins, ends, token_ends
        What it returned.
    fold_index, fold_begins, folded
        Of `clustering.prepare.characters.CharacterTable`.

    Returns
    -------
    hashes
        uint64: `token_hash` of the tokens of document after document. Sentence ends and tokens of
        marks alone fold to nothing and are left out.
    word_ends
        int64, shape (documents,): how many tokens there are up to the end of each document.
    is_hard
        bool, shape (documents,): whether a token folds in a way that needs the Unicode database
        (a capital that composes with a mark only once it is small). Such a document has to be
        folded by `clustering.prepare.tokens.fold`; what stands here is not to be used.
    """
    scratch = np.empty(_LONGEST_FOLD * TOKEN_LENGTH_LIMIT, dtype=np.uint32)
    data = np.zeros(4 * _LONGEST_FOLD * TOKEN_LENGTH_LIMIT + _BLOCK_BYTES, dtype=np.uint8)
    blocks = data.view(np.uint64)
    hashes = np.empty(begins.size, dtype=np.uint64)
    word_ends = np.empty(token_ends.size, dtype=np.int64)
    is_hard = np.zeros(token_ends.size, dtype=np.bool_)
    words = 0
    token = 0
    for document in range(token_ends.size):
        while token < token_ends[document]:
            begin = int(begins[token])
            end = min(int(ends[token]), begin + TOKEN_LENGTH_LIMIT)
            token += 1
            # Most tokens are plain: short, of ASCII, beginning with a letter, and no initials.
            if end - begin <= AT_ONCE and begin + AT_ONCE <= codes.size:
                source = np.uint64(begin)
                small = codes[source] | np.uint32(0x20)
                is_initials = end - begin > 1 and codes[source + np.uint64(1)] == _FULL_STOP
                if ord("a") <= small <= ord("z") and not is_initials:
                    first, second, beyond = small_letters(codes, source, np.uint32(end - begin))
                    if beyond == 0:
                        hashes[words] = _added(np.uint64(0), first, second)
                        words += 1
                        continue
            seen = np.uint32(0)
            for at in range(begin, end):
                seen |= classes[codes[np.uint64(at)]]
            if seen & _LETTER_OR_NUMBER == 0:
                continue
            if seen & _CASED and seen & _COMBINES:
                is_hard[document] = True
                continue
            kept = _fold_codes(codes, begin, end, fold_index, fold_begins, folded, scratch)
            if kept == 0:
                continue
            size = 0
            for at in range(kept):
                size = put_code(scratch[at], data, size)
            for at in range(size, size + _BLOCK_BYTES):
                data[at] = 0
            hashes[words] = token_hash(blocks, size)
            words += 1
        word_ends[document] = words
    return hashes[:words], word_ends, is_hard
