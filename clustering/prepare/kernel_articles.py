"""The compiled count of articles' terms and of pairs of neighbours, from rows of a lexicon.

What belongs together is brought together by sorting. The numbers sorted are hashes, mostly a
hundred an article: once distributed by their highest byte, where each is alone with hardly another,
they are all but in order, and insertion does the rest. Of many, that would depend on chance: they
are distributed byte by byte from the lowest on, and so in order after four rounds without a
comparison (Knuth, "The Art of Computer Programming", volume 3, sections 5.2.1 and 5.2.5).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array, UInt64Array
from clustering.compiled import compiled
from clustering.prepare.kernel_hashes import window_hashes
from clustering.prepare.kernel_terms import BIGRAM_ID_BITS, joined_texts, read_terms

_COUNT_LIMIT: Final = 255
_ROUND_BITS: Final = 8
_ID_ROUNDS: Final = 4
_FEW: Final = 1024
"""Hashes that are brought in order by insertion: of so many, chosen to begin alike, each moves past
500 others, which takes a tenth of a millisecond."""


@compiled
def read_articles(
    rows: NDArray[np.int32],
    token_ends: NDArray[np.int64],
    entries: UInt64Array,
    texts: UInt8Array,
    lead_tokens: int,
    position_bits: int,
) -> tuple[
    UInt8Array,
    NDArray[np.int64],
    NDArray[np.int64],
    UInt32Array,
    NDArray[np.int64],
    NDArray[np.int64],
    UInt32Array,
    UInt8Array,
    UInt8Array,
    UInt8Array,
    UInt8Array,
    NDArray[np.int64],
    UInt32Array,
]:
    """Do all that is left when the rows of articles' tokens are known.

    Parameters
    ----------
    rows, token_ends, lead_tokens, position_bits
        As for `read_terms`.
    entries, texts
        Of `clustering.prepare.lexicon.Pages`.

    Returns
    -------
    words, byte_ends, word_ends
        The bodies' folded tokens, as in `clustering.prepare.token_stream.TokenStream`.
    ordered_term_ids, ordered_ends, term_offsets, term_ids, body_counts, lead_counts, title_counts,
    term_flags, bigram_offsets, bigram_ids
        As in `clustering.prepare.analysis.Analyses`.
    """
    (
        word_rows,
        word_ends,
        term_rows,
        term_ends,
        ordered_term_ids,
        keys,
        flags,
        sentences,
        title_terms,
        lead_terms,
    ) = read_terms(rows, token_ends, entries, lead_tokens, position_bits)
    words, byte_ends = joined_texts(word_rows, entries, texts, 0)
    scratch = np.empty(keys.size, dtype=np.uint64)
    first = 0
    for article in range(term_ends.size):
        sort_by_id(keys, scratch, first, term_ends[article], position_bits)
        first = term_ends[article]
    term_offsets, ids, body_counts, lead_counts, title_counts, term_flags = count_terms(
        keys, flags, term_ends, title_terms, lead_terms, position_bits
    )
    stems, stem_byte_ends = joined_texts(term_rows, entries, texts, 1)
    hashes, hash_ends = window_hashes(stems, stem_byte_ends, term_ends, 2, 0)
    bigram_offsets, bigram_ids = distinct_bigrams(hashes, hash_ends, term_ends, sentences)
    return (
        words,
        byte_ends,
        word_ends,
        ordered_term_ids,
        term_ends,
        term_offsets,
        ids,
        body_counts,
        lead_counts,
        title_counts,
        term_flags,
        bigram_offsets,
        bigram_ids,
    )


@compiled
def sort_by_id(values: UInt64Array, scratch: UInt64Array, begin: int, end: int, shift: int) -> None:
    """Sort ``values[begin:end]`` by the 32 bits above ``shift``, equal ones in the order they had.

    ``scratch`` is as long as ``values`` and overwritten.
    """
    counts = np.empty(1 << _ROUND_BITS, dtype=np.int64)
    last = np.uint64((1 << _ROUND_BITS) - 1)
    # Of a few, the highest bits bring nearly all to their places, for they are hashes; more are
    # left to no chance.
    is_few = end - begin <= _FEW
    rounds = 1 if is_few else _ID_ROUNDS
    for turn in range(rounds):
        source = values if turn % 2 == 0 else scratch
        target = scratch if turn % 2 == 0 else values
        bits = np.uint64(shift + (_ID_ROUNDS - rounds + turn) * _ROUND_BITS)
        for digit in range(counts.size):
            counts[digit] = 0
        for at in range(begin, end):
            counts[(source[at] >> bits) & last] += 1
        place = begin
        for digit in range(counts.size):
            count = counts[digit]
            counts[digit] = place
            place += count
        for at in range(begin, end):
            digit = (source[at] >> bits) & last
            target[counts[digit]] = source[at]
            counts[digit] += 1
    if not is_few:
        return
    above = np.uint64(shift)
    for at in range(begin, end):
        value = scratch[at]
        place = at
        while place > begin and values[place - 1] >> above > value >> above:
            values[place] = values[place - 1]
            place -= 1
        values[place] = value


@compiled
def count_terms(
    keys: UInt64Array,
    flags: UInt8Array,
    term_ends: NDArray[np.int64],
    title_terms: NDArray[np.int64],
    lead_terms: NDArray[np.int64],
    position_bits: int,
) -> tuple[NDArray[np.int64], UInt32Array, UInt8Array, UInt8Array, UInt8Array, UInt8Array]:
    """Count the occurrences of every term in each article.

    Parameters
    ----------
    keys
        uint64: as `read_terms` gives them, those of each article sorted.
    flags, term_ends, title_terms, lead_terms, position_bits
        As it gives and takes them.

    Returns
    -------
    offsets
        int64, shape (articles + 1,): where the terms of each article begin.
    term_ids, body_counts, lead_counts, title_counts, term_flags
        As in `clustering.articles.TermVector`, article after article.
    """
    articles = term_ends.size
    offsets = np.zeros(articles + 1, dtype=np.int64)
    ids = np.empty(keys.size, dtype=np.uint32)
    body_counts = np.empty(keys.size, dtype=np.uint8)
    lead_counts = np.empty(keys.size, dtype=np.uint8)
    title_counts = np.empty(keys.size, dtype=np.uint8)
    term_flags = np.empty(keys.size, dtype=np.uint8)
    shift = np.uint64(position_bits)
    mask = (np.uint64(1) << shift) - np.uint64(1)
    size = 0
    at = 0
    for article in range(articles):
        first = 0 if article == 0 else term_ends[article - 1]
        in_title, in_lead = title_terms[article], lead_terms[article]
        while at < term_ends[article]:
            term = keys[at] >> shift
            body, lead, title, flag = 0, 0, 0, 0
            while at < term_ends[article] and keys[at] >> shift == term:
                position = np.int64(keys[at] & mask)
                if position < in_title:
                    title += 1
                else:
                    body += 1
                    lead += position < in_lead
                flag |= flags[first + position]
                at += 1
            ids[size] = np.uint32(term & np.uint64(0xFFFFFFFF))
            body_counts[size] = min(body, _COUNT_LIMIT)
            lead_counts[size] = min(lead, _COUNT_LIMIT)
            title_counts[size] = min(title, _COUNT_LIMIT)
            term_flags[size] = flag
            size += 1
        offsets[article + 1] = size
    return (
        offsets,
        ids[:size].copy(),
        body_counts[:size].copy(),
        lead_counts[:size].copy(),
        title_counts[:size].copy(),
        term_flags[:size].copy(),
    )


@compiled
def distinct_bigrams(
    hashes: UInt32Array,
    hash_ends: NDArray[np.int64],
    term_ends: NDArray[np.int64],
    sentences: NDArray[np.int32],
) -> tuple[NDArray[np.int64], UInt32Array]:
    """Name the pairs of neighbouring terms that stand in one sentence.

    Parameters
    ----------
    hashes, hash_ends
        What `clustering.prepare.kernel_hashes.window_hashes` gives for windows of two terms.
    term_ends, sentences
        As `read_terms` gives them.

    Returns
    -------
    offsets
        int64, shape (articles + 1,): where the pairs of each article begin.
    ids
        uint32: increasing within an article, each once.
    """
    articles = term_ends.size
    offsets = np.zeros(articles + 1, dtype=np.int64)
    keys = np.empty(hashes.size, dtype=np.uint64)
    scratch = np.empty(hashes.size, dtype=np.uint64)
    ids = np.empty(hashes.size, dtype=np.uint32)
    size = 0
    for article in range(articles):
        first = 0 if article == 0 else term_ends[article - 1]
        pair = 0 if article == 0 else hash_ends[article - 1]
        found = 0
        for term in range(first, term_ends[article] - 1):
            keys[found] = np.uint64(hashes[pair] & BIGRAM_ID_BITS)
            found += sentences[term] == sentences[term + 1]
            pair += 1
        sort_by_id(keys, scratch, 0, found, 0)
        for at in range(found):
            ids[size] = np.uint32(keys[at])
            size += at == 0 or keys[at] != keys[at - 1]
        offsets[article + 1] = size
    return offsets, ids[:size]
