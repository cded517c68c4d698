"""The command line as people and programs call it: in a process of its own."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from service.samples import sample_articles, sample_labels


def samestory(
    *arguments: str | Path, stdin: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "REDIS_URL" and not name.startswith("SAMESTORY_")
    }
    root = str(Path(__file__).resolve().parents[2])
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env={**environment, "PYTHONPATH": root, "COLUMNS": "100"},
    )


def rows(path: Path) -> list[dict[str, str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write_lines(path: Path, items: Sequence[dict[str, Any] | str]) -> Path:
    lines = (item if isinstance(item, str) else json.dumps(item) for item in items)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def together(found: list[dict[str, str]], key: str = "cluster_id") -> set[frozenset[int]]:
    """Return the partition of the lines."""
    groups: dict[str, set[int]] = {}
    for line, row in enumerate(found):
        groups.setdefault(row[key], set()).add(line)
    return {frozenset(group) for group in groups.values()}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lines(tmp_path_factory.mktemp("samples") / "samples.jsonl", sample_articles())


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("labelled") / "labelled.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        for article, label in zip(sample_articles(), sample_labels(), strict=True):
            lines.write(json.dumps({**article, "story": label.event}) + "\n")
    return path


class TestCalling:
    def test_without_arguments_it_prints_its_help(self) -> None:
        done = samestory()
        assert done.returncode == 0
        for command in ("serve", "cluster", "import", "recluster", "eval", "demo"):
            assert command in done.stdout
        assert "Exit codes" in done.stdout

    def test_version(self) -> None:
        done = samestory("--version")
        assert done.returncode == 0
        assert done.stdout.startswith("samestory 0.")

    @pytest.mark.parametrize(
        "arguments",
        [("clutser",), ("cluster",), ("cluster", "x.jsonl"), ("serve", "--port", "99999")],
    )
    def test_wrong_arguments_end_with_2(self, arguments: tuple[str, ...]) -> None:
        done = samestory(*arguments)
        assert done.returncode == 2
        assert done.stderr
        assert "Traceback" not in done.stderr

    def test_help_does_not_wait_for_the_models(self) -> None:
        script = (
            "import sys, service.cli\n"
            "heavy = {'numba', 'numpy', 'sklearn', 'fastapi', 'trafilatura', 'rich.table'}\n"
            "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


class TestCluster:
    @pytest.mark.parametrize("mode", ["batch", "online"])
    def test_writes_one_line_an_article_in_order(
        self, samples: Path, tmp_path: Path, mode: str
    ) -> None:
        flags = ["--online"] if mode == "online" else []
        output = tmp_path / "out.jsonl"
        done = samestory("cluster", samples, "--output", output, *flags)
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
        found = rows(output)
        assert [row["id"] for row in found] == [article["id"] for article in sample_articles()]
        assert all(row.keys() == {"id", "cluster_id", "duplicate_group_id"} for row in found)
        event_of = {label.article_id: label.event for label in sample_labels()}
        by_event = {
            frozenset(line for line, row in enumerate(found) if event_of[row["id"]] == event)
            for event in set(event_of.values())
        }
        assert len(together(found) & by_event) >= 0.8 * len(by_event)

    def test_the_same_input_gives_the_same_bytes(self, samples: Path, tmp_path: Path) -> None:
        first = samestory("cluster", samples, "-o", "-")
        second = samestory("cluster", "-", "-o", "-", stdin=samples.read_text(encoding="utf-8"))
        packed = samestory("cluster", samples, "-o", tmp_path / "out.jsonl.gz", "--json")
        assert first.returncode == second.returncode == packed.returncode == 0
        assert first.stdout == second.stdout
        assert gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()).decode() == first.stdout
        assert json.loads(packed.stdout)["articles"] == len(sample_articles())

    def test_reports_bad_lines_and_clusters_the_rest(self, tmp_path: Path) -> None:
        ferry, copy = sample_articles()[0], {**sample_articles()[0], "id": "copy"}
        path = write_lines(
            tmp_path / "in.jsonl",
            [
                ferry,
                "{broken",
                {"title": "no text"},
                {"id": "early", "text": "words " * 50, "published_at": "2023-02-30"},
                {**copy, "story": "x", "pubished_at": "2025"},
                {"id": "empty", "text": ""},
                {"text": "An article that came without an id but with enough words to be read."},
            ],
        )
        output = tmp_path / "out.jsonl"
        done = samestory("cluster", path, "--output", output)
        assert done.returncode == 1
        assert f"{path}:2: not valid JSON" in done.stderr
        assert f"{path}:3: no text" in done.stderr
        assert f"{path}:4: published_at: is not a date that exists" in done.stderr
        assert "did you mean `published_at`?" in done.stderr
        assert "`story`" in done.stderr
        found = rows(output)
        assert [row["id"] for row in found[:3]] == [ferry["id"], "copy", "empty"]
        assert found[3]["id"].startswith("text_")
        assert together(found) == {frozenset({0, 1}), frozenset({2}), frozenset({3})}
        assert found[0]["duplicate_group_id"] == found[1]["duplicate_group_id"]

    def test_of_an_id_that_comes_again_the_last_counts(self, tmp_path: Path) -> None:
        articles = sample_articles()
        peru = next(item for item in articles if item["source"] == "Meridian Wire")
        other = next(item for item in articles if item["source"] == "Rheinwarte")
        path = write_lines(
            tmp_path / "in.jsonl",
            [{**other, "id": "twice"}, {**peru, "id": "one"}, {**peru, "id": "twice"}],
        )
        done = samestory("cluster", path, "-o", "-")
        assert done.returncode == 0
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert [row["id"] for row in found] == ["twice", "one", "twice"]
        assert len(together(found)) == 1
        assert "1 article repeats an id" in done.stderr

    def test_reads_a_folder(self, tmp_path: Path) -> None:
        folder = tmp_path / "pages" / "deep"
        folder.mkdir(parents=True)
        page = next(article["html"] for article in sample_articles() if "html" in article)
        dump = next(article["text"] for article in sample_articles() if "title" not in article)
        (folder / "b.html").write_text(page, encoding="utf-8")
        (folder / "c.html").write_text(page, encoding="utf-8")
        (tmp_path / "pages" / "a.txt").write_text(dump, encoding="utf-8")
        done = samestory("cluster", tmp_path / "pages", "-o", "-")
        assert done.returncode == 0, done.stderr
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert [row["id"] for row in found] == ["a.txt", "deep/b.html", "deep/c.html"]
        assert found[1]["duplicate_group_id"] == found[2]["duplicate_group_id"]

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("missing.jsonl", None, "there is no such file"),
            ("a.jsonl", b"", "no article that can be used"),
            ("a.jsonl", b'{"title": 1}\n', "no article that can be used"),
            ("a.json", b'[{"text": "x"}]', "jq"),
            ("a.jsonl.gz", gzip.compress(os.urandom(2000))[:900], "damaged"),
            ("a.parquet", b"PAR1", "not a whole Parquet file"),
        ],
    )
    def test_input_that_cannot_be_used_ends_with_2_and_writes_nothing(
        self, tmp_path: Path, name: str, content: bytes | None, message: str
    ) -> None:
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        done = samestory("cluster", path, "--output", tmp_path / "out.jsonl")
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert not [item for item in tmp_path.iterdir() if "out" in item.name]

    @pytest.mark.parametrize("output", ["nowhere/out.jsonl", "."])
    def test_an_output_that_cannot_be_written_is_told_before_the_work(
        self, samples: Path, tmp_path: Path, output: str
    ) -> None:
        done = samestory("cluster", samples, "--output", tmp_path / output)
        assert done.returncode == 2
        assert "--output" in done.stderr

    def test_a_reader_that_leaves_early_causes_no_traceback(self, samples: Path) -> None:
        script = f"{sys.executable} -m service.cli cluster {samples} -o - | true"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr

    def test_progress_is_drawn_on_a_terminal_only(self, samples: Path) -> None:
        # Drawn from the start here, so that the outcome does not hang on the machine's speed.
        script = (
            "import service.cli, service.console, sys\n"
            "service.console._DRAW_AFTER_SECONDS = 0.0\n"
            f"sys.argv = ['samestory', 'cluster', {str(samples)!r}, '-o', {os.devnull!r}]\n"
            "service.cli.main()"
        )
        command = [sys.executable, "-c", script]
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            command, stderr=theirs, env={**os.environ, "TERM": "xterm"}
        ) as drawer:
            os.close(theirs)
            drawn = b""
            # Linux tells the end of a terminal's output by an error.
            with contextlib.suppress(OSError):
                while chunk := os.read(ours, 4096):
                    drawn += chunk
        os.close(ours)
        assert drawer.returncode == 0
        assert b"preparing" in drawn
        piped = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert "preparing" not in piped.stderr
        assert len(piped.stderr.splitlines()) == 1


class TestEval:
    @pytest.mark.parametrize("mode", ["batch", "online"])
    def test_measures_as_json(self, labelled: Path, mode: str) -> None:
        flags = ["--online"] if mode == "online" else []
        done = samestory("eval", labelled, "--json", *flags)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["mode"] == mode
        assert found["articles"] == len(sample_articles())
        assert found["events"] == len({label.event for label in sample_labels()})
        assert found["bcubed_f1"] >= 0.9
        measures = [value for value in found.values() if isinstance(value, float)]
        assert len(measures) == 9
        assert all(0 < value <= 1 for value in measures)

    def test_prints_a_table_for_people(self, labelled: Path) -> None:
        done = samestory("eval", labelled)
        assert done.returncode == 0
        for word in ("BCubed", "precision", "Rand", "candidate"):
            assert word in done.stderr + done.stdout

    def test_says_where_labels_are_looked_for(self, samples: Path) -> None:
        done = samestory("eval", samples)
        assert done.returncode == 2
        assert "--label-field" in done.stderr
