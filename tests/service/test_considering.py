"""Features that are kept are found by what is in their records."""

from __future__ import annotations

from dataclasses import replace

from clustering.articles import ArticleFeatures
from clustering.packing import pack_features
from service.considering import FeatureCache
from service.store import ClusterMembers, StoredMember


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


def test_many_are_what_each_of_them_is() -> None:
    cache, one_by_one = FeatureCache(most_articles=8), FeatureCache(most_articles=8)
    records = [_record(number) for number in range(12)]
    for places in ([0, 1, 2], [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0], [0, 0, 11]):
        found = cache.many([records[place] for place in places])
        assert [item.record for item in found] == [records[place] for place in places]
        for place in places:
            one_by_one.features(records[place])
        assert len(cache) == len(one_by_one)


def _cluster(*members: tuple[int, str]) -> ClusterMembers:
    stored = tuple(StoredMember(handle, group_id, _record(handle)) for handle, group_id in members)
    return ClusterMembers("c_one", revision=1, size=len(stored), members=stored)


def test_members_are_told_as_the_store_tells_them() -> None:
    """Kept as long as they are the very same, of so many clusters."""
    cache = FeatureCache(most_clusters=2)
    cluster = _cluster((7, "d_one"), (3, "d_two"))
    told = cache.neighbours(cluster)
    assert [(item.handle, item.cluster_id, item.duplicate_group_id) for item in told] == [
        (3, "c_one", "d_two"),
        (7, "c_one", "d_one"),
    ]
    assert [item.features for item in told] == [
        cache.features(_record(3)),
        cache.features(_record(7)),
    ]
    assert cache.neighbours(replace(cluster, revision=2, named=(9,))) is told
    changed = cache.neighbours(_cluster((7, "d_two"), (3, "d_two")))
    assert [item.duplicate_group_id for item in changed] == ["d_two", "d_two"]
    for name in ("c_two", "c_three", "c_one"):
        (only,) = cache.neighbours(replace(_cluster((5, "d_five")), cluster_id=name))
        assert (only.handle, only.cluster_id) == (5, name)
