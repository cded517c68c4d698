"""Near-duplicate pairs against brute force on sets of words, and what no corpus may break."""

from __future__ import annotations

import gzip
import json
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from clustering.errors import ConfigurationError
from clustering.near_duplicates import (
    PAIRS_A_TEXT,
    RECALL_AT_THRESHOLD,
    NearDuplicates,
    near_duplicate_pairs,
)
from clustering.prepare.tokens import fold, scan


def shingles(text: str, width: int = 5) -> set[tuple[str, ...]]:
    words = [folded for folded in map(fold, scan(text)) if folded]
    if not words:
        return set()
    return {tuple(words[k : k + width]) for k in range(max(1, len(words) - width + 1))}


def true_pairs(
    texts: list[str], jaccard_threshold: float, width: int = 5
) -> dict[tuple[int, int], float]:
    sets = [shingles(text, width) for text in texts]
    where: dict[tuple[str, ...], list[int]] = {}
    for number, members in enumerate(sets):
        for shingle in members:
            where.setdefault(shingle, []).append(number)
    together = {pair for numbers in where.values() for pair in combinations(numbers, 2)}
    similarities = {(a, b): len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in together}
    return {pair: value for pair, value in similarities.items() if value >= jaccard_threshold}


def as_dict(found: NearDuplicates) -> dict[tuple[int, int], float]:
    pairs = zip(found.first.tolist(), found.second.tolist(), strict=True)
    return dict(zip(pairs, found.jaccard.tolist(), strict=True))


def made_texts(count: int, seed: int, words: int = 120) -> list[str]:
    generator = np.random.default_rng(seed)
    texts: list[str] = []
    for _ in range(count):
        base = [f"word{k}" for k in generator.integers(0, 5000, words)]
        texts.append(" ".join(base))
        for _ in range(int(generator.integers(0, 4))):
            changed = list(base)
            for place in generator.integers(0, words, int(generator.integers(0, 8))):
                changed[place] = f"other{generator.integers(0, 5000)}"
            texts.append(" ".join(changed).capitalize() + ".")
    return texts


@pytest.mark.parametrize("jaccard_threshold", [0.3, 0.5, 0.7, 0.9, 1.0])
@pytest.mark.parametrize("width", [1, 3, 5])
def test_pairs_are_those_of_brute_force(jaccard_threshold: float, width: int) -> None:
    texts = made_texts(150, seed=width)
    expected = true_pairs(texts, jaccard_threshold, width)
    found = as_dict(
        near_duplicate_pairs(
            texts, jaccard_threshold=jaccard_threshold, shingle_words=width
        ).expanded()
    )
    assert len(expected) > 20
    # Nothing wrong ever, and hardly anything missing.
    assert all(expected[pair] == pytest.approx(value) for pair, value in found.items())
    assert len(found) >= RECALL_AT_THRESHOLD * len(expected)


def test_the_number_of_threads_changes_nothing() -> None:
    texts = made_texts(1500, seed=7, words=200)
    assert sum(map(len, texts)) > 4 << 17  # several chunks
    alone, together = (near_duplicate_pairs(texts, threads=threads) for threads in (1, 3))
    assert as_dict(alone) == as_dict(together)
    assert alone.copy_of.tolist() == together.copy_of.tolist()


def test_copies_are_paired_with_the_first_of_them() -> None:
    text = made_texts(1, seed=1)[0]
    near = text + " and more"
    found = near_duplicate_pairs([text, "!", near, text.upper(), "", text + " ..."])
    assert found.copy_of.tolist() == [0, 1, 2, 0, 4, 0]
    assert sorted(as_dict(found)) == [(0, 2), (0, 3), (0, 5)]
    assert as_dict(found)[0, 3] == 1.0
    expanded = as_dict(found.expanded())
    assert sorted(expanded) == [(0, 2), (0, 3), (0, 5), (2, 3), (2, 5), (3, 5)]
    assert expanded[2, 5] == expanded[0, 2] < 1


