"""``samestory eval`` with all it can be asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.commands.cluster import run_cluster
from service.commands.evaluate import EvalOptions, run_eval
from service.console import CommandError, Console
from service.samples import sample_articles, sample_labels
from tests.service.test_cli import rows, samestory, write_lines


def labelled_samples() -> list[dict[str, Any]]:
    return [
        {**article, "story": label.event}
        for article, label in zip(sample_articles(), sample_labels(), strict=True)
    ]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lines(tmp_path_factory.mktemp("labelled") / "all.jsonl", labelled_samples())


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    items = labelled_samples()
    return write_lines(tmp_path_factory.mktemp("half") / "half.jsonl", items[: len(items) // 2])


PLAIN = EvalOptions()


class Evaluated:
    """Runs the command in this process, which spares its start, and keeps what it wrote."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.told = ""

    def __call__(
        self, *paths: Path, options: EvalOptions = PLAIN, machine: bool = True
    ) -> dict[str, Any]:
        run_eval([str(path) for path in paths], options, console=Console(machine=machine))
        captured = self._capsys.readouterr()
        self.told = captured.err if machine else captured.out
        found: dict[str, Any] = json.loads(captured.out) if machine else {}
        return found


@pytest.fixture
def evaluated(capsys: pytest.CaptureFixture[str]) -> Evaluated:
    return Evaluated(capsys)


def test_several_files_are_measured_one_by_one_and_averaged(
    labelled: Path, half: Path, evaluated: Evaluated
) -> None:
    found = evaluated(labelled, half)
    assert [item["file"] for item in found["files"]] == [str(labelled), str(half)]
    assert found["files"][1] == evaluated(half)
    for name, value in found["macro_mean"].items():
        each = [item[name] for item in found["files"]]
        expected = sum(each) if isinstance(value, int) else sum(each) / 2
        assert value == pytest.approx(expected, abs=1e-4)


def test_tables_for_people(labelled: Path, half: Path, evaluated: Evaluated) -> None:
    evaluated(labelled, half, options=EvalOptions(by_lang=True, sweep=True), machine=False)
    assert "mean of the files" in evaluated.told
    assert "each language by itself" in evaluated.told
    assert "within ±0.1" in evaluated.told


def test_by_lang_measures_each_language(labelled: Path, evaluated: Evaluated) -> None:
    found = evaluated(labelled, options=EvalOptions(by_lang=True))
    assert {"en", "es", "de"} <= set(found["by_language"])
    each = [item["bcubed_f1"] for item in found["by_language"].values()]
    assert found["bcubed_f1"] == pytest.approx(sum(each) / len(each), abs=1e-4)
    assert sum(item["articles"] for item in found["by_language"].values()) == found["articles"]


def test_events_in_several_languages_are_pointed_out(tmp_path: Path, evaluated: Evaluated) -> None:
    items = [{**item, "story": "all of it"} for item in labelled_samples()]
    path = write_lines(tmp_path / "one.jsonl", items)
    evaluated(path)
    assert "--by-lang" in evaluated.told
    evaluated(path, options=EvalOptions(by_lang=True))
    assert evaluated.told == ""


