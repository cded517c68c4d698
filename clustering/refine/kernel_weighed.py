"""The compiled loop that weighs articles met anew and appends them to those that are kept.

A posting meets one or a few articles. What `tfidf`, `lookalike_rules` and `subjects` work out of
them is a handful of microseconds; fetched by a call each and copied array by array it took ten
times as long. So one call does all of it, with the same loops.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array
from clustering.columns import ORDINARY, UNDATED
from clustering.compiled import compiled
from clustering.refine.lookalike_rules import summarise
from clustering.refine.subjects import are_items
from clustering.refine.tfidf import weigh_terms
from clustering.unpacking import DATE, KIND, TOKEN_COUNT

_BoolArray = NDArray[np.bool_]
_Float32Array = NDArray[np.float32]
_Float64Array = NDArray[np.float64]
_Int16Array = NDArray[np.int16]
_Int64Array = NDArray[np.int64]

_UNDATED = UNDATED


@compiled
def append_weighed(
    begins: tuple[int, int, int],
    headers: _Int64Array,
    offsets: _Int64Array,
    languages: _Int64Array,
    publishers: _Int64Array,
    looseness: _Float32Array,
    idf: _Float32Array,
    counts: UInt8Array,
    bigram_idf: _Float32Array,
    signatures: UInt32Array,
    announced: UInt32Array,
    marks: UInt32Array,
    body_words: UInt32Array,
    kept_summaries: _Float32Array,
    kept_usable: _BoolArray,
    kept_seconds: _Float64Array,
    kept_signatures: UInt32Array,
    kept_has_signature: _BoolArray,
    kept_looseness: _Float32Array,
    kept_languages: _Int16Array,
    kept_publishers: _Int64Array,
    kept_token_counts: _Int64Array,
    kept_figures: _Float32Array,
    kept_is_item: _BoolArray,
    kept_term_offsets: _Int64Array,
    kept_bigram_offsets: _Int64Array,
    kept_term_ids: UInt32Array,
    kept_idf: _Float32Array,
    kept_weights: _Float32Array,
    kept_counts: UInt8Array,
    kept_flags: UInt8Array,
    kept_bigram_weights: _Float32Array,
) -> None:
    """Weigh some articles, and write them behind those that are kept.

    Parameters
    ----------
    begins
        How many articles, terms and bigrams are kept. The ids of the new ones' terms and bigrams
        stand behind those already.
    headers, offsets
        As in `clustering.unpacking.StackedRecords`, and `offsets_of` them; every signature has the
        length of those kept, or none.
    languages, publishers, looseness
        Of each new one: the numbers of its language and publisher among those kept, and
        `WeightedCorpus.looseness`.
    idf, bigram_idf
        Of their terms and bigrams.
    counts
        uint8, shape (4, terms): body, lead and title counts and flags.
    signatures
        Theirs, one after the other.
    announced, marks, body_words
        From `subjects.item_words`.
    kept_summaries, kept_usable, ...
        As in `WeightedCorpus` and `ReadyArticles`, with room for the new ones. Written.
    """
    first, first_term, first_bigram = begins
    term_offsets, bigram_offsets = offsets[0], offsets[1]
    body_counts, flags = counts[0], counts[3]
    weights, bigram_weights, summaries = weigh_terms(
        term_offsets, idf, body_counts, counts[1], counts[2], flags, bigram_offsets, bigram_idf
    )
    figures = summarise(term_offsets, idf, weights, body_counts, flags)
    usable = np.empty(headers.shape[0], dtype=np.bool_)
    for k in range(usable.size):
        usable[k] = headers[k, KIND] == ORDINARY
    term_ids = kept_term_ids[first_term : first_term + idf.size]
    is_item = are_items(
        term_offsets, term_ids, weights, body_counts, usable, announced, marks, body_words
    )
    for k in range(usable.size):
        row, seconds = first + k, headers[k, DATE]
        kept_usable[row] = usable[k]
        kept_is_item[row] = is_item[k]
        kept_seconds[row] = np.nan if seconds == _UNDATED else seconds
        kept_token_counts[row] = headers[k, TOKEN_COUNT]
        kept_languages[row] = languages[k]
        kept_publishers[row] = publishers[k]
        kept_looseness[row] = looseness[k]
        for column in range(5):
            kept_summaries[row, column] = summaries[k, column]
            kept_figures[row, column] = figures[k, column]
        begin = offsets[2, k]
        kept_has_signature[row] = offsets[2, k + 1] > begin
        for at in range(kept_signatures.shape[1]):
            kept_signatures[row, at] = signatures[begin + at] if kept_has_signature[row] else 0
        kept_term_offsets[row + 1] = first_term + term_offsets[k + 1]
        kept_bigram_offsets[row + 1] = first_bigram + bigram_offsets[k + 1]
    for t in range(idf.size):
        at = first_term + t
        kept_idf[at] = idf[t]
        for column in range(3):
            kept_weights[at, column] = weights[t, column]
        kept_counts[at] = body_counts[t]
        kept_flags[at] = flags[t]
    for b in range(bigram_idf.size):
        kept_bigram_weights[first_bigram + b] = bigram_weights[b]
