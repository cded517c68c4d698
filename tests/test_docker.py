"""The container files: clean by hadolint, and saying what the service needs.

The image itself is built and started by ``.ci/build-image``.
"""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.settings import ENV_PREFIX, Settings

REPOSITORY = Path(__file__).resolve().parent.parent
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text("utf-8")


def instructions() -> list[tuple[str, str]]:
    """``(keyword, rest)`` of every instruction, continued lines joined, comments left out."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.lstrip().startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    parts = (line.split(None, 1) for line in text.splitlines() if line.strip())
    return [(keyword, rest.strip()) for keyword, rest in parts]


def final_stage() -> list[tuple[str, str]]:
    found = instructions()
    last = max(index for index, (keyword, _) in enumerate(found) if keyword == "FROM")
    return found[last:]


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run(
        [str(hadolint), str(REPOSITORY / "Dockerfile")], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_hadolint_would_find_something(tmp_path: Path) -> None:
    """The check above is not one that cannot fail."""
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python\nRUN cd /tmp\n", encoding="utf-8")
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([str(hadolint), str(bad)], capture_output=True, text=True)
    assert done.returncode != 0
    assert "DL3006" in done.stdout


def test_two_stages_of_one_pinned_python() -> None:
    bases = [rest.split()[0] for keyword, rest in instructions() if keyword == "FROM"]
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.\d+-slim(@sha256:[0-9a-f]{64})?", bases[0])


def test_everything_installed_is_hashed() -> None:
    installs = [
        rest for keyword, rest in instructions() if keyword == "RUN" and " install " in rest
    ]
    with_pip = [rest for rest in installs if " pip " in rest]
    assert len(with_pip) == 2
    assert "--require-hashes -r requirements.lock" in with_pip[0]
    # The project itself: nothing may be fetched beside it.
    for option in ("--no-index", "--no-deps", "--no-build-isolation"):
        assert option in with_pip[1]


def test_it_runs_as_nobody_in_particular() -> None:
    (user,) = (rest for keyword, rest in final_stage() if keyword == "USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)


def test_it_keeps_its_data_in_a_volume() -> None:
    stage = final_stage()
    (volume,) = (json.loads(rest) for keyword, rest in stage if keyword == "VOLUME")
    (environment,) = (rest for keyword, rest in stage if keyword == "ENV")
    values = dict(pair.split("=", 1) for pair in environment.split())
    assert [values["SAMESTORY_DATA_DIR"]] == volume
    assert values["NUMBA_CACHE_DIR"].startswith("/var/cache/samestory")
    known = {ENV_PREFIX + name.upper() for name in Settings.model_fields}
    assert {name for name in values if name.startswith(ENV_PREFIX)} <= known


def test_the_context_holds_what_is_copied_and_no_more() -> None:
    ignore = (REPOSITORY / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignore
    allowed = {line[1:] for line in ignore if line.startswith("!")}
    copied = {
        source
        for keyword, rest in instructions()
        if keyword == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert allowed == copied
    assert all((REPOSITORY / name).exists() for name in copied)


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A server that gives ``status`` for ``/healthz`` and 404 for all else; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def check_health(port: int) -> int:
    """Exit code of the Dockerfile's own health check against ``port``."""
    (rest,) = (rest for keyword, rest in final_stage() if keyword == "HEALTHCHECK")
    program, *arguments = json.loads(rest[rest.index("[") :])
    assert program == "python"
    # A proxy that answers nothing: the question must not go through it.
    environment = {"SAMESTORY_PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True).returncode


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (500, False), (503, False)])
def test_the_health_check_tells(status: int, healthy: bool) -> None:
    with answering(status) as port:
        assert (check_health(port) == 0) is healthy


def test_the_health_check_tells_that_nobody_answers() -> None:
    with answering(200) as port:
        pass
    assert check_health(port) != 0


class TestCompose:
    """``compose.yaml``, as far as it can be judged without an engine."""

    @pytest.fixture
    def services(self) -> dict[str, Any]:
        document = yaml.safe_load((REPOSITORY / "compose.yaml").read_text("utf-8"))
        assert set(document["services"]) == {"samestory", "valkey"}
        services: dict[str, Any] = document["services"]
        for service in services.values():
            for mount in service.get("volumes", []):
                assert mount.split(":")[0] in document["volumes"]
        return services

    def test_the_server_keeps_what_it_acknowledged(self, services: dict[str, Any]) -> None:
        server, *options = services["valkey"]["command"]
        assert server == "valkey-server"
        # YAML reads a bare `yes` as true: compose refuses a command with a Boolean in it.
        assert all(isinstance(option, str) for option in options)
        assert dict(zip(options[::2], options[1::2], strict=True)) == {
            "--appendonly": "yes",
            "--maxmemory-policy": "noeviction",
        }
        assert any(mount.endswith(":/data") for mount in services["valkey"]["volumes"])

    def test_the_service_waits_for_it(self, services: dict[str, Any]) -> None:
        assert services["samestory"]["depends_on"] == {"valkey": {"condition": "service_healthy"}}
        assert "healthcheck" in services["valkey"]

    def test_the_settings_are_understood(
        self, services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        environment = services["samestory"]["environment"]
        for name, value in environment.items():
            assert isinstance(value, str)
            monkeypatch.setenv(name, value)
        settings = Settings()
        assert settings.redis_url == "redis://valkey:6379/0"
        assert settings.workers == int(environment["SAMESTORY_WORKERS"])

    def test_it_is_published_on_this_machine_only(self, services: dict[str, Any]) -> None:
        (port,) = services["samestory"]["ports"]
        exposed = [rest for keyword, rest in final_stage() if keyword == "EXPOSE"]
        assert port == f"127.0.0.1:8000:{exposed[0]}"
        assert "ports" not in services["valkey"]
