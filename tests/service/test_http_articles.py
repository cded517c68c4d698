"""``/v1/articles``: posting, reading, deleting, and every way a posting can be bad."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from starlette.testclient import TestClient

from service.postings import MAX_TITLE_CHARACTERS, PostingReader
from service.problems import ProblemError
from service.schemas import ArticleOutput, OutcomeOutput
from service.settings import Settings
from service.store import StoreMismatchError
from tests.service.fakes import NOW, FakeBackend, assert_problem, fixed_clock, open_client

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def client(backend: FakeBackend) -> Iterator[TestClient]:
    with open_client(backend) as client:
        yield client


def post_bytes(client: TestClient, body: bytes, **headers: str) -> Any:
    return client.post("/v1/articles", content=body, headers=JSON | headers)


def test_posting_creates_joins_updates_and_repeats(client: TestClient) -> None:
    first = client.post("/v1/articles", json={"id": "a", "title": "Ferry aground", "text": "one"})
    assert first.status_code == 201
    assert first.headers["location"] == "/v1/articles/a"
    outcome = OutcomeOutput.model_validate_json(first.content)
    assert (outcome.decision, outcome.similarity, outcome.revision) == ("created", None, 1)

    joined = client.post("/v1/articles", json={"id": "b", "title": "Ferry saved", "text": "two"})
    assert joined.status_code == 201
    answer = OutcomeOutput.model_validate_json(joined.content)
    assert answer.cluster_id == outcome.cluster_id
    assert answer.runner_up is not None
    assert answer.runner_up.similarity == 0.125

    again = client.post(
        "/v1/articles",
        json={"id": "b", "title": "Ferry saved", "text": "two"},
        headers={"Idempotency-Key": "3d1f"},
    )
    assert again.status_code == 200
    assert again.json()["decision"] == "already_stored"
    assert again.headers["location"] == "/v1/articles/b"

    edited = client.post("/v1/articles", json={"id": "b", "title": "Ferry saved", "text": "three"})
    assert edited.status_code == 200
    assert edited.json()["updated"] is True


def test_every_field_reaches_the_use_case(client: TestClient, backend: FakeBackend) -> None:
    posting = {
        "id": "a",
        "title": "Fähre läuft auf Grund",
        "text": "Text \U0001f6a2",
        "html": "<p>Text</p>",
        "published_at": "2026-03-10T07:40:00+01:00",
        "source": "Bote",
        "url": "https://bote.example/1",
        "lang": "de_CH",
    }
    assert client.post("/v1/articles", json=posting).status_code == 201
    article = backend.posted["a"]
    assert article.title == posting["title"]
    assert article.text == posting["text"]
    assert article.html == posting["html"]
    assert article.published_at == datetime(2026, 3, 10, 6, 40, tzinfo=UTC)
    assert article.source == "Bote"
    assert article.url == posting["url"]
    assert article.lang == "de-CH"


def test_null_and_empty_mean_not_known(client: TestClient, backend: FakeBackend) -> None:
    posting = {"id": None, "title": "", "text": "x", "published_at": "", "url": None, "lang": ""}
    response = client.post("/v1/articles", json=posting)
    assert response.status_code == 201
    stored = backend.posted[response.json()["article_id"]]
    assert stored.published_at is None
    assert stored.url == ""


@pytest.mark.parametrize(
    "article_id",
    ["plain", "a/b/c", "/leading", "trailing/", "50% off?#x", "日本/語", "a b", "a:batch", "é"],
)
def test_any_id_can_be_read_and_deleted_at_its_location(
    client: TestClient, article_id: str
) -> None:
    posted = client.post("/v1/articles", json={"id": article_id, "text": "x"})
    assert posted.status_code == 201
    location = posted.headers["location"]
    read = client.get(location)
    assert read.status_code == 200
    assert ArticleOutput.model_validate_json(read.content).article_id == article_id
    # Slashes may also stand unencoded, as they do behind proxies that decode them.
    assert client.get("/v1/articles/" + quote(article_id, safe="/")).status_code == 200
    deleted = client.delete(location)
    assert deleted.status_code == 204
    assert deleted.content == b""
    assert_problem(client.delete(location), 404, "not-found")
    assert_problem(client.get(location), 404, "not-found")


BAD_VALUES: list[tuple[dict[str, Any], str, str]] = [
    ({}, "text", "give the article's `text`"),
    ({"text": ""}, "text", "give the article's `text`"),
    ({"text": " \n\t "}, "text", "give the article's `text`"),
    ({"text": None, "title": "x"}, "text", "give the article's `text`"),
    ({"text": 3}, "text", "must be a string, not a number"),
    ({"text": ["x"]}, "text", "must be a string, not an array"),
    ({"text": {"x": 1}}, "text", "must be a string, not an object"),
    ({"text": True}, "text", "must be a string, not a boolean"),
    ({"text": "x", "id": 17}, "id", "must be a string, not a number"),
    ({"text": "x", "pubished_at": "2026-01-01"}, "pubished_at", "did you mean `published_at`?"),
    ({"text": "x", "Title": "y"}, "Title", "did you mean `title`?"),
    ({"text": "x", "body": "y"}, "body", "is not a field"),
    ({"text": "x", "story": "y"}, "story", "there are `id`, `title`"),
    ({"text": "x", "published_at": "2023-02-30"}, "published_at", "not a date that exists"),
    ({"text": "x", "published_at": "2023-13-01"}, "published_at", "not a date that exists"),
    ({"text": "x", "published_at": "2023-01-01T25:00"}, "published_at", "not a date that exists"),
    ({"text": "x", "published_at": "2099-01-01"}, "published_at", "73 years ahead of now"),
    ({"text": "x", "published_at": "2026-03-13"}, "published_at", "65 hours ahead of now"),
    ({"text": "x", "published_at": "0001-01-01T00:00:00"}, "published_at", "before 1600"),
    ({"text": "x", "published_at": "0001-01-01T00:00:00+14:00"}, "published_at", "out of range"),
    ({"text": "x", "published_at": "yesterday"}, "published_at", "not an ISO 8601 date"),
    ({"text": "x", "published_at": "1773124800"}, "published_at", "looks like a Unix time"),
    ({"text": "x", "published_at": 1773124800}, "published_at", "Unix times are not accepted"),
    ({"text": "x", "published_at": 1e300}, "published_at", "Unix times are not accepted"),
    ({"text": "x", "published_at": "9" * 100}, "published_at", "is not a date"),
    ({"text": "x", "id": "i" * 10_000}, "id", "10,000 characters: at most 512"),
    ({"text": "x", "id": "a\nb"}, "id", "control character"),
    ({"text": "x", "id": " a"}, "id", "white space"),
    ({"text": "x", "id": ".."}, "id", "cannot be"),
    ({"text": "x", "id": "a\x00"}, "id", "null character"),
    ({"text": "x\x00y"}, "text", "null character"),
    ({"html": "<p>\x00"}, "html", "null character"),
    ({"text": "x", "title": "\x00"}, "title", "null character"),
    ({"text": "x", "title": "t" * (MAX_TITLE_CHARACTERS + 1)}, "title", "characters: at most"),
    ({"text": "x", "url": "javascript:alert(1)"}, "url", "http or https"),
    ({"text": "x", "url": "https://a\u0007b"}, "url", "percent-encode"),
    ({"text": "x", "lang": "english language"}, "lang", "language tag"),
    ({"text": "t" * 1_000_001}, "text", "1,000,001 characters: at most 1,000,000"),
]


@pytest.mark.parametrize(("posting", "field", "message"), BAD_VALUES)
def test_bad_value_is_named_and_nothing_is_stored(
    client: TestClient, backend: FakeBackend, posting: dict[str, Any], field: str, message: str
) -> None:
    problem = assert_problem(client.post("/v1/articles", json=posting), 422, "invalid-article")
    found = {error["field"]: error["message"] for error in problem["errors"]}
    assert message in found[field]
    assert backend.calls == 0


def test_all_wrong_fields_are_reported_at_once(client: TestClient) -> None:
    posting = {"id": ".", "published_at": "2023-02-30", "lang": "?"}
    problem = assert_problem(client.post("/v1/articles", json=posting), 422, "invalid-article")
    assert {error["field"] for error in problem["errors"]} == {"id", "published_at", "lang", "text"}
    assert "and 3 more" in problem["detail"]


def test_a_thousand_unknown_fields_make_a_short_answer(client: TestClient) -> None:
    posting = {"text": "x"} | {f"field {i} \u0007 {'y' * 500}": 1 for i in range(1000)}
    response = client.post("/v1/articles", json=posting)
    problem = assert_problem(response, 422, "invalid-article")
    assert len(problem["errors"]) == 20
    assert problem["errors_left_out"] == 980
    assert len(response.content) < 20_000


BAD_BODIES: list[tuple[bytes, str]] = [
    (b"", "empty"),
    (b"   ", "empty"),
    (b"text=x", "not JSON"),
    (b'{"text": "x"', "not JSON"),
    (b'{"text": "x",}', "trailing comma"),
    (b"{'text': 'x'}", "column 2"),
    (b'{"text": "a\nb"}', "not escaped"),
    (b'{"text": "a\x00b"}', "not escaped"),
    (b'{"text": "\\ud800"}', "lone surrogate"),
    (b'{"text": "\\udc00x"}', "lone surrogate"),
    (b'{"text": NaN}', "NaN and Infinity are not JSON"),
    (b'{"text": -Infinity}', "NaN and Infinity are not JSON"),
    (b'{"text": 1e400}', "too large"),
    (b'{"text": ' + b"9" * 5000 + b"}", "too large"),
    (b"[" * 100_000, "nested too deeply"),
    (b'{"text": "\xff\xfe"}', "byte 0xff at offset 10"),
    ('{"text": "x"}'.encode("utf-16"), "UTF-16"),
]


@pytest.mark.parametrize(("body", "message"), BAD_BODIES)
def test_body_that_is_not_json(
    client: TestClient, backend: FakeBackend, body: bytes, message: str
) -> None:
    problem = assert_problem(post_bytes(client, body), 400, "malformed-body")
    assert message in problem["detail"]
    assert backend.calls == 0


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"3", b"null", b'[{"text": "x"}]'])
def test_json_that_is_no_object(client: TestClient, body: bytes) -> None:
    problem = assert_problem(post_bytes(client, body), 422, "invalid-article")
    assert "an article is a JSON object" in problem["detail"]


def test_repeated_field_is_refused(client: TestClient, backend: FakeBackend) -> None:
    problem = assert_problem(
        post_bytes(client, b'{"text": "a", "title": "text", "text": "b"}'), 422, "invalid-article"
    )
    assert problem["errors"] == [
        {"field": "text", "message": "is given twice: which one is meant?"}
    ]
    assert backend.calls == 0


def test_repeated_field_beside_deep_nesting(client: TestClient) -> None:
    deep = b"[" * 1010 + b"]" * 1010
    body = b'{"text": "a", "text": "b", "title": ' + deep + b"}"
    assert_problem(post_bytes(client, body), 422, "invalid-article")


def test_field_name_as_value_is_no_repetition(client: TestClient, backend: FakeBackend) -> None:
    assert post_bytes(client, b'{"text": "text", "title": "text"}').status_code == 201
    assert [article.text for article in backend.posted.values()] == ["text"]


def test_byte_order_mark_is_skipped(client: TestClient) -> None:
    assert post_bytes(client, b'\xef\xbb\xbf{"text": "x"}').status_code == 201


@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", ""],
)
def test_other_media_types_are_refused(client: TestClient, content_type: str) -> None:
    response = client.post(
        "/v1/articles", content=b'{"text": "x"}', headers={"Content-Type": content_type}
    )
    problem = assert_problem(response, 415, "unsupported-media-type")
    assert "Content-Type: application/json" in problem["detail"]
    assert response.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "Application/JSON", "application/ld+json"],
)
def test_json_media_types_are_taken(client: TestClient, content_type: str) -> None:
    response = client.post(
        "/v1/articles", content=b'{"text": "x"}', headers={"Content-Type": content_type}
    )
    assert response.status_code == 201


def test_other_charsets_are_refused(client: TestClient) -> None:
    headers = {"Content-Type": "application/json; charset=latin-1"}
    response = client.post("/v1/articles", content=b'{"text": "x"}', headers=headers)
    assert "UTF-8" in assert_problem(response, 415, "unsupported-media-type")["detail"]


def test_gzip_is_inflated(client: TestClient, backend: FakeBackend) -> None:
    # Two members, one of them empty, are one gzip stream.
    body = (
        gzip.compress(b'{"text": "x"', mtime=0)
        + gzip.compress(b"", mtime=0)
        + gzip.compress(b"}", mtime=0)
    )
    assert post_bytes(client, body, **{"Content-Encoding": "gzip"}).status_code == 201
    assert [article.text for article in backend.posted.values()] == ["x"]


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        (b"not gzip at all", 400, "malformed-body"),
        (gzip.compress(b'{"text": "xxxxxxxxxxx"}', mtime=0)[:-12], 400, "malformed-body"),
        (gzip.compress(b'{"text": "x"}', mtime=0) + b"trailing", 400, "malformed-body"),
        (gzip.compress(b" " * 50_000_000, mtime=0), 413, "body-too-large"),
        (
            gzip.compress(b"{}", mtime=0) + gzip.compress(b" " * 3_000_000, mtime=0),
            413,
            "body-too-large",
        ),
    ],
)
def test_bad_gzip_is_refused(
    client: TestClient, backend: FakeBackend, body: bytes, status: int, slug: str
) -> None:
    response = post_bytes(client, body, **{"Content-Encoding": "gzip"})
    assert_problem(response, status, slug)
    assert backend.calls == 0


def test_gzip_of_exactly_the_limit_is_taken() -> None:
    body = orjson.dumps({"text": "x" * 1000})
    packed = gzip.compress(body.ljust(1024))
    with open_client(FakeBackend(), max_body_bytes=1024) as client:
        assert post_bytes(client, packed, **{"Content-Encoding": "gzip"}).status_code == 201
        over = gzip.compress(body.ljust(1025))
        response = post_bytes(client, over, **{"Content-Encoding": "gzip"})
        assert_problem(response, 413, "body-too-large")


def test_other_encodings_are_refused(client: TestClient) -> None:
    body = zlib.compress(b'{"text": "x"}')
    response = post_bytes(client, body, **{"Content-Encoding": "deflate"})
    assert_problem(response, 415, "unsupported-media-type")
    assert response.headers["accept-encoding"] == "gzip"


def test_large_body_is_refused_by_its_length(client: TestClient, backend: FakeBackend) -> None:
    problem = assert_problem(post_bytes(client, b" " * 2_097_153), 413, "body-too-large")
    assert "SAMESTORY_MAX_BODY_BYTES" in problem["detail"]
    assert backend.calls == 0


def test_store_away_answers_503_with_retry_after(client: TestClient, backend: FakeBackend) -> None:
    backend.away = True
    for response in (
        client.post("/v1/articles", json={"text": "x"}),
        client.get("/v1/articles/a"),
        client.delete("/v1/articles/a"),
    ):
        problem = assert_problem(response, 503, "store-unavailable")
        assert int(response.headers["retry-after"]) >= 1
        # Where the store stands is nobody's business.
        assert "redis.internal" not in problem["detail"]
    backend.away = False
    assert client.post("/v1/articles", json={"text": "x"}).status_code == 201


def test_full_store_contention_and_mismatch(client: TestClient, backend: FakeBackend) -> None:
    backend.full = True
    assert_problem(client.post("/v1/articles", json={"text": "x"}), 507, "store-full")
    backend.full, backend.contended = False, True
    response = client.post("/v1/articles", json={"text": "x"})
    assert_problem(response, 503, "contention")
    assert response.headers["retry-after"] == "1"
    backend.contended, backend.defect = False, StoreMismatchError("run `samestory reindex`")
    response = client.post("/v1/articles", json={"text": "x"})
    assert "reindex" in assert_problem(response, 503, "store-mismatch")["detail"]


def test_use_case_refusal_names_the_field(client: TestClient) -> None:
    response = client.post("/v1/articles", json={"text": "x", "title": "unusable"})
    problem = assert_problem(response, 422, "invalid-article")
    assert problem["errors"] == [{"field": "title", "message": "cannot be used"}]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-03-10", "2026-03-10T00:00:00+00:00"),
        ("20260310", "2026-03-10T00:00:00+00:00"),
        ("2026-03-10T06:40", "2026-03-10T06:40:00+00:00"),
        ("2026-03-10 06:40:00", "2026-03-10T06:40:00+00:00"),
        ("2026-03-10T06:40:00Z", "2026-03-10T06:40:00+00:00"),
        (" 2026-03-10T06:40:00.25-05:00 ", "2026-03-10T11:40:00.250000+00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00"),
        ("1605-01-01", "1605-01-01T00:00:00+00:00"),
        ("2026-03-12T06:59:00Z", "2026-03-12T06:59:00+00:00"),
    ],
)
def test_dates(given: str, expected: str) -> None:
    reader = PostingReader(Settings(), fixed_clock())
    published_at = reader.article({"text": "x", "published_at": given}).published_at
    assert published_at is not None
    assert published_at.isoformat() == expected


def test_future_limit_is_a_setting() -> None:
    tomorrow = datetime.fromtimestamp(NOW + 86_400, UTC).isoformat()
    posting = {"text": "x", "published_at": tomorrow}
    assert PostingReader(Settings(max_future_hours=25), fixed_clock()).article(posting)
    with pytest.raises(ProblemError, match="24 hours ahead"):
        PostingReader(Settings(max_future_hours=23), fixed_clock()).article(posting)
