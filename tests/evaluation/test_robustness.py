"""Navigation, links and missing parts must not move the clusters of real labelled news much."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from clustering.articles import Article
from clustering.metrics import bcubed
from tests.evaluation.robustness import (
    CONDITIONS,
    FIRST_WORDS,
    LINES,
    LabelledSet,
    Strangers,
    bcubed_among,
    measure,
    read_labelled,
    read_strangers,
)

# Smallest sets with and without known publishers; the command measures all five.
TESTED_SETS = ("giveme5w_news_cluster", "ecbplus")
LARGEST_LOSS = {"static navigation": 0.02, "rotating links": 0.04}

MADE = LabelledSet(
    "made",
    tuple(
        Article(
            text=f"Line {k} of a text.\n" + "word " * 150,
            article_id=f"a{k}",
            title=f"Headline {k}",
            source=f"Paper {k % 2}",
            lang="en",
        )
        for k in range(100)
    ),
    tuple("event" for _ in range(100)),
)
STRANGERS = Strangers(
    tuple(Article(text="x", article_id=f"s{k}") for k in range(5)),
    tuple(f"A headline of elsewhere, number {k}" for k in range(90)),
)


@cache
def mean_f1(data_dir: Path, condition: str) -> float:
    strangers = read_strangers(data_dir)
    figures = [measure(read_labelled(data_dir, n), strangers, condition) for n in TESTED_SETS]
    return sum(figures) / len(figures)


@pytest.mark.slow
@pytest.mark.parametrize("condition", LARGEST_LOSS)
def test_page_furniture_moves_f1_little(data_dir: Path, condition: str) -> None:
    loss = mean_f1(data_dir, "clean") - mean_f1(data_dir, condition)
    assert loss <= LARGEST_LOSS[condition]


def test_conditions_do_what_they_say() -> None:
    made = {name: build(MADE, STRANGERS) for name, build in CONDITIONS.items()}
    assert made["clean"] == list(MADE.articles)
    assert [len(made[name]) for name in CONDITIONS] == [100] * (len(CONDITIONS) - 1) + [105]
    assert {article.title for article in made["no titles"]} == {""}
    for article, first in zip(MADE.articles, made["first 100 words"], strict=True):
        assert len(first.text.split()) == FIRST_WORDS
        assert article.text.startswith(first.text)
    for name in ("static navigation", "rotating links"):
        frames = set()
        for article, framed in zip(MADE.articles, made[name], strict=True):
            above, below = framed.text.split(article.text)
            lines = [*above.split("\n"), *below.split("\n")]
            links = [line for line in lines if line]
            assert len(links) == len(set(links)) == LINES
            assert len(above.strip().split("\n")) == LINES // 2
            assert article.title not in links
            frames.add((above, below))
        assert len(frames) == (2 if name == "static navigation" else 100)


def test_strangers_cost_only_where_they_join() -> None:
    true, predicted = ["a", "a", "b", "c"], [1, 1, 2, 2]
    alone = bcubed(true, predicted)
    assert bcubed_among(true, predicted) == alone
    assert bcubed_among(true, [*predicted, 3, 3, 4]) == alone
    joined = bcubed_among(true, [*predicted, 1])
    assert joined.recall == alone.recall
    assert joined.precision == pytest.approx((2 / 3 + 2 / 3 + 0.5 + 0.5) / 4)
