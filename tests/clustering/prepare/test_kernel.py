"""The compiled pass against regular expressions and against `fold`, in any script."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clustering.articles import UInt64Array
from clustering.errors import CorruptRecordError
from clustering.prepare import characters
from clustering.prepare.characters import character_table, decode_characters
from clustering.prepare.kernel import scan_documents
from clustering.prepare.kernel_fold import hash_documents
from clustering.prepare.token_stream import token_hashes
from clustering.prepare.tokens import TOKEN_LENGTH_LIMIT, code_points, fold, scan
from clustering.training import character_table as training
from tests.clustering.prepare import reference_scan

SCRIPTS = (
    "aBzéñ ÀßİıŉǰΐΰΣςΩώÞþ\u1e9e",  # cases that fold in odd ways
    "жЩёЇґ",
    "אבג\u05b8\u05c1ק״׳\"'",
    "عربي\u064b\u0640\u0670ۀ٣٬٫\u061c",
    "नकत्ष\u094d\u093fর্ক১২",
    "한국\u1112\u1161\u11ab",
    "中国タワーあ々〇\u3099",
    "กำสวัด\u0e48๒๐ລາວ\u0eb3",
    "ကြက္ကေါ\u1039\u103a\u102cខ្មែរ\u17d2",
    "\u0300\u0301\u0307\u0308\u0323\u0345\u030a",
    "\u00ad\u200b\u200d\ufeff\u00a0\u2028\x1c\x85\x0b",
    "0123456789.,'’ʼ\u00bd²①Ⅷ፩",
    "bnmktsrdh",
    '.!?:;…"“”«»„•|-*()[]/\n\n \t\r。！؟।',
    "\ud800\x00🌋ﷺﬁﬃſＡｂ\U0001e900\U00010400𝐀𐞀",
    "ՀայերenქართულიᏣᎳᎩꭰẖẗẘt̤ẖ",
)
EVERYTHING = "".join(SCRIPTS)
TEXTS = st.one_of(
    st.text(alphabet=EVERYTHING, max_size=60),
    *[st.text(alphabet=letters + "a .1\n", max_size=40) for letters in SCRIPTS],
    st.text(max_size=60),
)


def stream(texts: list[str]) -> tuple[list[list[int]], list[bool]]:
    """Hashes of the tokens of every document by the compiled pass, and which of them it gave up."""
    points = code_points(texts)
    table = character_table()
    begins, ends, token_ends = scan_documents(points.codes, points.document_ends, table.classes)
    hashes, word_ends, is_hard = hash_documents(
        points.codes,
        begins,
        ends,
        token_ends,
        table.classes,
        table.fold_index,
        table.fold_begins,
        table.folded,
    )
    return by_document(hashes, word_ends), is_hard.tolist()


def by_document(hashes: UInt64Array, word_ends: NDArray[np.int64]) -> list[list[int]]:
    return [part.tolist() for part in np.split(hashes, word_ends[:-1])] if word_ends.size else []


def hashed(text: str) -> list[int]:
    """What the compiled pass should give, worked out by Python."""
    return [hash_of(token) for token in map(fold, scan(text)) if token]


def hash_of(token: str) -> int:
    data = token.encode("utf-8", "surrogatepass")
    mixed = 0
    for first, second in struct.iter_unpack("<QQ", data + bytes(-len(data) % 16)):
        mixed += first * 0x9E3779B97F4A7C15 + second * 0xFF51AFD7ED558CCD
        mixed %= 2**64
        mixed = (mixed ^ mixed >> 33) * 0xC4CEB9FE1A85EC53 % 2**64
        mixed ^= mixed >> 33
    return mixed


@settings(deadline=None, max_examples=500)
@given(TEXTS)
@example("U.S.A. a.b.c U.K.x")
@example("1,000,0000'123'4567.5")
@example("က္က္ကက ខ្មែរ")
@example("๑,๐๐๐ ๒๕๖๐x")
@example("a\n \n  - b\n\n\n c\n \n")
@example("a.\x1cB कa.\x1cB")
def test_tokens_are_those_of_the_regular_expressions(text: str) -> None:
    assert scan(text) == reference_scan.scan(text)


@settings(deadline=None, max_examples=500)
@given(st.lists(TEXTS, max_size=4))
@example(["T\u0308 ẗ", "plain", "\U0001e900"])
@example(["", "a b", "x T\u0308 y", "", "T\u0308", "c", "T\u0308", ""])
@example(["x" * 100 + " 1" + "0" * 100])
@example(["1.000,00 1,000 1'000 1,000'00 1.50 007 0.0 00,0 1234,567 1,2,3 3RD 5G 1.13bn 1,234'567"])
@example(["١٬٠٠٠ ١٫٥ ١٬٠٠٠٫٥٠ ٠٠٧ 1٬000٫50m"])
def test_folded_stream_is_what_fold_gives(texts: list[str]) -> None:
    tokens, is_hard = stream(texts)
    for text, found, hard in zip(texts, tokens, is_hard, strict=True):
        if not hard:
            assert found == hashed(text)
    together = token_hashes(texts)
    assert by_document(together.hashes, together.word_ends) == [hashed(text) for text in texts]


@pytest.mark.parametrize(
    "text", ["Straße 1.000 İSTANBUL", "Ночь", "ΛΌΓΟΣ", "الأَنْبَاءِ", "שָׁלוֹם", "हिन्दी"]
)
def test_ordinary_texts_of_many_scripts_are_not_given_up(text: str) -> None:
    tokens, is_hard = stream([text])
    assert is_hard == [False]
    assert tokens == [hashed(text)]


def test_a_capital_that_composes_only_when_small_is_given_up() -> None:
    tokens, is_hard = stream(["T\u0308", "ẗ"])
    assert is_hard == [True, False]
    assert hashed("T\u0308") == tokens[1] == [hash_of("ẗ")]


@pytest.mark.parametrize("behind", ["", "'", "’s", "é", "中", ".", " b", " " + "z" * 100])
def test_words_of_any_length_wherever_they_stand(behind: str) -> None:
    for length in (*range(1, 20), *range(60, 70), *range(124, 132)):
        for before in ("", "a ", "é ", "y" * 61 + " "):
            text = before + "Xy9" * (length // 3) + "Z" * (length % 3) + behind
            assert scan(text) == reference_scan.scan(text)
            assert stream([text, "next"])[0] == [hashed(text), hashed("next")]


NUMBERS = st.text(alphabet="0019.,'’٬٫bnmktsrdh", min_size=1, max_size=14)


@settings(deadline=None, max_examples=500)
@given(NUMBERS)
def test_numbers_have_the_form_that_fold_gives(text: str) -> None:
    assert stream([text, f"é{text}"])[0] == [hashed(text), hashed(f"é{text}")]


def test_every_character_alone_and_between_letters() -> None:
    for begin in range(0, 0x110000, 0x400):
        block = [chr(code) for code in range(begin, begin + 0x400)]
        text = " ".join(f"{character} a{character}b {character}9" for character in block)
        assert scan(text) == reference_scan.scan(text)


def test_tokens_longer_than_the_limit_are_cut_when_folded() -> None:
    assert stream(["É" * 1000])[0] == [[hash_of("é" * TOKEN_LENGTH_LIMIT)]]
    assert scan("É" * 1000) == ["É" * 1000]


@pytest.mark.parametrize(
    "name",
    ["multiling2011_7lang", "giveme5w_news_cluster", "ecbplus"],
)
def test_real_news_gives_the_same_tokens(data_dir: Path, name: str) -> None:
    with gzip.open(data_dir / f"{name}.jsonl.gz", "rt") as lines:
        texts = [
            str(value)
            for line in lines
            for value in json.loads(line).values()
            if isinstance(value, str) and len(value) > 40
        ]
    assert len(texts) > 200
    for text in texts:
        assert scan(text) == reference_scan.scan(text)
    tokens, is_hard = stream(texts)
    assert not any(is_hard)
    assert tokens == [hashed(text) for text in texts]


def test_the_shipped_table_is_what_the_command_makes() -> None:
    # Characters that are new to this machine's Unicode versions are left out of the comparison.
    shipped = character_table()
    made = decode_characters(training.encode())
    known = shipped.classes & (characters.CASED | characters.COMBINES) != (
        characters.CASED | characters.COMBINES
    )
    assert np.array_equal(shipped.classes[known], made.classes[known])
    assert known.sum() > 270_000
    for code in np.flatnonzero(shipped.fold_index).tolist():
        row = int(shipped.fold_index[code])
        begin, end = shipped.fold_begins[row - 1 : row + 1]
        assert "".join(map(chr, shipped.folded[begin:end])) == training.folded(chr(code))


@pytest.mark.parametrize("payload", [b"", b"PK", training.encode()[:-100]])
def test_a_damaged_table_is_refused(payload: bytes) -> None:
    with pytest.raises(CorruptRecordError, match="reinstall"):
        decode_characters(payload)


def test_the_table_is_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        character_table().classes[0] = 1
