"""Features that are kept are found by what is in their records."""

from __future__ import annotations

from clustering.articles import ArticleFeatures
from clustering.packing import pack_features
from service.considering import FeatureCache


def _record(number: int) -> bytes:
    return pack_features(ArticleFeatures(publisher=f"paper {number}"))


def test_equal_records_are_one_object() -> None:
    cache = FeatureCache()
    first, again = _record(1), _record(1)
    assert first is not again
    found = cache.features(first)
    for record in (first, again, again, first):
        assert cache.features(record) is found
        assert found.record == record
    assert cache.features(_record(2)) is not found
    assert found.features.publisher == "paper 1"


def test_records_that_begin_alike_are_not_mixed_up() -> None:
    """As those of a forger might, who makes texts of one checksum."""
    cache = FeatureCache()
    first, other = _record(1), _record(1)[:-1] + b"x"
    for record in (first, other, first):
        assert cache.features(record).record == record
    assert cache.features(other) is cache.features(bytes(bytearray(other)))


def test_those_met_last_are_kept() -> None:
    cache = FeatureCache(most_articles=8)
    records = [_record(number) for number in range(30)]
    kept = [cache.features(records[0])]
    for record in records[1:]:
        cache.features(record)
        # Asked for again and again, however many come in between.
        assert cache.features(records[0]) is kept[0]
    newest = cache.features(records[29])
    assert cache.features(records[29]) is newest
    assert len(cache) <= 8


def test_what_was_packed_is_told_to_the_first_who_asks() -> None:
    cache = FeatureCache()
    features = ArticleFeatures(publisher="paper 7")
    found = cache.features(_record(7), features)
    assert found.take_packed() is features
    assert cache.features(_record(7), features).take_packed() is None
