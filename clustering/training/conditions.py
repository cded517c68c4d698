"""The mixtures of labelled news that the verifier is trained on.

A verifier trained on one corpus as it is learns that corpus's density: how alike its strangers
are. Trained on the same articles under several conditions it learns what stays. The conditions are:
as they are; cut to two to four articles a cluster beside the document frequencies of unrelated
ones; the same with the shipped frequencies alone; among unrelated articles; the first sixty words
only; without titles; and, for English, split into inflected forms
(``clustering.training.inflected``).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import Article, ArticleFeatures, TextKind
from clustering.prepare import ObservedFrequencies
from clustering.preparer import Preparer
from clustering.refine.tfidf import DocumentFrequencies
from clustering.training.inflected import InflectedFrequencies, inflected

LABELLED_SETS: Final = (
    "giveme5w_news_cluster",
    "galaxy_wikinews",
    "fnc1_train",
    "ecbplus",
    "multiling2011_7lang",
)
DISTRACTOR_SETS: Final = ("reuters21578_unlabelled", "bbc_fulltext_unlabelled")
_DISTRACTORS: Final = 1_500
_SHORT_WORDS: Final = 60
_LEAST_DISTRACTOR_WORDS: Final = 60
_AMONG: Final = 700
"""Distractors that stand among the labelled articles; the rest only count in the frequencies."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Labelled articles with the document frequencies they are to be compared under.

    Attributes
    ----------
    name
        Of the condition.
    features
        Ordinary articles only.
    labels
        int64, shape (n,): equal for articles of one event; negative for distractors, of which
        nothing is known but that they belong to no labelled event.
    frequencies
        To weight them with.
    """

    name: str
    features: list[ArticleFeatures]
    labels: NDArray[np.int64]
    frequencies: DocumentFrequencies


def read_articles(path: Path) -> tuple[list[Article], list[str]]:
    """Return the articles of a gzipped JSON-lines file and their labels.

    The label is the field ``story``, together with the language: reports of one event in two
    languages are not asked to be joined.
    """
    articles, labels = [], []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row: dict[str, Any] = json.loads(line)
            published = row.get("published_at")
            date = datetime.fromisoformat(published) if published else None
            if date is not None and date.tzinfo is None:
                date = date.replace(tzinfo=UTC)
            articles.append(
                Article(
                    text=row["text"],
                    title=row.get("title") or "",
                    published_at=date,
                    source=row.get("source") or "",
                    lang=row.get("lang") or "",
                )
            )
            labels.append(f"{row.get('story')} {row.get('lang')}")
    return articles, labels


def read_distractors(data_dir: Path, preparer: Preparer) -> list[ArticleFeatures]:
    """Return unrelated articles: evenly spaced ones of the unlabelled files."""
    chosen: list[Article] = []
    for name in DISTRACTOR_SETS:
        articles, _ = read_articles(data_dir / f"{name}.jsonl.gz")
        long_enough = [a for a in articles if len(a.text.split()) >= _LEAST_DISTRACTOR_WORDS]
        step = max(1, len(long_enough) // (_DISTRACTORS // len(DISTRACTOR_SETS)))
        chosen.extend(long_enough[::step])
    features = [prepared.features for prepared in preparer.prepare_all(chosen)]
    return [item for item in features if item.kind is TextKind.ORDINARY]


def conditions(
    articles: Sequence[Article],
    labels: Sequence[str],
    distractors: Sequence[ArticleFeatures],
    preparer: Preparer,
    *,
    seed: int,
) -> Iterator[Condition]:
    """Yield the conditions of one labelled set, the same ones for the same seed."""
    generator = np.random.default_rng(seed)
    names = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    numbers = np.array([names[label] for label in labels], dtype=np.int64)

    def made(
        name: str,
        features: Sequence[ArticleFeatures],
        numbers: NDArray[np.int64],
        counted: Sequence[ArticleFeatures] | None,
    ) -> Condition:
        kept = [k for k, item in enumerate(features) if item.kind is TextKind.ORDINARY]
        frequencies = preparer.frequencies
        if counted is not None:
            observed = ObservedFrequencies.of(item.vector for item in counted)
            frequencies = frequencies.with_observed(observed)
        return Condition(name, [features[k] for k in kept], numbers[kept], frequencies)

    def cut() -> list[int]:
        kept: list[int] = []
        for number in range(len(names)):
            members = generator.permutation(np.flatnonzero(numbers == number))
            kept.extend(members[: int(generator.integers(2, 5))].tolist())
        return sorted(kept)

    whole = [prepared.features for prepared in preparer.prepare_all(articles)]
    raw = made("raw", whole, numbers, whole)
    yield raw
    few = cut()
    few_features = [whole[k] for k in few]
    few_cut = made("cut", few_features, numbers[few], [*few_features, *distractors])
    yield few_cut
    if all(article.lang == "en" for article in articles):
        for condition in (raw, few_cut):
            yield Condition(
                f"{condition.name} inflected",
                inflected(condition.features, np.random.default_rng(seed)),
                condition.labels,
                InflectedFrequencies.of(condition.features, condition.frequencies),
            )
    few = cut()
    yield made("cold", [whole[k] for k in few], numbers[few], None)
    mixed = [*whole, *distractors[:: max(1, len(distractors) // _AMONG)]]
    strangers = -1 - np.arange(len(mixed) - len(whole), dtype=np.int64)
    yield made("among strangers", mixed, np.concatenate([numbers, strangers]), mixed)
    short = [replace(a, text=" ".join(a.text.split()[:_SHORT_WORDS])) for a in articles]
    short_features = [prepared.features for prepared in preparer.prepare_all(short)]
    yield made("short", short_features, numbers, short_features)
    untitled = [replace(a, title="") for a in articles]
    if any(a.title for a in articles):
        untitled_features = [prepared.features for prepared in preparer.prepare_all(untitled)]
        yield made("untitled", untitled_features, numbers, untitled_features)
