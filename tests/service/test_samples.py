"""The sample articles are what the demo and the README promise, and cluster as labelled."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from clustering.metrics import bcubed
from service.imported_articles import article_of
from service.offline import OfflineClustering, cluster_articles
from service.postings import ARTICLE_FIELDS, PostingReader
from service.samples import sample_articles, sample_labels
from service.settings import Settings

ARTICLES = sample_articles()
LABELS = sample_labels()
EVENT_OF = {label.article_id: label.event for label in LABELS}
TEXT_OF = {label.article_id: label.text for label in LABELS}


def words(article: dict[str, str]) -> int:
    return len((article.get("text") or article["html"]).split())


def test_every_article_has_a_label_and_only_fields_of_the_api() -> None:
    assert [article["id"] for article in ARTICLES] == [label.article_id for label in LABELS]
    assert len({article["id"] for article in ARTICLES}) == len(ARTICLES)
    for article in ARTICLES:
        assert article.keys() <= set(ARTICLE_FIELDS)
        assert all(value.strip() for value in article.values())
        assert article.get("text") or article.get("html")


def test_there_are_as_many_as_promised() -> None:
    assert len(ARTICLES) >= 60
    assert len(set(EVENT_OF.values())) >= 15
    assert {"en", "de", "es", "fr", "ru", "zh"} <= {article.get("lang") for article in ARTICLES}
    assert len({article["source"] for article in ARTICLES}) >= 15
    ordinary = [article for article in ARTICLES if not EVENT_OF[article["id"]].startswith("stub")]
    spaced = [article for article in ordinary if article.get("lang") != "zh"]
    assert min(words(article) for article in spaced) >= 55


def test_dates_span_ten_days_and_lie_in_the_past() -> None:
    dates = [datetime.fromisoformat(article["published_at"]) for article in ARTICLES]
    assert dates == sorted(dates)
    assert dates[-1] - dates[0] > timedelta(days=9)
    assert dates[-1] < datetime.now(UTC)


def test_nothing_points_at_a_real_site() -> None:
    for article in ARTICLES:
        hosts = re.findall(r"https?://([^/\s\"<]+)", " ".join(article.values()))
        assert all(host.endswith(".example") for host in hosts)
        assert (urlsplit(article["url"]).hostname or "").endswith(".example")


def test_reports_of_one_event_are_worded_differently() -> None:
    """Articles with other texts share few of their five-word sequences; reprints share most."""

    def shingles(article: dict[str, str]) -> set[tuple[str, ...]]:
        tokens = re.findall(r"\w+", re.sub(r"<[^>]+>", " ", article.get("text") or article["html"]))
        return {tuple(tokens[start : start + 5]) for start in range(len(tokens) - 4)}

    by_event: dict[str, list[dict[str, str]]] = {}
    for article in ARTICLES:
        if article.get("lang") != "zh":
            by_event.setdefault(EVENT_OF[article["id"]], []).append(article)
    for members in by_event.values():
        for index, first in enumerate(members):
            for second in members[:index]:
                one, other = shingles(first), shingles(second)
                shared = len(one & other) / min(len(one), len(other))
                if TEXT_OF[first["id"]] == TEXT_OF[second["id"]]:
                    assert shared > 0.8, (first["id"], second["id"])
                else:
                    assert shared < 0.1, (first["id"], second["id"])


@pytest.fixture(scope="module", params=["batch", "online"])
def clustering(request: pytest.FixtureRequest) -> OfflineClustering:
    reader = PostingReader(Settings(), now=lambda: datetime.now(UTC).timestamp())
    articles = [article_of(article, reader) for article in ARTICLES]
    return cluster_articles(articles, online=request.param == "online")


def test_the_clusters_are_the_events(clustering: OfflineClustering) -> None:
    events = [EVENT_OF[result.article_id] for result in clustering.results]
    found = bcubed(events, [result.cluster_id for result in clustering.results])
    assert found.f1 >= 0.9, found


def test_near_duplicate_groups_are_the_reprints(clustering: OfflineClustering) -> None:
    texts = [TEXT_OF[result.article_id] for result in clustering.results]
    found = bcubed(texts, [result.duplicate_group_id for result in clustering.results])
    assert found.precision == 1.0
    assert found.recall >= 0.95, found


@pytest.mark.parametrize(
    "pair",
    [
        ("quake-peru", "quake-mindanao"),
        ("rate-canada", "rate-norway"),
        ("weather-monday", "weather-thursday"),
    ],
)
def test_look_alikes_stay_apart(clustering: OfflineClustering, pair: tuple[str, str]) -> None:
    clusters_of: dict[str, set[str]] = {}
    for result in clustering.results:
        clusters_of.setdefault(EVENT_OF[result.article_id], set()).add(result.cluster_id)
    first, second = pair
    assert not clusters_of[first] & clusters_of[second]


def test_the_preview_and_the_report_of_the_visit_meet(clustering: OfflineClustering) -> None:
    cluster_of = {result.article_id: result.cluster_id for result in clustering.results}
    visit = [cluster_of[item] for item, event in EVENT_OF.items() if event == "state-visit"]
    assert Counter(visit).most_common(1)[0][1] == len(visit) == 5


def test_pages_without_an_article_stay_alone(clustering: OfflineClustering) -> None:
    sizes = Counter(result.cluster_id for result in clustering.results)
    for result in clustering.results:
        if EVENT_OF[result.article_id].startswith("stub"):
            assert sizes[result.cluster_id] == 1
