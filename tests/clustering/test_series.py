"""Series: which articles are issues of one recurring item, and what its title has in common."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from clustering.articles import Article, PreparedArticle
from clustering.prepare import FrequencyTable
from clustering.preparer import Preparer
from clustering.refine import Refinement
from clustering.series import Series, difference, series_of

MONDAY = datetime(2025, 3, 10, 6, tzinfo=UTC)
FOG = (
    "Monday will begin with fog in the estuaries and on the northern beaches, slow to clear before "
    "noon. In the afternoon expect sunny spells and a light breeze. Small craft may sail without "
    "restriction. The night stays dry and frost is possible inland, in the valleys above all."
)
GALE = (
    "A deep low brings gales from the west, with gusts on exposed cliffs and heavy showers, some "
    "with hail. Waves of five metres are likely off the headland, and the harbour office advises "
    "owners to stay in port. Towards midnight the wind turns north and slackens somewhat."
)
THAW = (
    "Milder air arrives from the Azores and the last snow on the hills will melt by the weekend. "
    "Rivers rise, though no flooding is forecast. Farmers may sow early barley on lighter soils, "
    "while gardeners should wait. Pollen of alder and hazel will trouble those who suffer from it."
)


@cache
def preparer() -> Preparer:
    return Preparer.shipped()


@cache
def refinement() -> Refinement:
    return Refinement.shipped(FrequencyTable.shipped())


def prepared(
    title: str, text: str, *, days: float = 0.0, source: str = "Quay Wire"
) -> PreparedArticle:
    moment = MONDAY + timedelta(days=days)
    return preparer().prepare(
        Article(text=text, title=title, published_at=moment, source=source, lang="en")
    )


def series(lead: PreparedArticle, *others: PreparedArticle) -> Series | None:
    return series_of(lead.title, lead.features, [item.features for item in others], refinement())


def test_issues_of_one_title_have_one_key() -> None:
    issues = [
        prepared("Coast weather", FOG),
        prepared("Coast weather", GALE, days=3),
        prepared("Coast weather", THAW, days=5),
    ]
    found = [series(issues[k], *issues[:k], *issues[k + 1 :]) for k in range(3)]
    assert all(item is not None and item.members == (0, 1) for item in found)
    assert len({item.key for item in found if item is not None}) == 1
    assert found[0] is not None
    assert found[0].title_template == "Coast weather"
    assert "2 other articles" in found[0].explanation
    assert "quay wire" in found[0].explanation


def test_what_differs_in_the_title_is_left_blank() -> None:
    first = prepared("Coastal shipping weather bulletin No. 512", FOG)
    second = prepared("Coastal shipping weather bulletin No. 515", GALE, days=3)
    found, back = series(first, second), series(second, first)
    assert found is not None
    assert back is not None
    assert found.key == back.key
    assert found.title_template == "Coastal shipping weather bulletin No. …"


@pytest.mark.parametrize(
    ("title", "text", "days", "source"),
    [
        ("Coast weather", FOG, 3.0, "Quay Wire"),
        ("Coast weather", GALE, 3.0, "Daily Lantern"),
        ("Coast weather", GALE, 0.1, "Quay Wire"),
        ("Trawler towed to port after engine fire", GALE, 3.0, "Quay Wire"),
    ],
    ids=["a reprint", "another publisher", "the same day", "another title"],
)
def test_no_series(title: str, text: str, days: float, source: str) -> None:
    assert (
        series(prepared("Coast weather", FOG), prepared(title, text, days=days, source=source))
        is None
    )


def test_no_others() -> None:
    assert series(prepared("Coast weather", FOG)) is None


def test_the_difference_is_told_in_the_words_of_the_article() -> None:
    text = "Qtly div eight cts vs eight cts prior. Pay April 1. Record March 15."
    first = prepared("Kelder Mills sets regular payout", text)
    second = prepared("Ostrava Pumps sets regular payout", text)
    found = refinement().compare([first.features, second.features]).look_alike(0, 1)
    assert found is not None
    told = difference(found, first)
    assert told.startswith("its title names another subject (")
    assert "Kelder" in told
    assert "Ostrava" not in told
