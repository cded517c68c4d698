"""Clusters of real labelled news must not get worse than they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evaluation.quality import (
    FLOOR_MARGIN,
    MAIN_MEAN_TARGETS,
    MAIN_SETS,
    MODES,
    SETS,
    Quality,
    digest,
    floor_key,
    measure,
    read_floors,
    updated_floors,
)

_measured: dict[str, Quality] = {}


def quality_of(data_dir: Path, name: str, mode: str) -> Quality:
    key = floor_key(name, mode)
    if key not in _measured:
        _measured[key] = measure(data_dir, name, mode)
    return _measured[key]


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SETS)
def test_quality_stays_above_its_floor(data_dir: Path, name: str, mode: str) -> None:
    floor = read_floors()[floor_key(name, mode)]
    assert digest(data_dir, name) == floor["sha256"], (
        f"{name} is another file than the floor was measured on: "
        "run `python -m tests.evaluation.quality --update`"
    )
    assert quality_of(data_dir, name, mode).f1 >= floor["f1"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_the_mean_meets_the_target(data_dir: Path, mode: str) -> None:
    mean = sum(quality_of(data_dir, name, mode).f1 for name in MAIN_SETS) / len(MAIN_SETS)
    assert mean >= MAIN_MEAN_TARGETS[mode]


def test_floors_go_up_by_themselves_and_down_only_on_demand() -> None:
    floors = {"one": {"sha256": "x", "f1": 0.9}}
    better = updated_floors(floors, {"one": ("x", 0.95)}, lower=False)
    assert better["one"]["f1"] == round(0.95 - FLOOR_MARGIN, 3)
    with pytest.raises(ValueError, match="--lower-floors"):
        updated_floors(floors, {"one": ("x", 0.85)}, lower=False)
    lowered = updated_floors(floors, {"one": ("x", 0.85)}, lower=True)
    assert lowered["one"]["f1"] == round(0.85 - FLOOR_MARGIN, 3)
    within_margin = updated_floors(floors, {"one": ("x", 0.901)}, lower=False)
    assert within_margin == floors
    another_file = updated_floors(floors, {"one": ("y", 0.5)}, lower=False)
    assert another_file["one"] == {"sha256": "y", "f1": round(0.5 - FLOOR_MARGIN, 3)}
    assert updated_floors({}, {"two": ("z", 0.7)}, lower=False).keys() == {"two"}
