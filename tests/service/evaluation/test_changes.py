from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustering.metrics import bcubed
from service.evaluation.changes import compare
from tests.service.evaluation.made import bare

ROWS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.sampled_from("uvw")),
    min_size=1,
    max_size=14,
)


@given(rows=ROWS)
def test_pairs_are_counted_as_one_by_one(rows: list[tuple[str, str, str]]) -> None:
    labels, old, new = (list(column) for column in zip(*rows, strict=True))
    outcome = bare(labels, new)
    changes = compare(outcome, dict(zip(outcome.article_ids, old, strict=True)))
    counts = {"jr": 0, "jw": 0, "pr": 0, "pw": 0}
    for a, b in combinations(range(len(rows)), 2):
        one_label = labels[a] == labels[b]
        before, now = old[a] == old[b], new[a] == new[b]
        counts["jr"] += now and not before and one_label
        counts["jw"] += now and not before and not one_label
        counts["pr"] += before and not now and not one_label
        counts["pw"] += before and not now and one_label
    assert counts == {
        "jr": changes.joined_right,
        "jw": changes.joined_wrong,
        "pr": changes.parted_right,
        "pw": changes.parted_wrong,
    }
    assert changes.before.f1 == pytest.approx(bcubed(labels, old).f1)
    assert changes.now.f1 == pytest.approx(bcubed(labels, new).f1)
    moved = any(counts.values())
    assert bool(changes.clusters) == moved


def test_names_do_not_matter_and_equal_clusterings_have_no_changes() -> None:
    outcome = bare(list("aab"), ["c1", "c1", "c2"])
    changes = compare(outcome, {"a0": "old7", "a1": "old7", "a2": "old9"})
    assert changes.clusters == ()
    assert changes.joined_right == changes.joined_wrong == 0
    assert changes.as_json()["bcubed_f1_change"] == 0


def test_a_split_cluster_is_told_with_its_events() -> None:
    outcome = bare(list("aaabbc"), ["1", "1", "1", "2", "2", "3"])
    before = dict.fromkeys(outcome.article_ids[:5], "old") | {"a5": "other"}
    (change,) = compare(outcome, before).clusters
    assert change.old_sizes == (5,)
    assert change.new_sizes == (3, 2)
    assert change.events == (("a", 3), ("b", 2))
    assert change.f1_change == pytest.approx(1 - bcubed("aaabb", "ooooo").f1)


def test_articles_of_one_side_are_left_out_and_counted() -> None:
    outcome = bare(list("aab"), list("xxy"))
    changes = compare(outcome, {"a0": "1", "a1": "1", "gone": "1", "gone too": "2"})
    assert (changes.articles, changes.only_before, changes.only_now) == (2, 2, 1)
    with pytest.raises(ValueError, match="no article in common"):
        compare(outcome, {"somebody": "else"})
