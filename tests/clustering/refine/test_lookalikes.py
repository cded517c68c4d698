"""Look-alikes: what differs parts them, and what is one item or one event stays alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest

from clustering.articles import Article, ArticleFeatures
from clustering.prepare import FrequencyTable
from clustering.preparer import Preparer
from clustering.refine import Comparison, LookAlikeKind, Refinement
from tests.clustering.refine.made import made_articles

MONDAY = datetime(2025, 3, 10, 6, tzinfo=UTC)


@cache
def preparer() -> Preparer:
    return Preparer.shipped()


def prepared(
    title: str, text: str, *, hours: float | None = 0.0, source: str = "Quay Wire"
) -> ArticleFeatures:
    moment = None if hours is None else MONDAY + timedelta(hours=hours)
    article = Article(text=text, title=title, published_at=moment, source=source, lang="en")
    return preparer().prepare(article).features


def compare(*features: ArticleFeatures) -> Comparison:
    return Refinement.shipped(FrequencyTable.shipped()).compare(features)


def kind_of(first: ArticleFeatures, second: ArticleFeatures) -> LookAlikeKind:
    comparison = compare(first, second)
    found = comparison.look_alike(0, 1)
    backwards = comparison.look_alike(1, 0)
    assert (found is None) == (backwards is None)
    if found is None or backwards is None:
        return LookAlikeKind.NONE
    assert found.kind == backwards.kind
    assert found.first_term_ids == backwards.second_term_ids
    assert comparison.similarities([0, 1], [1, 0]).tolist() == [0.0, 0.0]
    assert not comparison.near_duplicates([0], [1])[0]
    return found.kind


def results(company: str, *figures: str) -> tuple[str, str]:
    a, b, c, d, e, f, note = figures
    text = (
        f"Shr {a} cts vs {b} cts. Net {c} vs {d}. Revs {e} mln vs {f} mln. Year: shr 3{a} cts vs "
        f"2{b} cts. Net 1,{c} vs {d}. Revs 4{e} mln vs 3{f} mln. NOTE: {note}."
    )
    return f"{company} third quarter net", text


KELDER = results(
    "Kelder Mills Inc",
    "10",
    "9",
    "388,000",
    "328,000",
    "7.1",
    "4.1",
    "restated for the split of June",
)
OSTRAVA = results(
    "Ostrava Pumps Corp",
    "12",
    "8",
    "388,000",
    "301,500",
    "9.8",
    "6.2",
    "includes a gain on a sale of land",
)
WRAP_TITLE = "Bond risk falls in Europe, default swaps show"
WRAP_TEXT = (
    "The cost of insuring against default on European corporate debt fell, according to traders of "
    "credit-default swaps. Contracts on the Crossover Index of 50 companies with mostly high-yield "
    "ratings dropped {} basis points to {}, according to Fjordbank at 7:30 a.m. in London. A "
    "decline signals improved perceptions of credit quality. The index of 125 companies with "
    "investment-grade ratings was down {} at {} basis points."
)


def test_results_of_two_companies() -> None:
    assert kind_of(prepared(*KELDER), prepared(*OSTRAVA)) is LookAlikeKind.OTHER_SUBJECT


def test_a_correction_of_one_item_is_no_look_alike() -> None:
    corrected = results(
        "Kelder Mills Inc",
        "11",
        "9",
        "398,000",
        "328,000",
        "7.1",
        "4.1",
        "restated for the split of June",
    )
    first = prepared(*KELDER)
    second = prepared(f"CORRECTED - {corrected[0]}", corrected[1], hours=2)
    assert kind_of(first, second) is LookAlikeKind.NONE
    assert compare(first, second).similarities([0], [1])[0] > 0.6


def test_results_and_a_report_about_them() -> None:
    report = prepared(
        "Kelder Mills earns more on sales of flour",
        "Kelder Mills said profit rose to 388,000 in the third quarter from 328,000 a year before, "
        "as it sold more flour. Its chairman expects the fourth quarter to be as good.",
        hours=3,
    )
    assert kind_of(prepared(*KELDER), report) is LookAlikeKind.NONE


def test_notices_too_short_for_more_than_a_template() -> None:
    text = "Qtly div eight cts vs eight cts prior. Pay April 1. Record March 15."
    first = prepared("Kelder Mills sets regular payout", text)
    second = prepared("Ostrava Pumps sets regular payout", text)
    again = prepared("Kelder Mills sets payout", text, hours=1)
    assert kind_of(first, second) is LookAlikeKind.OTHER_SUBJECT
    assert kind_of(first, again) is LookAlikeKind.NONE


@pytest.mark.parametrize(
    ("hours", "expected"),
    [(24.0, LookAlikeKind.OTHER_FIGURES), (2.0, LookAlikeKind.NONE), (None, LookAlikeKind.NONE)],
)
def test_a_market_wrap_of_another_day(hours: float | None, expected: LookAlikeKind) -> None:
    first = prepared(WRAP_TITLE, WRAP_TEXT.format("12.5", "623.5", "2.5", "147.75"))
    second = prepared(
        WRAP_TITLE, WRAP_TEXT.format("16.25", "710.75", "4.75", "167.25"), hours=hours
    )
    assert kind_of(first, second) is expected


def test_a_market_wrap_reprinted_on_another_day() -> None:
    text = WRAP_TEXT.format("12.5", "623.5", "2.5", "147.75")
    first, second = (
        prepared(WRAP_TITLE, text),
        prepared(WRAP_TITLE, text, hours=48, source="Lantern"),
    )
    assert kind_of(first, second) is LookAlikeKind.NONE
    assert compare(first, second).near_duplicates([0], [1])[0]


FOG = (
    "Monday will begin with fog in the estuaries and on the northern beaches, slow to clear before "
    "noon. In the afternoon expect sunny spells and a light breeze. Small craft may sail without "
    "restriction. The night stays dry and frost is possible inland, in the valleys above all."
)
GALE = (
    "A deep low brings gales from the west on Thursday, with gusts on exposed cliffs and heavy "
    "showers, some with hail. Waves of five metres are likely off the headland, and the harbour "
    "office advises owners to stay in port. Towards midnight the wind turns north and slackens."
)


@pytest.mark.parametrize(
    ("title", "source", "hours", "expected"),
    [
        ("Coast weather", "Quay Wire", 72.0, LookAlikeKind.OTHER_ISSUE),
        ("Coast weather", "Quay Wire", 3.0, LookAlikeKind.NONE),
        ("Coast weather", "Lantern", 72.0, LookAlikeKind.NONE),
        ("Gales ahead for the harbours", "Quay Wire", 72.0, LookAlikeKind.NONE),
    ],
)
def test_a_recurring_title(title: str, source: str, hours: float, expected: LookAlikeKind) -> None:
    first = prepared("Coast weather", FOG)
    second = prepared(title, GALE, hours=hours, source=source)
    assert kind_of(first, second) is expected


def test_what_differs_is_named() -> None:
    found = compare(prepared(*KELDER), prepared(*OSTRAVA)).explain(0, 1).look_alike
    assert found is not None
    names = preparer().prepare(Article(text="", title="Kelder Mills")).features.vector.term_ids
    assert set(names.tolist()) <= set(found.first_term_ids)
    assert not set(names.tolist()) & set(found.second_term_ids)


def test_titles_are_needed() -> None:
    assert kind_of(prepared("", KELDER[1]), prepared("", OSTRAVA[1])) is LookAlikeKind.NONE


def test_kinds_of_pairs_are_those_of_each_pair_by_itself_and_symmetric() -> None:
    real = [prepared(*KELDER), prepared(*OSTRAVA), prepared("Coast weather", FOG)]
    features = [*made_articles(12, seed=5), *real]
    comparison = compare(*features)
    i, j = (part.ravel() for part in np.indices((len(features), len(features))))
    alike, kinds = comparison.look_alikes(i, j)
    turned_alike, turned = comparison.look_alikes(j, i)
    np.testing.assert_array_equal(kinds, turned)
    np.testing.assert_allclose(alike, turned_alike, atol=1e-6)
    similarities = comparison.similarities(i, j)
    np.testing.assert_array_equal(similarities, np.where(kinds > 0, 0, alike))
    assert (kinds > 0).any()
    for a, b in [(12, 13), (0, 1), (12, 14)]:
        alone = compare(features[a], features[b])
        assert alone.look_alikes([0], [1])[1][0] == kinds[a * len(features) + b]
