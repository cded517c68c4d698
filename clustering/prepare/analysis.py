"""An article's text to what is compared: tokens in order, and counts of its terms.

A compiled pass finds the tokens and looks their spellings up (`kernel`, `kernel_terms`); Python
only works out spellings that were never met before (`lexicon`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clustering.articles import TermVector, UInt8Array, UInt32Array
from clustering.prepare.characters import character_table
from clustering.prepare.kernel import scan_documents
from clustering.prepare.kernel_hashes import window_hashes
from clustering.prepare.kernel_terms import (
    BIGRAM_ID_BITS,
    CAPITALISED_FLAG,
    NUMBER_FLAG,
    count_terms,
    distinct_sorted,
    find_rows,
    joined_texts,
    read_terms,
    within_sentences,
)
from clustering.prepare.languages import UNKNOWN_LANGUAGE, detect_language
from clustering.prepare.lexicon import Lexicon, stop_words
from clustering.prepare.token_stream import TokenStream
from clustering.prepare.tokens import code_points

__all__ = [
    "CAPITALISED_FLAG",
    "LEAD_TOKENS",
    "NUMBER_FLAG",
    "Analysis",
    "Lexicon",
    "analyse",
    "analyse_with",
    "stop_words",
]

LEAD_TOKENS = 70
"""Tokens of the body, stop words included, that count as its lead."""

_LEXICON_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True)
class Analysis:
    """What `analyse` finds in a text.

    Attributes
    ----------
    lang
        ISO 639-1 code, given or detected; ``"und"`` when unknown.
    stream
        Folded tokens of the body in order, stop words included: what shingles are made of.
    vector
        Counts over stems, stop words left out.
    ordered_term_ids
        uint32, shape (k,): ids of the terms in text order with repetitions, the title's first.
    """

    lang: str = UNKNOWN_LANGUAGE
    stream: TokenStream = field(default_factory=lambda: TokenStream.of(()))
    vector: TermVector = field(default_factory=TermVector)
    ordered_term_ids: UInt32Array = field(default_factory=lambda: np.zeros(0, dtype=np.uint32))

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens of ``stream`` one by one, made anew each time."""
        return self.stream.words()[0]


_lexicons: dict[str, Lexicon] = {}


def _lexicon(lang: str) -> Lexicon:
    # An undetermined language is read as English: what cannot be told is mostly figures and
    # names, and the longer reports of the same event are more likely English than anything else.
    known = _lexicons.get(lang)
    # A full one is left to the texts that are being read with it.
    if known is None or len(known) > _LEXICON_LIMIT:
        known = _lexicons[lang] = Lexicon(
            "en" if lang == UNKNOWN_LANGUAGE else lang, stop_words(lang)
        )
    return known


def analyse(title: str, body: str, lang: str = "") -> Analysis:
    """Turn a text into tokens and term counts.

    Parameters
    ----------
    title, body
        Cleaned text; either may be empty. Any string is accepted.
    lang
        Language as a BCP 47 tag, believed unless the script contradicts it; empty to detect it.

    Returns
    -------
    Analysis
        Depends on nothing but the arguments. For a text without letters and digits ``tokens``
        and all arrays are empty.

    Notes
    -----
    Bigrams are pairs of neighbouring terms of one sentence, with stop words between them passed
    over ("Bank of England" gives ``bank england``).
    """
    detected = detect_language(f"{title}\n{body[:1000]}", lang)
    return analyse_with(_lexicon(detected), title, body, detected)


def analyse_with(lexicon: Lexicon, title: str, body: str, lang: str) -> Analysis:
    """Do as `analyse` does, for a text whose language and stop words are known."""
    points = code_points((title, body))
    begins, ends, token_ends = scan_documents(
        points.codes, points.document_ends, character_table().classes
    )
    pages = lexicon.pages
    rows = find_rows(points.codes, begins, ends, pages.slots, pages.spellings, pages.spelling_ends)
    unseen = np.flatnonzero(rows < 0)
    if unseen.size:
        joined = "".join(points.readable)
        for token in unseen.tolist():
            rows[token] = lexicon.rows[joined[begins[token] : ends[token]]]
        pages = lexicon.pages
    word_rows, term_rows, term_ids, keys, flags, sentences, title_terms, lead_terms = read_terms(
        rows, int(token_ends[0]), pages.properties, pages.term_ids, LEAD_TOKENS
    )
    words, word_ends = joined_texts(word_rows, pages.texts, pages.text_begins, pages.folded_ends)
    keys.sort()
    ids, body_counts, lead_counts, title_counts, term_flags = count_terms(
        keys, flags, title_terms, lead_terms
    )
    return Analysis(
        lang=lang,
        stream=TokenStream(words, word_ends, np.array([word_rows.size], dtype=np.int64)),
        vector=TermVector(
            term_ids=ids,
            body_counts=body_counts,
            lead_counts=lead_counts,
            title_counts=title_counts,
            term_flags=term_flags,
            bigram_ids=distinct_sorted(
                _bigrams(
                    *joined_texts(term_rows, pages.texts, pages.folded_ends, pages.stem_ends),
                    sentences,
                )
            ),
            token_count=int(word_rows.size),
        ),
        ordered_term_ids=term_ids,
    )


def _bigrams(
    stems: UInt8Array, stem_ends: NDArray[np.int64], sentences: NDArray[np.int32]
) -> UInt32Array:
    """Hashes of pairs of neighbouring terms, sorted."""
    if stem_ends.size < 2:
        return np.zeros(0, dtype=np.uint32)
    count = np.array([stem_ends.size], dtype=np.int64)
    found = within_sentences(window_hashes(stems, stem_ends, count, 2, 0)[0], sentences)
    found &= BIGRAM_ID_BITS
    found.sort()
    return found
