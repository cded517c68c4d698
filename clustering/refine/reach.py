"""Which stored articles can be alike enough to a new one, told before most of them is looked up.

Of sixty candidates fifty turn out to be about something else. To weigh one it is read whole, and
what its terms and bigrams weigh is looked up in tables of many megabytes. But the new article is
weighed already, and what the two share is in both: the terms' idf, and how much of the new
article's own vectors lies on them. By Cauchy and Schwarz no cosine is greater than the length of
that part, whatever the other article weighs: for vectors a and b of length at most 1, and S where
both are not 0, ``a · b = Σ_S a b <= √(Σ_S a²) √(Σ_S b²) <= √(Σ_S a²)``. So each part of the pair's
similarity lies in an interval that is known, and with them the verifier's logit lies below a bound.
Who stays below what anybody asks for is passed over, and everything that is decided stays the same.

What is compared for being a copy are counts alone, and these are read: that is told exactly.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array, UInt64Array
from clustering.bitstream import ID_BITS, SHORT_ID_BITS, get_numbers, get_terms
from clustering.columns import ORDINARY, UNDATED
from clustering.compiled import compiled
from clustering.packing import SHORT_BIGRAMS
from clustering.refine.duplicates import LEAST_TERM_OVERLAP
from clustering.refine.kernel_pairs import time_penalty
from clustering.refine.kernels import (
    HEAD_SHIFT,
    HEADS,
    PART_COUNT,
    RARE_IDF,
    TOP,
    enter_top,
    index_heads,
    write_bigram_parts,
    write_parts,
)
from clustering.refine.parts import PART_NAMES
from clustering.refine.tfidf import UNKNOWN_LANGUAGE
from clustering.refine.verifier import LOGIT_OFFSET, LOGIT_SPAN
from clustering.unpacking import (
    BIGRAMS,
    DATE,
    END_BITS,
    FLAGS,
    KIND,
    LANG,
    PUBLISHER,
    STREAM,
    TERMS,
    gap_parameters,
)

_BoolArray = NDArray[np.bool_]
_Float32Array = NDArray[np.float32]
_Float64Array = NDArray[np.float64]
_Int64Array = NDArray[np.int64]

_NO_DATE: Final = UNDATED

_ROUNDING: Final = 1e-3
"""What sums and single precision may add to a similarity, and more: they add some 1e-6."""
_MOST_COSINE: Final = 1.0 + 1e-5
"""Of vectors whose lengths are rounded."""

_EXACTLY, _AT_MOST, _AT_LEAST, _NOTHING = 0, 1, 2, 3
_BOUNDED: Final = {
    "lead_cosine": _AT_MOST,
    "title_cosine": _AT_MOST,
    "bigram_cosine": _AT_MOST,
    "number_cosine": _AT_MOST,
    "highest_shared_idf": _EXACTLY,
    "five_highest_shared_idf": _EXACTLY,
    "shared_rare_terms": _EXACTLY,
    "shared_bigrams": _EXACTLY,
    "highest_shared_number_idf": _EXACTLY,
    "shorter_length": _EXACTLY,
    "length_difference": _EXACTLY,
    "without_numbers": _EXACTLY,
    "without_title": _AT_LEAST,
}
_KNOWN: Final = np.array([_BOUNDED.get(name, _NOTHING) for name in PART_NAMES])
"""What is known of each part, all of which lie between 0 and 1 where it is not all."""
_SHARED_BIGRAMS: Final = PART_NAMES.index("shared_bigrams")
_UNKNOWN_NAME: Final = np.frombuffer(UNKNOWN_LANGUAGE.encode(), dtype=np.uint8)


@compiled
def may_reach(
    least_similarity: float,
    lang: UInt8Array,
    row: int,
    data: UInt8Array,
    words: UInt64Array,
    headers: _Int64Array,
    term_offsets: _Int64Array,
    term_ids: UInt32Array,
    idf: _Float32Array,
    weights: _Float32Array,
    counts: UInt8Array,
    flags: UInt8Array,
    bigram_offsets: _Int64Array,
    bigram_ids: UInt32Array,
    bigram_weights: _Float32Array,
    summaries: _Float32Array,
    published_at_seconds: _Float64Array,
    looseness: _Float32Array,
    intercept: float,
    linear: _Float64Array,
    roots: _Float64Array,
) -> _BoolArray:
    """Tell which records may be copies of an article, or have a similarity to it.

    Parameters
    ----------
    least_similarity
        The similarity in question, look-alikes not left out.
    lang
        The article's language, the bytes of its name.
    row
        The article among those weighed, an ordinary text.
    data, words, headers
        Of `clustering.unpacking.StackedRecords`.
    term_offsets, term_ids, idf, weights, counts, flags, bigram_offsets, bigram_ids, \