def test_texts_that_differ_in_case_marks_and_script_forms_only_are_copies() -> None:
    texts = [
        "Straße der Verständigung, İstanbul 1.000",
        "STRASSE DER VERSTA\u0308NDIGUNG İSTANBUL 1,000",
        "国务院总理发表讲话",
        "国务院总理发表讲话。",
        "T\u0308ext mit Umlaut",
        "ẗext mit umlaut",
    ]
    assert sorted(as_dict(near_duplicate_pairs(texts))) == [(0, 1), (2, 3), (4, 5)]


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["\x00", "\ud800"], ["one text alone"]])
def test_where_there_is_nothing_to_pair(texts: list[str]) -> None:
    found = near_duplicate_pairs(texts)
    assert len(found) == 0
    assert found.copy_of.tolist() == list(range(len(texts)))
    assert found.first.dtype == found.second.dtype == np.int64
    assert len(found.expanded()) == 0


def test_short_texts_are_one_shingle() -> None:
    assert sorted(as_dict(near_duplicate_pairs(["Two words", "two words!", "two other"]))) == [
        (0, 1)
    ]


def test_the_same_shingles_in_another_order_are_no_copy_but_a_pair() -> None:
    once = " ".join(f"word{k}" for k in range(40))
    found = near_duplicate_pairs([once + " " + once, once + " " + once + " " + once])
    assert found.copy_of.tolist() == [0, 1]
    assert as_dict(found) == {(0, 1): 1.0}


def test_many_copies_and_many_variants_stay_linear() -> None:
    base = made_texts(1, seed=3, words=300)[0]
    copies = [base] * 5000
    begin = time.perf_counter()
    found = near_duplicate_pairs(copies)
    assert len(found) == 4999
    # One word at the end differs, so that all 3,000 share nearly every bucket.
    variants = [f"{base} number{k}" for k in range(3000)]
    found = near_duplicate_pairs(variants)
    assert time.perf_counter() - begin < 30
    assert len(found) <= 3000 * 25 * (PAIRS_A_TEXT + 1)
    assert set(found.second.tolist()) == set(range(1, 3000))
    assert found.jaccard.min() > 0.97


@pytest.mark.parametrize("jaccard_threshold", [0.0, -1, 1.5, float("nan")])
def test_a_threshold_out_of_range_is_refused(jaccard_threshold: float) -> None:
    with pytest.raises(ConfigurationError, match="jaccard_threshold"):
        near_duplicate_pairs(["a"], jaccard_threshold=jaccard_threshold)


def test_other_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="threads"):
        near_duplicate_pairs(["a"], threads=0)
    with pytest.raises(ConfigurationError, match="shingle_words"):
        near_duplicate_pairs(["a"], shingle_words=0)


def test_natural_near_duplicates_are_found(data_dir: Path) -> None:
    def rows(name: str) -> list[dict[str, object]]:
        with gzip.open(data_dir / f"{name}.jsonl.gz", "rt") as lines:
            return [json.loads(line) for line in lines]

    silver = rows("neardup_silver_pairs")
    sure = right = 0
    for name in sorted({str(pair["set"]) for pair in silver}):
        articles = {str(row["id"]): str(row["text"]) for row in rows(name)}
        texts = list(articles.values())
        expected = true_pairs(texts, 0.7)
        found = as_dict(near_duplicate_pairs(texts).expanded())
        assert found.keys() <= expected.keys()
        assert len(found) >= RECALL_AT_THRESHOLD * len(expected)
        # The file cuts words in its own way: pairs well above the threshold are the same.
        place = {article: number for number, article in enumerate(articles)}
        for pair in silver:
            if pair["set"] == name and float(str(pair["jaccard5"])) >= 0.8:
                first, second = sorted((place[str(pair["a"])], place[str(pair["b"])]))
                sure += 1
                right += (first, second) in found
    assert sure > 500
    assert right >= RECALL_AT_THRESHOLD * sure
