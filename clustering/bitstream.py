"""Numbers in few bits: Rice codes for hashes, Elias gamma codes for counts.

Bits are numbered from the least significant of the first byte. Writers return the next free bit
position; readers return (value, next position), with the position -1 once the stream ends before
the value does or a value cannot be right. Readers look at 16 bytes from the word of a position
on, so a buffer to be read is padded by `PADDING_BYTES` or more, up to whole words.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from clustering.articles import UInt8Array, UInt32Array, UInt64Array
from clustering.compiled import compiled, trailing_zeros

PADDING_BYTES: Final = 24
_MAX_GAMMA_ZEROS: Final = 8
_MAX_PARAMETER: Final = 31
_SHORTEST_GAMMAS: Final = np.uint64((1 << (_MAX_GAMMA_ZEROS + 1)) - 1)
"""A gamma code has its first one among these bits."""
_MAX_GAMMA_BITS: Final = 2 * _MAX_GAMMA_ZEROS + 1
ID_BITS: Final = 32
SHORT_ID_BITS: Final = 24
_LOWER_BYTE: Final = np.uint32(0xFF)
_BYTE: Final = np.uint32(8)
_ONE: Final = np.uint64(1)
_WORD_BITS: Final = 64
_SHORT_COUNT_BITS: Final = 10
_SHORT_COUNT_MASK: Final = np.uint64((1 << _SHORT_COUNT_BITS) - 1)
_SIX_BITS: Final = np.uint32(63)
_GREATEST_COUNT: Final = 255


def rice_parameter(mean: float) -> int:
    """Low bits to keep plain in a Rice code, for values of this mean.

    A Rice code of parameter k writes v as v >> k in unary and the low k bits plainly: about
    1 + k + v / 2^k bits. For exponentially distributed values (gaps between sorted hashes, minima
    of hashes) the mean length is least where 2^k is about mean * ln 2 (Rice and Plaunt 1971;
    Gallager and van Voorhis 1975, equation 3).
    """
    whole = int(mean * 0.6931)
    parameter = 0
    while parameter < _MAX_PARAMETER and whole >> (parameter + 1):
        parameter += 1
    return parameter


def gap_parameter(count: int, bits: int) -> int:
    """Rice parameter for the gaps of ``count`` sorted hashes of so many bits."""
    return rice_parameter((1 << bits) / (count + 1))


def rice_bits(count: int, total: int, parameter: int) -> int:
    """Upper bound of the bits that ``count`` values of sum ``total`` take."""
    return count * (1 + parameter) + (total >> parameter)


# Compiled loops ask the same as Python does.
_rice_parameter = compiled(rice_parameter)
_rice_bits = compiled(rice_bits)


@compiled
def _window(words: UInt64Array, position: int) -> np.uint64:
    """64 bits from a position on, the first one lowest."""
    # Unsigned indices spare numba's test for negative ones.
    at = np.uint64(position) >> np.uint64(6)
    shift = np.uint64(position) & np.uint64(63)
    # Shifting by 64 is undefined; by 63 and then by 1 gives the 0 that is meant.
    above = (words[at + _ONE] << (np.uint64(63) - shift)) << _ONE
    return np.uint64((words[at] >> shift) | above)


@compiled
def _put(words: UInt64Array, position: int, value: int, bits: int) -> int:
    """Write the low ``bits`` bits of a value, which has no others, where all is zero."""
    at = np.uint64(position) >> np.uint64(6)
    shift = np.uint64(position) & np.uint64(63)
    words[at] |= np.uint64(value) << shift
    # Shifting by 64 is undefined; by 63 and then by 1 gives the 0 that is meant.
    words[at + _ONE] |= (np.uint64(value) >> (np.uint64(63) - shift)) >> _ONE
    return position + bits


@compiled
def _put_rice(words: UInt64Array, position: int, value: int, parameter: int) -> int:
    """Zeros for what lies above ``parameter`` bits, a one, and these bits."""
    low = value & ((1 << parameter) - 1)
    return _put(words, position + (value >> parameter), 1 | (low << 1), 1 + parameter)


@compiled
def _put_gamma(words: UInt64Array, position: int, value: int) -> int:
    """Elias gamma code of value + 1: z zeros, a one, then the z bits below the leading one."""
    zeros = 0
    while (value + 1) >> (zeros + 1):
        zeros += 1
    low = value + 1 - (1 << zeros)
    return _put(words, position + zeros, 1 | (low << 1), 1 + zeros)


@compiled
def _get_rice(words: UInt64Array, position: int, end: int, parameter: int) -> tuple[int, int]:
    word = _window(words, position)
    mask = (_ONE << np.uint64(parameter)) - _ONE
    quotient = 0
    if word != 0:
        quotient = trailing_zeros(word)
        if quotient + parameter < _WORD_BITS:
            # Nearly always all of it is here.
            position += quotient + 1 + parameter
            low = int((word >> np.uint64(quotient)) >> _ONE & mask)
            return ((quotient << parameter) | low, position) if position <= end else (0, -1)
        quotient = 0
    while word == 0:
        quotient += _WORD_BITS
        if position + quotient >= end:
            return 0, -1
        word = _window(words, position + quotient)
    quotient += trailing_zeros(word)
    position += quotient + 1
    if position + parameter > end:
        return 0, -1
    low = int(_window(words, position) & mask)
    return (quotient << parameter) | low, position + parameter


@compiled
def _get_gamma(words: UInt64Array, position: int, end: int) -> tuple[int, int]:
    word = _window(words, position)
    if not word & _SHORTEST_GAMMAS:
        return 0, -1
    zeros = trailing_zeros(word)
    word = (word >> np.uint64(zeros)) >> _ONE
    position += 2 * zeros + 1
    if position > end:
        return 0, -1
    return (1 << zeros) + int(word & ((_ONE << np.uint64(zeros)) - _ONE)) - 1, position


@compiled
def _place_in(increasing: UInt32Array, wanted: np.uint32) -> int:
    """Position of the first number that is not less; numpy's own takes long to compile."""
    begin, end = 0, increasing.size
    while begin < end:
        middle = (begin + end) >> 1
        if increasing[middle] < wanted:
            begin = middle + 1
        else:
            end = middle
    return begin