bigram_weights, summaries, published_at_seconds, looseness
        As in `clustering.refine.tfidf.WeightedCorpus`.
    intercept, linear, roots
        The verifier's.

    Returns
    -------
    bool, shape (records,): ``False`` only where the article is no copy and its similarity less.
    ``True``, too, where a record's stream does not decode.
    """
    result = np.zeros(headers.shape[0], dtype=np.bool_)
    most_terms, most_bigrams = 0, 0
    for k in range(headers.shape[0]):
        most_terms = max(most_terms, int(headers[k, TERMS]))
        most_bigrams = max(most_bigrams, int(headers[k, BIGRAMS]))
    ids = np.empty(max(most_terms, most_bigrams), dtype=np.uint32)
    own_counts = np.empty((4, most_terms), dtype=np.uint8)
    term_heads = np.empty(HEADS, dtype=np.int32)
    bigram_heads = np.empty(HEADS, dtype=np.int32)
    first, last = term_offsets[row], term_offsets[row + 1]
    index_heads(term_ids, first, last, term_heads)
    index_heads(bigram_ids, bigram_offsets[row], bigram_offsets[row + 1], bigram_heads)
    occurrences = 0
    for a in range(first, last):
        occurrences += counts[a]
    top = np.empty(TOP, dtype=np.float64)
    parts = np.empty(PART_COUNT, dtype=np.float64)
    # Of the article, and of the other one what makes `write_parts` write bounds.
    both = np.ones((2, 5), dtype=np.float32)
    for column in range(5):
        both[0, column] = summaries[row, column]
    for k in range(headers.shape[0]):
        own = headers[k]
        if own[KIND] != ORDINARY:
            continue
        if not _is_same(data, own[LANG], own[PUBLISHER], lang):
            # Terms weigh otherwise in another language, and unknown ones agree with all.
            result[k] = _is_unknown(lang, 0, lang.size) or _is_unknown(
                data, own[LANG], own[PUBLISHER]
            )
            continue
        position = 8 * own[STREAM]
        end = position + own[END_BITS]
        term_parameter, bigram_parameter = gap_parameters(own)
        own_ids = ids[: own[TERMS]]
        position = get_terms(words, position, end, term_parameter, own_ids, own_counts, 0)
        if position < 0:
            result[k] = True
            continue
        lead, title, numbers, highest_number = 0.0, 0.0, 0.0, 0.0
        rare, own_occurrences, smaller = 0, 0, 0
        has_numbers = False
        for at in range(TOP):
            top[at] = 0.0
        a = first
        for b in range(own_ids.size):
            own_occurrences += own_counts[0, b]
            has_numbers |= own_counts[0, b] > 0 and own_counts[3, b] & 1 > 0
            head = term_heads[own_ids[b] >> HEAD_SHIFT]
            if head < 0:
                continue
            a = max(a, first + head)
            while a < last and term_ids[a] < own_ids[b]:
                a += 1
            if a == last or term_ids[a] != own_ids[b]:
                continue
            smaller += int(min(counts[a], own_counts[0, b]))
            # In one language terms have one idf: the mean of both is that of either.
            value = np.float64(idf[a])
            if own_counts[1, b] > 0:
                lead += weights[a, 1] * weights[a, 1]
            if own_counts[2, b] > 0:
                title += weights[a, 2] * weights[a, 2]
            if flags[a] & own_counts[3, b] & 1:
                numbers += weights[a, 0] * weights[a, 0]
                highest_number = max(highest_number, value)
            rare += int(value >= RARE_IDF)
            enter_top(top, value)
        larger = occurrences + own_occurrences - smaller
        if larger > 0 and smaller >= (LEAST_TERM_OVERLAP - _ROUNDING) * larger:
            result[k] = True
            continue
        seconds = np.float64(np.nan if own[DATE] == _NO_DATE else own[DATE])
        least_evidence = (
            least_similarity - _ROUNDING + time_penalty(published_at_seconds[row], seconds)
        )
        if least_evidence > 1.0:
            continue
        loose = np.float32(looseness[row] + looseness[row])
        least_logit = (least_evidence - loose) * LOGIT_SPAN - LOGIT_OFFSET
        # Of these the lengths are not known, but whether there is anything: idf is positive.
        both[1, 0] = 1.0 if has_numbers else 0.0
        both[1, 3] = np.log(1.0 + own[TERMS])
        write_parts(
            0,
            1,
            0.0,
            np.sqrt(lead),
            np.sqrt(title),
            0.0,
            0.0,
            0.0,
            0.0,
            np.sqrt(numbers),
            0.0,
            0.0,
            highest_number,
            rare,
            0.0,
            0,
            both,
            top,
            parts,
        )
        for _ in range(2):
            result[k] = _most_logit(parts, intercept, linear, roots) >= least_logit
            if result[k] or parts[_SHARED_BIGRAMS] > 0.0:
                break
            # As far as the terms go it is too unlike, and its bigrams are read, too.
            own_ids = ids[: own[BIGRAMS]]
            bits = SHORT_ID_BITS if own[FLAGS] & SHORT_BIGRAMS else ID_BITS
            position = get_numbers(words, position, end, bigram_parameter, bits, True, own_ids)
            result[k] = position < 0
            bigrams, shared_bigrams = 0.0, 0
            a, last_bigram = bigram_offsets[row], bigram_offsets[row + 1]
            for b in range(own_ids.size):
                head = bigram_heads[own_ids[b] >> HEAD_SHIFT]
                if head < 0:
                    continue
                a = max(a, bigram_offsets[row] + head)
                while a < last_bigram and bigram_ids[a] < own_ids[b]:
                    a += 1
                if a < last_bigram and bigram_ids[a] == own_ids[b]:
                    bigrams += bigram_weights[a] * bigram_weights[a]
                    shared_bigrams += 1
            if result[k] or shared_bigrams == 0:
                break
            write_bigram_parts(np.sqrt(bigrams), shared_bigrams, parts)
    return result


@compiled
def _most_logit(
    parts: _Float64Array, intercept: float, linear: _Float64Array, roots: _Float64Array
) -> float:
    """Return the greatest logit that a pair can have of whose parts as much is known."""
    logit = intercept
    for k in range(PART_COUNT):
        low = high = parts[k]
        if _KNOWN[k] == _AT_MOST:
            low, high = 0.0, min(high, 1.0) * _MOST_COSINE
        elif _KNOWN[k] == _AT_LEAST:
            high = 1.0
        elif _KNOWN[k] == _NOTHING:
            low, high = 0.0, _MOST_COSINE
        logit += max(linear[k], 0.0) * high + min(linear[k], 0.0) * low
        logit += max(roots[k], 0.0) * np.sqrt(high) + min(roots[k], 0.0) * np.sqrt(low)
    return logit


@compiled
def _is_same(data: UInt8Array, begin: int, end: int, name: UInt8Array) -> bool:
    """Return whether some bytes are a name."""
    different = int(end - begin != name.size)
    for k in range(0 if different else name.size):
        different += data[begin + k] != name[k]
    return different == 0


@compiled
def _is_unknown(data: UInt8Array, begin: int, end: int) -> bool:
    """Return whether some bytes name no language."""
    return begin == end or _is_same(data, begin, end, _UNKNOWN_NAME)
