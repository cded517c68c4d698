"""Records read back as they were written, or are refused.

Hypothesis has no deadlines here: the first example of a test may compile.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import fields, replace

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering import packing
from clustering.articles import ArticleFeatures, TermVector, TextKind, UInt8Array, UInt32Array
from clustering.errors import CorruptRecordError, InvalidArticleError
from clustering.packing import pack_document, pack_features, unpack_document, unpack_features
from clustering.propose import SignatureScheme, event_tokens, text_signature

UINT32 = st.integers(0, 2**32 - 1)
SHORT = st.integers(0, 2**24 - 1).map(lambda short: short << 8)


def uint32(values: list[int]) -> UInt32Array:
    return np.array(values, dtype=np.uint32)


@st.composite
def vectors(draw: st.DrawFn) -> TermVector:
    ids = sorted(draw(st.sets(UINT32, max_size=40)))
    # Mostly small, as counts are, and sometimes anything.
    count = st.one_of(st.integers(0, 3), st.integers(0, 255))
    columns = [
        np.array(draw(st.lists(count, min_size=len(ids), max_size=len(ids))), dtype=np.uint8)
        for _ in range(4)
    ]
    return TermVector(
        term_ids=uint32(ids),
        body_counts=columns[0],
        lead_counts=columns[1],
        title_counts=columns[2],
        term_flags=columns[3],
        bigram_ids=uint32(sorted(draw(st.sets(UINT32, max_size=40) | st.sets(SHORT, max_size=40)))),
        token_count=draw(UINT32),
    )


@st.composite
def any_features(draw: st.DrawFn) -> ArticleFeatures:
    vector = draw(vectors())
    tokens = uint32(draw(st.lists(UINT32, max_size=20)))
    if vector.term_ids.size and draw(st.booleans()):
        order = np.array(draw(st.permutations(range(vector.term_ids.size))))
        weight = st.floats(0.1, 40)
        size = vector.term_ids.size
        weights = draw(st.lists(weight, min_size=size, max_size=size))
        tokens = event_tokens(vector.term_ids[order], np.array(weights), SignatureScheme())
    return ArticleFeatures(
        kind=draw(st.sampled_from(list(TextKind))),
        lang=draw(st.text(max_size=8)),
        publisher=draw(st.text(max_size=40)),
        published_at_seconds=draw(st.none() | st.integers(-(2**63), 2**63 - 1)),
        vector=vector,
        text_signature=uint32(draw(st.lists(UINT32, max_size=30) | st.lists(SHORT, max_size=30))),
        event_tokens=tokens,
    )


def article(seed: int = 1, terms: int = 200) -> ArticleFeatures:
    """Features of the size and the spread of a real article."""
    rng = np.random.default_rng(seed)
    ids = np.unique(rng.integers(0, 2**32, terms, dtype=np.uint32))

    def counts(values: object) -> UInt8Array:
        return np.asarray(values, dtype=np.uint8)

    scheme = SignatureScheme()
    vector = TermVector(
        term_ids=ids,
        body_counts=counts(np.minimum(255, rng.geometric(0.7, ids.size))),
        lead_counts=counts(rng.random(ids.size) < 0.25),
        title_counts=counts(rng.random(ids.size) < 0.04),
        term_flags=counts(rng.choice([0, 0, 0, 0, 1, 2], ids.size)),
        bigram_ids=np.unique(rng.integers(0, 2**32, terms, dtype=np.uint32)),
        token_count=485,
    )
    weights = np.sort(rng.uniform(5, 30, 30))[::-1]
    return ArticleFeatures(
        kind=TextKind.ORDINARY,
        lang="en",
        publisher="example.com",
        published_at_seconds=1_700_000_000,
        vector=vector,
        text_signature=text_signature([str(n) for n in rng.integers(0, 900, 485)], scheme),
        event_tokens=event_tokens(rng.permutation(ids)[:30], weights, scheme),
    )


def assert_equal(first: ArticleFeatures, second: ArticleFeatures) -> None:
    for pair in ((first, second), (first.vector, second.vector)):
        for item in fields(pair[0]):
            values = [getattr(part, item.name) for part in pair]
            if isinstance(values[0], np.ndarray):
                assert values[0].dtype == values[1].dtype
                assert values[0].tolist() == values[1].tolist()
            elif not isinstance(values[0], TermVector):
                assert values[0] == values[1]


@settings(deadline=None)
@given(any_features())
def test_features_survive(features: ArticleFeatures) -> None:
    record = pack_features(features)
    assert_equal(unpack_features(record), features)
    assert pack_features(unpack_features(record)) == record


@pytest.mark.parametrize("terms", [30, 3000, 100_000])
def test_features_of_any_size_survive(terms: int) -> None:
    features = article(terms=terms)
    assert_equal(unpack_features(pack_features(features)), features)


@pytest.mark.parametrize("gap", [1, 5_000, 50_000, 200_000])
def test_all_small_counts_survive(gap: int) -> None:
    """Those whose codes are looked up together, and those a little too long for it."""
    shape = (20, 9, 5, 4)
    columns = np.indices(shape, dtype=np.uint8).reshape(4, -1)
    ids = np.arange(columns.shape[1], dtype=np.uint32) * np.uint32(gap)
    made = article()
    vector = replace(
        made.vector,
        term_ids=ids,
        body_counts=columns[0],
        lead_counts=columns[1],
        title_counts=columns[2],
        term_flags=columns[3],
    )
    features = replace(made, vector=vector, event_tokens=uint32([]))
    assert_equal(unpack_features(pack_features(features)), features)


def test_neighbouring_ids_and_extreme_ids_survive() -> None:
    ids = [0, 1, 2, 2**31, 2**32 - 2, 2**32 - 1]
    ones = np.full(6, 255, dtype=np.uint8)
    vector = TermVector(uint32(ids), ones, ones, ones, ones, uint32([2**32 - 1]), 2**32 - 1)
    features = ArticleFeatures(vector=vector, text_signature=uint32([2**32 - 1, 0]))
    assert_equal(unpack_features(pack_features(features)), features)


def test_a_record_is_small() -> None:
    # As plain arrays: ids, four counts, signature and event tokens take 3,400 bytes.
    assert len(pack_features(article())) < 2000


def test_any_cut_and_any_addition_is_refused() -> None:
    record = pack_features(article(terms=40))
    for length in range(len(record)):
        with pytest.raises(CorruptRecordError):
            unpack_features(record[:length])
    for addition in (b"\0", b"\0" * 16, record):
        with pytest.raises(CorruptRecordError):
            unpack_features(record + addition)


def test_any_flipped_bit_is_refused() -> None:
    record = pack_features(article(terms=40))
    for bit in range(8 * len(record)):
        damaged = bytearray(record)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptRecordError):
            unpack_features(bytes(damaged))


def forged(rest: bytes) -> bytes:
    """A record whose checksum is right whatever it holds."""
    return struct.pack("<BI", packing.FEATURES_VERSION, zlib.crc32(rest)) + rest


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_forged_record_reads_or_is_refused_and_nothing_else(data: st.DataObject) -> None:
    # With the checksum out of the way, what guards memory is the decoder itself.
    rest = bytearray(pack_features(article(terms=40))[5:])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, min(len(rest) - 1, 60)) | st.integers(0, len(rest) - 1))
        rest[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 40))
    try:
        features = unpack_features(forged(bytes(rest[: len(rest) - cut])))
    except CorruptRecordError:
        return
    assert_equal(unpack_features(pack_features(features)), features)


def test_a_forged_size_allocates_nothing() -> None:
    header = struct.pack("<BBHIIHHHIB", 0, 0, 0, 2**32 - 1, 2**32 - 1, 65535, 65535, 0, 0, 0)
    with pytest.raises(CorruptRecordError, match="contradicts its length"):
        unpack_features(forged(header + bytes(100)))


@pytest.mark.parametrize("record", [b"", b"\x01", bytes(200), b"\x02" + bytes(200), b"\x80\x04]."])
def test_what_is_not_a_record_is_refused(record: bytes) -> None:
    with pytest.raises(CorruptRecordError):
        unpack_features(record)


def test_text_that_is_not_utf8_is_refused() -> None:
    features = replace(ArticleFeatures(), publisher="ab")
    rest = pack_features(features)[5:].replace(b"ab", b"\xff\xff")
    with pytest.raises(CorruptRecordError, match="not UTF-8"):
        unpack_features(forged(rest))


def test_overlong_names_are_refused() -> None:
    with pytest.raises(InvalidArticleError, match="shorten") as error:
        pack_features(ArticleFeatures(publisher="x" * 65_536))
    assert error.value.field == "source"
    with pytest.raises(InvalidArticleError):
        pack_features(ArticleFeatures(lang="x" * 256))


def test_arrays_that_break_their_promises_are_refused() -> None:
    ones = np.ones(2, dtype=np.uint8)
    falling = TermVector(uint32([2, 1]), ones, ones, ones, ones)
    short = TermVector(uint32([1, 2, 3]), ones, ones, ones, ones)
    for vector in (falling, short, TermVector(bigram_ids=uint32([1, 1]))):
        with pytest.raises(ValueError, match="must"):
            pack_features(ArticleFeatures(vector=vector))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda values: st.lists(values) | st.dictionaries(st.text("abc"), values),
    max_leaves=10,
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON))
def test_documents_survive(document: dict[str, object]) -> None:
    assert unpack_document(pack_document(document)) == document


def test_a_damaged_document_is_refused() -> None:
    document = {"title": "Flood", "body": "The river rose again. " * 20}
    packed = pack_document(document)
    harmless = 0
    for length in range(len(packed)):
        with pytest.raises(CorruptRecordError):
            unpack_document(packed[:length])
    with pytest.raises(CorruptRecordError):
        unpack_document(packed + b"x")
    for bit in range(8, 8 * len(packed)):
        damaged = bytearray(packed)
        damaged[bit // 8] ^= 1 << bit % 8
        # The last byte of deflated data may hold bits that mean nothing.
        try:
            assert unpack_document(bytes(damaged)) == document
            harmless += 1
        except CorruptRecordError:
            pass
    assert harmless < 8


@pytest.mark.parametrize("plain", [b"[1]", b"{", b"null", b"\xff"])
def test_a_document_that_is_no_object_is_refused(plain: bytes) -> None:
    with pytest.raises(CorruptRecordError):
        unpack_document(b"\x01" + zlib.compress(plain))


def test_a_document_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MAX_DOCUMENT_BYTES", 1000)
    bomb = b"\x01" + zlib.compress(orjson.dumps({"body": "0" * 100_000}))
    with pytest.raises(CorruptRecordError, match="larger"):
        unpack_document(bomb)
    with pytest.raises(InvalidArticleError, match="at most"):
        pack_document({"body": "0" * 1001})


def test_what_has_no_json_form_is_refused() -> None:
    for value in ("\ud800", object(), 2**80):
        with pytest.raises(InvalidArticleError):
            pack_document({"body": value})
