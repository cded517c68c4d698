"""An article's text to what is compared: tokens in order, and counts of its terms.

Compiled passes find the tokens, look their spellings up and count (`kernel`, `kernel_terms`,
`kernel_articles`); Python only works out spellings that were never met before (`lexicon`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clustering.articles import TermVector, UInt8Array, UInt32Array
from clustering.prepare.characters import character_table
from clustering.prepare.kernel import scan_documents
from clustering.prepare.kernel_articles import read_articles
from clustering.prepare.kernel_rows import find_rows
from clustering.prepare.kernel_terms import CAPITALISED_FLAG, NUMBER_FLAG
from clustering.prepare.languages import UNKNOWN_LANGUAGE, detect_language
from clustering.prepare.lexicon import Lexicon, stop_words
from clustering.prepare.token_stream import TokenStream
from clustering.prepare.tokens import code_points

__all__ = [
    "CAPITALISED_FLAG",
    "LEAD_TOKENS",
    "MOST_CHARACTERS_AT_ONCE",
    "NUMBER_FLAG",
    "Analyses",
    "Analysis",
    "Lexicon",
    "analyse",
    "analyse_all",
    "analyse_with",
    "language_of",
    "stop_words",
]

LEAD_TOKENS = 70
"""Tokens of the body, stop words included, that count as its lead."""

MOST_CHARACTERS_AT_ONCE = 1 << 19
"""Of articles analysed together. A position in one has 24 bits where there are 256, and
normalisation makes up to 18 characters of one."""

_LEXICON_LIMIT = 1 << 17


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


@dataclass(frozen=True, slots=True, eq=False)
class Analyses:
    """What `analyse_all` finds in n texts of one language.

    Attributes
    ----------
    lang
        Their language.
    stream
        Folded tokens of all bodies, stop words included.
    ordered_term_ids, ordered_ends
        uint32: ids of the terms in text order with repetitions; int64, shape (n,): how many there
        are up to the end of each text.
    term_offsets, bigram_offsets
        int64, shape (n + 1,): where the entries of each text begin.
    term_ids, body_counts, lead_counts, title_counts, term_flags, bigram_ids
        As in `clustering.articles.TermVector`, text after text.
    """

    lang: str
    stream: TokenStream
    ordered_term_ids: UInt32Array
    ordered_ends: NDArray[np.int64]
    term_offsets: NDArray[np.int64]
    term_ids: UInt32Array
    body_counts: UInt8Array
    lead_counts: UInt8Array
    title_counts: UInt8Array
    term_flags: UInt8Array
    bigram_offsets: NDArray[np.int64]
    bigram_ids: UInt32Array

    @property
    def token_counts(self) -> NDArray[np.int64]:
        """Tokens of each body, stop words included: int64, shape (n,)."""
        counts = self.stream.word_ends.copy()
        counts[1:] -= self.stream.word_ends[:-1]
        return counts


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
    detected = language_of(title, body, lang)
    return analyse_with(_lexicon(detected), title, body, detected)


def language_of(title: str, body: str, lang: str = "") -> str:
    """Return the language in which `analyse` reads a text: ISO 639-1, or ``"und"``."""
    return detect_language(f"{title}\n{body[:1000]}", lang)


def analyse_with(lexicon: Lexicon, title: str, body: str, lang: str) -> Analysis:
    """Do as `analyse` does, for a text whose language and stop words are known."""
    found = _analysed(lexicon, [title, body], lang)
    return Analysis(
        lang=lang,
        stream=found.stream,
        vector=TermVector(
            term_ids=found.term_ids,
            body_counts=found.body_counts,
            lead_counts=found.lead_counts,
            title_counts=found.title_counts,
            term_flags=found.term_flags,
            bigram_ids=found.bigram_ids,
            token_count=int(found.stream.word_ends[0]),
        ),
        ordered_term_ids=found.ordered_term_ids,
    )


def analyse_all(titles: Sequence[str], bodies: Sequence[str], lang: str) -> Analyses:
    """Do as `analyse` does, for at least one text, all in one language.

    Parameters
    ----------
    titles, bodies
        Of each text: at most 256, and of fewer than `MOST_CHARACTERS_AT_ONCE` characters together
        unless it is one alone.
    lang
        As `language_of` gives it.
    """
    texts = [part for text in zip(titles, bodies, strict=True) for part in text]
    return _analysed(_lexicon(lang), texts, lang)


def _analysed(lexicon: Lexicon, texts: Sequence[str], lang: str) -> Analyses:
    """Analyse articles, a title and a body each."""
    articles = len(texts) // 2
    points = code_points(texts)
    begins, ends, token_ends = scan_documents(
        points.codes, points.document_ends, character_table().classes
    )
    pages = lexicon.pages
    rows = find_rows(
        points.codes,
        begins,
        ends,
        pages.slots,
        pages.entries,
        pages.spellings,
        pages.spelling_ends,
    )
    if rows.size and rows.min() < 0:
        unseen = np.flatnonzero(rows < 0)
        joined = "".join(points.readable)
        cuts = zip(begins[unseen].tolist(), ends[unseen].tolist(), strict=True)
        rows[unseen] = lexicon.rows_of([joined[begin:end] for begin, end in cuts])
        pages = lexicon.pages
    (
        words,
        byte_ends,
        word_ends,
        ordered_term_ids,
        term_ends,
        term_offsets,
        term_ids,
        body_counts,
        lead_counts,
        title_counts,
        term_flags,
        bigram_offsets,
        bigram_ids,
    ) = read_articles(
        rows,
        token_ends,
        pages.entries,
        pages.texts,
        LEAD_TOKENS,
        32 - (articles - 1).bit_length(),
    )
    return Analyses(
        lang=lang,
        stream=TokenStream(words, byte_ends, word_ends),
        ordered_term_ids=ordered_term_ids,
        ordered_ends=term_ends,
        term_offsets=term_offsets,
        term_ids=term_ids,
        body_counts=body_counts,
        lead_counts=lead_counts,
        title_counts=title_counts,
        term_flags=term_flags,
        bigram_offsets=bigram_offsets,
        bigram_ids=bigram_ids,
    )
