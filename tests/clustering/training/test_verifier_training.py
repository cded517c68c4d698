"""Training end to end on a small labelled set made for it, and what the command writes."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest

from clustering.prepare import FrequencyTable
from clustering.preparer import Preparer
from clustering.refine import Comparison, Verifier
from clustering.refine.parts import PART_NAMES
from clustering.training.conditions import Condition, conditions, read_articles
from clustering.training.verifier import (
    FITTED_PAIRS,
    Examples,
    Material,
    _thinned,
    body_cosines,
    examples,
    report,
    rounded,
    train,
    untrained,
)
from tests.clustering.test_batch import made_news


def write_set(path: Path, seed: int) -> None:
    articles, events = made_news(seed, look_alikes=True, event_share=0.06)
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        for number, (article, event) in enumerate(zip(articles, events, strict=True)):
            row = {
                "id": str(number),
                "title": article.title,
                "text": article.text,
                "published_at": None,
                "source": "",
                "lang": "en",
                "story": f"event {event}",
            }
            lines.write(json.dumps(row) + "\n")


@pytest.fixture(scope="module")
def made_conditions(tmp_path_factory: pytest.TempPathFactory) -> list[Condition]:
    path = tmp_path_factory.mktemp("news") / "made.jsonl.gz"
    write_set(path, seed=3)
    articles, labels = read_articles(path)
    preparer = Preparer.shipped()
    strangers = [item.features for item in preparer.prepare_all(made_news(seed=99)[0])]
    return list(conditions(articles, labels, strangers, preparer, seed=1))


def test_the_conditions_are_what_they_say(made_conditions: list[Condition]) -> None:
    named = {condition.name: condition for condition in made_conditions}
    assert list(named) == [
        "raw",
        "cut",
        "raw inflected",
        "cut inflected",
        "cold",
        "among strangers",
        "short",
        "untitled",
    ]
    assert all(2 <= size <= 4 for size in np.bincount(named["cut"].labels) if size)
    counted = {
        name: condition.frequencies.article_count
        for name, condition in named.items()
        if isinstance(condition.frequencies, FrequencyTable)
    }
    assert counted["raw"] == named["raw"].labels.size
    assert counted["cut"] > named["cut"].labels.size
    assert counted["cold"] == 0
    assert (named["among strangers"].labels < 0).any()
    assert all(not item.vector.title_counts.any() for item in named["untitled"].features)
    longest = max(item.vector.token_count for item in named["short"].features)
    assert longest <= 60 < max(item.vector.token_count for item in named["raw"].features)


def test_examples_are_all_positives_and_the_most_alike_negatives(
    made_conditions: list[Condition],
) -> None:
    condition = next(c for c in made_conditions if c.name == "among strangers")
    comparison = Comparison(condition.features, condition.frequencies, untrained())
    chosen = examples(condition, comparison, seed=1)
    labels = condition.labels
    i, j = np.triu_indices(labels.size, k=1)
    assert chosen.targets.sum() == np.count_nonzero((labels[i] == labels[j]) & (labels[i] >= 0))
    assert chosen.weights[chosen.targets == 1].sum() == pytest.approx(1.0)
    assert chosen.weights[chosen.targets == 0].sum() == pytest.approx(4.0)
    cosines = comparison.parts(i, j)[:, 0]
    np.testing.assert_allclose(body_cosines(comparison)[i, j], cosines, atol=1e-5)
    hardest = cosines[labels[i] != labels[j]].max()
    assert chosen.parts[chosen.targets == 0, 0].max() == pytest.approx(hardest, abs=1e-6)


def test_a_trained_verifier_tells_events_apart_and_survives_its_file(
    made_conditions: list[Condition],
) -> None:
    material = []
    for condition in made_conditions:
        comparison = Comparison(condition.features, condition.frequencies, untrained())
        material.append(Material(condition, comparison, examples(condition, comparison, 1)))
    verifier = train(material, threads=1)
    again = train(material, threads=2)
    assert rounded(again) == rounded(verifier), "training is repeatable, threads or not"
    figures = report("made", material, verifier)
    # The news is hard on purpose: without false merges there would be no rule to learn.
    assert figures["raw"] > 0.85
    reread = Verifier.from_json(json.loads(json.dumps(rounded(verifier))))
    raw = material[0]
    np.testing.assert_allclose(
        raw.similarities(reread, 1), raw.similarities(verifier, 1), atol=1e-3
    )


def test_labels_of_two_languages_are_two_events(tmp_path: Path) -> None:
    path = tmp_path / "two.jsonl.gz"
    generator = random.Random(1)
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        for lang in ("en", "fr"):
            row = {
                "text": str(generator.random()),
                "lang": lang,
                "story": "one",
                "published_at": "2024-05-01",
            }
            lines.write(json.dumps(row) + "\n")
    articles, labels = read_articles(path)
    assert len(set(labels)) == 2
    date = articles[0].published_at
    assert date is not None
    assert date.tzinfo is not None


def test_thinning_keeps_the_weight_of_each_kind() -> None:
    generator = np.random.default_rng(2)
    targets = (np.arange(20_000) % 4 == 0).astype(np.float64)
    weights = generator.random(20_000)
    parts = generator.random((20_000, len(PART_NAMES))).astype(np.float32)
    thinned = _thinned(Examples(parts, targets, weights))
    for target, limit in FITTED_PAIRS.items():
        assert np.count_nonzero(thinned.targets == target) == min(
            limit, np.count_nonzero(targets == target)
        )
        kept, all_of_it = thinned.weights[thinned.targets == target], weights[targets == target]
        assert kept.sum() == pytest.approx(all_of_it.sum())
