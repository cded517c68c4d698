"""An article's text to what is compared: tokens in order, and counts of its terms.

Everything about one spelling (its stem, its id, whether it is a stop word) is worked out once and
remembered for its language, so that the loop over a text only looks spellings up.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import regex
import xxhash
from numpy.typing import NDArray

from clustering.articles import TermVector, UInt8Array, UInt32Array
from clustering.prepare.languages import UNKNOWN_LANGUAGE, detect_language
from clustering.prepare.shipped import shipped_stop_words
from clustering.prepare.stems import bare_word, stem, term_id
from clustering.prepare.tokens import TOKEN_LENGTH_LIMIT, fold, is_number, scan

LEAD_TOKENS = 70
"""Tokens of the body, stop words included, that count as its lead."""

NUMBER_FLAG = 1
"""Bit of `TermVector.term_flags` for numbers."""

CAPITALISED_FLAG = 2
"""Bit of `TermVector.term_flags` for terms written with a capital inside a sentence."""

_COUNT_LIMIT = 255
_LEXICON_LIMIT = 1 << 16

_CONTRACTION = re.compile(
    r".+(?:n't|'(?:ll|re|ve|d|m))|(?:are|can|could|did|do|does|is|was|wo|would)nt"
)
_IDEOGRAPH = regex.compile(r"\p{Han}")


@dataclass(frozen=True, slots=True)
class Analysis:
    """What `analyse` finds in a text.

    Attributes
    ----------
    lang
        ISO 639-1 code, given or detected; ``"und"`` when unknown.
    tokens
        Folded tokens of the body in order, stop words included: what shingles are made of.
    vector
        Counts over stems, stop words left out.
    ordered_term_ids
        uint32, shape (k,): ids of the terms in text order with repetitions, the title's first.
    """

    lang: str = UNKNOWN_LANGUAGE
    tokens: tuple[str, ...] = ()
    vector: TermVector = field(default_factory=TermVector)
    ordered_term_ids: UInt32Array = field(default_factory=lambda: np.zeros(0, dtype=np.uint32))


# What is known of a spelling, in bits. The two lowest are those of `TermVector.term_flags`.
_IS_TERM = 4
_IS_ABBREVIATION = 8  # a full stop after it does not end the sentence
_IS_SHOUTABLE = 16  # a stop word in capitals: an acronym (US, WHO, IT) unless its neighbours shout
_IS_TOKEN = 32  # not the end of a sentence


class Lexicon:
    """What is known of every spelling met in one language; grows as texts are read.

    Spellings are numbered in the order they are met. Rows are never changed, so a thread may read
    them while another adds some.

    Parameters
    ----------
    lang
        Whose stemmer to use.
    stop_words
        Folded words that are no terms.
    """

    def __init__(self, lang: str, stop_words: frozenset[str]) -> None:
        self.lang = lang
        self.rows = _Rows(self._add)
        self.folded: list[str] = []
        self.stems: list[bytes] = []
        self.term_ids = np.zeros(4096, dtype=np.uint32)
        self.properties = np.zeros(4096, dtype=np.uint8)
        self._stop_words = stop_words
        self._lock = threading.Lock()

    def _add(self, token: str) -> int:
        folded = fold(token)
        word_stem, properties = self._looked_at(token, folded) if folded else ("", 0)
        with self._lock:
            row = self.rows.get(token)
            if row is None:
                row = len(self.folded)
                if row == self.term_ids.size:
                    self.term_ids = np.concatenate([self.term_ids, np.zeros_like(self.term_ids)])
                    self.properties = np.concatenate(
                        [self.properties, np.zeros_like(self.properties)]
                    )
                self.term_ids[row] = term_id(word_stem) if word_stem else 0
                self.properties[row] = properties
                self.folded.append(folded)
                self.stems.append(word_stem.encode())
                self.rows[token] = row
        return row

    def _looked_at(self, token: str, folded: str) -> tuple[str, int]:
        """Return the stem, empty for a stop word, and the properties of a spelling."""
        if is_number(folded):
            return folded, NUMBER_FLAG | _IS_TERM | _IS_TOKEN
        is_upper = token.isupper()
        properties = _IS_TOKEN
        if token[0].isupper():
            properties |= CAPITALISED_FLAG
            if len(token) == 1 or (len(token) <= 3 and not is_upper):
                properties |= _IS_ABBREVIATION
        if not self._is_stop_word(folded):
            return stem(folded, self.lang), properties | _IS_TERM
        if is_upper and len(folded) > 1:
            # Kept in capitals, so that US the country never counts as us the pronoun.
            return folded.upper(), properties | _IS_TERM | _IS_SHOUTABLE
        return "", properties

    def _is_stop_word(self, folded: str) -> bool:
        if folded in self._stop_words or bare_word(folded, self.lang) in self._stop_words:
            return True
        if len(folded) == 1:
            return not _IDEOGRAPH.match(folded)
        return self.lang == "en" and _CONTRACTION.fullmatch(folded) is not None


class _Rows(dict[str, int]):
    """Token to its row; asks for a new row where there is none."""

    def __init__(self, add: Callable[[str], int]) -> None:
        super().__init__()
        self._add = add

    def __missing__(self, token: str) -> int:
        if len(token) > TOKEN_LENGTH_LIMIT:
            return self[token[:TOKEN_LENGTH_LIMIT]]
        return self._add(token)


_lexicons: dict[str, Lexicon] = {}


def _lexicon(lang: str) -> Lexicon:
    # An undetermined language is read as English: what cannot be told is mostly figures and
    # names, and the longer reports of the same event are more likely English than anything else.
    known = _lexicons.get(lang)
    # A full one is left to the texts that are being read with it.
    if known is None or len(known.folded) > _LEXICON_LIMIT:
        known = _lexicons[lang] = Lexicon(
            "en" if lang == UNKNOWN_LANGUAGE else lang, stop_words(lang)
        )
    return known


def stop_words(lang: str) -> frozenset[str]:
    """Return the folded stop words of a language; those of English when it is unknown.

    Empty for a language without any, see `clustering.prepare.frequencies.SUPPORTED_LANGUAGES`.
    """
    return shipped_stop_words().get("en" if lang == UNKNOWN_LANGUAGE else lang, frozenset())


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
    in_title = _Reading(lexicon, title)
    in_body = _Reading(lexicon, body)
    return Analysis(
        lang=lang,
        tokens=in_body.tokens,
        vector=_term_vector(in_title, in_body),
        ordered_term_ids=np.concatenate([in_title.term_ids, in_body.term_ids]),
    )


class _Reading:
    """One pass over a text.

    Attributes
    ----------
    tokens
        Folded tokens.
    term_ids
        uint32, shape (k,): one entry an occurrence of a term, in text order.
    properties
        uint8, shape (k,): of these occurrences; `CAPITALISED_FLAG` only inside a sentence.
    lead_terms
        How many of them stand in the lead.
    bigram_ids
        Hashes of pairs of neighbouring terms, not sorted.
    """

    __slots__ = ("bigram_ids", "lead_terms", "properties", "term_ids", "tokens")

    def __init__(self, lexicon: Lexicon, text: str) -> None:
        raw = scan(text)
        rows = np.array(list(map(lexicon.rows.__getitem__, raw)), dtype=np.intp)
        properties = lexicon.properties[rows]
        positions = np.flatnonzero(properties & _IS_TOKEN)
        rows = rows[positions]
        properties = properties[positions]

        # A token begins a sentence if a sentence end lies between it and the token before, which
        # is no abbreviation.
        begins = np.ones(rows.size, dtype=np.bool_)
        begins[1:] = (np.diff(positions) > 1) & ((properties[:-1] & _IS_ABBREVIATION) == 0)
        sentences = np.cumsum(begins)
        properties[begins] &= ~np.uint8(CAPITALISED_FLAG)

        is_term = (properties & _IS_TERM) != 0
        for token in np.flatnonzero(properties & _IS_SHOUTABLE).tolist():
            is_term[token] = not _is_shouted(raw, int(positions[token]))
        terms = np.flatnonzero(is_term)

        folded = lexicon.folded
        self.tokens = tuple([folded[row] for row in rows.tolist()])
        term_rows = rows[terms]
        self.term_ids: UInt32Array = lexicon.term_ids[term_rows]
        self.properties: UInt8Array = properties[terms]
        self.lead_terms = int(np.searchsorted(terms, LEAD_TOKENS))

        stems = lexicon.stems
        words = [stems[row] for row in term_rows.tolist()]
        sentence_of = sentences[terms]
        is_pair = (sentence_of[1:] == sentence_of[:-1]).tolist()
        hash_of = xxhash.xxh32_intdigest
        self.bigram_ids = [
            hash_of(first + b" " + second)
            for first, second, together in zip(words, words[1:], is_pair, strict=False)
            if together
        ]


def _is_shouted(raw: list[str], position: int) -> bool:
    """Whether most words around a token are in capitals, as in some headlines."""
    neighbours = raw[max(0, position - 3) : position] + raw[position + 1 : position + 4]
    words = [token for token in neighbours if token[0].isalpha()]
    return 2 * sum(map(str.isupper, words)) > len(words)


def _term_vector(in_title: _Reading, in_body: _Reading) -> TermVector:
    body_size = in_body.term_ids.size
    occurrences = np.concatenate([in_body.term_ids, in_title.term_ids])
    term_ids, slots = np.unique(occurrences, return_inverse=True)
    size = term_ids.size
    term_flags = np.zeros(size, dtype=np.uint8)
    # Headlines capitalise as they please, so only the body tells names.
    for flag, part, properties in (
        (NUMBER_FLAG, slots[:body_size], in_body.properties),
        (NUMBER_FLAG, slots[body_size:], in_title.properties),
        (CAPITALISED_FLAG, slots[:body_size], in_body.properties),
    ):
        term_flags[part[(properties & flag) != 0]] |= flag
    return TermVector(
        term_ids=term_ids,
        body_counts=_clipped_counts(slots[:body_size], size),
        lead_counts=_clipped_counts(slots[: in_body.lead_terms], size),
        title_counts=_clipped_counts(slots[body_size:], size),
        term_flags=term_flags,
        bigram_ids=np.array(sorted({*in_title.bigram_ids, *in_body.bigram_ids}), dtype=np.uint32),
        token_count=len(in_body.tokens),
    )


def _clipped_counts(slots: NDArray[np.intp], size: int) -> UInt8Array:
    return np.minimum(np.bincount(slots, minlength=size), _COUNT_LIMIT).astype(np.uint8)
