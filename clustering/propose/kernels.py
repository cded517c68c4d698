"""The compiled loops of the proposal: shingle hashes, minima, buckets, shared buckets."""

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
_FMIX1: Final = np.uint32(0x85EBCA6B)
_FMIX2: Final = np.uint32(0xC2B2AE35)
TEXT_WEIGHT: Final = 8
"""What sharing a text bucket counts; event buckets count less."""
_GOLDEN64: Final = np.uint64(0x9E3779B97F4A7C15)
_FMIX64_1: Final = np.uint64(0xFF51AFD7ED558CCD)
_FMIX64_2: Final = np.uint64(0xC4CEB9FE1A85EC53)
_EMPTY: Final = np.uint32(0xFFFFFFFF)


@compiled
def _word(data: UInt8Array, at: int) -> np.uint32:
    """Little-endian 32-bit word at any byte offset."""
    return np.uint32(
        np.uint32(data[at])
        | (np.uint32(data[at + 1]) << np.uint32(8))
        | (np.uint32(data[at + 2]) << np.uint32(16))
        | (np.uint32(data[at + 3]) << np.uint32(24))
    )


@compiled
def _rotate_left(value: np.uint32, bits: int) -> np.uint32:
    return np.uint32((value << np.uint32(bits)) | (value >> np.uint32(32 - bits)))


@compiled
def _round(accumulator: np.uint32, word: np.uint32) -> np.uint32:
    return np.uint32(_rotate_left(np.uint32(accumulator + np.uint32(word * _PRIME2)), 13) * _PRIME1)


@compiled
def _xxh32(data: UInt8Array, begin: int, end: int) -> np.uint32:
    """XXH32 with seed 0 of ``data[begin:end]`` (Collet, xxHash specification 0.1.1)."""
    at = begin
    if end - begin >= 16:
        first = np.uint32(_PRIME1 + _PRIME2)
        second = _PRIME2
        third = np.uint32(0)
        fourth = np.uint32(np.uint32(0) - _PRIME1)
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
        value = _PRIME5
    value = np.uint32(value + np.uint32(end - begin))
    while at + 4 <= end:
        value = np.uint32(
            _rotate_left(np.uint32(value + np.uint32(_word(data, at) * _PRIME3)), 17) * _PRIME4
        )
        at += 4
    while at < end:
        value = np.uint32(
            _rotate_left(np.uint32(value + np.uint32(np.uint32(data[at]) * _PRIME5)), 11) * _PRIME1
        )
        at += 1
    value = np.uint32(np.uint32(value ^ (value >> np.uint32(15))) * _PRIME2)
    value = np.uint32(np.uint32(value ^ (value >> np.uint32(13))) * _PRIME3)
    return np.uint32(value ^ (value >> np.uint32(16)))


@compiled
def shingle_hashes(data: UInt8Array, ends: NDArray[np.int64], shingle_words: int) -> UInt32Array:
    """XXH32 of every window of neighbouring tokens.

    Parameters
    ----------
    data
        uint8: the tokens' UTF-8, joined by single spaces.
    ends
        int64, shape (n,), n >= 1: for each token, the offset just past its last byte.
    shingle_words
        Tokens in a window, at least 1.

    Returns
    -------
    hashes
        uint32, shape (max(1, n - shingle_words + 1),). A text shorter than a window is one
        shingle of all its tokens. Windows are slices of ``data``: joining a window's tokens by
        spaces gives the very bytes that stand there, so nothing is copied.
    """
    width = min(shingle_words, ends.size)
    hashes = np.empty(ends.size - width + 1, dtype=np.uint32)
    for window in range(hashes.size):
        begin = 0 if window == 0 else ends[window - 1] + 1
        hashes[window] = _xxh32(data, begin, ends[window + width - 1])
    return hashes


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


@compiled
def minhash(
    hashes: UInt32Array, multipliers: UInt32Array, offsets: UInt32Array, signature: UInt32Array
) -> None:
    """Write min over h of a * fmix32(h) + b mod 2^32, for each permutation (a, b).

    fmix32 is MurmurHash3's finaliser, the bijection datasketch puts before its permutations so
    that structured hashes do no harm.

    Parameters
    ----------
    hashes
        uint32, shape (n,). None leave every entry at 2^32 - 1.
    multipliers, offsets
        uint32, shape (P,): a and b.
    signature
        uint32, shape (P,): overwritten.
    """
    signature[:] = _EMPTY
    for index in range(hashes.size):
        mixed = hashes[index]
        mixed = np.uint32(np.uint32(mixed ^ (mixed >> np.uint32(16))) * _FMIX1)
        mixed = np.uint32(np.uint32(mixed ^ (mixed >> np.uint32(13))) * _FMIX2)
        mixed = np.uint32(mixed ^ (mixed >> np.uint32(16)))
        for entry in range(signature.size):
            image = np.uint32(np.uint32(multipliers[entry] * mixed) + offsets[entry])
            signature[entry] = min(signature[entry], image)


