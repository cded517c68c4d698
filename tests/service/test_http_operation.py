"""Health, readiness, metrics, request ids, logs, and what no route answers."""

from __future__ import annotations

import io
import logging
import re
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from clustering.errors import FingerprintMismatchError
from service.app import create_app
from service.settings import Settings
from service.store import StoreMismatchError
from service.telemetry import configure_logging
from tests.service.fakes import FakeBackend, assert_problem, open_client


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def client(backend: FakeBackend) -> Iterator[TestClient]:
    with open_client(backend) as client:
        yield client


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that the service logs, as it is configured to."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging(Settings(), stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("uvicorn.access").disabled = False


def lines_of(log: io.StringIO) -> list[dict[str, Any]]:
    lines = [orjson.loads(line) for line in log.getvalue().splitlines()]
    # The test's own client logs, too.
    return [line for line in lines if line["logger"].startswith("service.")]


def wait_until_ready(client: TestClient) -> None:
    deadline = time.monotonic() + 5
    while client.get("/readyz").status_code != 200:
        assert time.monotonic() < deadline, "the store was not opened again"
        time.sleep(0.01)


def test_starts_without_store_and_recovers_by_itself(backend: FakeBackend) -> None:
    backend.away = True
    with open_client(backend, store_retry_seconds=0.02) as client:
        assert client.get("/healthz").json() == {"status": "alive"}
        problem = assert_problem(client.get("/readyz"), 503, "store-unavailable")
        assert "Error 111" in problem["detail"]
        response = client.post("/v1/articles", json={"text": "x"})
        assert_problem(response, 503, "store-unavailable")
        assert response.headers["retry-after"]
        assert backend.calls == 0
        backend.away = False
        wait_until_ready(client)
        assert client.post("/v1/articles", json={"text": "x"}).status_code == 201
        backend.away = True
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        backend.away = False
        assert client.get("/readyz").json() == {"status": "ready"}
    assert (backend.opened, backend.closed) == (1, 1)


@pytest.mark.parametrize(
    "error", [StoreMismatchError("run `samestory reindex`"), FingerprintMismatchError("1f", "2e")]
)
def test_data_of_another_configuration(backend: FakeBackend, error: Exception) -> None:
    backend.open_error = error
    with open_client(backend) as client:
        for response in (client.get("/readyz"), client.get("/v1/clusters")):
            assert "reindex" in assert_problem(response, 503, "store-mismatch")["detail"]
    assert backend.closed == 1


def test_unforeseen_error_while_opening_is_reported(backend: FakeBackend) -> None:
    backend.open_error = ZeroDivisionError("odd")
    with open_client(backend) as client:
        problem = assert_problem(client.get("/readyz"), 503, "store-unavailable")
    assert "odd" in problem["detail"]


def test_hanging_store_is_reported_within_a_second(
    client: TestClient, backend: FakeBackend
) -> None:
    backend.hanging = True
    began = time.perf_counter()
    problem = assert_problem(client.get("/readyz"), 503, "store-unavailable")
    assert time.perf_counter() - began < 1.5
    assert "no answer within 0.9 seconds" in problem["detail"]


@pytest.mark.parametrize("path", ["/nope", "/v1", "/v1/", "/v1/clusters/a/b", "/v1/articles:other"])
def test_unknown_path(client: TestClient, path: str) -> None:
    problem = assert_problem(client.get(path), 404, "not-found")
    assert problem["instance"] == path


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/articles", "POST"),
        ("PUT", "/v1/articles", "POST"),
        ("GET", "/v1/articles:batch", "POST"),
        ("PATCH", "/v1/articles/a", "DELETE, GET, HEAD"),
        ("DELETE", "/v1/clusters/c", "GET, HEAD"),
        ("PUT", "/v1/reclusterings", "GET, HEAD, POST"),
        ("POST", "/healthz", "GET, HEAD"),
    ],
)
def test_wrong_method(client: TestClient, method: str, path: str, allowed: str) -> None:
    response = client.request(method, path)
    problem = assert_problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == allowed
    assert allowed in problem["detail"]


def test_head_answers_as_get_without_body(client: TestClient) -> None:
    for path in ("/healthz", "/readyz", "/v1/clusters", "/nope"):
        got, head = client.get(path), client.head(path)
        assert head.status_code == got.status_code
        assert head.headers["content-type"] == got.headers["content-type"]
        assert head.content == b""


def test_index_leads_to_the_documentation(client: TestClient) -> None:
    index = client.get("/").json()
    assert client.get(index["documentation"]).status_code == 200
    assert client.get(index["openapi"]).json()["info"]["title"] == "samestory"


