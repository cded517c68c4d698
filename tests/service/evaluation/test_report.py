from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from service.evaluation.changes import compare
from service.evaluation.charts import Curve, bars_chart, curves_chart
from service.evaluation.measures import evaluate, evaluate_languages, mean_of
from service.evaluation.mistakes import find_mistakes
from service.evaluation.outcome import Candidates, Outcome
from service.evaluation.report import FileReport, report_html
from service.evaluation.sweep import SweepPoint
from tests.service.evaluation.made import samples

HOSTILE = "<script>alert(1)</script> \"quoted\" 'single' & <img src=x onerror=alert(2)> ${body}"
VOID = {"meta", "br", "img", "link", "input"}


class Page(HTMLParser):
    """What the page holds; fails on tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def hostile_outcome() -> Outcome:
    """The samples with two events merged, one cut, and every text a client gives hostile."""
    base = samples()
    labels = [f"{label} {HOSTILE}" for label in base.labels]
    events = sorted(set(labels), key=lambda label: (-labels.count(label), label))
    clusters = [events[0] if label == events[1] else label for label in labels]
    clusters[labels.index(events[2])] = HOSTILE
    return replace(
        base,
        name=f"{HOSTILE}.jsonl",
        labels=tuple(labels),
        cluster_ids=tuple(clusters),
        article_ids=tuple(f"{name} {HOSTILE}" for name in base.article_ids),
        articles=tuple(
            replace(article, title=f"{article.title} {HOSTILE}", source=HOSTILE, html="")
            if article.text
            else article
            for article in base.articles
        ),
    )


def file_report(outcome: Outcome, *, by_lang: bool = False) -> FileReport:
    candidates = Candidates.among(outcome.features)
    by_language = evaluate_languages(outcome, candidates) if by_lang else {}
    before = dict(zip(outcome.article_ids, samples().labels, strict=True))
    return FileReport(
        outcome=outcome,
        evaluation=evaluate(outcome, candidates),
        by_language=by_language,
        sweep=[
            SweepPoint(-0.1, 0.2, 0.8, 0.9, 0.85, 9),
            SweepPoint(0.0, 0.3, 0.9, 0.9, 0.9, 10),
            SweepPoint(0.1, 0.4, 0.95, 0.8, 0.87, 12),
        ],
        mistakes=find_mistakes(outcome, candidates),
        changes=compare(outcome, before),
    )


@pytest.fixture(scope="module")
def text() -> str:
    report = file_report(hostile_outcome())
    return report_html([report, report], mean_of([report.evaluation, report.evaluation]))


def test_nothing_from_the_articles_becomes_markup(text: str) -> None:
    page = Page(text)
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert "<script>alert(1)</script>" in page.text
    assert "${body}" in page.text


def test_the_page_needs_no_other_file(text: str) -> None:
    page = Page(text)
    assert not {"link", "iframe", "object", "embed"} & set(page.tags)
    assert not {"src", "href", "srcset"} & {name for name, _ in page.attributes}
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_the_page_says_what_it_should(text: str) -> None:
    page = Page(text)
    for words in (
        "Worst false merges",
        "Worst misses",
        "Decision threshold",
        "Cluster sizes",
        "Against the earlier clustering",
        "mean of the files",
        "only here",
        "in both, heaviest first",
    ):
        assert words in page.text, words
    assert page.tags.count("svg") == 4
    merge = file_report(hostile_outcome()).mistakes.false_merges[0]
    assert merge.left.title in page.text
    assert all(word.word in page.text for word in merge.shared_words)


def test_folders_of_the_machine_are_not_told() -> None:
    report = file_report(replace(samples(), name="/home/somebody/news.jsonl"), by_lang=True)
    page = report_html([report], None)
    assert "somebody" not in page
    assert "news.jsonl" in page
    assert "There is none." in page
    assert "mean of the languages" in Page(page).text


class TestCharts:
    def test_curves_lie_where_their_values_say(self) -> None:
        chart = curves_chart(
            [-0.1, 0.0, 0.1],
            [Curve("a<b", "f1", (0.5, 0.7, 0.6)), Curve("other", "recall", (0.9, 0.9, 0.9))],
            x_label="shift & more",
            steady=(-0.1, 0.1),
            description='said "aloud"',
        )
        root = ET.fromstring(chart)
        assert root.get("aria-label") == 'said "aloud"'
        line, other = (item.get("points", "").split() for item in root.iter("polyline"))
        heights = [float(point.split(",")[1]) for point in line]
        # Downwards in the drawing is larger.
        assert heights[1] < heights[2] < heights[0]
        assert heights[0] - heights[2] == pytest.approx(heights[2] - heights[1], abs=0.11)
        assert len({point.split(",")[1] for point in other}) == 1
        words = {item.text for item in root.iter("text")}
        assert {"a<b", "other", "shift & more", "default", "+0.10", "−0.10"} <= words

    def test_names_of_curves_that_end_together_do_not_overlap(self) -> None:
        curves = [Curve(name, "f1", (0.5, 0.8)) for name in ("a", "b", "c")]
        root = ET.fromstring(
            curves_chart([0.0, 0.1], curves, x_label="", steady=(0.0, 0.1), description="")
        )
        places = sorted(
            float(item.get("y", "0"))
            for item in root.iter("text")
            if (item.get("class") or "").startswith("name")
        )
        assert len(places) == 3
        assert min(b - a for a, b in itertools.pairwise(places)) >= 14

    def test_bars_are_as_high_as_their_counts(self) -> None:
        root = ET.fromstring(
            bars_chart(
                ["1", "2"],
                [40, 10],
                [20, 0],
                first_name="labels",
                second_name="found",
                x_label="articles",
                description="",
            )
        )
        heights = [
            float(item.get("height", "0"))
            for item in root.iter("rect")
            if item.get("height") != "12"
        ]
        assert heights[0] == pytest.approx(2 * heights[1], abs=0.2)
        assert heights[0] == pytest.approx(4 * heights[2], abs=0.2)
        assert heights[3] == 0
