"""Train the verifier and the merge rule that ship with the package.

::

    python -m clustering.training.verifier --data DIR --output clustering/refine/verifier.json
    python -m clustering.training.verifier --data DIR --leave-out galaxy_wikinews
    python -m clustering.training.verifier --data DIR --cross-validate

``--leave-out`` trains without a set and reports on it; ``--cross-validate`` does so for each set
in turn, which is how every choice here was judged: what helps on the sets it was trained on says
nothing. DIR holds the labelled and unlabelled news named in ``clustering.training.conditions``.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from clustering.metrics import bcubed
from clustering.preparer import Preparer
from clustering.refine.linkage import link_dense
from clustering.refine.parts import PART_NAMES
from clustering.refine.similarity import Comparison
from clustering.refine.verifier import Verifier
from clustering.training.conditions import (
    LABELLED_SETS,
    Condition,
    conditions,
    read_articles,
    read_distractors,
)
from clustering.training.logistic import fit_logistic
from clustering.training.merges import FIRST_RULE, learn_rule

HARD_PAIRS_PER_ARTICLE: Final = 15
EASY_PAIRS_PER_ARTICLE: Final = 15
HARD_WEIGHT: Final = 2.0
EASY_WEIGHT: Final = 1.0
STRANGER_PAIRS_PER_ARTICLE: Final = 4
STRANGER_WEIGHT: Final = 1.0
"""All positive pairs of a condition weigh 1 together. Negatives weigh three times that: a false
merge costs whole clusters, a missed pair is mostly made good by the others of its cluster."""

FITTED_PAIRS: Final = {1.0: 3_000, 0.0: 6_000}
"""Most pairs of a condition that are fitted to, of one event and of two: more change nothing."""

RIDGE: Final = 1.0
FREE_PARTS: Final = ("shorter_length", "length_difference", "without_numbers", "without_title")
"""Parts that say how to read the others. What two articles share, on the other hand, never speaks
against them: free signs fitted the labelled sets better and others worse (.891 → .895)."""

RULE_CONDITIONS: Final = ("raw", "cut", "raw inflected", "cut inflected")
REPORTED_CONDITIONS: Final = ("raw", "cut", "cold", "among strangers")
_SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Examples:
    """Pairs of one condition to learn from.

    ``parts`` float32 (m, parts); ``targets`` float64 (m,), 0 or 1; ``weights`` float64 (m,).
    """

    parts: NDArray[np.float32]
    targets: NDArray[np.float64]
    weights: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Material:
    """A condition, its articles ready to be compared, and its examples."""

    condition: Condition
    comparison: Comparison
    examples: Examples

    def similarities(self, verifier: Verifier, threads: int) -> NDArray[np.float32]:
        """Return the similarity of all pairs under a verifier; float32, shape (n, n)."""
        self.comparison.verifier = verifier
        count = len(self.comparison)
        i, j = np.triu_indices(count, k=1)
        matrix = np.eye(count, dtype=np.float32)
        matrix[i, j] = matrix[j, i] = self.comparison.similarities(i, j, threads=threads)
        return matrix


def untrained() -> Verifier:
    """Return a verifier with no opinion; training replaces it."""
    nothing = np.zeros(len(PART_NAMES))
    return Verifier(0.0, nothing, nothing, FIRST_RULE)


def body_cosines(comparison: Comparison) -> NDArray[np.float32]:
    """Return the body cosine of all pairs; float32, shape (n, n)."""
    corpus = comparison.corpus
    vocabulary, columns = np.unique(corpus.term_ids, return_inverse=True)
    matrix = csr_array(
        (corpus.weights[:, 0], columns, corpus.term_offsets),
        shape=(corpus.article_count, vocabulary.size),
    )
    return np.asarray((matrix @ matrix.T).toarray(), dtype=np.float32)


def examples(condition: Condition, comparison: Comparison, seed: int) -> Examples:
    """Choose the pairs to learn from.

    All positives, each article's share of them weighing the same however large its cluster; the
    negatives most alike in body cosine; and as many others at random. Pairs of two languages are
    left out: they are never joined. So are most pairs of two distractors, as nothing is known of
    them; but the most alike of them are learned as negatives, some wrongly: short items written to
    one template are look-alikes that no labelled set has.
    """
    generator = np.random.default_rng(seed)
    labels = condition.labels
    languages = comparison.corpus.languages
    count = labels.size
    cosines = body_cosines(comparison)
    i, j = np.triu_indices(count, k=1)
    alike_language = languages[i] == languages[j]
    strangers = (labels[i] < 0) & (labels[j] < 0) & alike_language
    stranger_i, stranger_j = i[strangers], j[strangers]
    most_alike = np.argsort(-cosines[stranger_i, stranger_j], kind="stable")
    most_alike = most_alike[: STRANGER_PAIRS_PER_ARTICLE * np.count_nonzero(labels < 0)]
    asked = ~((labels[i] < 0) & (labels[j] < 0)) & alike_language
    i, j = i[asked], j[asked]
    positive = labels[i] == labels[j]
    _, numbers, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    same = np.flatnonzero(positive)
    same_weights = 1.0 / (sizes[numbers[i[same]]] - 1.0)
    other = np.flatnonzero(~positive)
    alike = cosines[i[other], j[other]]
    order = np.argsort(-alike, kind="stable")
    cut = HARD_PAIRS_PER_ARTICLE * count
    hard, rest = other[order[:cut]], other[order[cut:]]
    easy_count = min(rest.size, EASY_PAIRS_PER_ARTICLE * count)
    easy = generator.choice(rest, easy_count, replace=False)
    chosen = np.concatenate([same, hard, easy])
    weights = np.concatenate(
        [
            same_weights / same_weights.sum(),
            np.full(hard.size, HARD_WEIGHT / max(1, hard.size)),
            np.full(easy.size, EASY_WEIGHT / max(1, easy.size)),
            np.full(most_alike.size, STRANGER_WEIGHT / max(1, most_alike.size)),
        ]
    )
    first = np.concatenate([i[chosen], stranger_i[most_alike]])
    second = np.concatenate([j[chosen], stranger_j[most_alike]])
    targets = np.zeros(first.size)
    targets[: same.size] = 1.0
    return Examples(comparison.parts(first, second), targets, weights)


def read_material(data_dir: Path, sets: Sequence[str]) -> dict[str, list[Material]]:
    """Prepare every condition of every set."""
    preparer = Preparer.shipped()
    distractors = read_distractors(data_dir, preparer)
    material: dict[str, list[Material]] = {}
    for name in sets:
        seed = _SEED + zlib.crc32(name.encode())
        articles, labels = read_articles(data_dir / f"{name}.jsonl.gz")
        material[name] = []
        for condition in conditions(articles, labels, distractors, preparer, seed=seed):
            comparison = Comparison(condition.features, condition.frequencies, untrained())
            chosen = examples(condition, comparison, seed)
            material[name].append(Material(condition, comparison, chosen))
            _say(
                f"  {name}, {condition.name}: {len(comparison)} articles, "
                f"{chosen.targets.size} pairs, {int(chosen.targets.sum())} of one event"
            )
    return material


def train(material: Sequence[Material], *, threads: int = 2) -> Verifier:
    """Fit the verifier to the pairs, then the merge rule to the merges that it leads to."""
    chosen = [_thinned(m.examples) for m in material]
    parts = np.maximum(np.concatenate([e.parts for e in chosen]), 0)
    intercept, coefficients = fit_logistic(
        np.hstack([parts, np.sqrt(parts)]),
        np.concatenate([e.targets for e in chosen]),
        np.concatenate([e.weights for e in chosen]),
        ridge=RIDGE,
        signs=2 * [0 if name in FREE_PARTS else 1 for name in PART_NAMES],
    )
    count = len(PART_NAMES)
    verifier = Verifier(intercept, coefficients[:count], coefficients[count:], FIRST_RULE)
    ruled = [m for m in material if m.condition.name in RULE_CONDITIONS]
    rule = learn_rule(
        [m.similarities(verifier, threads) for m in ruled],
        [m.condition.labels for m in ruled],
    )
    return Verifier(intercept, verifier.linear, verifier.roots, rule)


def _thinned(chosen: Examples) -> Examples:
    """Return at most `FITTED_PAIRS` of each kind, weighing together what all of them did."""
    generator = np.random.default_rng(_SEED)
    rows, weights = [], []
    for target, limit in FITTED_PAIRS.items():
        of_kind = np.flatnonzero(chosen.targets == target)
        kept = of_kind
        if of_kind.size > limit:
            kept = np.sort(generator.choice(of_kind, limit, replace=False))
        share = chosen.weights[kept]
        rows.append(kept)
        weights.append(
            share * (chosen.weights[of_kind].sum() / share.sum()) if kept.size else share
        )
    picked = np.concatenate(rows)
    return Examples(chosen.parts[picked], chosen.targets[picked], np.concatenate(weights))


def bcubed_f1(material: Material, verifier: Verifier, *, threads: int = 2) -> float:
    """Cluster one condition, all pairs compared, and return BCubed F1; in [0, 1]."""
    labels = link_dense(material.similarities(verifier, threads), verifier.rule)
    return bcubed(material.condition.labels.tolist(), labels.tolist()).f1


def report(name: str, material: Sequence[Material], verifier: Verifier) -> dict[str, float]:
    """Print and return BCubed F1 of a set's conditions."""
    figures = {
        m.condition.name: bcubed_f1(m, verifier)
        for m in material
        if m.condition.name in REPORTED_CONDITIONS
    }
    _say(f"{name:24s}" + "".join(f"  {key} {value:.3f}" for key, value in figures.items()))
    return figures


