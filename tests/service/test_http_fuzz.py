"""Whatever bytes come in, the answer is a result or a complete problem, and never a 500."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from service.batches import split_batch
from service.postings import ARTICLE_FIELDS, PostingReader
from service.problems import ProblemError
from service.settings import Settings
from tests.service.fakes import FakeBackend, fixed_clock, open_client

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
names = st.sampled_from([*ARTICLE_FIELDS, "pubished_at", "Text", ""]) | st.text(max_size=8)
dates = st.sampled_from(["2026-03-10", "2023-02-30", "9999-12-31T23:59:60-23:59", "24:00"])
postings = st.dictionaries(names, scalars | dates, max_size=8)
documents = st.recursive(
    scalars | postings,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(names, inner, max_size=5),
    max_leaves=15,
)
# json.dumps writes NaN and Infinity, and lone surrogates as escapes: all of it on purpose.
bodies = (
    st.binary(max_size=200)
    | documents.map(lambda each: json.dumps(each).encode())
    | documents.map(lambda each: json.dumps(each, ensure_ascii=False).encode("utf-8", "replace"))
    | st.lists(documents, max_size=5).map(
        lambda each: "\n".join(json.dumps(one) for one in each).encode()
    )
)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with open_client(FakeBackend()) as client:
        yield client


@QUICK
@given(
    body=bodies, path=st.sampled_from(["/v1/articles", "/v1/articles:batch"]), packed=st.booleans()
)
def test_any_body_is_answered(client: TestClient, body: bytes, path: str, packed: bool) -> None:
    headers = {"Content-Type": "application/json"}
    if packed:
        body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
    response = client.post(path, content=body, headers=headers)
    assert response.status_code in {200, 201, 400, 413, 422}
    answer: dict[str, Any] = orjson.loads(response.content)
    if response.status_code >= 400:
        assert {"type", "title", "status", "detail", "instance", "request_id"} <= answer.keys()
    elif path.endswith("batch"):
        assert answer["accepted"] + answer["rejected"] == len(answer["results"]) > 0


@QUICK
@given(posting=documents | postings.map(lambda each: each | {"text": "x"}))
def test_accepted_articles_are_sound(posting: object) -> None:
    reader = PostingReader(Settings(), fixed_clock())
    try:
        article = reader.article(posting)
    except ProblemError as problem:
        orjson.dumps(problem.members(instance="/"))
        return
    assert article.text.strip() or article.html.strip()
    for value in (article.article_id, article.title, article.text, article.url, article.source):
        assert "\x00" not in value
        value.encode("utf-8")
    assert article.published_at is None or article.published_at.utcoffset() is not None


@QUICK
@given(items=st.lists(postings, min_size=1, max_size=8), broken=st.integers(0, 7))
def test_array_and_lines_divide_alike(items: list[dict[str, Any]], broken: int) -> None:
    texts = [json.dumps(item, ensure_ascii=True) for item in items]
    # A lone surrogate sends an array down the lenient path; its neighbours must not notice.
    texts.insert(broken % (len(texts) + 1), '{"text": "\\ud800"}')
    limits = {"max_items": 100, "max_item_bytes": 10_000}
    array = split_batch(f"[{','.join(texts)}]".encode(), **limits)
    lines = split_batch("\n".join(texts).encode(), **limits)
    assert len(array) == len(lines) == len(texts)
    reader = PostingReader(Settings(), fixed_clock())
    for in_array, in_line in zip(array, lines, strict=True):
        assert accepted(reader, in_array.posting) == (
            in_line.problem is None and accepted(reader, in_line.posting)
        )


def accepted(reader: PostingReader, posting: object) -> bool:
    try:
        reader.article(posting)
    except ProblemError:
        return False
    return True
