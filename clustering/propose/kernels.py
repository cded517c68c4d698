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
SLOT_BITS: Final = 8
"""Bits of a bucket's id that tell it from others of its group; see `clustering.propose.lsh`."""
_SLOT_BITS: Final = np.uint64(SLOT_BITS)
_TEXT_GROUPS: Final = np.uint64((1 << 35) - 1)
_NEAR_COPY_IDS: Final = np.uint64((1 << 44) - 1)


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
def _mixed_band(signature: UInt32Array, first: int, rows: int, band: int) -> np.uint64:
    """Mix the rows of a band into 64 bits.

    They are absorbed one after the other by MurmurHash3's 64-bit finaliser, begun with the band's
    number times an odd constant, so that equal rows of two bands give unrelated ids.
    """
    mixed = np.uint64(band + 1) * _GOLDEN64
    for row in range(rows):
        mixed ^= np.uint64(signature[first + row])
        mixed = (mixed ^ (mixed >> np.uint64(33))) * _FMIX64_1
        mixed = (mixed ^ (mixed >> np.uint64(33))) * _FMIX64_2
        mixed ^= mixed >> np.uint64(33)
    return mixed


@compiled
def band_buckets_of_all(signatures: UInt32Array, bands: int, rows: int) -> UInt64Array:
    """Bucket ids of many signatures, band by band: uint64, shape (bands, signatures), 44 bits."""
    ids = np.empty((bands, signatures.shape[0]), dtype=np.uint64)
    for row in range(signatures.shape[0]):
        for band in range(bands):
            ids[band, row] = _mixed_band(signatures[row], band * rows, rows, band) & _NEAR_COPY_IDS
    return ids


