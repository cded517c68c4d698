"""Reasons, worked out by hand; the rule joins above a mean similarity of one half."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import ArrayLike

from clustering.articles import Article, UInt8Array
from clustering.prepare import ObservedFrequencies
from clustering.preparer import Preparer
from clustering.reasons import Reason, ReasonKind, Reasons
from clustering.refine import Comparison, LookAlikeKind, Refinement
from clustering.refine.tfidf import Float32Array
from clustering.unpacking import Comparable, features_of
from tests.clustering.tables import TableComparison, TableRefinement, article

TOGETHER = {"a b": 0.8, "a c": 0.8, "b c": 0.8}
FALLEN = {"a b": 0.8, "a c": 0.3, "b c": 0.3}


def reasons(
    before: Refinement,
    after: Refinement,
    names: str,
    labels: tuple[str, str],
    *,
    renamed: Mapping[str, str] | None = None,
    arrived: Sequence[int] = (),
    apart: Sequence[tuple[int, int]] = (),
    together: Sequence[tuple[int, int]] = (),
) -> Reasons:
    """Articles by letters, each with its cluster before and after; ``-`` for none before."""
    found = renamed or {}
    return Reasons(
        before,
        after,
        features_before=[article(name) for name in names],
        features_after=[article(found.get(name, name)) for name in names],
        labels_before=[None if label == "-" else label for label in labels[0]],
        labels_after=list(labels[1]),
        arrived=arrived,
        kept_apart=apart,
        kept_together=together,
    )


def of(values: Mapping[str, float]) -> TableRefinement:
    return TableRefinement(values)


def kind_of(reason: Reason | None) -> ReasonKind | None:
    assert reason is not None
    return reason.kind


def test_nothing_parted_has_no_reason() -> None:
    found = reasons(of(TOGETHER), of(TOGETHER), "abc", ("XXX", "YYY"))
    assert found.parted("X") == {}
    assert found.joined("X", "Y") is None


def test_words_that_became_common() -> None:
    found = reasons(of(TOGETHER), of(FALLEN), "abc", ("XXX", "XXN")).parted("X")
    assert found.keys() == {"N"}
    assert found["N"].kind is ReasonKind.FREQUENCIES
    assert (found["N"].similarity_before, found["N"].similarity_after) == (0.8, 0.3)
    assert found["N"].arrivals == 0


def test_a_text_that_is_cleaned_otherwise() -> None:
    after = of({**TOGETHER, "a k": 0.3, "b k": 0.3})
    found = reasons(of(TOGETHER), after, "abc", ("XXX", "XXN"), renamed={"c": "k"}).parted("X")
    assert found["N"].kind is ReasonKind.TEXT


class LookAlikes(TableComparison):
    """An article named k is a look-alike of everybody."""

    def look_alikes(self, first: ArrayLike, second: ArrayLike) -> tuple[Float32Array, UInt8Array]:
        alike, _ = super().look_alikes(first, second)
        pairs = self._pairs(first, second)
        kinds = [LookAlikeKind.OTHER_SUBJECT if "k" in pair else 0 for pair in pairs]
        return alike, np.array(kinds, dtype=np.uint8)


class KnowsLookAlikes(TableRefinement):
    def compare(self, features: Sequence[Comparable], *, threads: int = 1) -> Comparison:
        return LookAlikes([features_of(item) for item in features], self._similarity, self._copied)


def test_a_look_alike_that_was_found() -> None:
    after = KnowsLookAlikes({**TOGETHER, "a k": 0.0, "b k": 0.0})
    found = reasons(of(TOGETHER), after, "abc", ("XXX", "XXN"), renamed={"c": "k"}).parted("X")
    assert found["N"].kind is ReasonKind.LOOK_ALIKE
    assert found["N"].look_alike == "other_subject"


BESIDE = {"a b": 0.6, "b n": 0.9, "a n": 0.1}


def test_an_article_that_came_since_changed_the_group() -> None:
    # {a} and {b, n} are .35 alike.
    found = reasons(of(BESIDE), of(BESIDE), "abn", ("XX-", "XNN"), arrived=[2]).parted("X")
    assert found["N"].kind is ReasonKind.ARRIVALS
    assert found["N"].arrivals == 1


def test_another_cluster_that_is_closer() -> None:
    found = reasons(of(BESIDE), of(BESIDE), "abn", ("XXN", "XNN")).parted("X")
    assert found["N"].kind is ReasonKind.CLOSER


def test_a_decision_that_the_rule_never_held() -> None:
    weak = {"a b": 0.2}
    found = reasons(of(weak), of(weak), "ab", ("XX", "XN")).parted("X")
    assert found["N"].kind is ReasonKind.CORRECTED


@pytest.mark.parametrize("before", [0.8, 0.2])
def test_what_the_evidence_does_not_tell_is_not_made_up(before: float) -> None:
    """They are alike enough today, and apart all the same."""
    found = reasons(of({"a b": before}), of({"a b": 0.8}), "ab", ("XX", "XN")).parted("X")
    assert found["N"].kind is None


def test_an_editor_comes_first() -> None:
    found = reasons(of(TOGETHER), of(FALLEN), "abc", ("XXX", "XXN"), apart=[(2, 0)]).parted("X")
    assert found["N"].kind is ReasonKind.EDITOR
    joined = reasons(of({}), of({}), "ab", ("XY", "XX"), together=[(0, 1)]).joined("Y", "X")
    assert kind_of(joined) is ReasonKind.EDITOR


def test_the_largest_group_is_what_the_others_left() -> None:
    names, places = "abcde", ("XXXXX", "MXXNN")
    found = reasons(of(TOGETHER), of(TOGETHER), names, places).parted("X")
    assert found.keys() == {"M", "N"}


def test_words_that_became_rare_bring_together() -> None:
    found = reasons(of({"a b": 0.3}), of({"a b": 0.7}), "ab", ("XY", "XX"))
    joined = found.joined("Y", "X")
    assert kind_of(joined) is ReasonKind.FREQUENCIES
    assert joined == Reason(ReasonKind.FREQUENCIES, 0.3, 0.7)


def test_what_the_rule_would_always_have_joined() -> None:
    found = reasons(of({"a b": 0.7}), of({"a b": 0.7}), "ab", ("XY", "XX"))
    assert kind_of(found.joined("Y", "X")) is ReasonKind.CORRECTED


def test_an_arrival_bridges() -> None:
    bridge = {"a b": 0.3, "a n": 0.9, "b n": 0.9}
    found = reasons(of(bridge), of(bridge), "abn", ("XY-", "XXX"), arrived=[2])
    joined = found.joined("Y", "X")
    assert kind_of(joined) is ReasonKind.ARRIVALS


def test_joined_for_no_reason() -> None:
    found = reasons(of({"a b": 0.2}), of({"a b": 0.2}), "ab", ("XY", "XX"))
    assert kind_of(found.joined("Y", "X")) is None


def test_a_large_cluster_is_sampled() -> None:
    names = [f"{letter}{number}" for letter in "ab" for number in range(200)]
    close = {f"{one} {other}": 0.9 for one in names for other in names if one[0] == other[0]}
    found = Reasons(
        of(close),
        of(close),
        features_before=[article(name) for name in names],
        features_after=[article(name) for name in names],
        labels_before=["X"] * 400,
        labels_after=[name[0] for name in names],
    ).parted("X")
    assert [reason.kind for reason in found.values()] == [ReasonKind.CORRECTED]


def test_the_terms_that_became_common_are_named() -> None:
    """On real texts: one word holds two articles together until everybody writes it."""
    preparer = Preparer.shipped()
    texts = [
        "Zephyrine levels in the harbour rose on Monday, the Zephyrine office said at noon.",
        "Residents asked on Tuesday what Zephyrine does to wells; a Zephyrine plant kept silent.",
    ]
    features = [preparer.prepare(Article(text=text)).features for text in texts]
    common = ObservedFrequencies.of([features[0].vector] * 40_000)
    shipped = preparer.frequencies
    found = Reasons(
        Refinement.shipped(shipped),
        Refinement.shipped(shipped.with_observed(common)),
        features_before=features,
        features_after=features,
        labels_before=["X", "X"],
        labels_after=["X", "N"],
    ).parted("X")["N"]
    assert found.kind is ReasonKind.FREQUENCIES
    assert found.similarity_after < found.similarity_before
    shared = np.intersect1d(features[0].vector.term_ids, features[1].vector.term_ids)
    assert found.term_ids[0] in shared.tolist()
