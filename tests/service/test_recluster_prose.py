"""What ``samestory recluster show`` says of a change."""

from __future__ import annotations

from typing import get_args

import pytest

from clustering.reasons import ReasonKind
from service.commands.recluster import _change
from service.reclustering_schemas import ReclusteringReasonOutput
from service.views import ReclusteringChange, ReclusteringReason

EXPECTED = {
    "editor": "because: an editor's constraint; similarity 0.31 before, 0.22 now",
    "look_alike": "because: look-alikes (other subject); similarity 0.31 before, 0.22 now",
    "frequencies": (
        "because: words became more or less common: ferry, aground; "
        "similarity 0.31 before, 0.22 now"
    ),
    "text": (
        "because: their text is cleaned otherwise: ferry, aground; similarity 0.31 before, 0.22 now"
    ),
    "arrivals": "because: 2 articles came since; similarity 0.31 before, 0.22 now",
    "closer": "because: others are closer; similarity 0.31 before, 0.22 now",
    "corrected": (
        "because: an earlier decision, taken with fewer articles in view, was another; "
        "similarity 0.31 before, 0.22 now"
    ),
    "unexplained": "because: no reason found; similarity 0.31 before, 0.22 now",
}


def told(kind: str, before: float = 0.31) -> str:
    reason = ReclusteringReason(
        kind=kind,
        similarity_before=before,
        similarity_after=0.22,
        arrivals=2,
        look_alike="other_subject",
        terms=("ferry", "aground") if kind in ("frequencies", "text") else (),
    )
    change = ReclusteringChange(
        kind="split",
        from_cluster_id="c_old",
        to_cluster_id="c_new",
        article_count=3,
        titles=("Ferry aground",),
        joined_titles=(),
        left_titles=("Ferry rescue",),
        shared_terms=(),
        parting_terms=(),
        reason=reason,
    )
    return _change(1, change).splitlines()[-1].strip()


@pytest.mark.parametrize("kind", EXPECTED)
def test_each_reason_in_words(kind: str) -> None:
    assert told(kind) == EXPECTED[kind]


def test_a_similarity_that_stayed_is_told_once() -> None:
    assert told("closer", before=0.221) == "because: others are closer; similarity 0.22"


def test_every_kind_is_documented() -> None:
    documented = get_args(ReclusteringReasonOutput.model_fields["kind"].annotation)
    assert set(documented) == {kind.value for kind in ReasonKind} | {"unexplained"}
    assert set(documented) == EXPECTED.keys()
