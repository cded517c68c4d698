"""The online decision: joining, founding, merging, dividing, and what must not sway it."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.articles import Article, ArticleFeatures, TextKind
from clustering.metrics import bcubed
from clustering.neighbourhood import Neighbour, Neighbourhood, RunnerUp, TouchedCluster
from clustering.online import Decider, Decision, OnlineClusterer, OnlineLimits, Outcome
from clustering.preparer import Preparer
from clustering.reconcile import reconcile
from clustering.refine import LookAlikeKind, Refinement
from tests.clustering.tables import TableRefinement, article, cluster, minter
from tests.clustering.test_batch import made_news


def decide(
    refinement: Refinement,
    *touched: TouchedCluster,
    new: ArticleFeatures | None = None,
    previous: str = "",
) -> Decision:
    return Decider(refinement).decide(
        article("n") if new is None else new,
        touched,
        mint_cluster_id=minter("new"),
        mint_duplicate_group_id=minter("group"),
        previous_cluster_id=previous,
    )


def test_an_article_that_touches_nothing_founds_a_cluster() -> None:
    decision = decide(TableRefinement({}))
    assert decision == Decision(Outcome.CREATED, "new1", "group1")


def test_it_joins_what_it_resembles() -> None:
    refinement = TableRefinement({"a b": 0.9, "n a": 0.8, "n b": 0.7, "n c": 0.3})
    decision = decide(refinement, cluster("A", {1: "a", 2: "b"}), cluster("C", {3: "c"}))
    assert decision == Decision(
        Outcome.JOINED,
        "A",
        "group1",
        similarity=0.75,
        runner_up=RunnerUp("C", 0.3),
    )


def test_it_founds_one_where_the_mean_is_too_low() -> None:
    """One strong link does not chain it to a cluster that it does not resemble as a whole."""
    refinement = TableRefinement({"a b": 0.9, "a c": 0.9, "b c": 0.9, "n a": 0.8})
    decision = decide(refinement, cluster("A", {1: "a", 2: "b", 3: "c"}))
    assert (decision.outcome, decision.cluster_id) == (Outcome.CREATED, "new1")
    assert decision.similarity is None
    assert decision.runner_up == RunnerUp("A", 0.2667)
    assert not decision.moves
    assert not decision.merged_into
    assert not decision.split_into


def test_a_bridge_makes_one_of_two() -> None:
    values = {"a b": 0.9, "n a": 0.9, "n b": 0.9, "n c": 0.9, "a c": 0.48, "b c": 0.48}
    decision = decide(
        TableRefinement(values), cluster("C", {1: "c"}), cluster("A", {2: "a", 3: "b"})
    )
    assert decision.outcome is Outcome.MERGED
    assert decision.cluster_id == "A"  # the larger one, though the other is older
    assert decision.moves == {1: "A"}
    assert decision.merged_into == {"C": "A"}
    assert decision.similarity == 0.9
    assert decision.runner_up is None
    assert not decision.split_into


def test_of_equal_clusters_the_older_keeps_its_id() -> None:
    refinement = TableRefinement({"n a": 0.9, "n b": 0.9, "a b": 0.45})
    for older, younger in (("A", "B"), ("B", "A")):
        decision = decide(refinement, cluster(younger, {2: "b"}), cluster(older, {1: "a"}))
        assert decision.cluster_id == older
        assert decision.merged_into == {younger: older}


def test_a_cluster_parts_when_the_evidence_turns() -> None:
    """Joined by mistake once; the new article shows that two of them are another event."""
    values = {"a b": 0.9, "c d": 0.9, "n c": 0.9, "n d": 0.9, "a c": 0.1}
    touched = cluster("A", {1: "a", 2: "b", 3: "c", 4: "d"})
    decision = decide(TableRefinement(values), touched)
    assert decision.outcome is Outcome.RELINKED
    # Both sides keep two of its articles: the older side keeps the id.
    assert decision.cluster_id == "new1"
    assert decision.moves == {3: "new1", 4: "new1"}
    assert decision.split_into == {"A": ("new1",)}
    assert not decision.merged_into


def test_touched_clusters_may_join_without_the_article() -> None:
    decision = decide(TableRefinement({"a b": 0.9}), cluster("A", {1: "a"}), cluster("B", {2: "b"}))
    assert (decision.outcome, decision.cluster_id) == (Outcome.RELINKED, "new1")
    assert decision.moves == {2: "A"}
    assert decision.merged_into == {"B": "A"}


@pytest.mark.parametrize("kind", [TextKind.TINY, TextKind.STUB, TextKind.EMPTY])
def test_a_text_that_is_not_ordinary_stays_alone(kind: TextKind) -> None:
    refinement = TableRefinement({"n a": 1.0}, copies=["n a"])
    new = article("n", kind)
    candidate = Neighbour(1, "A", "d1", article("a"))
    assert Decider(refinement).touched_clusters(new, [candidate]) == {}
    decision = decide(refinement, cluster("A", {1: "a"}), new=new)
    assert decision == Decision(Outcome.SET_APART, "new1", "group1")
    # Updated, it keeps a cluster that it has to itself, and leaves one that it shares.
    assert decide(refinement, new=new, previous="P").cluster_id == "P"
    assert decide(refinement, cluster("P", {}), new=new, previous="P").cluster_id == "P"
    assert decide(refinement, cluster("P", {1: "a"}), new=new, previous="P").cluster_id == "new1"


def test_an_update_keeps_its_cluster_id() -> None:
    refinement = TableRefinement({"n a": 0.9})
    alone = decide(refinement, cluster("P", {}), previous="P")
    assert (alone.outcome, alone.cluster_id) == (Outcome.CREATED, "P")
    shared = decide(refinement, cluster("P", {1: "a"}), previous="P")
    assert (shared.outcome, shared.cluster_id) == (Outcome.JOINED, "P")
    assert not shared.merged_into
    # Alone before, it now joins others: its old id leads to theirs, which are as many but older.
    moved = decide(refinement, cluster("P", {}), cluster("A", {1: "a"}), previous="P")
    assert (moved.outcome, moved.cluster_id) == (Outcome.JOINED, "A")
    assert moved.merged_into == {"P": "A"}


def test_an_update_that_leaves_takes_no_id_along() -> None:
    """Whoever edits an article must not be able to take the id from those that stayed."""
    decision = decide(TableRefinement({}), cluster("P", {5: "a"}), previous="P")
    assert decision.cluster_id == "new1"
    assert not decision.moves
    assert decision.split_into == {"P": ("new1",)}


def test_copies_share_a_group_if_they_copy_half_of_it() -> None:
    values = {"a b": 1.0, "a c": 1.0, "b c": 1.0, "n a": 0.9, "n b": 0.9, "n c": 0.9}
    touched = cluster("A", {1: "a", 2: "b", 3: "c"}, groups={1: "g", 2: "g", 3: "g"})
    one = decide(TableRefinement(values, copies=["n a"]), touched)
    assert (one.cluster_id, one.duplicate_group_id) == ("A", "group1")
    two = decide(TableRefinement(values, copies=["n a", "n b"]), touched)
    assert (two.cluster_id, two.duplicate_group_id) == ("A", "g")
    assert two.similarity == round((1 + 1 + 0.9) / 3, 4)  # a copy counts as wholly similar


def test_a_copy_joins_though_the_terms_say_little() -> None:
    touched = cluster("A", {1: "a"})
    decision = decide(TableRefinement({"n a": 0.2}, copies=["n a"]), touched)
    assert (decision.outcome, decision.cluster_id) == (Outcome.JOINED, "A")
    assert (decision.duplicate_group_id, decision.similarity) == ("d1", 1.0)


def test_the_copies_of_one_text_are_never_divided() -> None:
    """With its copies left aside, b would go with the new article."""
    values = {"a b": 0.1, "n b": 0.9}
    touched = cluster("A", {1: "a", 2: "b"}, groups={1: "g", 2: "g"})
    decision = decide(TableRefinement(values), touched)
    assert (decision.outcome, decision.moves) == (Outcome.CREATED, {})


def test_a_large_cluster_goes_whole() -> None:
    """What is only known in part is not divided, counts by its size, and takes all along."""
    values = {"n a": 0.9, "n b": 0.9, "n c": 0.9, "n d": 0.9, "a c": 0.9, "a d": 0.9, "b c": 0.9}
    large = cluster("L", {8: "a", 9: "b"}, size=40)
    small = cluster("S", {1: "c", 2: "d", 3: "e"})
    decision = decide(TableRefinement({**values, "b d": 0.9, "c d": 0.9}), small, large)
    # a and b resemble each other in nothing, and yet stay together.
    assert (decision.outcome, decision.cluster_id) == (Outcome.RELINKED, "L")
    assert decision.moves == {1: "L", 2: "L"}
    assert decision.merged_into == {}
    assert decision.split_into == {"S": ("L",)}
    assert decision.similarity == 0.9
    alone = decide(TableRefinement({"n a": 0.9}), large)
    assert (alone.outcome, alone.moves) == (Outcome.CREATED, {})


def test_of_two_large_clusters_the_larger_keeps_its_id() -> None:
    values = {"n a": 0.9, "n b": 0.9, "a b": 0.9}
    for sizes in ((40, 50), (50, 40), (40, 40)):
        first = cluster("F", {3: "a"}, size=sizes[0])
        second = cluster("S", {4: "b"}, size=sizes[1])
        keeper = "S" if sizes[1] > sizes[0] else "F"
        loser, handle = ("F", 3) if keeper == "S" else ("S", 4)
        for touched in ((first, second), (second, first)):
            decision = decide(TableRefinement(values), *touched)
            assert (decision.outcome, decision.cluster_id) == (Outcome.MERGED, keeper)
            # The members not known here follow by the redirect.
            assert decision.merged_into == {loser: keeper}
            assert decision.moves == {handle: keeper}


NAMES = "abcdefg"


@st.composite
def neighbourhoods(
    draw: st.DrawFn,
) -> tuple[TableRefinement, list[TouchedCluster], str]:
    """Some clusters, whatever similarities and copies lie between, and a former cluster or none."""
    levels = st.sampled_from([0.0, 0.2, 0.45, 0.5, 0.55, 0.8, 1.0])
    pairs = [" ".join(pair) for pair in combinations("n" + NAMES, 2)]
    values = {pair: draw(levels) for pair in pairs}
    copies = [pair for pair in pairs if values[pair] >= 0.8 and draw(st.booleans())]
    home = [draw(st.sampled_from("ABC")) for _ in NAMES]
    touched = []
    for cluster_id in sorted(set(home)):
        members = {k: NAMES[k] for k in range(len(NAMES)) if home[k] == cluster_id}
        groups = {k: f"{cluster_id}{draw(st.integers(0, 2))}" for k in members}
        size = len(members) + draw(st.sampled_from([0, 0, 0, 5]))
        touched.append(cluster(cluster_id, members, size=size, groups=groups))
    previous = draw(st.sampled_from(["", "P", *sorted(set(home))]))
    return TableRefinement(values, copies), touched, previous


@settings(max_examples=60, deadline=None)
@given(neighbourhoods(), st.randoms(use_true_random=False))
def test_neither_the_order_of_clusters_nor_of_members_sways_it(
    made: tuple[TableRefinement, list[TouchedCluster], str], shuffler: random.Random
) -> None:
    refinement, touched, previous = made
    expected = decide(refinement, *touched, previous=previous)
    for order in permutations(touched):
        mixed = []
        for item in order:
            members = list(item.members)
            shuffler.shuffle(members)
            mixed.append(replace(item, members=tuple(members)))
        assert decide(refinement, *mixed, previous=previous) == expected


@settings(max_examples=200, deadline=None)
@given(neighbourhoods())
def test_where_clusters_stay_what_they_are_reconciling_would_say_the_same(
    made: tuple[TableRefinement, list[TouchedCluster], str],
) -> None:
    refinement, touched, _ = made
    quick = decide(refinement, *touched)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Neighbourhood, "joined", lambda _: None)
        assert decide(refinement, *touched) == quick
    article_alone = Neighbourhood(refinement, article("n"), touched)
    changes = bool(quick.moves or quick.merged_into or quick.split_into)
    assert (article_alone.joined() is None) == changes


@settings(max_examples=60, deadline=None)
@given(neighbourhoods())
def test_names_of_clusters_and_groups_do_not_sway_it(
    made: tuple[TableRefinement, list[TouchedCluster], str],
) -> None:
    """Ids are random: no choice between equals may hang on them."""
    refinement, touched, previous = made
    name = {"A": "Z", "B": "Y", "C": "X"}

    def renamed(cluster_id: str) -> str:
        return name.get(cluster_id, cluster_id)

    def regrouped(group_id: str) -> str:
        return (
            name[group_id[0]] + chr(ord("9") - int(group_id[1]))
            if group_id[0] in name
            else group_id
        )

    expected = decide(refinement, *touched, previous=previous)
    others = [
        replace(
            item,
            cluster_id=renamed(item.cluster_id),
            members=tuple(
                member._replace(
                    cluster_id=renamed(item.cluster_id),
                    duplicate_group_id=regrouped(member.duplicate_group_id),
                )
                for member in item.members
            ),
        )
        for item in touched
    ]
    decision = decide(refinement, *others, previous=renamed(previous))
    assert decision.outcome is expected.outcome
    assert decision.cluster_id == renamed(expected.cluster_id)
    assert decision.duplicate_group_id == regrouped(expected.duplicate_group_id)
    assert decision.moves == {k: renamed(value) for k, value in expected.moves.items()}
    assert decision.merged_into == {
        renamed(old): renamed(to) for old, to in expected.merged_into.items()
    }
    if expected.runner_up is not None:
        assert decision.runner_up == RunnerUp(
            renamed(expected.runner_up.cluster_id), expected.runner_up.similarity
        )


@settings(max_examples=100, deadline=None)
@given(neighbourhoods())
def test_what_a_decision_says_hangs_together(
    made: tuple[TableRefinement, list[TouchedCluster], str],
) -> None:
    refinement, touched, previous = made
    decision = decide(refinement, *touched, previous=previous)
    before = {m.handle: item.cluster_id for item in touched for m in item.members}
    after = {**before, **decision.moves}
    blocks = {item.cluster_id for item in touched if item.is_block}
    assert all(before[handle] != to for handle, to in decision.moves.items())
    for old, to in decision.merged_into.items():
        assert old not in after.values()
        assert old != decision.cluster_id
        assert to in {*after.values(), decision.cluster_id}
    for item in touched:
        places = {after[member.handle] for member in item.members}
        if item.cluster_id in blocks:
            assert len(places) == 1
            assert places == {decision.merged_into.get(item.cluster_id, item.cluster_id)}
        if item.cluster_id not in places | {decision.cluster_id}:
            assert item.cluster_id in decision.merged_into
        by_group: dict[str, set[str]] = {}
        for member in item.members:
            by_group.setdefault(member.duplicate_group_id, set()).add(after[member.handle])
        assert all(len(homes) == 1 for homes in by_group.values())
    others = [handle for handle, home in after.items() if home == decision.cluster_id]
    assert (decision.similarity is None) == (not others)
    if decision.similarity is not None:
        assert 0 <= decision.similarity <= 1
    if decision.runner_up is not None:
        held = [before[handle] for handle in others]
        assert decision.runner_up.cluster_id not in held


def test_only_good_enough_clusters_are_touched_best_first() -> None:
    refinement = TableRefinement(
        {"n a": 0.5, "n b": 0.19, "n c": 0.2, "n d": 0.9, "n e": 0.1}, copies=["n e"]
    )
    candidates = [
        Neighbour(handle, cluster_id, f"d{handle}", article(name))
        for handle, cluster_id, name in (
            *((1, "A", "a"), (2, "B", "b"), (3, "C", "c")),
            *((4, "C", "d"), (5, "E", "e")),
        )
    ]
    limits = OnlineLimits(touch_similarity=0.2)
    touched = Decider(refinement, limits).touched_clusters(article("n"), candidates)
    assert list(touched) == ["E", "C", "A"]
    assert touched == pytest.approx({"E": 1.0, "C": 0.9, "A": 0.5})


def test_of_equally_good_clusters_the_oldest_are_touched() -> None:
    """More clusters than may be touched resemble it fully: which of them must not hang on ids."""
    names = "abcdefg"
    refinement = TableRefinement({f"n {name}": 1.0 for name in names})
    decider = Decider(refinement, OnlineLimits(touched_clusters=3))
    ids = ["Q", "Z", "A", "M", "C", "B", "D"]
    candidates = [
        Neighbour(handle, ids[handle], f"d{handle}", article(name))
        for handle, name in enumerate(names)
    ]
    for order in (candidates, candidates[::-1]):
        assert list(decider.touched_clusters(article("n"), order)) == ["Q", "Z", "A"]


@pytest.fixture(scope="module")
def preparer() -> Preparer:
    return Preparer.shipped()


def test_made_news_is_clustered_and_the_same_every_time(preparer: Preparer) -> None:
    articles, events = made_news()
    shuffled = list(zip(preparer.prepare_all(articles), events, strict=True))
    random.Random(5).shuffle(shuffled)
    first = OnlineClusterer(preparer.frequencies, preparer.scheme)
    second = OnlineClusterer(preparer.frequencies, preparer.scheme)
    decisions = [first.add(prepared.features) for prepared, _ in shuffled]
    assert [second.add(prepared.features) for prepared, _ in shuffled] == decisions
    assert first.cluster_ids() == second.cluster_ids()
    assert bcubed([event for _, event in shuffled], first.cluster_ids()).f1 > 0.9


def test_a_decision_tells_what_became_of_every_cluster(preparer: Preparer) -> None:
    """Following moves and redirects gives the clusterer's own clusters, articles known or not."""
    articles, _ = made_news(look_alikes=True, event_share=0.4)
    random.Random(2).shuffle(articles)
    # So small that blocks come up: members not known follow their cluster's redirect alone.
    limits = OnlineLimits(relinked_cluster_articles=2)
    online = OnlineClusterer(preparer.frequencies, preparer.scheme, limits)
    places: list[str] = []
    outcomes = []
    for prepared in preparer.prepare_all(articles):
        decision = online.add(prepared.features)
        for handle, cluster_id in decision.moves.items():
            places[handle] = cluster_id
        places = [decision.merged_into.get(place, place) for place in places]
        places.append(decision.cluster_id)
        outcomes.append(decision.outcome)
        assert places == online.cluster_ids()
    assert {Outcome.CREATED, Outcome.JOINED, Outcome.MERGED, Outcome.RELINKED} <= set(outcomes)


