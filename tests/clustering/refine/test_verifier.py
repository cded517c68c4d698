"""The verifier's file: what is in it is what is used, and damage is refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest

from clustering.errors import ConfigurationError
from clustering.refine import Verifier
from clustering.refine.parts import PART_NAMES


def document() -> dict[str, Any]:
    return copy.deepcopy(Verifier.shipped().to_json())


def test_the_shipped_file_survives_a_round_trip() -> None:
    shipped = Verifier.shipped()
    again = Verifier.from_json(json.loads(json.dumps(document())))
    np.testing.assert_array_equal(again.linear, shipped.linear)
    np.testing.assert_array_equal(again.roots, shipped.roots)
    assert again.rule == shipped.rule
    assert again.fingerprint() == shipped.fingerprint()


def test_any_coefficient_shows_in_the_fingerprint() -> None:
    shipped = Verifier.shipped().fingerprint()
    for section, key in (
        ("linear", PART_NAMES[0]),
        ("roots", PART_NAMES[-1]),
        ("rule", "intercept"),
    ):
        changed = document()
        changed[section][key] += 1e-4
        assert Verifier.from_json(changed).fingerprint() != shipped


def test_the_order_of_the_file_means_nothing() -> None:
    shuffled = document()
    shuffled["linear"] = dict(sorted(shuffled["linear"].items()))
    np.testing.assert_array_equal(Verifier.from_json(shuffled).linear, Verifier.shipped().linear)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format=2), "format 2"),
        (lambda d: d["linear"].pop("body_cosine"), "do not name the parts"),
        (lambda d: d["roots"].update(unknown=1.0), "do not name the parts"),
        (lambda d: d.pop("rule"), "not complete"),
        (lambda d: d.update(intercept="much"), "not complete"),
        (lambda d: d["rule"].update(slope=1.0), "not complete"),
        (lambda d: d["linear"].update(body_cosine=float("nan")), "finite"),
        (lambda d: d["rule"].update(similarity=-1.0), "positive"),
    ],
)
def test_damage_is_refused(change: Any, message: str) -> None:
    damaged = document()
    change(damaged)
    with pytest.raises(ConfigurationError, match=message):
        Verifier.from_json(damaged)


def test_two_singletons_join_on_less_than_two_clusters() -> None:
    rule = Verifier.shipped().rule
    assert rule.required_similarity(1, 1) < rule.required_similarity(10, 10)
    assert rule.required_similarity(1, 10) < rule.required_similarity(10, 10)
