"""What is known of a spelling, and that lookups by machine code and by Python agree."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.prepare import kernel_terms
from clustering.prepare.kernel_rows import E_TERM, E_TEXT, find_rows
from clustering.prepare.lexicon import Lexicon, stop_words
from clustering.prepare.stems import stem, term_id
from clustering.prepare.tokens import TOKEN_LENGTH_LIMIT, fold

TOKENS = st.text(alphabet="abzABZéÉßİσς1٣中'.-", min_size=1, max_size=70)


def rows_of(lexicon: Lexicon, tokens: list[str]) -> list[int]:
    codes = np.array([ord(character) for token in tokens for character in token], dtype=np.uint32)
    ends = np.cumsum([len(token) for token in tokens]).astype(np.int32)
    begins = np.r_[0, ends[:-1]].astype(np.int32)
    pages = lexicon.pages
    found: list[int] = find_rows(
        codes, begins, ends, pages.slots, pages.entries, pages.spellings, pages.spelling_ends
    ).tolist()
    return found


def known_of(lexicon: Lexicon, row: int) -> tuple[str, str, int, int]:
    """The folded token, its stem, the stem's id and the properties that a row holds."""
    pages = lexicon.pages
    text, term = (int(pages.entries[row, column]) for column in (E_TEXT, E_TERM))
    begin, folded, stemmed = text & 0xFFFFFFFF, text >> 32 & 0xFFFF, text >> 48
    data = pages.texts[begin : begin + folded + stemmed].tobytes()
    return data[:folded].decode(), data[folded:].decode(), term & 0xFFFFFFFF, term >> 32


@settings(deadline=None)
@given(st.lists(TOKENS, min_size=1, max_size=30), st.lists(TOKENS, max_size=10))
def test_what_was_met_is_found_and_nothing_else(met: list[str], others: list[str]) -> None:
    lexicon = Lexicon("en", stop_words("en"))
    rows = [lexicon.rows[token] for token in met]
    assert rows_of(lexicon, met) == rows
    known = {token[:TOKEN_LENGTH_LIMIT]: row for token, row in zip(met, rows, strict=True)}
    assert rows_of(lexicon, [*others, "x"]) == [
        known.get(token[:TOKEN_LENGTH_LIMIT], -1) for token in [*others, "x"]
    ]


def test_rows_hold_the_folded_token_and_its_stem() -> None:
    lexicon = Lexicon("en", stop_words("en"))
    tokens = ["Governments", "the", "US", "1,000", "...", "Straße", "A", "Mr"]
    rows = [lexicon.rows[token] for token in tokens]
    known = {}
    for token, row in zip(tokens, rows, strict=True):
        folded, stemmed, stem_id, known[token] = known_of(lexicon, row)
        assert folded == fold(token)
        assert stem_id == (term_id(stemmed) if stemmed else 0)
    assert known_of(lexicon, rows[0])[1] == stem("governments", "en")
    assert known["the"] & kernel_terms.IS_TERM == 0
    assert known["US"] & kernel_terms.IS_SHOUTABLE
    assert known["US"] & kernel_terms.IS_UPPER
    assert known["1,000"] & kernel_terms.NUMBER_FLAG
    assert known["..."] & kernel_terms.IS_TOKEN == 0
    assert known["Mr"] & kernel_terms.IS_ABBREVIATION
    assert known["Governments"] & kernel_terms.CAPITALISED_FLAG


def test_long_spellings_outgrow_the_pool_before_the_rows_run_out() -> None:
    lexicon = Lexicon("en", frozenset())
    tokens = [f"{number:05d}x" + "y" * 58 for number in range(3000)]
    rows = [lexicon.rows[token] for token in tokens]
    assert rows == list(range(3000))
    assert rows_of(lexicon, tokens) == rows
    assert len(lexicon) == 3000


@settings(deadline=None)
@given(st.lists(TOKENS, max_size=20), st.lists(TOKENS, max_size=20))
def test_many_at_once_get_the_rows_that_they_get_one_by_one(
    before: list[str], tokens: list[str]
) -> None:
    together, alone = (Lexicon("en", stop_words("en")) for _ in range(2))
    for token in before:
        assert together.rows[token] == alone.rows[token]
    assert together.rows_of(tokens) == [alone.rows[token] for token in tokens]
    for field in fields(together.pages):
        one, other = (getattr(each.pages, field.name) for each in (together, alone))
        assert np.array_equal(one, other), field.name


def test_a_thousand_long_spellings_at_once_find_room() -> None:
    lexicon = Lexicon("en", frozenset())
    tokens = [f"{number:05d}x" + "y" * 58 for number in range(9000)]
    assert lexicon.rows_of(tokens) == list(range(9000)) == rows_of(lexicon, tokens)


def test_threads_add_and_look_up_at_once() -> None:
    lexicon = Lexicon("en", frozenset())

    def work(begin: int) -> bool:
        tokens = [f"word{number % 9000}" for number in range(begin, begin + 3000)]
        rows = [lexicon.rows[token] for token in tokens]
        found = rows_of(lexicon, tokens)
        ids = [term_id(stem(token, "en")) for token in tokens]
        return found == rows and [known_of(lexicon, row)[2] for row in rows] == ids

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(0, 24_000, 1000)))
    assert len(lexicon) == 9000


_PLAIN_TOKENS = st.from_regex(
    r"[A-Za-z]{1,18}('s|’s|'S)?|0*[0-9]{1,6}|[A-Z][a-z]+nt", fullmatch=True
)


@settings(deadline=None)
@given(
    st.lists(_PLAIN_TOKENS | st.sampled_from(sorted(stop_words("en"))).map(str.title), min_size=1),
    st.sampled_from(["en", "fr", "it", "tr", "fa", "de", "uk", "ko", "sh", "xx"]),
)
def test_plain_spellings_are_read_as_any_other(tokens: list[str], lang: str) -> None:
    lexicon = Lexicon(lang, stop_words(lang))
    one_by_one = [lexicon._looked_at_one(token) for token in tokens]
    expected = [(folded.encode(), word.encode(), known) for folded, word, known in one_by_one]
    assert list(zip(*lexicon._looked_at(tokens), strict=True)) == expected