def test_copies_come_into_one_group(preparer: Preparer) -> None:
    articles, _ = made_news()
    online = OnlineClusterer(preparer.frequencies, preparer.scheme)
    text = articles[0].text
    copies = [Article(text=text), Article(text=f"{text} Copyright reserved."), Article(text=text)]
    for item in [*articles[4:12], *copies]:
        online.add(preparer.prepare(item).features)
    assert len(set(online.cluster_ids()[-3:])) == 1
    assert len(set(online.duplicate_group_ids()[-3:])) == 1
    assert len(set(online.duplicate_group_ids())) == 9


def test_the_stand_ins_of_reconcile_are_what_it_would_do_with_all_members() -> None:
    """Oracle: the same decision with every member known keeps the same ids."""
    values = {"n a": 0.9, "n b": 0.9, "a b": 0.9}
    decision = decide(
        TableRefinement(values), cluster("F", {30: "a"}, size=6), cluster("S", {40: "b"}, size=9)
    )
    old = {**dict.fromkeys(range(25, 31), "F"), **dict.fromkeys(range(32, 41), "S")}
    whole = reconcile(old, [[*old, 99]], minter("x"))
    assert whole.assignment[99] == decision.cluster_id
    assert whole.merged_into == decision.merged_into


def test_the_look_alike_that_was_refused_is_told(preparer: Preparer) -> None:
    text = "Qtly div eight cts vs eight cts prior. Pay April 1. Record March 15."
    titles = ("Kelder Mills sets regular payout", "Ostrava Pumps sets regular payout")
    first, second = (
        preparer.prepare(Article(title=title, text=text, lang="en")).features for title in titles
    )
    decider = Decider(Refinement.shipped(preparer.frequencies))
    candidate = Neighbour(1, "A", "d1", first)
    weighed = decider.weigh(second, [candidate])
    assert weighed.touched == {}
    assert weighed.refused is not None
    assert weighed.refused.cluster_id == "A"
    assert weighed.refused.similarity > decider.refinement.rule.required_similarity(1, 1)
    assert weighed.refused.look_alike.kind is LookAlikeKind.OTHER_SUBJECT
    again = decider.weigh(first, [candidate])
    assert (again.touched, again.refused) == ({"A": 1.0}, None)
