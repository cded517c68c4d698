"""``/v1/articles:batch``: both forms, and a bad item that takes nobody with it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from service.schemas import BatchOutput
from tests.service.fakes import FakeBackend, assert_problem, open_client

NDJSON = {"Content-Type": "application/x-ndjson"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def client(backend: FakeBackend) -> Iterator[TestClient]:
    with open_client(backend) as client:
        yield client


def post(client: TestClient, body: bytes, headers: dict[str, str] = JSON) -> Any:
    return client.post("/v1/articles:batch", content=body, headers=headers)


def results_of(response: Any) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    answer = response.json()
    BatchOutput.model_validate_json(response.content)
    refused = [each for each in answer["results"] if "problem" in each]
    assert answer["rejected"] == len(refused)
    assert answer["accepted"] == len(answer["results"]) - len(refused)
    assert [each["index"] for each in answer["results"]] == list(range(len(answer["results"])))
    results: list[dict[str, Any]] = answer["results"]
    return results


def hundred_with_one_bad(bad: bytes, position: int = 57) -> list[bytes]:
    lines = [orjson.dumps({"id": f"a{i}", "text": f"text {i}"}) for i in range(100)]
    lines[position] = bad
    return lines


BAD_ITEMS: list[tuple[bytes, int, str, str]] = [
    (b'{"id": "bad"}', 422, "invalid-article", "give the article's `text`"),
    (b'{"id": "bad", "text": 3}', 422, "invalid-article", "must be a string"),
    (b'{"id": "bad", "txt": "x"}', 422, "invalid-article", "did you mean `text`?"),
    (b'{"id": "bad", "text": "x", "text": "y"}', 422, "invalid-article", "is given twice"),
    (b'{"id": "bad", "text": "a\\u0000"}', 422, "invalid-article", "null character"),
    (b'{"id": "bad", "text": "\\ud800"}', 0, "", "lone surrogate"),
    (b'{"id": "bad", "text": "\xff"}', 0, "", "UTF-8"),
    (b'{"id": "bad", "text": NaN}', 0, "", ""),
    (b'{"id": "bad", "text": 1e999}', 0, "", ""),
    (b'{"id": "bad", "text": ' + b"9" * 5000 + b"}", 0, "", ""),
    (b"[]", 422, "invalid-article", "not an array"),
    (b"17", 422, "invalid-article", "not a number"),
    (b"null", 422, "invalid-article", "not null"),
]


@pytest.mark.parametrize("as_lines", [True, False], ids=["ndjson", "array"])
@pytest.mark.parametrize(("bad", "status", "slug", "message"), BAD_ITEMS)
def test_one_bad_item_of_a_hundred(
    client: TestClient,
    backend: FakeBackend,
    bad: bytes,
    status: int,
    slug: str,
    message: str,
    as_lines: bool,
) -> None:
    lines = hundred_with_one_bad(bad)
    body = b"\n".join(lines) if as_lines else b"[" + b",\n".join(lines) + b"]"
    results = results_of(post(client, body, NDJSON if as_lines else JSON))
    assert len(results) == 100
    refused = [each for each in results if "problem" in each]
    assert [each["index"] for each in refused] == [57]
    # What a line cannot even be parsed for, an array's item is refused for by its value.
    assert refused[0]["status"] == (status or (400 if as_lines else 422))
    if slug:
        assert refused[0]["problem"]["type"].endswith(":" + slug)
    assert message in refused[0]["problem"]["detail"]
    assert refused[0].get("line") == (58 if as_lines else None)
    assert backend.posted.keys() == {f"a{i}" for i in range(100) if i != 57}


def test_results_carry_the_outcome(client: TestClient) -> None:
    body = (
        b'[{"id": "a", "title": "Ferry", "text": "x"}, {"id": "a", "title": "Ferry", "text": "x"}]'
    )
    first, second = results_of(post(client, body))
    single = client.post("/v1/articles", json={"id": "b", "title": "Ferry", "text": "y"}).json()
    assert single.keys() <= first.keys()
    assert (first["status"], first["decision"]) == (201, "created")
    assert (second["status"], second["decision"]) == (200, "already_stored")


def test_refused_item_names_its_id(client: TestClient) -> None:
    items = [{"id": "named"}, {}, {"id": 5}, {"id": "x" * 10_000}, {"id": "a\nb"}]
    results = results_of(post(client, orjson.dumps(items)))
    assert [each["article_id"] for each in results] == ["named", None, None, None, None]


def test_first_byte_tells_the_form_whatever_the_type(client: TestClient) -> None:
    lines = b'\n\n{"id": "a", "text": "x"}\r\n  \n{"id": "b", "text": "y"}\n'
    results = results_of(post(client, lines, JSON))
    assert [(each["article_id"], each["line"]) for each in results] == [("a", 3), ("b", 5)]
    array = b' [{"id": "c", "text": "x"}]'
    assert [each["article_id"] for each in results_of(post(client, array, NDJSON))] == ["c"]


def test_single_object_over_several_lines_is_a_batch_of_one(client: TestClient) -> None:
    assert len(results_of(post(client, b'{\n  "id": "a",\n  "text": "x"\n}'))) == 1


def test_other_line_ends_inside_strings_do_not_divide(client: TestClient) -> None:
    body = '{"id": "a", "text": "x\u2028y\u0085z"}\n{"id": "b", "text": "x"}'.encode()
    assert len(results_of(post(client, body, NDJSON))) == 2


def test_gzip_batch(client: TestClient) -> None:
    body = gzip.compress(b'{"text": "x"}\n{"text": "y"}')
    assert len(results_of(post(client, body, NDJSON | {"Content-Encoding": "gzip"}))) == 2


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        (b"", 422, "invalid-batch"),
        (b" \n ", 422, "invalid-batch"),
        (b"[]", 422, "invalid-batch"),
        (b'[{"text": "x"},', 400, "malformed-body"),
        (b'[{"text": "x"} {"text": "y"}]', 400, "malformed-body"),
        (b'"text"', 400, "malformed-body"),
        (b"id,text\n1,x", 400, "malformed-body"),
        (b"[" * 50_000, 400, "malformed-body"),
        (b'[{"text": "x"}]'.ljust(300) + b"trailing", 400, "malformed-body"),
    ],
)
def test_what_is_no_batch(
    client: TestClient, backend: FakeBackend, body: bytes, status: int, slug: str
) -> None:
    assert_problem(post(client, body), status, slug)
    assert backend.calls == 0


def test_deeply_nested_item_is_refused_alone_in_ndjson(client: TestClient) -> None:
    deep = b'{"text": ' + b"[" * 2000 + b"]" * 2000 + b"}"
    results = results_of(post(client, b'{"text": "x"}\n' + deep, NDJSON))
    assert [each["status"] for each in results] == [201, 400]


@pytest.mark.parametrize("as_lines", [True, False])
def test_too_many_items(backend: FakeBackend, as_lines: bool) -> None:
    lines = [b'{"text": "x"}'] * 6
    body = b"\n".join(lines) if as_lines else b"[" + b",".join(lines) + b"]"
    with open_client(backend, max_batch_items=5) as client:
        problem = assert_problem(post(client, body), 413, "body-too-large")
    assert "SAMESTORY_MAX_BATCH_ITEMS" in problem["detail"]
    assert backend.calls == 0


def test_too_large_a_batch_and_too_long_a_line(backend: FakeBackend) -> None:
    with open_client(backend, max_body_bytes=1024, max_batch_bytes=4096) as client:
        line = b'{"text": "' + b"x" * 1024 + b'"}'
        results = results_of(post(client, b'{"text": "x"}\n' + line, NDJSON))
        assert [each["status"] for each in results] == [201, 413]
        problem = assert_problem(post(client, line * 4, NDJSON), 413, "body-too-large")
        assert "SAMESTORY_MAX_BATCH_BYTES" in problem["detail"]


def test_csv_is_refused_by_its_type(client: TestClient) -> None:
    response = post(client, b"id,text\n1,x", {"Content-Type": "text/csv"})
    assert (
        "application/x-ndjson" in assert_problem(response, 415, "unsupported-media-type")["detail"]
    )


def test_store_away_fails_the_whole_batch(client: TestClient, backend: FakeBackend) -> None:
    backend.away = True
    response = post(client, b'[{"text": "x"}, {"no": "text"}]')
    assert_problem(response, 503, "store-unavailable")
    assert response.headers["retry-after"]


def test_batch_of_bad_items_needs_no_store(client: TestClient, backend: FakeBackend) -> None:
    assert len(results_of(post(client, b"[{}, {}]"))) == 2
    assert backend.calls == 0


def test_items_fail_each_with_their_own_problem(
    client: TestClient, backend: FakeBackend, caplog: pytest.LogCaptureFixture
) -> None:
    backend.contended = True
    assert results_of(post(client, b'[{"text": "x"}]'))[0]["status"] == 503
    backend.contended, backend.defect = False, ZeroDivisionError("secret detail")
    response = post(client, b'[{"text": "x"}]')
    assert results_of(response)[0]["problem"]["type"].endswith(":internal-error")
    assert "secret detail" not in response.text
    assert "secret detail" in caplog.text