@compiled
def event_plan(
    term_ids: UInt32Array, tokens: UInt32Array, step: int
) -> tuple[UInt32Array, UInt8Array]:
    """Find the terms and repetitions that event tokens were made of.

    Parameters
    ----------
    term_ids
        uint32, shape (n,), increasing.
    tokens
        uint32, shape (k,): as `clustering.propose.signatures.event_tokens` lays them out.
    step
        Repetition r of term t is t + r * step mod 2^32.

    Returns
    -------
    indexes, repeats
        uint32 and uint8, shape (m,): positions in ``term_ids`` and how often each. Both empty
        when the tokens are laid out in any other way.
    """
    indexes = np.empty(tokens.size, dtype=np.uint32)
    repeats = np.ones(tokens.size, dtype=np.uint8)
    terms = 0
    while terms < tokens.size:
        index = _place_in(term_ids, tokens[terms])
        if index == term_ids.size or term_ids[index] != tokens[terms]:
            break
        indexes[terms] = index
        terms += 1
    at = terms
    for repeat in range(1, 255):
        for term in range(terms):
            if at < tokens.size and repeats[term] == repeat:
                wanted = np.uint32(term_ids[indexes[term]] + np.uint32(repeat * step & 0xFFFFFFFF))
                if tokens[at] == wanted:
                    repeats[term] += 1
                    at += 1
    if at < tokens.size:
        terms = 0
    return indexes[:terms], repeats[:terms]


