"""Compiled hashes of texts that are already folded: windows of tokens, and whole documents.

Texts come as one array of UTF-8 with a space between tokens, so that a window of tokens joined by
spaces is a slice of it and nothing is copied.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array, UInt64Array
from clustering.compiled import compiled

# Written out as unsigned 32-bit numbers: with Python integers numba would compute in 64 bits
# and forget to wrap.
_PRIME1: Final = np.uint32(0x9E3779B1)
_PRIME2: Final = np.uint32(0x85EBCA77)
_PRIME3: Final = np.uint32(0xC2B2AE3D)
_PRIME4: Final = np.uint32(0x27D4EB2F)
_PRIME5: Final = np.uint32(0x165667B1)
_GOLDEN64: Final = np.uint64(0x9E3779B97F4A7C15)
_FMIX64_1: Final = np.uint64(0xFF51AFD7ED558CCD)
_FMIX64_2: Final = np.uint64(0xC4CEB9FE1A85EC53)


@compiled
def _word(data: UInt8Array, at: int) -> np.uint32:
    """Little-endian 32-bit word at any byte offset."""
    # Unsigned, since for a signed index numba provides for negative ones, and the four loads
    # would no longer become one.
    first = np.uint64(at)
    return np.uint32(
        np.uint32(data[first])
        | (np.uint32(data[first + np.uint64(1)]) << np.uint32(8))
        | (np.uint32(data[first + np.uint64(2)]) << np.uint32(16))
        | (np.uint32(data[first + np.uint64(3)]) << np.uint32(24))
    )


@compiled
def _chosen(is_first: bool, first: np.uint32, second: np.uint32) -> np.uint32:
    """Pick one of two without a branch, which the processor could not foresee."""
    mask = np.uint32(np.uint32(0) - np.uint32(is_first))
    return np.uint32((first & mask) | (second & ~mask))


@compiled
def _rotate_left(value: np.uint32, bits: int) -> np.uint32:
    return np.uint32((value << np.uint32(bits)) | (value >> np.uint32(32 - bits)))


@compiled
def _round(accumulator: np.uint32, word: np.uint32) -> np.uint32:
    return np.uint32(_rotate_left(np.uint32(accumulator + np.uint32(word * _PRIME2)), 13) * _PRIME1)


@compiled
def xxh32(data: UInt8Array, begin: int, end: int, seed: np.uint32) -> np.uint32:
    """XXH32 of ``data[begin:end]`` (Collet, xxHash specification 0.1.1).

    ``data`` has at least four bytes.
    """
    at = begin
    if end - begin >= 16:
        first = np.uint32(seed + np.uint32(_PRIME1 + _PRIME2))
        second = np.uint32(seed + _PRIME2)
        third = seed
        fourth = np.uint32(seed - _PRIME1)
        while at + 16 <= end:
            first = _round(first, _word(data, at))
            second = _round(second, _word(data, at + 4))
            third = _round(third, _word(data, at + 8))
            fourth = _round(fourth, _word(data, at + 12))
            at += 16
        value = np.uint32(
            _rotate_left(first, 1)
            + _rotate_left(second, 7)
            + _rotate_left(third, 12)
            + _rotate_left(fourth, 18)
        )
    else:
        value = np.uint32(seed + _PRIME5)
    value = np.uint32(value + np.uint32(end - begin))
    # The rest of up to three words and three bytes; loads stay inside the array.
    last = data.size - 4
    for word in range(3):
        mixed = np.uint32(value + np.uint32(_word(data, min(at + 4 * word, last)) * _PRIME3))
        mixed = np.uint32(_rotate_left(mixed, 17) * _PRIME4)
        value = _chosen(at + 4 * word + 4 <= end, mixed, value)
    rest = (end - begin) & 3
    at = min(end - rest, last)
    tail = np.uint64(_word(data, at)) >> np.uint64(8 * (end - rest - at))
    for byte in range(3):
        mixed = np.uint32((tail >> np.uint64(8 * byte)) & np.uint64(0xFF))
        mixed = np.uint32(value + np.uint32(mixed * _PRIME5))
        value = _chosen(byte < rest, np.uint32(_rotate_left(mixed, 11) * _PRIME1), value)
    value = np.uint32(np.uint32(value ^ (value >> np.uint32(15))) * _PRIME2)
    value = np.uint32(np.uint32(value ^ (value >> np.uint32(13))) * _PRIME3)
    return np.uint32(value ^ (value >> np.uint32(16)))


@compiled
def window_hashes(
    data: UInt8Array,
    byte_ends: NDArray[np.int64],
    word_ends: NDArray[np.int64],
    window_words: int,
    seed: int,
) -> tuple[UInt32Array, NDArray[np.int64]]:
    """XXH32 of every window of neighbouring tokens of each document.

    Parameters
    ----------
    data
        uint8: the tokens' UTF-8, a single space between any two.
    byte_ends
        int64, shape (words,): for each token, the offset just past its last byte.
    word_ends
        int64, shape (documents,): how many tokens there are up to the end of each document.
    window_words
        Tokens in a window, at least 1.
    seed
        Of the hash, in [0, 2^32).

    Returns
    -------
    hashes
        uint32: of document after document. One of n tokens has max(1, n - window_words + 1): a
        text shorter than a window is one window of all its tokens; without tokens it has none.
    hash_ends
        int64, shape (documents,): how many hashes there are up to the end of each document.
    """
    if data.size < 4:
        data = np.concatenate((data, np.zeros(4, dtype=np.uint8)))
    hashes = np.empty(byte_ends.size, dtype=np.uint32)
    hash_ends = np.empty(word_ends.size, dtype=np.int64)
    found = 0
    first = 0
    for document in range(word_ends.size):
        words = word_ends[document] - first
        width = min(window_words, words)
        if words > 0:
            for word in range(first, word_ends[document] - width + 1):
                begin = 0 if word == 0 else byte_ends[word - 1] + 1
                hashes[found] = xxh32(data, begin, byte_ends[word + width - 1], np.uint32(seed))
                found += 1
        hash_ends[document] = found
        first = word_ends[document]
    return hashes[:found], hash_ends


@compiled
def window_hashes64(
    tokens: UInt64Array, word_ends: NDArray[np.int64], window_words: int
) -> tuple[UInt64Array, NDArray[np.int64]]:
    """64-bit hash of every window of neighbouring tokens of each document.

    For telling windows apart, where two alike by chance would be an error: the polynomial of its
    tokens' hashes modulo 2^64, and never 0.

    Parameters
    ----------
    tokens
        uint64: hashes of the tokens of document after document.
    word_ends, window_words
        As for `window_hashes`, whose results are laid out in the same way.
    """
    hashes = np.empty(tokens.size, dtype=np.uint64)
    hash_ends = np.empty(word_ends.size, dtype=np.int64)
    found = 0
    first = 0
    for document in range(word_ends.size):
        words = word_ends[document] - first
        width = min(window_words, words)
        windows = words - width + 1 if words > 0 else 0
        # Token by token for all windows, and not window by window: so the processor does eight at
        # a time.
        of_document = hashes[found : found + windows]
        for place in range(width):
            behind = tokens[first + place : first + place + windows]
            for window in range(windows):
                mixed = of_document[window] if place > 0 else np.uint64(0)
                of_document[window] = (mixed + behind[window]) * _GOLDEN64
        for window in range(windows):
            mixed = of_document[window] ^ (of_document[window] >> np.uint64(32))
            of_document[window] = mixed | np.uint64(mixed == 0)
        found += windows
        hash_ends[document] = found
        first = word_ends[document]
    return hashes[:found], hash_ends


@compiled
def sequence_hashes(hashes: UInt64Array, ends: NDArray[np.int64]) -> UInt64Array:
    """64-bit hash of each document's sequence of hashes; 0 where it is empty.

    Parameters are laid out as the results of `window_hashes64`.
    """
    found = np.empty(ends.size, dtype=np.uint64)
    begin = 0
    for document in range(ends.size):
        # A sum of terms that depend on the place: no step waits for the one before.
        mixed = np.uint64(0)
        for at in range(ends[document] - begin):
            term = (hashes[begin + at] ^ (np.uint64(at) * _FMIX64_1)) * _FMIX64_2
            mixed += term ^ (term >> np.uint64(32))
        found[document] = mixed
        begin = ends[document]
    return found


@compiled
def token_ends(data: UInt8Array, token_count: int) -> NDArray[np.int64]:
    """Offsets just past each token of ``data``, tokens joined by single spaces.

    Only right when no token holds a space itself: the caller counts the spaces first.
    """
    ends = np.empty(token_count, dtype=np.int64)
    token = 0
    for at in range(data.size):
        if data[at] == 32:
            ends[token] = at
            token += 1
    ends[token] = data.size
    return ends
