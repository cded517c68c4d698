"""A dated set replayed day by day: nothing is lost, ids lead somewhere, and pairs are counted."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustering.articles import Article
from clustering.metrics import bcubed
from clustering.online import OnlineClusterer
from clustering.prepare import FrequencyTable, ObservedFrequencies
from clustering.preparer import ExtractedArticle, Preparer, extract_article
from clustering.propose import SignatureScheme
from clustering.window import cluster_window
from service.commands.evaluate_nights import run_nights
from service.console import CommandError, Console, ExitCode
from service.evaluation import replay as module
from service.evaluation.nights import Night, Nights
from service.evaluation.replay import LabelledArticle, replay
from tests.clustering.test_batch import made_news
from tests.service.evaluation.made import samples
from tests.service.test_cli import samestory, write_lines

MONDAY = datetime(2025, 3, 3, 8, tzinfo=UTC)


def labelled(days: Sequence[int]) -> list[LabelledArticle]:
    """Made news, its reports spread over some days."""
    articles, events = made_news()
    return [
        LabelledArticle(
            extract_article(
                replace(
                    article, published_at=MONDAY + timedelta(days=days[k % len(days)], hours=k % 9)
                )
            ),
            str(event),
        )
        for k, (article, event) in enumerate(zip(articles, events, strict=True))
    ]


def test_every_night_is_measured() -> None:
    articles = labelled([0, 1, 2, 4])
    found = replay([*articles, replace(articles[0], extracted=undated(articles[0]))])
    assert [night.date for night in found.nights] == [
        *("2025-03-03", "2025-03-04", "2025-03-05", "2025-03-07")
    ]
    assert found.undated_count == 1
    assert sum(night.new_articles for night in found.nights) == len(articles)
    assert [night.articles for night in found.nights] == [12, 24, 36, 48]
    for night in found.nights:
        assert night.bcubed_f1 is not None
        assert night.unresolved_ids == 0
        assert 0 <= night.id_churn <= 1
        assert night.parted_by_day + night.parted_by_night <= night.pairs
    # On the first day a dozen articles of one style are all that is known of their language, and
    # look alike; the second day parts them.
    first, second, third, last = found.nights
    assert first.pairs == 0
    assert second.pairs == 12 * 11 // 2 * (first.clusters == 1)
    assert second.pairs_kept < 0.5
    assert third.bcubed_f1 == last.bcubed_f1 == 1
    assert last.pairs == 12 * 3
    assert last.pairs_kept == 1
    assert found.pairs_kept < 1


def undated(item: LabelledArticle) -> ExtractedArticle:
    return replace(item.extracted, published_at=None)


def test_after_a_single_night_it_is_what_the_batch_makes() -> None:
    articles = labelled([0])
    found = replay(articles).nights[0]
    order = sorted(articles, key=lambda item: item.extracted.published_at or MONDAY)
    preparer = Preparer.shipped()
    features = [preparer.prepare_extracted(item.extracted).article.features for item in order]
    expected = cluster_window(features, FrequencyTable.shipped(), SignatureScheme()).clustering
    assert found.clusters == len(set(expected.labels.tolist()))
    assert found.bcubed_f1 == bcubed([item.label for item in order], expected.labels.tolist()).f1


def test_a_night_that_brings_nothing_changes_nothing() -> None:
    articles = labelled([0, 1])
    stranger = Article(
        text="A ferry ran aground near the northern lighthouse; divers will check the hull today.",
        published_at=MONDAY + timedelta(days=3),
    )
    last = replay([*articles, LabelledArticle(extract_article(stranger), None)]).nights[-1]
    assert (last.merged, last.split, last.minted, last.id_churn) == (0, 0, 0, 0)
    assert last.pairs_kept == 1
    assert last.articles == last.labelled + 1


def test_older_articles_keep_their_clusters() -> None:
    """What lies before the window is no longer up for decision."""
    articles = labelled([0, 40])
    first = replay(articles, window_days=1).nights
    assert [night.unresolved_ids for night in first] == [0, 0]
    assert first[-1].parted_by_night == 0


def test_nothing_dated_is_refused() -> None:
    article = labelled([0])[0]
    with pytest.raises(ValueError, match="no article has a date"):
        replay([replace(article, extracted=undated(article))])


def test_an_id_that_leads_nowhere_is_found() -> None:
    service = module._Replay(30.0)
    service._answered = {"alive", "merged", "lost", "circle"}
    service._merged_into = {"merged": "middle", "middle": "alive", "circle": "circle"}
    assert set(service._unresolved({"alive"})) == {"lost", "circle"}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), max_size=12))
def test_pairs_together(rows: list[tuple[str, str]]) -> None:
    before = [a for a, _ in rows]
    after = [b for _, b in rows]
    together = [(i, j) for i, j in combinations(range(len(rows)), 2) if before[i] == before[j]]
    assert module._pairs_together(before, after) == (
        len(together),
        sum(after[i] == after[j] for i, j in together),
    )


def test_means_weigh_pairs() -> None:
    def night(pairs: int, by_day: int, by_night: int, churn: float, unexplained: int = 0) -> Night:
        return Night(
            *("2025-03-03", 10, 10, 1, 5, 0.5, churn, 0, 0, 0, 0),
            pairs=pairs,
            parted_by_day=by_day,
            parted_by_night=by_night,
            parted_by_reason={"arrivals": by_day + by_night - unexplained},
            unexplained=unexplained,
            unresolved_ids=0,
        )

    found = Nights((night(0, 0, 0, 0.0), night(90, 9, 0, 0.5, 2), night(10, 0, 1, 0.1)), 0)
    assert found.nights[1].pairs_kept == pytest.approx(0.9)
    assert found.pairs_kept == pytest.approx(0.9)
    assert found.pairs_kept_by_night == pytest.approx(0.99)
    assert found.pairs_kept_or_explained == pytest.approx(0.98)
    assert found.parted_by_reason == {"arrivals": 8}
    assert found.mean_id_churn == pytest.approx(0.2)


def test_the_online_clusterer_goes_on_from_a_night() -> None:
    articles, events = made_news()
    features = [Preparer.shipped().prepare(article).features for article in articles[:8]]
    online = OnlineClusterer(FrequencyTable.shipped(), SignatureScheme())
    for item in features[:7]:
        online.add(item)
    assert events[:8] == [0, 0, 0, 0, 1, 1, 1, 1]
    before = online.cluster_ids()
    online.take_over(
        # The first is another text now, and the cluster of the second event another id.
        features={0: features[4]},
        cluster_ids={4: "night", 5: "night", 6: "night", 0: "night"},
        duplicate_group_ids={0: "copy", 4: "copy"},
        observed=ObservedFrequencies.of(item.vector for item in features[:7]),
    )
    assert online.cluster_ids() == ["night", *before[1:4], "night", "night", "night"]
    assert online.duplicate_group_ids()[0] == online.duplicate_group_ids()[4] == "copy"
    assert online.add(features[7]).cluster_id == "night"
    copy = online.add(features[4])
    assert copy.duplicate_group_id == "copy"


class TestCommand:
    def test_prints_a_line_a_night(self, tmp_path: Path) -> None:
        done = samestory("eval", "--nights", self.written(tmp_path))
        assert done.returncode == 0, done.stderr
        assert "leads to a living cluster" in done.stdout
        assert "without a date left out" in done.stderr
        assert len([line for line in done.stdout.splitlines() if line.startswith("20")]) > 3

    def test_json(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = self.written(tmp_path)
        assert run_nights([str(path)], "story", console=Console(machine=True)) == ExitCode.DONE
        found = json.loads(capsys.readouterr().out)
        assert found["mode"] == "nights"
        assert found["nights"] == len(found["by_night"])
        assert found["unresolved_ids"] == 0
        assert found["undated"] == 1
        assert found["pairs_kept"] >= 0.99

    def test_says_what_is_missing(self, tmp_path: Path) -> None:
        path = write_lines(tmp_path / "in.jsonl", [{"text": "some words", "story": "a"}])
        with pytest.raises(CommandError, match="needs dated articles"):
            run_nights([str(path)], "story", console=Console())
        with pytest.raises(CommandError, match="--label-field"):
            run_nights([str(path)], "event", console=Console())

    def test_goes_without_other_modes(self, tmp_path: Path) -> None:
        done = samestory("eval", "--nights", "--online", self.written(tmp_path))
        assert done.returncode == ExitCode.UNUSABLE
        assert "--nights goes without --online" in done.stderr

    def written(self, folder: Path) -> Path:
        rows = [
            {
                "id": article.article_id,
                "title": article.title,
                "text": article.text,
                "html": article.html,
                "published_at": article.published_at and article.published_at.isoformat(),
                "source": article.source,
                "story": label,
            }
            for article, label in zip(samples().articles, samples().labels, strict=True)
        ]
        rows.append({**rows[0], "id": "undated", "published_at": None})
        return write_lines(folder / "labelled.jsonl", rows)


@pytest.mark.slow
def test_on_real_news(data_dir: Path) -> None:
    with gzip.open(data_dir / "giveme5w_news_cluster.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    articles = [
        LabelledArticle(
            extract_article(
                Article(
                    text=row["text"],
                    title=row["title"] or "",
                    published_at=datetime.fromisoformat(row["published_at"]).replace(tzinfo=UTC),
                    source=row["source"] or "",
                    url=row["url"] or "",
                )
            ),
            row["story"],
        )
        for row in rows
    ]
    found = replay(articles)
    last = found.nights[-1]
    assert last.articles == len(rows)
    assert last.unresolved_ids == 0
    assert last.bcubed_f1 is not None
    assert last.bcubed_f1 > 0.95
    assert found.pairs_kept >= 0.99
    assert found.mean_id_churn < 0.01
