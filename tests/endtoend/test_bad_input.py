"""Bad input against the real service: a clear problem, and nothing stored."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from service.samples import sample_articles
from tests.endtoend.harness import Service

TEXT = (
    "The council of Plainfield voted on Monday to keep the branch library in Orchard Street open."
)
JSON = {"content-type": "application/json"}

BAD: dict[str, tuple[bytes, int, str]] = {
    "no text": (b'{"id": "a", "title": "Library stays"}', 422, "text"),
    "blank text": (b'{"text": "  \\n "}', 422, "text"),
    "not JSON": (b"text=hello", 400, "JSON"),
    "cut off": (b'{"text": "hello', 400, "JSON"),
    "a number as text": (b'{"text": 17}', 422, "text"),
    "a list as title": (json.dumps({"text": TEXT, "title": ["x"]}).encode(), 422, "title"),
    "impossible date": (
        json.dumps({"text": TEXT, "published_at": "2023-02-30"}).encode(),
        422,
        "published_at",
    ),
    "a date in 2099": (
        json.dumps({"text": TEXT, "published_at": "2099-01-01T00:00:00Z"}).encode(),
        422,
        "published_at",
    ),
    "an id of 10,000 characters": (
        json.dumps({"text": TEXT, "id": "x" * 10_000}).encode(),
        422,
        "id",
    ),
    "a null byte in the id": (json.dumps({"text": TEXT, "id": "a\0b"}).encode(), 422, "id"),
    "a lone surrogate": (b'{"text": "caf\\ud800"}', 400, "surrogate"),
    "a misspelt field": (
        json.dumps({"text": TEXT, "publishd_at": "2025-03-01"}).encode(),
        422,
        "published_at",
    ),
}


def _stored_count(service: Service) -> int:
    page = service.client.get("/v1/clusters", params={"limit": 200}).json()
    assert page["next_cursor"] is None
    return sum(cluster["size"] for cluster in page["clusters"])


def _check_problem(response: httpx.Response, status: int, said: str) -> None:
    assert response.status_code == status, response.text[:500]
    assert response.headers["content-type"].startswith("application/problem+json")
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert said in json.dumps(problem), problem


def test_bad_input_is_told_and_nothing_is_stored(service: Service) -> None:
    kept = {"id": "kept", "text": TEXT}
    assert service.post(kept).status_code == 201
    for name, (body, status, said) in BAD.items():
        response = service.client.post("/v1/articles", content=body, headers=JSON)
        assert response.status_code == status, f"{name}: {response.text[:300]}"
        _check_problem(response, status, said)
    assert _stored_count(service) == 1
    assert service.post(kept).json()["decision"] == "already_stored"


def test_null_bytes_in_a_text_do_not_hurt(service: Service) -> None:
    response = service.post({"id": "nulls", "text": TEXT.replace(" ", " \0", 3)})
    if response.status_code == 201:
        stored = service.client.get("/v1/articles/nulls").json()
        assert "\0" not in stored["text"]
    else:
        _check_problem(response, 422, "text")
        assert _stored_count(service) == 0


@pytest.mark.parametrize("declared", [True, False], ids=["with its length", "chunked"])
def test_a_body_of_50_megabytes_is_refused(service: Service, declared: bool) -> None:
    body = b'{"text": "' + b"x" * 50_000_000 + b'"}'
    chunks = (body[start : start + 65536] for start in range(0, len(body), 65536))
    content: Any = body if declared else chunks
    response = service.client.post("/v1/articles", content=content, headers=JSON)
    _check_problem(response, 413, "bytes")
    assert _stored_count(service) == 0


def test_one_bad_item_of_a_hundred_harms_no_other(service: Service) -> None:
    samples = sample_articles()
    items = [
        {
            **samples[number % len(samples)],
            "id": f"item-{number}",
            "url": f"https://a.example/{number}",
        }
        for number in range(100)
    ]
    items[41]["published_at"] = "2023-02-30"
    response = service.client.post("/v1/articles:batch", json=items)
    assert response.status_code == 200
    answer = response.json()
    assert (answer["accepted"], answer["rejected"]) == (99, 1)
    (bad,) = [item for item in answer["results"] if "problem" in item]
    assert bad["index"] == 41
    assert bad["problem"]["errors"][0]["field"] == "published_at"
    assert _stored_count(service) == 99
