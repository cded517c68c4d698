"""Many records read at once give what each gives by itself, and a damaged one is refused."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.articles import ArticleFeatures, TextKind
from clustering.columns import UNDATED
from clustering.errors import CorruptRecordError
from clustering.packing import pack_features, unpack_features
from clustering.unpacking import PackedFeatures, features_of, unpack_columns
from tests.clustering.test_packing import any_features, article, assert_equal


@settings(deadline=None)
@given(st.lists(any_features(), max_size=5))
def test_columns_hold_what_each_record_holds(features: list[ArticleFeatures]) -> None:
    features = [item for item in features if item.published_at_seconds != UNDATED]
    columns = unpack_columns([pack_features(item) for item in features])
    assert len(columns) == len(features)
    for found, expected in zip(columns, features, strict=True):
        assert_equal(found, expected)


def test_articles_of_ordinary_length() -> None:
    features = [article(seed, terms=50 * seed) for seed in range(1, 20)]
    for found, expected in zip(
        unpack_columns([pack_features(item) for item in features]), features, strict=True
    ):
        assert_equal(found, expected)


@given(st.data())
@settings(deadline=None, max_examples=50)
def test_a_damaged_record_is_refused_as_by_itself(data: st.DataObject) -> None:
    record = bytearray(pack_features(article(3, terms=40)))
    place = data.draw(st.integers(0, len(record) - 1))
    record[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptRecordError):
        unpack_columns([pack_features(article(1)), bytes(record)])


@given(st.data())
@settings(deadline=None, max_examples=200)
def test_a_forged_checksum_reads_nothing_beyond(data: st.DataObject) -> None:
    """What decodes by chance is what it would be by itself; the rest is refused alike."""
    record = bytearray(pack_features(article(3, terms=40)))
    for _ in range(data.draw(st.integers(1, 3))):
        record[data.draw(st.integers(5, len(record) - 1))] ^= data.draw(st.integers(1, 255))
    record[1:5] = zlib.crc32(record[5:]).to_bytes(4, "little")
    forged = bytes(record)
    try:
        expected = unpack_features(forged)
    except CorruptRecordError:
        with pytest.raises(CorruptRecordError):
            unpack_columns([forged])
    else:
        assert_equal(unpack_columns([forged])[0], expected)


@pytest.mark.parametrize("record", [b"", b"\x02" * 20, b"\x01" * 100])
def test_what_is_no_record_is_refused(record: bytes) -> None:
    with pytest.raises(CorruptRecordError):
        unpack_columns([record])
    with pytest.raises(CorruptRecordError):
        _ = PackedFeatures(record).features


@pytest.mark.parametrize("kind", list(TextKind))
def test_packed_features_tell_their_kind_and_all_else(kind: TextKind) -> None:
    features = ArticleFeatures(kind=kind, lang="pt", publisher="a.example")
    packed = PackedFeatures(pack_features(features))
    assert packed.kind is kind
    assert_equal(features_of(packed), features)
    assert features_of(packed) is packed.features
    assert features_of(features) is features


def test_no_records() -> None:
    assert len(unpack_columns([])) == 0
    assert unpack_columns([]).term_ids.dtype == np.uint32