@compiled
def encode(
    words: UInt64Array,
    term_ids: UInt32Array,
    counts: UInt8Array,
    bigram_ids: UInt32Array,
    signature: UInt32Array,
    parameters: tuple[int, int, int],
    event_indexes: UInt32Array,
    event_repeats: UInt8Array,
    index_bits: int,
    plain: UInt32Array,
) -> int:
    """Write all arrays of an article's features into a zeroed buffer.

    Parameters
    ----------
    words
        uint64, zero, long enough (`rice_bits`) and one more: 64 bits each, the first one lowest.
    term_ids, bigram_ids
        uint32, strictly increasing: written as gaps.
    counts
        uint8, shape (4, n): body, lead and title counts and flags of the terms.
    signature
        uint32.
    parameters
        Rice parameters of term ids, bigram ids and signature.
    event_indexes, event_repeats
        From `event_plan`; each index takes ``index_bits``.
    plain
        uint32: numbers to write with all their 32 bits.

    Returns
    -------
    position
        Bits written.
    """
    position = 0
    previous = -1
    for term in range(term_ids.size):
        current = int(term_ids[term])
        position = _put_rice(words, position, current - previous - 1, parameters[0])
        previous = current
        # Most terms stand in a body once: swapping 0 and 1 gives them the shortest code.
        body = int(counts[0, term])
        position = _put_gamma(words, position, body ^ 1 if body < 2 else body)
        for column in range(1, 4):
            position = _put_gamma(words, position, int(counts[column, term]))
    previous = -1
    for bigram in range(bigram_ids.size):
        current = int(bigram_ids[bigram])
        position = _put_rice(words, position, current - previous - 1, parameters[1])
        previous = current
    for entry in range(signature.size):
        position = _put_rice(words, position, int(signature[entry]), parameters[2])
    for term in range(event_indexes.size):
        position = _put(words, position, int(event_indexes[term]), index_bits)
        position = _put_gamma(words, position, int(event_repeats[term]) - 1)
    for entry in range(plain.size):
        position = _put(words, position, int(plain[entry]), 32)
    return position


NO_INCREASING_TERMS: Final = 1
NO_INCREASING_BIGRAMS: Final = 2


@compiled
def encode_article(
    term_ids: UInt32Array,
    body_counts: UInt8Array,
    lead_counts: UInt8Array,
    title_counts: UInt8Array,
    term_flags: UInt8Array,
    bigram_ids: UInt32Array,
    signature: UInt32Array,
    tokens: UInt32Array,
    step: int,
) -> tuple[int, bool, bool, int, int, UInt64Array, int]:
    """Write the arrays of an article's features in as few bits as their codes need.

    Parameters
    ----------
    term_ids, body_counts, lead_counts, title_counts, term_flags, bigram_ids
        As in `clustering.articles.TermVector`.
    signature, tokens
        uint32: text signature and event tokens.
    step
        As for `event_plan`.

    Returns
    -------
    defect
        `NO_INCREASING_TERMS` or `NO_INCREASING_BIGRAMS` where ids do not increase, and nothing is
        written; 0 otherwise.
    short_bigrams, short_signature
        Whether the lower bytes of them all are clear, which are left out then.
    event_terms
        As `decode` takes it.
    signature_parameter
        Rice parameter of the signature.
    words, bits
        uint64: the stream, 64 bits each, the first one lowest; and how many bits it has.
    """
    nothing = np.empty(0, dtype=np.uint64)
    if not _increases(term_ids):
        return NO_INCREASING_TERMS, False, False, 0, 0, nothing, 0
    if not _increases(bigram_ids):
        return NO_INCREASING_BIGRAMS, False, False, 0, 0, nothing, 0
    bigrams, short_bigrams = _shortened(bigram_ids)
    entries, short_signature = _shortened(signature)
    total = 0
    for entry in range(entries.size):
        total += int(entries[entry])
    bigram_bits = SHORT_ID_BITS if short_bigrams else ID_BITS
    parameters = (
        _rice_parameter((1 << ID_BITS) / (term_ids.size + 1)),
        _rice_parameter((1 << bigram_bits) / (bigrams.size + 1)),
        _rice_parameter(total / max(1, entries.size)),
    )
    indexes, repeats = event_plan(term_ids, tokens, step)
    index_bits = 0
    while term_ids.size >> index_bits:
        index_bits += 1
    plain = tokens[: 0 if indexes.size else tokens.size]
    counts = np.empty((4, term_ids.size), dtype=np.uint8)
    for term in range(term_ids.size):
        counts[0, term], counts[1, term] = body_counts[term], lead_counts[term]
        counts[2, term], counts[3, term] = title_counts[term], term_flags[term]
    most_bits = (
        _rice_bits(term_ids.size, 1 << ID_BITS, parameters[0])
        + _rice_bits(bigrams.size, 1 << bigram_bits, parameters[1])
        + _rice_bits(entries.size, total, parameters[2])
        + _MAX_GAMMA_BITS * 4 * term_ids.size
        + (index_bits + _MAX_GAMMA_BITS) * indexes.size
        + 32 * plain.size
    )
    words = np.zeros((most_bits >> 6) + 2, dtype=np.uint64)
    bits = encode(
        words, term_ids, counts, bigrams, entries, parameters, indexes, repeats, index_bits, plain
    )
    return (
        0,
        short_bigrams,
        short_signature,
        indexes.size,
        parameters[2],
        words,
        bits,
    )


