"""The compiled step from counted terms and tokens to what articles are found by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array
from clustering.compiled import compiled
from clustering.prepare import window_hashes
from clustering.prepare.kernel_terms import salient_terms
from clustering.propose.kernels import minhash, repeated_terms


@compiled
def sketch_articles(
    is_ordinary: NDArray[np.bool_],
    term_offsets: NDArray[np.int64],
    term_ids: UInt32Array,
    body_counts: UInt8Array,
    title_counts: UInt8Array,
    idf: NDArray[np.float32],
    most_terms: int,
    repeat_weight: float,
    most_repeats: int,
    repeat_step: int,
    words: UInt8Array,
    byte_ends: NDArray[np.int64],
    word_ends: NDArray[np.int64],
    shingle_words: int,
    multipliers: UInt32Array,
    offsets: UInt32Array,
    kept_bits: int,
) -> tuple[NDArray[np.int64], UInt32Array, NDArray[np.int64], UInt32Array]:
    """Make event tokens and text signatures; see `clustering.propose.signatures`.

    Parameters
    ----------
    is_ordinary
        bool, shape (articles,): the others get neither.
    term_offsets, term_ids, body_counts, title_counts, idf, most_terms
        As for `clustering.prepare.kernel_terms.salient_terms`.
    repeat_weight, most_repeats, repeat_step
        As for `repeated_terms`.
    words, byte_ends, word_ends
        As in `clustering.prepare.TokenStream`.
    shingle_words, multipliers, offsets
        As for `window_hashes` and `minhash`.
    kept_bits
        Bits of each entry of a signature that are kept.

    Returns
    -------
    event_offsets, event_tokens, signature_offsets, text_signatures
        As in `clustering.columns.FeatureColumns`. Articles without tokens have no signature.
    """
    articles = is_ordinary.size
    ends, salient, weights = salient_terms(
        term_offsets, term_ids, body_counts, title_counts, idf, most_terms
    )
    token_ends, tokens = repeated_terms(
        ends, salient, weights, repeat_weight, most_repeats, repeat_step
    )
    hashes, hash_ends = window_hashes(words, byte_ends, word_ends, shingle_words, 0)
    signatures = minhash(hashes, hash_ends, multipliers, offsets)
    event_offsets = np.zeros(articles + 1, dtype=np.int64)
    signature_offsets = np.zeros(articles + 1, dtype=np.int64)
    begin, first_word = 0, 0
    for article in range(articles):
        events = token_ends[article] - begin if is_ordinary[article] else 0
        is_signed = is_ordinary[article] and word_ends[article] > first_word
        event_offsets[article + 1] = event_offsets[article] + events
        signature_offsets[article + 1] = signature_offsets[article] + is_signed * offsets.size
        begin, first_word = token_ends[article], word_ends[article]
    event_tokens = np.empty(event_offsets[articles], dtype=np.uint32)
    text_signatures = np.empty(signature_offsets[articles], dtype=np.uint32)
    mask = np.uint32(kept_bits)
    for article in range(articles):
        end = event_offsets[article + 1]
        for at in range(event_offsets[article], end):
            event_tokens[at] = tokens[token_ends[article] - end + at]
        first = signature_offsets[article]
        for at in range(first, signature_offsets[article + 1]):
            text_signatures[at] = signatures[article, at - first] & mask
    return event_offsets, event_tokens, signature_offsets, text_signatures
