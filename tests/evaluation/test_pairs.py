"""Labelled pairs: floors a little below what was measured, and the counting itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evaluation.pairs import Confusion, measure_pairs, measure_silver


def test_confusion() -> None:
    counts = Confusion(true_same=6, false_same=2, missed=1, true_different=11)
    assert counts.accuracy == pytest.approx(17 / 20)
    assert counts.f1 == pytest.approx(2 * (6 / 8) * (6 / 7) / (6 / 8 + 6 / 7))
    assert Confusion(0, 0, 0, 5).f1 == 1.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least_accuracy"), [("pairs_telegram_en", 0.77), ("pairs_telegram_ru", 0.635)]
)
def test_telegram(data_dir: Path, name: str, least_accuracy: float) -> None:
    counts = measure_pairs(data_dir, name)
    assert counts.accuracy >= least_accuracy, counts
    assert counts.missed <= 0.02 * (counts.true_same + counts.missed), counts


@pytest.mark.slow
def test_bloomberg_wraps_of_another_day(data_dir: Path) -> None:
    counts = measure_pairs(data_dir, "pairs_bloomberg_llm_labels", limit=300)
    assert counts.missed <= 1, counts
    assert counts.true_different > 0, counts


@pytest.mark.slow
def test_near_duplicates(data_dir: Path) -> None:
    counts = measure_silver(data_dir)
    assert counts.copies == 627
    assert counts.recall >= 0.98, counts
    assert counts.unlike_grouped == 0, counts