@compiled
def _increases(ids: UInt32Array) -> bool:
    """Whether each number is greater than the one before."""
    gaps = 0
    for at in range(1, ids.size):
        gaps += ids[at] > ids[at - 1]
    return gaps == max(0, ids.size - 1)


@compiled
def _shortened(numbers: UInt32Array) -> tuple[UInt32Array, bool]:
    """Leave the lower bytes out where all of them are clear; ``True`` where they are."""
    bits = np.uint32(0)
    for at in range(numbers.size):
        bits |= numbers[at]
    if bits & _LOWER_BYTE:
        return numbers, False
    short = np.empty(numbers.size, dtype=np.uint32)
    for at in range(numbers.size):
        short[at] = numbers[at] >> _BYTE
    return short, True


def _short_counts() -> UInt32Array:
    """Return what the lowest bits of a stream hold, where a term's four counts are all in them.

    Of each value of `_SHORT_COUNT_BITS` bits: the four counts as they were written, of six bits
    each, and above them how many bits they take; 0 where they take more. 97 of 100 terms have so
    short ones.
    """
    codes = np.zeros(1 << _SHORT_COUNT_BITS, dtype=np.uint32)
    for value in range(codes.size):
        left, bits, code = value | 1 << _SHORT_COUNT_BITS, 0, 0
        for column in range(4):
            zeros = (left & -left).bit_length() - 1
            left >>= zeros + 1
            code |= ((1 << zeros) + (left & ((1 << zeros) - 1)) - 1) << (6 * column)
            left >>= zeros
            bits += 2 * zeros + 1
            if bits > _SHORT_COUNT_BITS:
                break
        else:
            body = code & 63
            codes[value] = bits << 24 | (code ^ 1 if body < 2 else code)
    return codes


_SHORT_COUNTS: Final = _short_counts()


@compiled
def get_terms(
    words: UInt64Array,
    position: int,
    end: int,
    parameter: int,
    term_ids: UInt32Array,
    counts: UInt8Array,
    first: int,
) -> int:
    """Read as many terms as there is room for; their counts go to the columns from ``first`` on.

    Parameters as for `decode`, and so is what is returned.
    """
    mask = (_ONE << np.uint64(parameter)) - _ONE
    previous = -1
    for term in range(term_ids.size):
        at = first + term
        word = _window(words, position)
        quotient = trailing_zeros(word) if word != 0 else _WORD_BITS
        bits = quotient + 1 + parameter
        code, gap = np.uint32(0), 0
        if bits <= _WORD_BITS - _SHORT_COUNT_BITS:
            rest = (word >> np.uint64(quotient)) >> _ONE
            code = _SHORT_COUNTS[(rest >> np.uint64(parameter)) & _SHORT_COUNT_MASK]
            gap = (quotient << parameter) | int(rest & mask)
        if code != 0:
            position += bits + int(code >> np.uint32(24))
            counts[0, at] = code & _SIX_BITS
            counts[1, at] = (code >> np.uint32(6)) & _SIX_BITS
            counts[2, at] = (code >> np.uint32(12)) & _SIX_BITS
            counts[3, at] = (code >> np.uint32(18)) & _SIX_BITS
        else:
            gap, position = _get_rice(words, position, end, parameter)
            for column in range(4):
                if position < 0:
                    return -1
                count, position = _get_gamma(words, position, end)
                if count > _GREATEST_COUNT:
                    return -1
                counts[column, at] = count ^ 1 if column == 0 and count < 2 else count
            if position < 0:
                return -1
        previous += gap + 1
        if position > end or previous >> ID_BITS:
            return -1
        term_ids[term] = previous
    return position


