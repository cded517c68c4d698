"""The near-duplicate test against exact shingles, on made-up and on real pairs."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest

from clustering.articles import Article
from clustering.prepare import FrequencyTable
from clustering.preparer import Preparer
from clustering.refine import Comparison, Refinement
from clustering.refine.duplicates import duplicate_labels
from tests.evaluation.quality import article_of, read_set


def compare(articles: list[Article]) -> Comparison:
    features = [item.features for item in Preparer.shipped().prepare_all(articles)]
    return Refinement.shipped(FrequencyTable.shipped()).compare(features)


def shingles(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[k : k + 5]) for k in range(len(words) - 4)}


def jaccard(a: list[str], b: list[str]) -> float:
    x, y = shingles(a), shingles(b)
    return len(x & y) / len(x | y)


def test_edits_are_copies_as_long_as_shingles_say_so() -> None:
    generator = random.Random(1)
    vocabulary = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in ("lor", "min", "tas")]
    clear, right = 0, 0
    for _ in range(150):
        words = [generator.choice(vocabulary) for _ in range(220)]
        edited = list(words)
        for _ in range(generator.randrange(0, 40)):
            edited[generator.randrange(220)] = generator.choice(vocabulary)
        similarity = jaccard(words, edited)
        # Near the threshold an estimate may fall either way; away from it, it may not.
        if 0.5 < similarity < 0.8:
            continue
        clear += 1
        comparison = compare(
            [Article(text=" ".join(words), lang="en"), Article(text=" ".join(edited), lang="en")]
        )
        right += bool(comparison.near_duplicates([0], [1])[0]) == (similarity >= 0.8)
    assert clear > 60
    assert right == clear


def test_items_of_one_template_about_two_companies_are_two_articles() -> None:
    text = (
        "The board declared a regular quarterly dividend of six cts a share, the same as prior, "
        "payable April one to holders of record March 20, the company said in a statement."
    )
    comparison = compare(
        [
            Article(text=text, title="Fuqua Industries sets quarterly payout", lang="en"),
            Article(text=text, title="Rowe Furniture declares dividend", lang="en"),
            Article(text=text, title="Fuqua Industries sets quarterly", lang="en"),
        ]
    )
    assert comparison.near_duplicates([0, 0], [1, 2]).tolist() == [False, True]


def test_one_text_under_two_headlines_is_one_text() -> None:
    text = (
        "Regulators closed the failing Elmgrove Savings Bank and sold its branches to a lender of "
        "the neighbouring county, Harbour Mutual. The insurance fund pays nineteen million dollars "
        "to cover bad loans on motels and vineyards. Depositors keep their accounts and reach them "
        "again on Monday, when all seven branches open under the new name, officials said. "
    )
    comparison = compare(
        [
            Article(text=text, title="Closure raises toll to twelve", lang="en"),
            Article(text=text, title="Thrift acquired by neighbour", lang="en"),
            Article(text=text.replace("nineteen", "forty"), title="Twelfth bust", lang="en"),
        ]
    )
    assert comparison.near_duplicates([0, 0], [1, 2]).tolist() == [True, False]


def test_majority_linkage_makes_no_chain() -> None:
    chain = [(k, k + 1) for k in range(5)]
    assert max(np.bincount(duplicate_labels(6, chain))) == 2
    clique = [(a, b) for a in range(6) for b in range(a)]
    assert duplicate_labels(6, clique).tolist() == [0] * 6
    # One pair of the clique missing: more than half of the pairs still say yes.
    assert duplicate_labels(6, clique[:-1]).tolist() == [0] * 6
    assert duplicate_labels(0, []).tolist() == []


@pytest.mark.slow
def test_real_near_duplicates_are_found_and_nothing_else(data_dir: Path) -> None:
    with gzip.open(data_dir / "neardup_silver_pairs.jsonl.gz", "rt") as lines:
        pairs = [json.loads(line) for line in lines]
    found, exact, false = 0, 0, 0
    for name in sorted({pair["set"] for pair in pairs}):
        asked = [pair for pair in pairs if pair["set"] == name]
        wanted = {pair[side] for pair in asked for side in ("a", "b")}
        rows = [row for row in read_set(data_dir, name) if row["id"] in wanted]
        position = {row["id"]: k for k, row in enumerate(rows)}
        comparison = compare([article_of(row) for row in rows])
        same = comparison.near_duplicates(
            [position[pair["a"]] for pair in asked], [position[pair["b"]] for pair in asked]
        )
        for pair, accepted in zip(asked, same.tolist(), strict=True):
            if pair["jaccard5"] >= 0.7:
                exact += 1
                found += accepted
            if pair["jaccard5"] < 0.3 and pair["containment"] < 0.5:
                false += accepted
    assert exact > 500
    assert found / exact >= 0.98
    assert false == 0