def test_all_options_reach_the_command(labelled: Path, tmp_path: Path) -> None:
    report, output, old = (tmp_path / name for name in ("r.html", "out.jsonl", "old.jsonl.gz"))
    assert samestory("cluster", labelled, "--output", old).returncode == 0
    done = samestory(
        *("eval", labelled, "--online", "--by-lang", "--sweep", "--label-field", "story"),
        *("--plot", report, "--output", output, "--against", old, "--json"),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["mode"] == "online"
    assert {"by_language", "sweep", "against"} <= found.keys()
    assert report.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert len(rows(output)) == len(rows(old))


def test_the_sweep_and_the_report(labelled: Path, tmp_path: Path, evaluated: Evaluated) -> None:
    report = tmp_path / "report.html"
    found = evaluated(labelled, options=EvalOptions(sweep=True, plot=str(report)))
    points = {item["similarity_threshold_shift"]: item for item in found["sweep"]["points"]}
    assert {-0.1, 0.0, 0.1} <= set(points)
    assert points[0.0]["f1"] == pytest.approx(found["bcubed_f1"], abs=1e-4)
    assert found["sweep"]["bcubed_f1_largest_move_within_0.1"] >= 0
    assert "Decision threshold" in report.read_text(encoding="utf-8")


def test_the_clustering_is_written_as_cluster_writes_it(
    labelled: Path, tmp_path: Path, evaluated: Evaluated
) -> None:
    ours, theirs = tmp_path / "ours.jsonl", tmp_path / "theirs.jsonl"
    evaluated(labelled, options=EvalOptions(output=str(ours)))
    run_cluster([str(labelled)], str(theirs), online=False, console=Console())
    assert ours.read_bytes() == theirs.read_bytes()


def test_against_an_earlier_output(labelled: Path, tmp_path: Path, evaluated: Evaluated) -> None:
    earlier = tmp_path / "earlier.jsonl.gz"
    evaluated(labelled, options=EvalOptions(output=str(earlier)))
    same = evaluated(labelled, options=EvalOptions(against=str(earlier)))
    assert same["against"]["clusters"] == []
    assert same["against"]["bcubed_f1_change"] == 0

    # An earlier clustering without any companions: all that is together now was joined since.
    lines = [{**row, "cluster_id": f"alone {row['id']}"} for row in rows(earlier)]
    alone = write_lines(tmp_path / "alone.jsonl", lines)
    options = EvalOptions(against=str(alone))
    found = evaluated(labelled, options=options)["against"]
    assert found["pairs_joined"]["right"] > 50
    assert found["pairs_parted"] == {"right": 0, "wrong": 0}
    assert found["now"]["bcubed_f1"] == same["bcubed_f1"]
    assert found["before"]["bcubed_precision"] == 1.0
    assert found["clusters"][0]["new_sizes"]
    evaluated(labelled, options=options, machine=False)
    assert "pairs joined" in evaluated.told
    assert "1 + 1" in evaluated.told


class TestErrors:
    """In this process: what is refused before any work needs no process of its own."""

    @pytest.mark.parametrize(
        ("flag", "options"),
        [
            ("--output", EvalOptions(output="x.jsonl")),
            ("--against", EvalOptions(against="x.jsonl")),
        ],
    )
    def test_some_options_take_one_file(
        self, labelled: Path, half: Path, flag: str, options: EvalOptions
    ) -> None:
        with pytest.raises(CommandError, match=f"{flag} takes one labelled file"):
            run_eval([str(labelled), str(half)], options, console=Console())

    @pytest.mark.parametrize("target", ["nowhere/out", ".", "-"])
    def test_what_cannot_be_written_is_told_before_the_work(self, target: str) -> None:
        # The input is missing, too: that would be told later.
        with pytest.raises(CommandError, match="--output"):
            run_eval(["not-there.jsonl"], replace(PLAIN, output=target), console=Console())
        with pytest.raises(CommandError, match="--plot"):
            run_eval(["not-there.jsonl"], replace(PLAIN, plot=target), console=Console())

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (None, "no such file"),
            ("", "is empty"),
            ("not json\n", "not JSON lines"),
            ('{"id": "a"}\n', "line 1"),
            ("[1]\n", "line 1"),
        ],
    )
    def test_an_earlier_output_that_cannot_be_used(
        self, tmp_path: Path, content: str | None, told: str
    ) -> None:
        path = tmp_path / "old.jsonl"
        if content is not None:
            path.write_text(content, encoding="utf-8")
        with pytest.raises(CommandError, match=told):
            run_eval(["not-there.jsonl"], EvalOptions(against=str(path)), console=Console())

    def test_an_earlier_output_of_other_articles(self, labelled: Path, tmp_path: Path) -> None:
        old = write_lines(tmp_path / "old.jsonl", [{"id": "nobody", "cluster_id": "c1"}])
        with pytest.raises(CommandError, match="none of its ids"):
            run_eval([str(labelled)], EvalOptions(against=str(old)), console=Console())

    def test_articles_without_a_label_are_told_and_left_out(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        items = labelled_samples()
        del items[0]["story"]
        items[1]["story"] = ""
        path = write_lines(tmp_path / "some.jsonl", items)
        assert run_eval([str(path)], EvalOptions(), console=Console(machine=True)) == 1
        captured = capsys.readouterr()
        assert json.loads(captured.out)["articles"] == len(items) - 2
        assert captured.err.count("--label-field") == 2

    def test_a_missing_file_is_told_before_the_others_are_clustered(
        self, labelled: Path, tmp_path: Path
    ) -> None:
        report = tmp_path / "report.html"
        options = EvalOptions(plot=str(report))
        with pytest.raises(CommandError, match=r"not-there\.jsonl"):
            run_eval([str(labelled), "not-there.jsonl"], options, console=Console())
        assert not report.exists()
