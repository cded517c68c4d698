"""The benchmarks run, find what was planted, and keep their tables apart."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks import made_news, near_duplicates
from tests.benchmarks.__main__ import main
from tests.benchmarks.corpus import JACCARD_THRESHOLD, jaccard, planted_corpus, shingles_of
from tests.benchmarks.growth import exponent, sizes
from tests.benchmarks.measured import run_measured
from tests.benchmarks.report import Row, Table, write
from tests.benchmarks.short import Floor, fallen
from tests.benchmarks.whole_runs import write_news


@pytest.fixture
def made_data(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for name in (
        "bbc_fulltext_unlabelled",
        "giveme5w_news_cluster",
        "galaxy_wikinews",
        "fnc1_train",
    ):
        with gzip.open(tmp_path / f"{name}.jsonl.gz", "wt") as lines:
            for _ in range(50):
                words = [f"word{number}" for number in generator.integers(0, 3000, 400)]
                lines.write(json.dumps({"text": " ".join(words)}) + "\n")
    return tmp_path


@pytest.fixture
def sentences(tmp_path: Path) -> Path:
    """A folder of what `made_news` is made of: events of two articles, and articles alone."""
    generator = np.random.default_rng(1)
    for name in (*made_news.LABELLED, *made_news.UNLABELLED):
        with gzip.open(tmp_path / f"{name}.jsonl.gz", "wt") as lines:
            for number in range(40):
                words = generator.integers(0, 3000, (12, 14))
                text = " ".join(
                    "The " + " ".join(f"wor{chr(97 + k % 26)}{k}d" for k in row) + "."
                    for row in words
                )
                lines.write(json.dumps({"text": text, "story": number // 2}) + "\n")
    return tmp_path


def test_planted_pairs_are_all_there_are(made_data: Path) -> None:
    corpus = planted_corpus(made_data, texts=300, words=100, seed=3)
    assert len(corpus.texts) == 300
    assert corpus == planted_corpus(made_data, texts=300, words=100, seed=3)
    assert corpus != planted_corpus(made_data, texts=300, words=100, seed=4)
    shingles = [shingles_of(text) for text in corpus.texts]
    above = {
        (a, b)
        for b in range(300)
        for a in range(b)
        if jaccard(shingles[a], shingles[b]) > JACCARD_THRESHOLD
    }
    assert corpus.pairs <= above <= corpus.pairs | corpus.undecided
    assert len(corpus.pairs) > 10


def test_recall_and_precision_leave_the_undecided_out(made_data: Path) -> None:
    corpus = planted_corpus(made_data, texts=300, words=100, seed=3)
    assert corpus.judged(set(corpus.pairs | corpus.undecided)) == (1.0, 1.0)
    assert corpus.judged(set()) == (0.0, 0.0)
    some = set(list(corpus.pairs)[: len(corpus.pairs) // 2])
    recall, precision = corpus.judged(some | {(-1, -2)})
    assert recall == pytest.approx(len(some) / len(corpus.pairs))
    assert precision == pytest.approx(len(some) / (len(some) + 1))


def test_ours_finds_what_was_planted(made_data: Path) -> None:
    corpus = planted_corpus(made_data, texts=300, words=100, seed=3)
    recall, precision = corpus.judged(near_duplicates.ours(corpus.texts))
    assert recall >= 0.98
    assert precision == 1.0


def test_a_missing_peer_says_how_to_get_it(
    made_data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    systems = (near_duplicates.SYSTEMS[0], ("peer", "no-such-library", near_duplicates.ours))
    monkeypatch.setattr(near_duplicates, "SYSTEMS", systems)
    given = ["near_duplicates", "--data", str(made_data), "--texts", "100", "--words", "80"]
    assert main([*given, "--rounds", "1"]) == 0
    printed = capsys.readouterr().out
    assert "| samestory, verified |" in printed
    assert "not installed: pip install no-such-library" in printed


@pytest.mark.parametrize(
    "given", [["nothing"], ["--rounds", "0"], ["near_duplicates", "--data", "no/such/folder"]]
)
def test_bad_arguments_are_refused(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        main(given)
    assert refusal.value.code == 2
    assert "error" in capsys.readouterr().err


def test_tables_of_one_benchmark_replace_its_own_only(tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"

    def table(figure: float) -> Table:
        rows = (Row("ours", "", figure), Row("peer", "1.0", 50.0, ("0.9",)))
        return Table("title", "texts/s", ("recall",), rows)

    write("second", "command two", [table(100.0)], results)
    write("first", "command one", [table(1000.0)], results)
    write("second", "command two", [table(200.0)], results)
    text = results.read_text()
    assert text.index("## first") < text.index("## second")
    assert "| peer | 1.0 | 50 | 20.0 x | 0.9 |" in text
    assert "| peer | 1.0 | 50 | 4.0 x | 0.9 |" in text
    assert "2.0 x" not in text
    assert text.count("## second") == 1


def test_where_less_is_better_the_ratio_is_turned() -> None:
    rows = (Row("ours", "", 2.0), Row("peer", "", 9.0))
    table = Table("title", "ms", (), rows, higher_is_better=False)
    assert "| peer |  | 9 | 4.5 x |" in table.lines()


def test_a_ratio_below_its_floor_is_told() -> None:
    rows = (Row("ours", "", 100.0), Row("datasketch bulk", "2.0", 25.0), Row("rensa", "", None))
    tables = [Table("so many planted pairs", "texts/s", (), rows)]
    assert fallen(tables, [Floor("planted pairs", "datasketch", 3.9)]) == []
    assert fallen(tables, [Floor("planted pairs", "datasketch", 4.1)]) == [
        "planted pairs: 4.00 x datasketch, where 4.1 x is the least"
    ]
    # Of several rounds the middle one counts.
    slow = replace(tables[0], rows=(Row("ours", "", 50.0), *rows[1:]))
    assert fallen([slow, *tables, *tables], [Floor("planted pairs", "datasketch", 3.9)]) == []
    assert fallen([slow, *tables, slow], [Floor("planted pairs", "datasketch", 3.9)]) == [
        "planted pairs: 2.00 x datasketch, where 3.9 x is the least"
    ]
    assert fallen(tables, [Floor("planted pairs", "rensa", 9.0)]) == []
    assert fallen(tables, [Floor("elsewhere", "datasketch", 1.0)]) == [
        "elsewhere: datasketch was not measured"
    ]


def test_sizes_are_three_times_one_another() -> None:
    assert sizes(10_000, 300_000) == [10_000, 31_100, 96_500, 300_000]
    assert sizes(100, 200) == [100, 200]


def test_the_exponent_of_a_power_is_the_power() -> None:
    articles = sizes(10_000, 300_000)
    assert exponent(articles, [3e-4 * size**1.15 for size in articles]) == pytest.approx(1.15)
    assert np.isnan(exponent([10], [1.0]))


def test_a_run_is_measured_from_outside(sentences: Path) -> None:
    news = sentences / "news.jsonl"
    write_news(sentences, 60, 1, news)
    measured = run_measured("tests.benchmarks.whole_runs", "samestory", str(news))
    assert 1 <= measured.outcome["clusters"] <= 60
    assert set(measured.outcome["stages"]) >= {"preparing", "linkage"}
    assert measured.peak_bytes > 50e6
    assert measured.processor_seconds > 0.1
    with pytest.raises(RuntimeError, match="ended with 1"):
        run_measured("tests.benchmarks.whole_runs", "samestory", str(sentences / "none.jsonl"))


@pytest.mark.slow
def test_growth_tells_an_exponent(sentences: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["growth", "--data", str(sentences), "--least-articles", "600"]
    assert main([*given, "--most-articles", "1800"]) == 0
    printed = capsys.readouterr().out
    assert "Growth: exponent " in printed
    assert "| 600 articles |" in printed
    assert "| 1,800 articles |" in printed
