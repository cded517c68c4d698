"""Clusters that are not told again: by revision, bounded, of one state of the store."""

from __future__ import annotations

import numpy as np
import pytest

from service.store import BucketQuery, ClusterMembers, Finding, StoredMember, Surroundings
from service.store.kept_clusters import KeptClusters
from service.store.redis_store import RedisClusterStore
from tests.service.store.helpers import bucket_array, put

OF = (b"m", 9)


def cluster(name: str, revision: int, *handles: int) -> ClusterMembers:
    members = tuple(StoredMember(handle, "d", b"r") for handle in handles)
    return ClusterMembers(name, revision, len(handles), members)


def test_what_was_read_last_holds() -> None:
    kept = KeptClusters(most_clusters=2)
    kept.put(cluster("a", 1, 1, 2), OF)
    kept.put(cluster("b", 4, 3), OF)
    assert kept.revisions([2, 3, 9, 1], OF) == {"a": 1, "b": 4}
    kept.put(cluster("b", 5, 3, 2), OF)  # an article went from one to the other
    assert kept.revisions([2], OF) == {"b": 5}
    assert kept.revisions([1], OF) == {"a": 1}
    assert kept.get("a").members[0].handle == 1
    kept.put(cluster("c", 1, 7), OF)  # the one used longest ago makes room
    assert kept.revisions([1, 2, 3, 7], OF) == {"a": 1, "c": 1}
    assert kept.revisions([1], (b"n", 9)) == {}
    kept.put(cluster("d", 1, 8), (b"n", 9))
    assert kept.revisions([1, 7, 8], (b"n", 9)) == {"d": 1}


@pytest.mark.anyio
async def test_members_are_told_when_they_changed(store: RedisClusterStore) -> None:
    for number in range(4):
        await put(store, f"a{number}", [1], cluster_id="c_a", group_id=f"d_{number}")

    async def around(members: int) -> tuple[Finding, ClusterMembers]:
        query = BucketQuery("new", bucket_array([1]), np.ones(1, dtype=np.uint8), 9)
        (finding,) = await store.find([query])
        naming = [item.handle for item in finding.candidates]
        wanted = Surroundings(naming=naming, most_clusters=3, members=members, named=[1, 77])
        (found,) = await store.neighbours([(finding, wanted)])
        return finding, found.clusters["c_a"]

    first = (await around(3))[1]
    assert [member.handle for member in first.members] == [4, 3, 2]
    assert first.named == (1,)
    assert (await around(3))[1] == first  # it was not told again, and is the same
    finding, everybody = await around(9)
    assert (len(everybody.members), everybody.named) == (4, ())
    assert store._clusters.revisions([4], (finding.mark, 9)) == {"c_a": 4}
    assert await store.delete_article("a3", now_seconds=1.0)
    after = (await around(9))[1]
    assert after.revision == 5
    assert [member.handle for member in after.members] == [3, 2, 1]