def test_request_id_is_kept_or_minted(client: TestClient) -> None:
    kept = client.get("/healthz", headers={"X-Request-ID": "job-7:a.b_C"})
    assert kept.headers["x-request-id"] == "job-7:a.b_C"
    for unusable in (b"", b"a b", b'x"y', b"x" * 129, b"--", "ümlaut".encode()):
        minted = client.get("/healthz", headers={b"X-Request-ID": unusable})
        assert re.fullmatch("[0-9a-f]{16}", minted.headers["x-request-id"])


def test_defect_answers_500_and_is_logged_under_the_id(
    client: TestClient, backend: FakeBackend, log: io.StringIO
) -> None:
    backend.defect = ZeroDivisionError("secret detail")
    response = client.get("/v1/articles/a", headers={"X-Request-ID": "r-1"})
    assert_problem(response, 500, "internal-error")
    assert "secret detail" not in response.text
    assert "Traceback" not in response.text
    failure, request = lines_of(log)
    assert "ZeroDivisionError: secret detail" in failure["exception"]
    assert failure["request_id"] == request["request_id"] == "r-1"
    assert (request["level"], request["status"]) == ("warning", 500)


def test_log_has_a_line_a_request_and_nothing_of_the_article(
    client: TestClient, log: io.StringIO
) -> None:
    posting = {"id": "a", "title": "Confidential title", "text": "Confidential text"}
    client.post("/v1/articles", json=posting)
    client.post("/v1/articles", json=posting | {"txt": "Confidential field"})
    client.post("/v1/articles", content=b"Confidential", headers={"Content-Type": "text/plain"})
    lines = lines_of(log)
    assert [(each["method"], each["path"], each["status"]) for each in lines] == [
        ("POST", "/v1/articles", 201),
        ("POST", "/v1/articles", 422),
        ("POST", "/v1/articles", 415),
    ]
    assert all(each["duration_ms"] >= 0 and each["time"].endswith("Z") for each in lines)
    assert "Confidential" not in log.getvalue()


def test_log_level_and_text_format(log: io.StringIO) -> None:
    configure_logging(Settings(log_format="text", log_level="warning"), stream=log)
    with open_client(FakeBackend()) as client:
        client.get("/healthz")
        assert log.getvalue() == ""
        logging.getLogger("other").warning("odd %s", "thing", extra={"count": 3})
    assert log.getvalue().endswith("WARNING odd thing count=3\n")


def test_log_survives_what_json_cannot_hold(log: io.StringIO) -> None:
    logging.getLogger("other").warning("half \ud800", extra={"value": {1, 2}})
    (line,) = (json_line for json_line in log.getvalue().splitlines())
    assert "half" in line


def test_metrics_count_requests_and_decisions(client: TestClient) -> None:
    client.post("/v1/articles", json={"id": "a/b", "title": "Ferry", "text": "x"})
    client.post("/v1/articles", json={"title": "Ferry", "text": "y"})
    client.post("/v1/articles", json={})
    client.post("/v1/articles:batch", json=[{"title": "Ferry", "text": "z"}, {"txt": "x"}])
    client.get("/v1/articles/a/b")
    client.get("/some/unknown/path")
    client.request("BREW", "/healthz")
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    values = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }
    assert values["samestory_articles_total", "created"] == 1
    assert values["samestory_articles_total", "joined"] == 2
    assert values["samestory_articles_rejected_total", "invalid-article"] == 2
    requests = "samestory_http_requests_total"
    assert values[requests, "/v1/articles", "201", "POST"] == 2
    assert values[requests, "/v1/articles", "422", "POST"] == 1
    assert values[requests, "/v1/articles/{article_id:path}", "200", "GET"] == 1
    assert values[requests, "404", "GET", "unmatched"] == 1
    assert values[requests, "/healthz", "405", "OTHER"] == 1
    duration = "samestory_http_request_duration_seconds_count"
    assert values[duration, "/v1/articles:batch", "POST"] == 1


def test_a_posting_is_answered_the_same_behind_a_prefix() -> None:
    """There the path is not the route's own, and the router finds it, not the short way."""
    bodies: list[Any] = [{"text": "A ferry ran aground."}, {"text": ""}, {"txet": "?"}, []]
    prefixed_app = create_app(Settings(), backend=FakeBackend(), now=lambda: 0.0)
    with (
        open_client(FakeBackend(), now=lambda: 0.0) as client,
        TestClient(prefixed_app, root_path="/news") as prefixed,
    ):
        for name in ("/v1/articles", "/v1/articles:batch"):
            for body in bodies:
                short = client.post(name, json=body)
                routed = prefixed.post(f"/news{name}", json=body)
                assert short.status_code == routed.status_code != 404
                assert short.headers.keys() == routed.headers.keys()
                told, as_told = (
                    {k: v for k, v in answer.json().items() if k not in {"request_id", "instance"}}
                    for answer in (short, routed)
                )
                assert told == as_told