@compiled
def get_numbers(
    words: UInt64Array,
    position: int,
    end: int,
    parameter: int,
    bits: int,
    are_gaps: bool,
    numbers: UInt32Array,
) -> int:
    """Read as many numbers as there is room for, of which the highest ``bits`` bits were written.

    Written were the gaps between them, or else they themselves. The other parameters are as for
    `decode`, and so is what is returned.
    """
    mask = (_ONE << np.uint64(parameter)) - _ONE
    before = -1 if are_gaps else 0
    previous = -1
    number = 0
    while number < numbers.size:
        # One look at the stream for as many as lie in it whole: each look waits for the one before.
        word = _window(words, position)
        left, known = _WORD_BITS, number
        while word != 0 and number < numbers.size:
            quotient = trailing_zeros(word)
            left -= quotient + 1 + parameter
            if left < 0:
                break
            word = (word >> np.uint64(quotient)) >> _ONE
            value = (quotient << parameter) | int(word & mask)
            word >>= np.uint64(parameter)
            previous = ((previous + 1) & before) + value
            if previous >> bits:
                return -1
            numbers[number] = previous << (ID_BITS - bits)
            number += 1
            position += quotient + 1 + parameter
        if number == known:
            value, position = _get_rice(words, position, end, parameter)
            previous = ((previous + 1) & before) + value
            if previous >> bits:
                return -1
            numbers[number] = previous << (ID_BITS - bits)
            number += 1
        if not 0 <= position <= end:
            return -1
    return position


@compiled
def decode(
    words: UInt64Array,
    begin: int,
    end: int,
    parameters: tuple[int, int, int],
    bits: tuple[int, int],
    event_terms: int,
    index_bits: int,
    step: int,
    term_ids: UInt32Array,
    counts: UInt8Array,
    first_term: int,
    bigram_ids: UInt32Array,
    signature: UInt32Array,
    tokens: UInt32Array,
) -> int:
    """Read what `encode` wrote.

    Parameters
    ----------
    words
        uint64: what holds the stream, and at least `PADDING_BYTES` more behind it.
    begin, end
        Bits where the stream begins and ends.
    parameters, index_bits, step
        As for `encode` and `event_plan`.
    bits
        How many bits of the bigram ids and of the signature's entries were written: the highest.
    event_terms
        How many terms the event tokens were made of; 0 where these were written plainly.
    term_ids, bigram_ids, signature, tokens
        uint32, each as long as what there is to read. Written.
    counts
        uint8, shape (4, n): receives the counts, from column ``first_term`` on. Written.

    Returns
    -------
    position
        Where what was read ends, or -1 when the stream is not one that `encode` wrote.
    """
    terms, token_count = term_ids.size, tokens.size
    position = get_terms(words, begin, end, parameters[0], term_ids, counts, first_term)
    if position < 0:
        return -1
    position = get_numbers(words, position, end, parameters[1], bits[0], True, bigram_ids)
    if position < 0:
        return -1
    position = get_numbers(words, position, end, parameters[2], bits[1], False, signature)
    if position < 0:
        return -1
    if event_terms == 0:
        if position + 32 * token_count > end:
            return -1
        for token in range(token_count):
            tokens[token] = np.uint32(_window(words, position) & np.uint64(0xFFFFFFFF))
            position += 32
        return position
    if event_terms > token_count:
        return -1
    repeats = np.empty(event_terms, dtype=np.int64)
    most = 0
    for term in range(event_terms):
        if position + index_bits > end:
            return -1
        index = int(_window(words, position) & np.uint64((1 << index_bits) - 1))
        repeat, position = _get_gamma(words, position + index_bits, end)
        if position < 0 or index >= terms:
            return -1
        repeats[term] = repeat
        most = max(most, repeat)
        tokens[term] = term_ids[index]
    at = event_terms
    repetition = 1
    while at < token_count:
        before = at
        for term in range(event_terms):
            if repeats[term] >= repetition:
                if at == token_count:
                    return -1
                tokens[at] = np.uint32(tokens[term] + np.uint32(repetition * step & 0xFFFFFFFF))
                at += 1
        if at == before:
            return -1
        repetition += 1
    return position if most < repetition else -1
