"""Term counts against a slow count of the same thing, and what no text may break."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import xxhash
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clustering.prepare import analysis
from clustering.prepare.analysis import (
    CAPITALISED_FLAG,
    LEAD_TOKENS,
    NUMBER_FLAG,
    Lexicon,
    analyse,
    stop_words,
)
from clustering.prepare.kernel_rows import E_TERM
from clustering.prepare.stems import stem, term_id
from clustering.prepare.tokens import TOKEN_LENGTH_LIMIT, fold, scan

ENGLISH = (
    "President Donald Trump of the United States arrived in Minsk on Tuesday. He met 1,000 "
    "students, and the students asked him about trade. Governors of the Bank of England spoke."
)


def count(vector_ids: np.ndarray, counts: np.ndarray, word: str, lang: str = "en") -> int:
    place = np.flatnonzero(vector_ids == term_id(stem(word, lang)))
    return int(counts[place[0]]) if place.size else 0


def test_counts_equal_a_plain_count() -> None:
    title, body = "Trump meets students", ENGLISH
    vector = analyse(title, body, "en").vector

    def terms(text: str) -> list[int]:
        words = [folded for folded in map(fold, scan(text)) if folded]
        return [term_id(stem(w, "en")) for w in words if w not in stop_words("en")]

    in_body, in_title = Counter(terms(body)), Counter(terms(title))
    assert vector.term_ids.tolist() == sorted({*in_body, *in_title})
    assert vector.body_counts.tolist() == [in_body[t] for t in vector.term_ids.tolist()]
    assert vector.title_counts.tolist() == [in_title[t] for t in vector.term_ids.tolist()]
    assert vector.token_count == sum(bool(fold(token)) for token in scan(body))


def test_the_lead_is_the_first_tokens_stop_words_included() -> None:
    body = "earthquake " + "the " * (LEAD_TOKENS - 2) + "tsunami volcano earthquake"
    vector = analyse("", body, "en").vector
    assert count(vector.term_ids, vector.lead_counts, "earthquake") == 1
    assert count(vector.term_ids, vector.body_counts, "earthquake") == 2
    assert count(vector.term_ids, vector.lead_counts, "tsunami") == 1
    assert count(vector.term_ids, vector.lead_counts, "volcano") == 0


def test_terms_come_in_text_order_with_the_title_first() -> None:
    found = analyse("Volcano erupts", "Ash fell on the volcano.", "en")
    expected = [term_id(stem(w, "en")) for w in ("volcano", "erupts", "ash", "fell", "volcano")]
    assert found.ordered_term_ids.tolist() == expected
    assert found.tokens == ("ash", "fell", "on", "the", "volcano")


def test_counts_are_clipped() -> None:
    vector = analyse("", "volcano " * 300, "en").vector
    assert vector.body_counts.tolist() == [255]
    assert vector.token_count == 300


def flags_of(body: str, word: str, title: str = "") -> int:
    vector = analyse(title, body, "en").vector
    return count(vector.term_ids, vector.term_flags, word)


@pytest.mark.parametrize(
    ("body", "word", "capitalised"),
    [
        ("Floods hit Dresden again.", "dresden", True),
        ("Floods hit Dresden again.", "floods", False),
        ("It rained. Floods came.", "floods", False),
        ("The 1.5 Floods came.", "floods", True),
        ("It rained in\nDresden today.", "dresden", True),
        ("It rained\n\nDresden floods", "dresden", False),
        ("He met Mr. Dresden there.", "dresden", True),
        ("George W. Dresden spoke.", "dresden", True),
        ('She said: "Floods came."', "floods", False),
    ],
)
def test_a_capital_inside_a_sentence_marks_a_name(body: str, word: str, capitalised: bool) -> None:
    assert bool(flags_of(body, word) & CAPITALISED_FLAG) == capitalised


def test_capitals_of_headlines_say_nothing() -> None:
    assert flags_of("the floods came", "floods", title="Dresden Floods Came") == 0


def test_numbers_are_flagged_and_written_one_way() -> None:
    ids = [analyse("", f"about {n} people", "en").vector for n in ("1,000", "1000", "1.000")]
    assert len({v.term_ids.tobytes() for v in ids}) == 1
    assert flags_of("about 1,000 people", "1000") == NUMBER_FLAG
    assert flags_of("the A380 and 5G", "a380") & NUMBER_FLAG == 0


def test_acronyms_spelled_like_stop_words_are_terms() -> None:
    us = xxhash.xxh32_intdigest(b"US")
    assert us in analyse("", "Troops of the US left Kabul.", "en").vector.term_ids
    assert us in analyse("", "Troops of the U.S. left Kabul.", "en").vector.term_ids
    assert us not in analyse("", "They told us in Kabul.", "en").vector.term_ids
    # In a headline that shouts, capitals tell nothing.
    assert us not in analyse("", "THEY TOLD US EVERYTHING IN KABUL", "en").vector.term_ids


def test_bigrams_pass_over_stop_words_and_end_with_the_sentence() -> None:
    vector = analyse("", "Governors of the Bank of England spoke. Inflation fell.", "en").vector
    words = [stem(w, "en") for w in ("governors", "bank", "england", "spoke")]
    pairs = [f"{a} {b}" for a, b in pairwise(words)]
    pairs.append(f"{stem('inflation', 'en')} {stem('fell', 'en')}")
    # All but the lower byte of the hash.
    hashes = [xxhash.xxh32_intdigest(p.encode()) for p in pairs]
    assert vector.bigram_ids.tolist() == sorted(each & ~0xFF for each in hashes)


def test_possessives_and_inflections_are_one_term() -> None:
    one = analyse("", "The volcano's eruptions", "en").vector
    other = analyse("", "the volcanos’ eruption", "en").vector
    assert one.term_ids.tolist() == other.term_ids.tolist()
    assert one.term_ids.size == 2


def test_contractions_are_stop_words() -> None:
    assert analyse("", "They can't, won’t, wouldn't and we've", "en").vector.term_ids.size == 0


def test_traditional_and_simplified_chinese_share_their_terms() -> None:
    traditional = analyse("", "國務院總理發表講話", "zh").vector
    simplified = analyse("", "国务院总理发表讲话", "zh").vector
    assert traditional.term_ids.tolist() == simplified.term_ids.tolist()
    assert simplified.term_ids.size > 4


@pytest.mark.parametrize("body", ["", " \n", "\x00", "\ud800", "🌋🌋", "... !!! ---", "\u064b"])
def test_texts_without_words_are_empty(body: str) -> None:
    found = analyse(body, body)
    assert found.tokens == ()
    assert found.vector.term_ids.size == 0
    assert found.vector.bigram_ids.size == 0
    assert found.lang == "und"


def test_one_endless_word_is_cut() -> None:
    found = analyse("", "x" * 1_000_000, "en")
    assert found.tokens == ("x" * TOKEN_LENGTH_LIMIT,)


def test_a_full_lexicon_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "_LEXICON_LIMIT", 10)
    before = analyse("", ENGLISH, "en")
    for number in range(30):
        analyse("", f"filler{number} word{number}", "en")
    after = analyse("", ENGLISH, "en")
    assert after.tokens == before.tokens
    assert after.vector.term_ids.tolist() == before.vector.term_ids.tolist()
    assert after.vector.bigram_ids.tolist() == before.vector.bigram_ids.tolist()


def test_a_lexicon_grows_beyond_its_first_size() -> None:
    lexicon = Lexicon("en", frozenset())
    rows = [lexicon.rows[f"qword{number}x"] for number in range(10_000)]
    assert rows == list(range(10_000))
    assert lexicon.pages.entries[9_999, E_TERM] & 0xFFFFFFFF == term_id(stem("qword9999x", "en"))


def test_threads_share_a_lexicon() -> None:
    texts = [f"Storm{n % 97} hit Harbour{n % 89} on {n} May" for n in range(400)]
    alone = Lexicon("en", stop_words("en"))
    expected = [analysis.analyse_with(alone, "", text, "en") for text in texts]
    shared = Lexicon("en", stop_words("en"))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda t: analysis.analyse_with(shared, "", t, "en"), texts))
    for one, other in zip(expected, found, strict=True):
        assert one.tokens == other.tokens
        assert one.ordered_term_ids.tolist() == other.ordered_term_ids.tolist()


TEXTS = st.one_of(
    st.text(max_size=200),
    st.text(
        alphabet="aB. '’\n1,5中国あタกิ한국אבג\u05b8عربيـ\u064bé\u0301\ud800\x00-:", max_size=80
    ),
)


@settings(deadline=None, max_examples=200)
@given(TEXTS, TEXTS, st.sampled_from(["", "en", "zh", "ar", "tr", "fr", "xx-bogus"]))
@example("", "ﷺ" * 5, "ar")
@example("ΐΐ", "İİ", "tr")
@example("'", "l'", "fr")
def test_any_text_gives_a_consistent_vector(title: str, body: str, lang: str) -> None:
    found = analyse(title, body, lang)
    vector = found.vector
    size = vector.term_ids.size
    assert vector.token_count == len(found.tokens)
    assert all(found.tokens)
    for array in (vector.body_counts, vector.lead_counts, vector.title_counts, vector.term_flags):
        assert array.dtype == np.uint8
        assert array.shape == (size,)
    for ids in (vector.term_ids, vector.bigram_ids):
        assert ids.dtype == np.uint32
        assert np.all(np.diff(ids.astype(np.int64)) > 0)
    assert np.all(vector.lead_counts <= vector.body_counts)
    assert np.all(vector.body_counts.astype(int) + vector.title_counts > 0)
    assert found.ordered_term_ids.dtype == np.uint32
    assert set(found.ordered_term_ids.tolist()) == set(vector.term_ids.tolist())
    again = analyse(title, body, lang)
    assert again.tokens == found.tokens
    assert again.vector.term_ids.tolist() == vector.term_ids.tolist()


def test_another_process_finds_the_same() -> None:
    program = (
        "import sys, hashlib; from clustering.prepare.analysis import analyse; v = analyse('',"
        " sys.argv[1]).vector; print(hashlib.md5(v.term_ids.tobytes() + v.bigram_ids.tobytes())"
        ".hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program, ENGLISH],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
