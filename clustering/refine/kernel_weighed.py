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

_BoolArray = NDArray[np.bool_]
_Float32Array = NDArray[np.float32]
_Float64Array = NDArray[np.float64]
_Int16Array = NDArray[np.int16]
_Int32Array = NDArray[np.int32]
_Int64Array = NDArray[np.int64]

_UNDATED = UNDATED


@compiled
def append_weighed(
    begins: tuple[int, int, int],
    languages: _Int32Array,
    publishers: _Int32Array,
    language_numbers: _Int64Array,
    publisher_numbers: _Int64Array,
    language_looseness: _Float32Array,
    kinds: UInt8Array,
    seconds: _Int64Array,
    token_counts: _Int64Array,
    term_offsets: _Int64Array,
    term_ids: UInt32Array,
    idf: _Float32Array,
    body_counts: UInt8Array,
    lead_counts: UInt8Array,
    title_counts: UInt8Array,
    flags: UInt8Array,
    bigram_offsets: _Int64Array,
    bigram_ids: UInt32Array,
    bigram_idf: _Float32Array,
    signature_offsets: _Int64Array,
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
    kept_bigram_ids: UInt32Array,
    kept_bigram_weights: _Float32Array,
) -> None:
    """Weigh some articles, and write them behind those that are kept.

    Parameters
    ----------
    begins
        How many articles, terms and bigrams are kept.
    languages, publishers, kinds, seconds, token_counts, term_offsets, term_ids, body_counts, \
lead_counts, title_counts, flags, bigram_offsets, bigram_ids, signature_offsets, signatures
        Those of the new ones, as in `FeatureColumns`; every signature has the length of those kept,
        or none.
    idf, bigram_idf
        Of their terms and bigrams.
    language_numbers, publisher_numbers
        Numbers of the new ones' languages and publishers among those kept.
    language_looseness
        From `tfidf.looseness_by_language`.
    announced, marks, body_words
        From `subjects.item_words`.
    kept_summaries, kept_usable, ...
        As in `WeightedCorpus` and `ReadyArticles`, with room for the new ones. Written.
    """
    first, first_term, first_bigram = begins
    weights, bigram_weights, summaries = weigh_terms(
        term_offsets, idf, body_counts, lead_counts, title_counts, flags, bigram_offsets, bigram_idf
    )
    figures = summarise(term_offsets, idf, weights, body_counts, flags)
    usable = np.empty(kinds.size, dtype=np.bool_)
    for k in range(kinds.size):
        usable[k] = kinds[k] == ORDINARY
    is_item = are_items(
        term_offsets, term_ids, weights, body_counts, usable, announced, marks, body_words
    )
    for k in range(kinds.size):
        row = first + k
        kept_usable[row] = usable[k]
        kept_is_item[row] = is_item[k]
        kept_seconds[row] = np.nan if seconds[k] == _UNDATED else seconds[k]
        kept_token_counts[row] = token_counts[k]
        kept_languages[row] = language_numbers[languages[k]]
        kept_publishers[row] = publisher_numbers[publishers[k]]
        kept_looseness[row] = language_looseness[languages[k]]
        for column in range(5):
            kept_summaries[row, column] = summaries[k, column]
            kept_figures[row, column] = figures[k, column]
        begin = signature_offsets[k]
        kept_has_signature[row] = signature_offsets[k + 1] > begin
        for at in range(kept_signatures.shape[1]):
            kept_signatures[row, at] = signatures[begin + at] if kept_has_signature[row] else 0
        kept_term_offsets[row + 1] = first_term + term_offsets[k + 1]
        kept_bigram_offsets[row + 1] = first_bigram + bigram_offsets[k + 1]
    for t in range(term_ids.size):
        at = first_term + t
        kept_term_ids[at] = term_ids[t]
        kept_idf[at] = idf[t]
        for column in range(3):
            kept_weights[at, column] = weights[t, column]
        kept_counts[at] = body_counts[t]
        kept_flags[at] = flags[t]
    for b in range(bigram_ids.size):
        kept_bigram_ids[first_bigram + b] = bigram_ids[b]
        kept_bigram_weights[first_bigram + b] = bigram_weights[b]
