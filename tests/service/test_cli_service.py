"""``serve``, ``import`` and ``recluster`` against one another, each in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from service.samples import sample_articles
from tests.endtoend.harness import Service, environment, free_port
from tests.service.test_cli import samestory, write_lines


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service") / "data") as running:
        running.start()
        yield running


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lines(tmp_path_factory.mktemp("samples") / "samples.jsonl", sample_articles())


class TestImport:
    def test_twice_changes_nothing(self, service: Service, samples: Path) -> None:
        options = ("--server", service.url, "--batch-articles", "20", "--json")
        first = samestory("import", samples, *options)
        assert first.returncode == 0, first.stderr
        counts = json.loads(first.stdout)
        assert counts["accepted"] == len(sample_articles())
        assert counts["rejected"] == 0
        assert counts["decisions"]["joined"] > 20
        clusters = service.client.get("/v1/clusters", params={"limit": 200}).json()
        second = samestory("import", samples, *options)
        assert second.returncode == 0
        assert json.loads(second.stdout)["decisions"] == {"already_stored": len(sample_articles())}
        assert service.client.get("/v1/clusters", params={"limit": 200}).json() == clusters

    def test_what_the_service_refuses_is_told_by_line(
        self, service: Service, tmp_path: Path
    ) -> None:
        path = write_lines(
            tmp_path / "in.jsonl",
            [
                {"id": "import-1", "body": "Fog closed the harbour of Vis on Monday morning."},
                {"id": "import-2", "text": "Fog.", "date": "2023-02-30"},
                {"id": "import-3", "text": " "},
                "{",
                {"id": "import-4", "text": "Storm.", "pubDate": "Tue, 04 Mar 2025 21:30:00 GMT"},
            ],
        )
        done = samestory("import", path, "--server", service.url)
        assert done.returncode == 1
        for line, words in ((2, "published_at"), (3, "text"), (4, "not valid JSON")):
            assert any(
                text.startswith(f"{path}:{line}: ") and words in text
                for text in done.stderr.splitlines()
            ), done.stderr
        assert "2 articles" in done.stderr
        assert "3 items refused" in done.stderr
        stored = service.client.get("/v1/articles/import-4").json()
        assert stored["published_at"].startswith("2025-03-04T21:30:00")
        assert service.client.get("/v1/articles/import-2").status_code == 404

    def test_nobody_there_ends_with_3(self, samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        script = (
            "import service.client as c, service.cli, sys\n"
            "c.ServiceClient.__init__.__kwdefaults__['patience_seconds'] = 1.0\n"
            f"sys.argv = ['samestory', 'import', {str(samples)!r}, '--server', "
            f"'http://127.0.0.1:{free_port()}']\n"
            "service.cli.main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 3, done.stderr
        assert "run the same command again" in done.stderr
        assert "Traceback" not in done.stderr

    def test_an_address_that_is_none_ends_with_2(self, samples: Path) -> None:
        done = samestory("import", samples, "--server", "nonsense")
        assert done.returncode == 2, done.stderr
        assert "--server" in done.stderr


class TestRecluster:
    def test_while_the_service_runs_and_after(self, tmp_path: Path, samples: Path) -> None:
        data_dir = tmp_path / "data"
        with Service(data_dir) as service:
            service.start()
            assert samestory("import", samples, "--server", service.url).returncode == 0
            running = samestory("recluster", "--data-dir", data_dir, "--json")
            assert running.returncode == 0, running.stderr
            job = json.loads(running.stdout)
            assert job["state"] == "applied"
            assert job["article_count"] == len(sample_articles())
            listed = service.client.get(f"/v1/reclusterings/{job['reclustering_id']}").json()
            assert listed["state"] == "applied"
            assert service.stop() == 0
        planned = samestory("recluster", "--data-dir", data_dir, "--dry-run", "--json")
        assert planned.returncode == 0, planned.stderr
        again = json.loads(planned.stdout)
        assert again["state"] == "planned"
        assert again["article_count"] == len(sample_articles())
        assert again["moved"] == 0
        shown = samestory("recluster", "--data-dir", data_dir)
        assert shown.returncode == 0
        assert f"{len(sample_articles())} articles now in" in shown.stdout

    def test_plan_show_apply_and_roll_back(self, tmp_path: Path, samples: Path) -> None:
        data_dir = tmp_path / "data"
        with Service(data_dir) as service:
            service.start()
            assert samestory("import", samples, "--server", service.url).returncode == 0
            window = ("--window-days", "30", "--data-dir", data_dir)
            planned = samestory("recluster", "--dry-run", *window)
            assert planned.returncode == 0, planned.stderr
            assert "samestory recluster apply r_" in planned.stdout
            (job,) = service.client.get("/v1/reclusterings").json()["reclusterings"]
            name = job["reclustering_id"]

            def review(verb: str, *more: str) -> subprocess.CompletedProcess[str]:
                return samestory("recluster", verb, *more, "--data-dir", data_dir)

            shown = review("show", name)
            assert (shown.returncode, f"{name}: " in shown.stdout) == (0, True)
            wrong = review("rollback", name)
            assert (wrong.returncode, "only what was applied" in wrong.stderr) == (1, True)
            done = review("apply", name, "--json")
            assert json.loads(done.stdout)["state"] == "applied"
            back = review("rollback", name)
            assert (back.returncode, "taken back" in back.stdout) == (0, True)
            listed = review("list")
            assert name in listed.stdout
            missing = review("show", "r_none")
            assert (missing.returncode, "recluster list" in missing.stderr) == (2, True)
        bad = samestory("recluster", "--window-days", "0", "--data-dir", data_dir)
        assert (bad.returncode, "--window-days" in bad.stderr) == (2, True)

    def test_without_data_it_says_where_it_looked(self, tmp_path: Path) -> None:
        done = samestory("recluster", "--data-dir", tmp_path / "nowhere")
        assert done.returncode == 2
        assert "nowhere" in done.stderr
        assert "REDIS_URL" in done.stderr
        assert not (tmp_path / "nowhere").exists()


class TestServe:
    @pytest.mark.parametrize("workers", [1, 2])
    @pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
    def test_stops_in_order(self, tmp_path: Path, workers: int, stop: signal.Signals) -> None:
        port = free_port()
        command = [sys.executable, "-m", "service.cli", "serve", "--port", str(port)]
        command += ["--workers", str(workers), "--data-dir", str(tmp_path / "data")]
        process = subprocess.Popen(
            command, env=environment(), stderr=subprocess.PIPE, start_new_session=True
        )
        try:
            deadline = time.monotonic() + 60
            while not _is_ready(port):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            known = psutil.Process(process.pid).children(recursive=True)
            assert any("valkey" in " ".join(child.cmdline()) for child in known)
            # As a terminal does it: Ctrl-C reaches the whole foreground group.
            if stop is signal.SIGINT:
                os.killpg(process.pid, stop)
            else:
                process.send_signal(stop)
            _, errors = process.communicate(timeout=30)
            assert process.returncode == 0, errors
            assert b"Traceback" not in errors
            _, alive = psutil.wait_procs(known, timeout=5)
            assert not alive
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def test_a_port_that_is_taken_is_said_to_be_taken(
        self, service: Service, tmp_path: Path
    ) -> None:
        done = samestory("serve", "--port", str(service.port), "--data-dir", tmp_path / "data")
        assert done.returncode == 2
        assert "--port" in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_misspelt_setting_is_refused(self, tmp_path: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", "serve"],
            env=environment(SAMESTORY_PROT="8000"),
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 2
        assert "SAMESTORY_PORT" in done.stderr


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False
