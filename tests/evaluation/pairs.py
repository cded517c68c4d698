"""Pairs of articles that people, a language model or exact counting labelled: are they decided so?

``pairs_bloomberg_llm_labels``
    Titles and ledes, SAME or DIFFERENT event by a language model; F1 on SAME.
``pairs_telegram_en``, ``pairs_telegram_ru``
    OK (one event) or BAD; accuracy.
``neardup_silver_pairs``
    Exact Jaccard similarity of five-word shingles; recall of the pairs at .7 and above in
    near-duplicate groups, and how many pairs below .3 (and containment below .5) got there.

The decision on a labelled pair is what the service decides of the two articles alone, posted in
order of publication to an empty collection: signatures, LSH and all. The near-duplicate pairs are
looked up in their whole sets, clustered as the nightly job does.

Run ``python -m tests.evaluation.pairs --data DIR``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustering.articles import ArticleFeatures
from clustering.online import OnlineClusterer
from clustering.prepare import FrequencyTable
from clustering.preparer import Preparer
from clustering.propose import SignatureScheme
from service.offline import cluster_articles, publication_order
from tests.evaluation.quality import article_of, read_set

LABELLED = ("pairs_bloomberg_llm_labels", "pairs_telegram_en", "pairs_telegram_ru")
SILVER = "neardup_silver_pairs"
SAME_LABELS = frozenset({"SAME", "OK"})
COPY_JACCARD = 0.7
UNLIKE_JACCARD = 0.3
UNLIKE_CONTAINMENT = 0.5


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of decisions "same event" against labels."""

    true_same: int
    false_same: int
    missed: int
    true_different: int

    @property
    def accuracy(self) -> float:
        """Share decided as labelled, 0..1."""
        pairs = self.true_same + self.false_same + self.missed + self.true_different
        return (self.true_same + self.true_different) / pairs

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall of "same", 0..1; 1 where there is none."""
        decided = 2 * self.true_same + self.false_same + self.missed
        return 2 * self.true_same / decided if decided else 1.0


@dataclass(frozen=True, slots=True)
class SilverCounts:
    """Near-duplicate pairs and unlike pairs, and how many of each are in one group."""

    copies: int
    copies_grouped: int
    unlike: int
    unlike_grouped: int

    @property
    def recall(self) -> float:
        """Share of the copies in one near-duplicate group, 0..1."""
        return self.copies_grouped / self.copies


def decided_same(first: ArticleFeatures, second: ArticleFeatures) -> bool:
    """Return whether the service puts two articles, alone in a collection, into one cluster."""
    online = OnlineClusterer(FrequencyTable.shipped(), SignatureScheme())
    features = [first, second]
    for position in publication_order(features):
        online.add(features[position])
    return len(set(online.cluster_ids())) == 1


def measure_pairs(data_dir: Path, name: str, *, limit: int | None = None) -> Confusion:
    """Decide the first ``limit`` pairs of a labelled set, or all."""
    preparer = Preparer.shipped()
    counts = {(same, decided): 0 for same in (True, False) for decided in (True, False)}
    for row in read_set(data_dir, name)[:limit]:
        first, second = (
            preparer.prepare(article_of({"lang": row["lang"], "id": "", **row[side]})).features
            for side in ("a", "b")
        )
        counts[row["label"] in SAME_LABELS, decided_same(first, second)] += 1
    return Confusion(
        true_same=counts[True, True],
        false_same=counts[False, True],
        missed=counts[True, False],
        true_different=counts[False, False],
    )


def measure_silver(data_dir: Path, *, sets: Sequence[str] | None = None) -> SilverCounts:
    """Cluster the sets that the near-duplicate pairs are from, or ``sets`` of them, and look."""
    pairs = read_set(data_dir, SILVER)
    names = sorted({pair["set"] for pair in pairs}) if sets is None else sets
    copies, unlike = [], []
    for name in names:
        rows = read_set(data_dir, name)
        results = cluster_articles(article_of(row) for row in rows).results
        group_of = {
            row["id"]: result.duplicate_group_id for row, result in zip(rows, results, strict=True)
        }
        for pair in _of_set(pairs, name):
            grouped = group_of[pair["a"]] == group_of[pair["b"]]
            if pair["jaccard5"] >= COPY_JACCARD:
                copies.append(grouped)
            elif pair["jaccard5"] < UNLIKE_JACCARD and pair["containment"] < UNLIKE_CONTAINMENT:
                unlike.append(grouped)
    return SilverCounts(len(copies), sum(copies), len(unlike), sum(unlike))


def _of_set(pairs: Sequence[dict[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    return (pair for pair in pairs if pair["set"] == name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all pairs and print a line for each set."""
    parser = argparse.ArgumentParser(prog="python -m tests.evaluation.pairs", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled news")
    options = parser.parse_args(arguments)
    for name in LABELLED:
        found = measure_pairs(options.data, name)
        sys.stdout.write(
            f"{name:28s} same {found.true_same} + {found.missed} missed, different "
            f"{found.true_different} + {found.false_same} joined: accuracy {found.accuracy:.3f}, "
            f"F1 on same {found.f1:.3f}\n"
        )
        sys.stdout.flush()
    silver = measure_silver(options.data)
    sys.stdout.write(
        f"{SILVER:28s} {silver.copies_grouped} of {silver.copies} copies grouped: recall "
        f"{silver.recall:.3f}; {silver.unlike_grouped} of {silver.unlike} unlike pairs grouped\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
