"""The compiled loops of the proposal: minima, buckets, shared buckets."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt32Array, UInt64Array
from clustering.compiled import compiled

_FMIX1: Final = np.uint32(0x85EBCA6B)
_FMIX2: Final = np.uint32(0xC2B2AE35)
TEXT_WEIGHT: Final = 8
"""What sharing a text bucket counts; event buckets count less."""
_GOLDEN64: Final = np.uint64(0x9E3779B97F4A7C15)
_FMIX64_1: Final = np.uint64(0xFF51AFD7ED558CCD)
_FMIX64_2: Final = np.uint64(0xC4CEB9FE1A85EC53)
_EMPTY: Final = np.uint32(0xFFFFFFFF)


@compiled
def _fmix32(value: np.uint32) -> np.uint32:
    mixed = np.uint32(np.uint32(value ^ (value >> np.uint32(16))) * _FMIX1)
    mixed = np.uint32(np.uint32(mixed ^ (mixed >> np.uint32(13))) * _FMIX2)
    return np.uint32(mixed ^ (mixed >> np.uint32(16)))


@compiled
def minhash(
    hashes: UInt32Array,
    hash_ends: NDArray[np.int64],
    multipliers: UInt32Array,
    offsets: UInt32Array,
) -> UInt32Array:
    """MinHash of each document: min over h of a * fmix32(h) + b mod 2^32, for each (a, b).

    fmix32 is MurmurHash3's finaliser, the bijection datasketch puts before its permutations so
    that structured hashes do no harm.

    Parameters
    ----------
    hashes, hash_ends
        What `clustering.prepare.window_hashes` returns: hashes of document after document, and
        how many there are up to the end of each.
    multipliers, offsets
        uint32, shape (P,): a and b.

    Returns
    -------
    signatures
        uint32, shape (documents, P). Without hashes every entry is 2^32 - 1.
    """
    signatures = np.empty((hash_ends.size, multipliers.size), dtype=np.uint32)
    begin = 0
    for document in range(hash_ends.size):
        signature = signatures[document]
        signature[:] = _EMPTY
        end = hash_ends[document]
        # Two at a time: half as often is the signature loaded and stored. An odd one goes twice,
        # which leaves the minima as they are.
        for index in range(begin, end, 2):
            first = _fmix32(hashes[index])
            second = _fmix32(hashes[min(index + 1, end - 1)])
            for entry in range(signature.size):
                one = np.uint32(np.uint32(multipliers[entry] * first) + offsets[entry])
                other = np.uint32(np.uint32(multipliers[entry] * second) + offsets[entry])
                lower = min(one, other)
                signature[entry] = min(signature[entry], lower)
        begin = hash_ends[document]
    return signatures


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
def band_buckets_of_all(signatures: UInt32Array, bands: int, rows: int) -> UInt64Array:
    """Bucket ids of many signatures, band by band: uint64, shape (bands, signatures)."""
    ids = np.empty((bands, signatures.shape[0]), dtype=np.uint64)
    of_one = np.empty(bands, dtype=np.uint64)
    for row in range(signatures.shape[0]):
        band_buckets(signatures[row], 0, rows, of_one)
        for band in range(bands):
            ids[band, row] = of_one[band]
    return ids


@compiled
def repeated_terms(
    ends: NDArray[np.int64],
    term_ids: UInt32Array,
    weights: NDArray[np.float64],
    repeat_weight: float,
    most_repeats: int,
    repeat_step: int,
) -> tuple[NDArray[np.int64], UInt32Array]:
    """Repeat the terms of articles by their weights; see `clustering.propose.event_tokens`.

    Parameters
    ----------
    ends
        int64, shape (articles,): how many terms there are up to the end of each article.
    term_ids, weights
        uint32 and float64: of article after article, most salient first.
    repeat_weight, most_repeats, repeat_step
        Weight of one repetition, most of them, and what each adds to the term's id.

    Returns
    -------
    token_ends, tokens
        int64, shape (articles,), and uint32.
    """
    repeats = np.empty(term_ids.size, dtype=np.int64)
    size = 0
    for term in range(term_ids.size):
        wanted = min(max(np.rint(weights[term] / repeat_weight), 1.0), float(most_repeats))
        repeats[term] = np.int64(wanted)
        size += repeats[term]
    tokens = np.empty(size, dtype=np.uint32)
    token_ends = np.empty(ends.size, dtype=np.int64)
    size = 0
    first = 0
    for article in range(ends.size):
        most = 0
        for term in range(first, ends[article]):
            most = max(most, repeats[term])
        for repeat in range(most):
            step = np.uint32(np.uint64(repeat) * np.uint64(repeat_step))
            for term in range(first, ends[article]):
                if repeats[term] > repeat:
                    tokens[size] = np.uint32(term_ids[term] + step)
                    size += 1
        token_ends[article] = size
        first = ends[article]
    return token_ends, tokens


@compiled
def bucket_ids_of_all(
    with_buckets: NDArray[np.bool_],
    signature_offsets: NDArray[np.int64],
    text_signatures: UInt32Array,
    event_signatures: UInt32Array,
    has_event: NDArray[np.bool_],
    text_bands: int,
    text_rows: int,
    event_bands: int,
    event_rows: int,
    text_bit: int,
) -> tuple[NDArray[np.int64], UInt64Array]:
    """Write the bucket ids of articles; see `clustering.propose.lsh.bucket_ids`.

    Parameters
    ----------
    with_buckets
        bool, shape (articles,): which have any.
    signature_offsets, text_signatures
        int64, shape (articles + 1,), and uint32: text signatures one behind the other, empty ones
        among them.
    event_signatures, has_event
        uint32, shape (articles, event permutations), and which of them count.
    text_bands, text_rows, event_bands, event_rows, text_bit
        Of the scheme and of the ids.

    Returns
    -------
    ends, ids
        int64, shape (articles,): how many ids there are up to the end of each article; uint64.
    """
    articles = with_buckets.size
    ends = np.empty(articles, dtype=np.int64)
    ids = np.empty(articles * (text_bands + event_bands), dtype=np.uint64)
    size = 0
    for article in range(articles):
        if with_buckets[article]:
            begin, end = signature_offsets[article], signature_offsets[article + 1]
            if end > begin:
                band_buckets(
                    text_signatures[begin:end], 0, text_rows, ids[size : size + text_bands]
                )
                for at in range(size, size + text_bands):
                    ids[at] |= np.uint64(text_bit)
                size += text_bands
            if has_event[article]:
                band_buckets(
                    event_signatures[article],
                    text_bands,
                    event_rows,
                    ids[size : size + event_bands],
                )
                size += event_bands
        ends[article] = size
    return ends, ids[:size]
