"""``samestory import --at-once``, in a process of its own, beside a service and without one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from redis import Redis

from service.commands.archive import run_import_at_once
from service.console import CommandError, Console, ExitCode
from service.samples import sample_articles
from service.settings import Settings
from service.store import keys
from service.store.embedded import attach
from tests.endtoend.harness import Service, environment
from tests.service.test_cli import rows, samestory, write_lines

NAMES = keys.Keys("default")
ARTICLES = sample_articles()


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lines(tmp_path_factory.mktemp("samples") / "samples.jsonl", ARTICLES)


def test_fills_a_data_directory_that_the_service_then_takes_over(
    samples: Path, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    done = samestory("import", samples, "--at-once", "--data-dir", data_dir, "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["accepted"] == sum(counts["decisions"].values()) == len(ARTICLES)
    assert counts["rejected"] == 0
    assert samestory("doctor", "--data-dir", data_dir).returncode == 0
    again = samestory("import", samples, "--at-once", "--data-dir", data_dir)
    assert again.returncode == 2
    assert f"{len(ARTICLES)} articles were stored" in again.stderr
    assert "without" in again.stderr
    output = tmp_path / "clusters.jsonl"
    assert samestory("cluster", samples, "--output", output).returncode == 0
    with Service(data_dir) as service:
        service.start()
        pairs = {(service.cluster_of(row["id"]), row["cluster_id"]) for row in rows(output)}
        stored, offline = zip(*pairs, strict=True)
        assert len(pairs) == len(set(stored)) == len(set(offline))
        posted = samestory("import", samples, "--server", service.url, "--json")
        assert json.loads(posted.stdout)["decisions"] == {"already_stored": len(ARTICLES)}


def test_while_the_service_runs(samples: Path, tmp_path: Path) -> None:
    *archive, newest = ARTICLES
    path = write_lines(tmp_path / "archive.jsonl", archive)
    with Service(tmp_path / "data") as service:
        service.start()
        assert service.client.get("/v1/clusters").json()["clusters"] == []
        done = samestory("import", path, "--at-once", "--data-dir", tmp_path / "data")
        assert done.returncode == 0, done.stderr
        assert f"{len(archive)} articles: " in done.stderr
        for article in archive:
            service.cluster_of(article["id"])
        assert service.post(newest).status_code == 201
        assert samestory("doctor", "--data-dir", tmp_path / "data").returncode == 0


def test_what_the_service_would_refuse_is_told_and_left_out(
    redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_lines(
        tmp_path / "in.jsonl",
        [
            {"id": "a-1", "body": "Fog closed the harbour of Vis on Monday morning."},
            {"id": "a-2", "text": "Fog.", "date": "2023-02-30"},
            {"id": "a-3", "text": " "},
            "{",
            {"id": "a-1", "text": "Storm closed the harbour of Vis on Tuesday morning."},
        ],
    )
    blank = tmp_path / "blank.jsonl"
    blank.write_text("\n\n", encoding="utf-8")
    names = [str(blank), str(path)]
    settings = Settings(redis_url=redis_url)
    assert run_import_at_once(names, settings, console=Console()) is ExitCode.PARTLY
    told = capsys.readouterr().err
    for line, words in ((2, "published_at"), (3, "text"), (4, "not valid JSON")):
        assert any(
            text.startswith(f"{path}:{line}: ") and words in text for text in told.splitlines()
        ), told
    assert "1 article repeats an id" in told
    assert "1 article: " in told
    assert "3 items refused" in told


def test_without_anything_to_store_the_collection_stays_new(
    redis_url: str, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(redis_url=redis_url)
    empty = write_lines(tmp_path / "empty.jsonl", [{"text": " "}])
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"no parquet")
    assert run_import_at_once([str(empty)], settings, console=Console()) is ExitCode.UNUSABLE
    with pytest.raises(CommandError, match="nothing was stored"):
        run_import_at_once([str(samples), str(broken)], settings, console=Console())
    console = Console(machine=True)
    assert run_import_at_once([str(samples)], settings, console=console) is ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["accepted"] == len(ARTICLES)


def test_waits_for_what_a_killed_import_held(redis_url: str, samples: Path) -> None:
    with Redis.from_url(redis_url) as client:
        client.set(NAMES.key(keys.LEASE + keys.FOUNDING_LEASE), "somebody", px=3_000)
    settings = Settings(redis_url=redis_url)
    assert run_import_at_once([str(samples)], settings, console=Console()) is ExitCode.DONE


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--at-once", "--server", "http://127.0.0.1:1"), "--server"),
        (("--data-dir", "somewhere"), "--at-once"),
        (("--redis-url", "redis://127.0.0.1:1"), "--at-once"),
    ],
)
def test_options_that_do_not_go_together(
    samples: Path, options: tuple[str, ...], word: str
) -> None:
    done = samestory("import", samples, *options)
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_is_away_ends_with_3(samples: Path) -> None:
    done = samestory("import", samples, "--at-once", "--redis-url", "redis://127.0.0.1:1")
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("stopped_by", [signal.SIGKILL, signal.SIGINT])
def test_stopped_on_the_way_it_can_be_run_again(tmp_path: Path, stopped_by: signal.Signals) -> None:
    random = Random(4)
    words = ["".join(random.choices("aeioumnrst", k=7)) for _ in range(2_000 * 40)]
    path = write_lines(
        tmp_path / "in.jsonl",
        [
            {"id": f"a{number}", "text": f"Envoys met {' '.join(words[number::2_000])}."}
            for number in range(2_000)
        ],
    )
    data_dir = tmp_path / "data"
    arguments = ["import", str(path), "--at-once", "--data-dir", str(data_dir)]
    with Service(data_dir) as service:
        service.start()
        url = attach(data_dir)
        assert url is not None
        with Redis.from_url(url) as client:
            importing = subprocess.Popen(
                [sys.executable, "-m", "service.cli", *arguments],
                env=environment(),
                stderr=subprocess.PIPE,
            )
            try:
                deadline = time.monotonic() + 60
                while not client.hexists(NAMES.key(keys.META), "founding"):
                    assert importing.poll() is None, importing.communicate()
                    assert time.monotonic() < deadline
                    time.sleep(0.002)
                importing.send_signal(stopped_by)
                _, errors = importing.communicate(timeout=60)
            finally:
                importing.kill()
            assert importing.returncode == (130 if stopped_by is signal.SIGINT else -9), errors
            assert service.client.get("/v1/clusters").json()["clusters"] == []
            assert service.client.get("/v1/articles/a0").status_code == 404
            if stopped_by is signal.SIGKILL:
                assert service.post(ARTICLES[0]).status_code == 503
                # What the dead one held would be free by itself after half a minute.
                client.delete(NAMES.key(keys.LEASE + keys.FOUNDING_LEASE))
            else:
                assert service.post(ARTICLES[0]).status_code == 201
                return
        assert samestory(*arguments).returncode == 0
        service.cluster_of("a1999")
        assert samestory("doctor", "--data-dir", data_dir).returncode == 0