@compiled
def band_buckets(signature: UInt32Array, first_band: int, rows: int, ids: UInt64Array) -> None:
    """Write the bucket ids of a signature's bands; see `clustering.propose.lsh.bucket_ids`.

    The rows are absorbed one after the other by MurmurHash3's 64-bit finaliser, begun with the
    band's number times an odd constant, so that equal rows of two bands give unrelated ids.
    Bit 12 is left clear.
    """
    for band in range(ids.size):
        mixed = np.uint64(first_band + band + 1) * _GOLDEN64
        for row in range(rows):
            mixed ^= np.uint64(signature[band * rows + row])
            mixed = (mixed ^ (mixed >> np.uint64(33))) * _FMIX64_1
            mixed = (mixed ^ (mixed >> np.uint64(33))) * _FMIX64_2
            mixed ^= mixed >> np.uint64(33)
        low = mixed & np.uint64((1 << 12) - 1)
        high = ((mixed >> np.uint64(12)) & np.uint64((1 << 31) - 1)) << np.uint64(13)
        ids[band] = high | low


@compiled
def shared_buckets(
    article_begins: NDArray[np.int64],
    bucket_of: NDArray[np.int64],
    bucket_begins: NDArray[np.int64],
    members: NDArray[np.int64],
    weights: NDArray[np.int64],
    event_bucket_articles: int,
    text_bucket_articles: int,
    limit: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Each article's best candidates by the candidate rule of `clustering.propose.lsh`.

    Parameters
    ----------
    article_begins
        int64, shape (articles + 1,): article a is in the buckets
        ``bucket_of[article_begins[a] : article_begins[a + 1]]``.
    bucket_of
        int64: bucket numbers.
    bucket_begins
        int64, shape (buckets + 1,): bucket b holds
        ``members[bucket_begins[b] : bucket_begins[b + 1]]``, ascending.
    members
        int64: articles.
    weights
        int64, shape (buckets,).
    event_bucket_articles, text_bucket_articles, limit
        L, the text limit and ``limit`` of the rule.

    Returns
    -------
    articles, candidates, shared_weights
        int64, shape (n,) each.
    """
    articles = article_begins.size - 1
    capacity = 1024
    firsts = np.empty(capacity, dtype=np.int64)
    seconds = np.empty(capacity, dtype=np.int64)
    sums = np.empty(capacity, dtype=np.int64)
    found = 0
    shared = np.zeros(articles, dtype=np.int64)
    touched = np.empty(articles, dtype=np.int64)
    for article in range(articles):
        touches = 0
        for entry in range(article_begins[article], article_begins[article + 1]):
            bucket = bucket_of[entry]
            begin, end = bucket_begins[bucket], bucket_begins[bucket + 1]
            if weights[bucket] >= TEXT_WEIGHT:
                begin = max(begin, end - text_bucket_articles)
            elif end - begin > event_bucket_articles:
                continue
            for at in range(begin, end):
                other = members[at]
                if other != article:
                    if shared[other] == 0:
                        touched[touches] = other
                        touches += 1
                    shared[other] += weights[bucket]
        # One number that orders by weight, then by article: both descending from the top.
        keys = np.empty(touches, dtype=np.int64)
        for touch in range(touches):
            other = touched[touch]
            keys[touch] = shared[other] * articles + other
            shared[other] = 0
        if touches > limit:
            keys = np.partition(keys, touches - limit)[touches - limit :]
        while found + keys.size > capacity:
            firsts = np.concatenate((firsts, np.empty(capacity, dtype=np.int64)))
            seconds = np.concatenate((seconds, np.empty(capacity, dtype=np.int64)))
            sums = np.concatenate((sums, np.empty(capacity, dtype=np.int64)))
            capacity *= 2
        for key in keys:
            firsts[found] = article
            seconds[found] = key % articles
            sums[found] = key // articles
            found += 1
    return firsts[:found], seconds[:found], sums[:found]