def rounded(verifier: Verifier) -> dict[str, Any]:
    """Return the JSON document of a verifier, numbers cut to five digits behind the point."""

    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cut(entry) for key, entry in value.items()}
        return round(value, 5) if isinstance(value, float) else value

    document: dict[str, Any] = cut(verifier.to_json())
    return document


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, report, and write the file where one was asked for."""
    parser = argparse.ArgumentParser(prog="python -m clustering.training.verifier")
    parser.add_argument("--data", type=Path, required=True, help="folder of the news to learn from")
    parser.add_argument("--output", type=Path, help="JSON file to write the verifier to")
    parser.add_argument("--leave-out", choices=LABELLED_SETS, help="set to train without")
    parser.add_argument("--cross-validate", action="store_true", help="leave out each in turn")
    options = parser.parse_args(arguments)
    material = read_material(options.data, LABELLED_SETS)
    left_out = LABELLED_SETS if options.cross_validate else [options.leave_out]
    for name in left_out:
        if name is not None:
            verifier = train([m for key in LABELLED_SETS if key != name for m in material[key]])
            report(f"without {name}"[:24], material[name], verifier)
    if options.output is not None:
        kept = [name for name in LABELLED_SETS if name != options.leave_out]
        verifier = train([m for name in kept for m in material[name]])
        for name in kept:
            report(name, material[name], verifier)
        text = json.dumps(rounded(verifier), indent=2) + "\n"
        options.output.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
