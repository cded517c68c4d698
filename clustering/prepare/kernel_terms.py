"""The compiled loops over an article's tokens: what is known of each, sentences, terms, counts."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array, UInt64Array
from clustering.compiled import compiled
from clustering.prepare.kernel import TOKEN_LENGTH_LIMIT

NUMBER_FLAG: Final = 1
"""Bit of `TermVector.term_flags` for numbers."""

CAPITALISED_FLAG: Final = 2
"""Bit of `TermVector.term_flags` for terms written with a capital inside a sentence."""

BIGRAM_ID_BITS: Final = np.uint32(0xFFFFFF00)
"""Bits of its hash that an id of a bigram has: the lower byte is clear, which saves the store a
byte of each. An article has some hundred, and of two articles with 200 each one pair in 400 shares
one by chance."""

# What is known of a spelling, in bits. The two lowest are those above.
IS_TERM: Final = 4
IS_ABBREVIATION: Final = 8
"""A full stop after it does not end the sentence."""
IS_SHOUTABLE: Final = 16
"""A stop word in capitals: an acronym (US, WHO, IT) unless its neighbours shout."""
IS_TOKEN: Final = 32
"""Not the end of a sentence."""
BEGINS_WITH_LETTER: Final = 64
IS_UPPER: Final = 128

_COUNT_LIMIT: Final = 255
_NEIGHBOURS: Final = 3
_SHORT_TEXT: Final = 16
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)


@compiled
def _first_slot(codes: UInt32Array, begin: int, end: int, slots: int) -> int:
    mixed = np.uint64(end - begin)
    for at in range(begin, end):
        mixed = (mixed ^ np.uint64(codes[np.uint64(at)])) * _GOLDEN
    return int(np.int64(mixed >> np.uint64(32))) & (slots - 1)


@compiled
def find_rows(
    codes: UInt32Array,
    begins: NDArray[np.int32],
    ends: NDArray[np.int32],
    slots: NDArray[np.int32],
    spellings: UInt32Array,
    spelling_ends: NDArray[np.int64],
) -> NDArray[np.int32]:
    """Look the spelling of every token up.

    Parameters
    ----------
    codes, begins, ends
        As `clustering.prepare.kernel.scan_documents` takes and gives them.
    slots
        int32, a power of two of them: rows by the hash of their spelling, -1 where there is none.
    spellings, spelling_ends
        uint32 and int64: row r is spelled ``spellings[spelling_ends[r] : spelling_ends[r + 1]]``.

    Returns
    -------
    rows
        int32, shape (tokens,); -1 for a spelling that is not there.
    """
    rows = np.empty(begins.size, dtype=np.int32)
    for token in range(begins.size):
        begin = int(begins[token])
        end = min(int(ends[token]), begin + TOKEN_LENGTH_LIMIT)
        # `_first_slot`, written out: a call for every token takes longer than its work.
        mixed = np.uint64(end - begin)
        for at in range(begin, end):
            mixed = (mixed ^ np.uint64(codes[np.uint64(at)])) * _GOLDEN
        slot = int(np.int64(mixed >> np.uint64(32))) & (slots.size - 1)
        while True:
            row = np.int64(slots[slot])
            if row < 0:
                break
            first = spelling_ends[row]
            if spelling_ends[row + 1] - first == end - begin:
                at = begin
                while at < end and codes[np.uint64(at)] == spellings[np.uint64(first + at - begin)]:
                    at += 1
                if at == end:
                    break
            slot = (slot + 1) & (slots.size - 1)
        rows[token] = row
    return rows


@compiled
def place_rows(
    slots: NDArray[np.int32],
    spellings: UInt32Array,
    spelling_ends: NDArray[np.int64],
    begin: int,
    end: int,
) -> None:
    """Put the rows from ``begin`` up to ``end`` into the slots, where they are not yet."""
    for row in range(begin, end):
        slot = _first_slot(spellings, spelling_ends[row], spelling_ends[row + 1], slots.size)
        while slots[slot] >= 0:
            slot = (slot + 1) & (slots.size - 1)
        slots[slot] = row


@compiled
def _is_shouted(
    rows: NDArray[np.int32], properties: UInt8Array, at: int, begin: int, end: int
) -> bool:
    """Whether most words around a token are in capitals, as in some headlines."""
    words = 0
    upper = 0
    for other in range(max(begin, at - _NEIGHBOURS), min(end, at + _NEIGHBOURS + 1)):
        known = properties[rows[other]]
        if other != at and known & BEGINS_WITH_LETTER:
            words += 1
            if known & IS_UPPER:
                upper += 1
    return 2 * upper > words


@compiled
def read_terms(
    rows: NDArray[np.int32],
    title_tokens: int,
    properties: UInt8Array,
    term_ids: UInt32Array,
    lead_tokens: int,
) -> tuple[
    NDArray[np.int32],
    NDArray[np.int32],
    UInt32Array,
    UInt64Array,
    UInt8Array,
    NDArray[np.int32],
    int,
    int,
]:
    """Read a title and a body: which tokens are terms, and in which sentence each stands.

    Parameters
    ----------
    rows
        int32: of every token and sentence end, the title's first.
    title_tokens
        How many of them are the title's.
    properties, term_ids
        Of every row, uint8 and uint32.
    lead_tokens
        Tokens of the body that are its lead.

    Returns
    -------
    word_rows
        int32: of the body's tokens.
    term_rows, ids
        int32 and uint32, shape (k,): rows and ids of the terms in text order.
    keys
        uint64, shape (k,): id times 2^32, plus the term's position; sorted, they bring the
        occurrences of one term together.
    flags
        uint8, shape (k,): `NUMBER_FLAG`, and `CAPITALISED_FLAG` for terms of the body inside a
        sentence: headlines capitalise as they please.
    sentences
        int32, shape (k,): number of the sentence.
    title_terms, lead_terms
        How many of the terms are the title's; how many from the first on are the title's or
        the lead's.
    """
    word_rows = np.empty(rows.size, dtype=np.int32)
    term_rows = np.empty(rows.size, dtype=np.int32)
    ids = np.empty(rows.size, dtype=np.uint32)
    keys = np.empty(rows.size, dtype=np.uint64)
    flags = np.empty(rows.size, dtype=np.uint8)
    sentences = np.empty(rows.size, dtype=np.int32)
    terms = 0
    title_terms = 0
    lead_terms = 0
    words = 0
    sentence = 0
    for part in range(2):
        begin = 0 if part == 0 else title_tokens
        end = title_tokens if part == 0 else rows.size
        ended = True
        before = 0
        words = 0
        for at in range(begin, end):
            row = rows[at]
            known = int(properties[row])
            if known & IS_TOKEN == 0:
                ended = True
                continue
            if words == 0 or (ended and before & IS_ABBREVIATION == 0):
                sentence += 1
                flag = known & NUMBER_FLAG
            else:
                flag = known & (NUMBER_FLAG | CAPITALISED_FLAG)
            ended = False
            before = known
            word_rows[words] = row
            words += 1
            if known & IS_TERM == 0 or (
                known & IS_SHOUTABLE and _is_shouted(rows, properties, at, begin, end)
            ):
                continue
            term_rows[terms] = row
            ids[terms] = term_ids[row]
            keys[terms] = (np.uint64(term_ids[row]) << np.uint64(32)) | np.uint64(terms)
            flags[terms] = flag if part == 1 else flag & NUMBER_FLAG
            sentences[terms] = sentence
            terms += 1
            if part == 1 and words <= lead_tokens:
                lead_terms = terms
        if part == 0:
            title_terms = terms
            lead_terms = terms
    return (
        word_rows[:words],
        term_rows[:terms],
        ids[:terms],
        keys[:terms],
        flags[:terms],
        sentences[:terms],
        title_terms,
        lead_terms,
    )


@compiled
def joined_texts(
    rows: NDArray[np.int32],
    pool: UInt8Array,
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> tuple[UInt8Array, NDArray[np.int64]]:
    """Write the texts of rows one behind the other, a space behind each.

    Row r reads ``pool[begins[r] : ends[r]]``. Returns the bytes, and for each text the offset just
    past its last one.
    """
    size = 0
    for row in rows:
        size += ends[row] - begins[row] + 1
    data = np.empty(size + _SHORT_TEXT, dtype=np.uint8)
    byte_ends = np.empty(rows.size, dtype=np.int64)
    size = 0
    for text in range(rows.size):
        begin, end = begins[rows[text]], ends[rows[text]]
        source, target = np.uint64(begin), np.uint64(size)
        if end - begin <= _SHORT_TEXT and begin + _SHORT_TEXT <= pool.size:
            # A fixed length has no branch to foresee; the next text is written over the rest.
            for step in range(np.uint64(_SHORT_TEXT)):
                data[target + step] = pool[source + step]
        else:
            for step in range(np.uint64(end - begin)):
                data[target + step] = pool[source + step]
        size += end - begin
        byte_ends[text] = size
        data[size] = 0x20
        size += 1
    return data[:size], byte_ends


@compiled
def count_terms(
    keys: UInt64Array, flags: UInt8Array, title_terms: int, lead_terms: int
) -> tuple[UInt32Array, UInt8Array, UInt8Array, UInt8Array, UInt8Array]:
    """Count the occurrences of every term.

    Parameters
    ----------
    keys
        uint64, sorted: as `read_terms` gives them.
    flags, title_terms, lead_terms
        As it gives them.

    Returns
    -------
    term_ids, body_counts, lead_counts, title_counts, term_flags
        As in `clustering.articles.TermVector`.
    """
    ids = np.empty(keys.size, dtype=np.uint32)
    counts = np.zeros((3, keys.size), dtype=np.int64)
    term_flags = np.zeros(keys.size, dtype=np.uint8)
    size = 0
    for at in range(keys.size):
        term = np.uint32(keys[at] >> np.uint64(32))
        if size == 0 or ids[size - 1] != term:
            ids[size] = term
            size += 1
        position = np.int64(keys[at] & np.uint64(0xFFFFFFFF))
        if position < title_terms:
            counts[2, size - 1] += 1
        else:
            counts[0, size - 1] += 1
            if position < lead_terms:
                counts[1, size - 1] += 1
        term_flags[size - 1] |= flags[position]
    clipped = np.minimum(counts[:, :size], _COUNT_LIMIT).astype(np.uint8)
    return ids[:size], clipped[0], clipped[1], clipped[2], term_flags[:size]


@compiled
def within_sentences(hashes: UInt32Array, sentences: NDArray[np.int32]) -> UInt32Array:
    """Those hashes of neighbouring pairs that stand in one sentence.

    ``hashes[i]`` is that of the terms i and i + 1.
    """
    kept = np.empty(hashes.size, dtype=np.uint32)
    size = 0
    for pair in range(hashes.size):
        if sentences[pair] == sentences[pair + 1]:
            kept[size] = hashes[pair]
            size += 1
    return kept[:size]


@compiled
def distinct_sorted(values: UInt32Array) -> UInt32Array:
    """Sorted values without repetitions."""
    kept = np.empty(values.size, dtype=np.uint32)
    size = 0
    for value in values:
        if size == 0 or kept[size - 1] != value:
            kept[size] = value
            size += 1
    return kept[:size]