@compiled
def repeated_terms(
    ends: NDArray[np.int64],
    term_ids: UInt32Array,
    weights: NDArray[np.floating],
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
        uint32 and floating: of article after article, most salient first.
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
def _text_buckets(signature: UInt32Array, rows: int, text_bit: int, ids: UInt64Array) -> None:
    """Write the ids of text buckets; see `clustering.propose.lsh.bucket_ids`."""
    for band in range(ids.size):
        group = _mixed_band(signature, band * rows, rows, band) & _TEXT_GROUPS
        ids[band] = np.uint64(text_bit) | (group << _SLOT_BITS)


@compiled
def _slot_of(slots: NDArray[np.int32], mixed: UInt32Array, wanted: np.uint32) -> np.int64:
    """Return where in a hash table a token stands, or where it would: a mixed token is its hash."""
    mask = slots.size - 1
    at = np.int64(wanted) & mask
    while slots[at] >= 0 and mixed[slots[at]] != wanted:
        at = (at + 1) & mask
    return at


@compiled
def _event_groups(
    tokens: UInt32Array,
    repeat_step: int,
    slots: NDArray[np.int32],
    mixed: UInt32Array,
    groups: UInt32Array,
    odd: NDArray[np.bool_],
) -> None:
    """Tell for each event token which group of buckets it belongs to, and whether it is second.

    Tokens that follow one another in steps are repeats of a term: every two of them are a group,
    which bears the name of the first of the two.
    """
    slots[:] = -1
    for k in range(tokens.size):
        mixed[k] = _fmix32(tokens[k])
        slots[_slot_of(slots, mixed, mixed[k])] = np.int32(k)
    step = np.uint32(repeat_step)
    for k in range(tokens.size):
        repeats = 0
        before = np.uint32(tokens[k] - step)
        while repeats < tokens.size and slots[_slot_of(slots, mixed, _fmix32(before))] >= 0:
            repeats += 1
            before = np.uint32(before - step)
        odd[k] = repeats % 2 == 1
        groups[k] = _fmix32(np.uint32(tokens[k] - step)) if odd[k] else mixed[k]


@compiled
def _event_buckets(
    signature: UInt32Array,
    rows: int,
    offsets: UInt32Array,
    inverses: UInt32Array,
    slots: NDArray[np.int32],
    mixed: UInt32Array,
    groups: UInt32Array,
    odd: NDArray[np.bool_],
    ids: UInt64Array,
) -> None:
    """Write the ids of event buckets; see `clustering.propose.lsh.bucket_ids`."""
    for band in range(ids.size):
        if rows == 1:
            # The minimum is a * fmix32(token) + b, and a is odd: so it tells which token it is.
            least = np.uint32(np.uint32(signature[band] - offsets[band]) * inverses[band])
            token = slots[_slot_of(slots, mixed, least)]
            group = np.uint64(groups[token])
            second = odd[token]
        else:
            group = _mixed_band(signature, band * rows, rows, 0) & np.uint64(0xFFFFFFFF)
            second = False
        slot = np.uint64(band & 127) | (np.uint64(128) if second else np.uint64(0))
        group |= np.uint64(band >> 7) << np.uint64(32)
        ids[band] = (group << _SLOT_BITS) | slot


@compiled
def bucket_ids_of_all(
    with_buckets: NDArray[np.bool_],
    signature_offsets: NDArray[np.int64],
    text_signatures: UInt32Array,
    event_offsets: NDArray[np.int64],
    event_tokens: UInt32Array,
    multipliers: UInt32Array,
    offsets: UInt32Array,
    inverses: UInt32Array,
    text_permutations: int,
    text_bands: int,
    text_rows: int,
    event_bands: int,
    event_rows: int,
    repeat_step: int,
    text_bit: int,
) -> tuple[int, NDArray[np.int64], UInt64Array]:
    """Write the bucket ids of articles; see `clustering.propose.lsh.bucket_ids`.

    Parameters
    ----------
    with_buckets
        bool, shape (articles,): which have any.
    signature_offsets, text_signatures
        int64, shape (articles + 1,), and uint32: text signatures one behind the other, empty ones
        among them.
    event_offsets, event_tokens
        int64, shape (articles + 1,), and uint32: event tokens, in the same way.
    multipliers, offsets, inverses
        uint32, shape (event permutations,): a and b of the event permutations, and what undoes a.
    text_permutations, text_bands, text_rows, event_bands, event_rows, repeat_step, text_bit
        Of the scheme, of its tokens, and of the ids.

    Returns
    -------
    wrong_size
        Entries of a text signature of another size than the scheme's, where there is one, and no
        ids; otherwise 0.
    ends, ids
        int64, shape (articles,): how many ids there are up to the end of each article; uint64.
    """
    articles = with_buckets.size
    ends = np.empty(articles, dtype=np.int64)
    ids = np.empty(articles * (text_bands + event_bands), dtype=np.uint64)
    event_signatures = minhash(event_tokens, event_offsets[1:], multipliers, offsets)
    most = 1
    for article in range(articles):
        most = max(most, event_offsets[article + 1] - event_offsets[article])
    table = 2
    while table < 2 * most:
        table *= 2
    slots = np.empty(table, dtype=np.int32)
    mixed = np.empty(most, dtype=np.uint32)
    groups = np.empty(most, dtype=np.uint32)
    odd = np.empty(most, dtype=np.bool_)
    size = 0
    for article in range(articles):
        if with_buckets[article]:
            begin, end = signature_offsets[article], signature_offsets[article + 1]
            if end > begin:
                if end - begin != text_permutations:
                    return end - begin, ends, ids[:0]
                _text_buckets(
                    text_signatures[begin:end], text_rows, text_bit, ids[size : size + text_bands]
                )
                size += text_bands
            tokens = event_tokens[event_offsets[article] : event_offsets[article + 1]]
            if tokens.size:
                if event_rows == 1:
                    _event_groups(tokens, repeat_step, slots, mixed, groups, odd)
                _event_buckets(
                    event_signatures[article],
                    event_rows,
                    offsets,
                    inverses,
                    slots,
                    mixed,
                    groups,
                    odd,
                    ids[size : size + event_bands],
                )
                size += event_bands
        ends[article] = size
    return 0, ends, ids[:size]
