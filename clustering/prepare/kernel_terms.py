"""The compiled loops over articles' tokens: what is known of each, sentences, terms."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array, UInt64Array
from clustering.compiled import compiled
from clustering.prepare.kernel_rows import (
    E_TERM,
    E_TEXT,
    FOLDED_SHIFT,
    LENGTH_BITS,
    OFFSET_BITS,
    PROPERTIES_SHIFT,
    STEM_FURTHER,
)

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

_SUBLINEAR: NDArray[np.float32] = np.float32(1.0) + np.log(
    np.maximum(np.arange(511, dtype=np.float32), 1.0)
)
"""1 + ln tf by tf, the sum of two counts of at most 255."""

_NEIGHBOURS: Final = 3
_SHORT_TEXT: Final = 16


@compiled
def _is_shouted(
    rows: NDArray[np.int32], entries: UInt64Array, at: int, begin: int, end: int
) -> bool:
    """Whether most words around a token are in capitals, as in some headlines."""
    words = 0
    upper = 0
    for other in range(max(begin, at - _NEIGHBOURS), min(end, at + _NEIGHBOURS + 1)):
        known = int(np.int64(entries[rows[other], E_TERM] >> PROPERTIES_SHIFT))
        if other != at and known & BEGINS_WITH_LETTER:
            words += 1
            if known & IS_UPPER:
                upper += 1
    return 2 * upper > words


@compiled
def read_terms(
    rows: NDArray[np.int32],
    token_ends: NDArray[np.int64],
    entries: UInt64Array,
    lead_tokens: int,
    position_bits: int,
) -> tuple[
    NDArray[np.int32],
    NDArray[np.int64],
    NDArray[np.int32],
    NDArray[np.int64],
    UInt32Array,
    UInt64Array,
    UInt8Array,
    NDArray[np.int32],
    NDArray[np.int64],
    NDArray[np.int64],
]:
    """Read titles and bodies: which tokens are terms, and in which sentence each stands.

    Parameters
    ----------
    rows
        int32: of every token and sentence end of article after article, its title's first.
    token_ends
        int64, shape (2 x articles,): how many there are up to the end of each title and body.
    entries
        Of `clustering.prepare.lexicon.Pages`.
    lead_tokens
        Tokens of a body that are its lead.
    position_bits
        Bits that the position of a term in its article takes, at most 32; articles are fewer than
        2^(32 - ``position_bits``).

    Returns
    -------
    word_rows, word_ends
        int32: of the bodies' tokens; int64, shape (articles,): how many up to the end of each.
    term_rows, term_ends, ids
        int32 and uint32, shape (k,): rows and ids of the terms in text order; int64, shape
        (articles,): how many up to the end of each article.
    keys
        uint64, shape (k,), in text order: from the highest bit on the article, the id in 32 bits,
        and the term's position in the article.
    flags
        uint8, shape (k,): `NUMBER_FLAG`, and `CAPITALISED_FLAG` for terms of the body inside a
        sentence: headlines capitalise as they please.
    sentences
        int32, shape (k,): number of the sentence.
    title_terms, lead_terms
        int64, shape (articles,): how many of its terms are the title's; how many from the first on
        are the title's or the lead's.
    """
    articles = token_ends.size // 2
    word_rows = np.empty(rows.size, dtype=np.int32)
    word_ends = np.empty(articles, dtype=np.int64)
    term_rows = np.empty(rows.size, dtype=np.int32)
    term_ends = np.empty(articles, dtype=np.int64)
    ids = np.empty(rows.size, dtype=np.uint32)
    keys = np.empty(rows.size, dtype=np.uint64)
    flags = np.empty(rows.size, dtype=np.uint8)
    sentences = np.empty(rows.size, dtype=np.int32)
    title_terms = np.zeros(articles, dtype=np.int64)
    lead_terms = np.zeros(articles, dtype=np.int64)
    shift = np.uint64(position_bits)
    all_words = 0
    terms = 0
    for article in range(articles):
        first_term = terms
        of_article = np.uint64(article) << np.uint64(32)
        sentence = 0
        for part in range(2):
            begin = token_ends[2 * article + part - 1] if article + part > 0 else 0
            end = token_ends[2 * article + part]
            ended = True
            before = 0
            words = 0
            for at in range(begin, end):
                row = rows[at]
                entry = entries[row, E_TERM]
                known = int(np.int64(entry >> PROPERTIES_SHIFT))
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
                # A title's are written over.
                word_rows[all_words + words] = row
                words += 1
                if known & IS_TERM == 0 or (
                    known & IS_SHOUTABLE and _is_shouted(rows, entries, at, begin, end)
                ):
                    continue
                term_rows[terms] = row
                term = entry & OFFSET_BITS
                ids[terms] = np.uint32(term)
                keys[terms] = ((of_article | term) << shift) | np.uint64(terms - first_term)
                flags[terms] = flag if part == 1 else flag & NUMBER_FLAG
                sentences[terms] = sentence
                terms += 1
                if part == 1 and words <= lead_tokens:
                    lead_terms[article] = terms - first_term
            if part == 0:
                title_terms[article] = terms - first_term
                lead_terms[article] = terms - first_term
            else:
                all_words += words
        word_ends[article] = all_words
        term_ends[article] = terms
    return (
        word_rows[:all_words],
        word_ends,
        term_rows[:terms],
        term_ends,
        ids[:terms],
        keys[:terms],
        flags[:terms],
        sentences[:terms],
        title_terms,
        lead_terms,
    )


@compiled
def joined_texts(
    rows: NDArray[np.int32], entries: UInt64Array, pool: UInt8Array, is_stem: int
) -> tuple[UInt8Array, NDArray[np.int64]]:
    """Write the folded tokens of rows, or their stems, one behind the other, a space behind each.

    Returns the bytes, and for each text the offset just past its last one.
    """
    chosen = np.uint64(is_stem)
    shift = FOLDED_SHIFT + chosen * STEM_FURTHER
    size = 0
    for row in rows:
        size += int(np.int64((entries[row, E_TEXT] >> shift) & LENGTH_BITS)) + 1
    data = np.empty(size + _SHORT_TEXT, dtype=np.uint8)
    byte_ends = np.empty(rows.size, dtype=np.int64)
    size = 0
    for text in range(rows.size):
        entry = entries[rows[text], E_TEXT]
        length = (entry >> shift) & LENGTH_BITS
        source = (entry & OFFSET_BITS) + chosen * ((entry >> FOLDED_SHIFT) & LENGTH_BITS)
        target = np.uint64(size)
        if length <= _SHORT_TEXT and source + np.uint64(_SHORT_TEXT) <= np.uint64(pool.size):
            # A fixed length has no branch to foresee; the next text is written over the rest.
            for step in range(np.uint64(_SHORT_TEXT)):
                data[target + step] = pool[source + step]
        else:
            for step in range(length):
                data[target + step] = pool[source + step]
        size += int(np.int64(length))
        byte_ends[text] = size
        data[size] = 0x20
        size += 1
    return data[:size], byte_ends


@compiled
def salient_terms(
    offsets: NDArray[np.int64],
    term_ids: UInt32Array,
    body_counts: UInt8Array,
    title_counts: UInt8Array,
    idf: NDArray[np.float32],
    limit: int,
) -> tuple[NDArray[np.int64], UInt32Array, NDArray[np.float32]]:
    """Name the heaviest terms of articles.

    Parameters
    ----------
    offsets
        int64, shape (articles + 1,): where the terms of each article begin.
    term_ids, body_counts, title_counts, idf, limit
        As for `clustering.prepare.salient_terms`, article after article.

    Returns
    -------
    ends
        int64, shape (articles,): how many terms are named up to the end of each article.
    term_ids, weights
        As there, article after article.
    """
    weights = np.empty(term_ids.size, dtype=np.float32)
    for term in range(term_ids.size):
        count = np.int64(body_counts[term]) + np.int64(title_counts[term])
        weights[term] = _SUBLINEAR[count] * idf[term]
    ends, places = heaviest_terms(offsets, weights, limit)
    chosen = np.empty(places.size, dtype=np.uint32)
    weights_of_chosen = np.empty(places.size, dtype=np.float32)
    for at in range(places.size):
        chosen[at] = term_ids[places[at]]
        weights_of_chosen[at] = weights[places[at]]
    return ends, chosen, weights_of_chosen


@compiled
def heaviest_terms(
    offsets: NDArray[np.int64], weights: NDArray[np.float32], limit: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which terms of each article weigh most.

    Parameters
    ----------
    offsets
        int64, shape (articles + 1,): article a has the weights
        ``weights[offsets[a] : offsets[a + 1]]``.
    weights
        float32.
    limit
        How many to name of an article at most.

    Returns
    -------
    ends
        int64, shape (articles,): how many are named up to the end of each article.
    places
        int64: where they stand in ``weights``, of each article the heaviest first, and among equal
        ones the first first.
    """
    articles = offsets.size - 1
    ends = np.empty(articles, dtype=np.int64)
    size = 0
    for article in range(articles):
        size += min(limit, offsets[article + 1] - offsets[article])
        ends[article] = size
    places = np.empty(size, dtype=np.int64)
    heaviest = np.empty(min(limit, weights.size), dtype=np.float32)
    for article in range(articles):
        first = ends[article - 1] if article > 0 else 0
        room = ends[article] - first
        if room == 0:
            continue
        filled = 0
        for place in range(offsets[article], offsets[article + 1]):
            weight = weights[place]
            if filled == room:
                if heaviest[room - 1] >= weight:
                    continue
                at = room - 1
            else:
                at = filled
                filled += 1
            # By insertion: of a hundred terms few come in among the heaviest thirty so far.
            while at > 0 and heaviest[at - 1] < weight:
                heaviest[at] = heaviest[at - 1]
                places[first + at] = places[first + at - 1]
                at -= 1
            heaviest[at] = weight
            places[first + at] = place
    return ends, places
