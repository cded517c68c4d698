"""Tokens, folding and stems in many scripts, against the Unicode database where it can tell."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustering.prepare.characters import BEYOND_PLAIN, character_table
from clustering.prepare.stems import SNOWBALL_ALGORITHMS, stem
from clustering.prepare.tokens import fold, is_number, scan


def folded(text: str) -> list[str]:
    return [token for token in map(fold, scan(text)) if token]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The U.S. and U.N. agreed.", ["the", "us", "and", "un", "agreed"]),
        ("don't state-run COVID-19", ["don't", "state", "run", "covid", "19"]),
        ("it’s fine", ["it's", "fine"]),
        ("at 12:30 p.m.", ["at", "12", "30", "pm"]),
        ("rose 1.13bn, the 3rd 5G net", ["rose", "1.13", "the", "3", "5g", "net"]),
        ("co\u00adop\u200beration", ["coop", "eration"]),
        ("ﬁne Ｆｕｌｌ", ["fine", "full"]),
        ("cafe\u0301 café", ["café", "café"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("ΛΌΓΟΣ λόγος", ["λόγοσ", "λόγοσ"]),
        ("وكالـــة الأَنْبَاءِ", ["وكالة", "الأنباء"]),
        ('שָׁלוֹם צה"ל צה״ל', ["שלום", 'צה"ל', 'צה"ל']),
        ("राष्ट्रपति ने कहा।", ["राष्ट्रपति", "ने", "कहा"]),
        ("国务院总理。", ["国务", "务院", "院总", "总理"]),
        ("東京タワー", ["東京", "京タ", "タワ", "ワー"]),
        ("Apple社のiPhone", ["apple", "社の", "iphone"]),
        ("สวัสดี", ["สวั", "วัส", "สดี"]),
        ("대통령은 서울에서", ["대통령은", "서울에서"]),
        ("İstanbul ISTANBUL", ["istanbul", "istanbul"]),
        ("a\x00b \ud800c", ["a", "b", "c"]),
        ("snake_case #tag @user", ["snake", "case", "tag", "user"]),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert folded(text) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("1,000", "1000"),
        ("1.000", "1000"),
        ("1'000", "1000"),
        ("1,234.56", "1234.56"),
        ("1.234,56", "1234.56"),
        ("1,234,567", "1234567"),
        ("3,5", "3.5"),
        ("13.50", "13.5"),
        ("10.0", "10"),
        ("0.5", "0.5"),
        ("007", "7"),
        ("0", "0"),
        ("00", "0"),
        ("21st", "21"),
        ("١٬٠٠٠", "1000"),
        ("१९९९", "1999"),
        ("２０２４", "2024"),
        ("100", "100"),
    ],
)
def test_numbers_have_one_form(number: str, expected: str) -> None:
    assert folded(number) == [expected]
    assert is_number(expected)


@given(st.integers(0, 10**12))
def test_separators_of_thousands_change_nothing(number: int) -> None:
    assert folded(f"{number:,}") == folded(str(number)) == [str(number)]


@given(st.text(max_size=100))
def test_folding_settles(text: str) -> None:
    for token in folded(text):
        assert token == fold(token)
        assert unicodedata.normalize("NFC", token) == token


def test_what_skips_normalisation_is_normal() -> None:
    """The short cut of `scan` may only take characters that NFKC leaves alone."""
    plain = [chr(c) for c in np.flatnonzero(character_table().classes & BEYOND_PLAIN == 0)]
    assert len(plain) > 700
    changed = [c for c in plain if unicodedata.normalize("NFKC", c) != c]
    assert changed == ["\u00a0", "\u2026"]
    assert scan("One\u00a0two\u2026 Three") == ["One", "two", "\u2026", "Three"]
    assert [c for c in plain if unicodedata.category(c) in {"Cf", "Mn", "Mc", "Cs"}] == []


@given(st.text(alphabet="aZé.'’1,\n \"-ñЖ\u00a0", max_size=60))
def test_the_fast_and_the_general_scanner_agree(text: str) -> None:
    # A Devanagari letter in front sends the whole text through the general one.
    # What ends a sentence is the same, but its no-break spaces are left as they are.
    assert scan(f"क {text}")[1:] == [token.replace("\u00a0", " ") for token in scan(text)]


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", ["president", "presidents", "president's"]),
        ("fr", ["homme", "l'homme", "hommes"]),
        ("it", ["governo", "dell'governo"]),
        ("ru", ["президент", "президента", "президентом"]),
        ("uk", ["україна", "українська", "україні"]),
        ("tr", ["erdoğan", "erdoğan'ın"]),
        ("ko", ["대통령은", "대통령이", "대통령을", "대통령"]),
        ("fa", ["كتاب", "کتاب"]),
        ("zh", ["國家", "国家"]),
        ("sh", ["beograd", "београд"]),
        ("de", ["regierung", "regierungen"]),
        ("hi", ["लड़का", "लड़के"]),
    ],
)
def test_forms_of_a_word_share_their_stem(lang: str, words: list[str]) -> None:
    assert len({stem(word, lang) for word in words}) == 1


@pytest.mark.parametrize("lang", sorted(SNOWBALL_ALGORITHMS))
def test_every_stemmer_is_there_and_leaves_something(lang: str) -> None:
    for word in ("a", "ing", "x1", "1000", "été", "слово", "كتاب", "中国"):
        assert stem(word, lang)
    assert stem("1000", lang) == "1000"


def test_a_digit_that_only_newer_tables_know() -> None:
    """KAWI DIGIT ZERO: a digit to `regex`, and to Python from 3.12 on."""
    assert fold("\U00011f50") in {"\U00011f50", "0"}
