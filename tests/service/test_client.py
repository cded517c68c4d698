"""The client waits where waiting helps, says so where it does not, and loses no item of a batch."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from service.client import ServiceClient, ServiceRefusedError, ServiceUnreachableError

Answer = tuple[int, dict[str, str], Any]
Script = Callable[[str, Any], Answer]


class ScriptedServer:
    """A real HTTP server on the loopback interface that answers as a function says."""

    def __init__(self) -> None:
        self.script: Script = lambda path, body: (404, {}, {"title": "no script"})
        self.requests: list[tuple[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("content-length", 0))
                body = json.loads(self.rfile.read(length)) if length else None
                outer.requests.append((self.path, body))
                status, headers, content = outer.script(self.path, body)
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def client(server: ScriptedServer, pauses: list[float]) -> Iterator[ServiceClient]:
    with ServiceClient(server.url, patience_seconds=10.0, sleep=pauses.append) as opened:
        yield opened


def stored(index: int, decision: str = "created") -> dict[str, Any]:
    return {"index": index, "status": 201, "decision": decision}


def refused(index: int, status: int) -> dict[str, Any]:
    return {"index": index, "status": status, "problem": {"title": "no", "detail": f"why {status}"}}


def test_waits_as_long_as_the_service_asks(
    server: ScriptedServer, client: ServiceClient, pauses: list[float]
) -> None:
    answers = iter(
        [
            (503, {"Retry-After": "2"}, {"detail": "the store is away"}),
            (503, {"Retry-After": "3"}, {"detail": "the store is away"}),
            (201, {}, {"decision": "created"}),
        ]
    )
    server.script = lambda path, body: next(answers)
    assert client.post_article({"text": "x"}) == {"decision": "created"}
    assert pauses == [2.0, 3.0]
    assert [body for _, body in server.requests] == [{"text": "x"}] * 3


def test_gives_up_with_the_last_reason(
    server: ScriptedServer, client: ServiceClient, pauses: list[float]
) -> None:
    server.script = lambda path, body: (503, {"Retry-After": "4"}, {"detail": "the store is away"})
    with pytest.raises(ServiceUnreachableError, match="the store is away"):
        client.post_article({"text": "x"})
    assert pauses == [4.0, 4.0]


def test_a_service_that_asks_for_no_pause_is_not_asked_forever(
    server: ScriptedServer, client: ServiceClient, pauses: list[float]
) -> None:
    server.script = lambda path, body: (503, {"Retry-After": "0"}, {})
    with pytest.raises(ServiceUnreachableError):
        client.post_article({"text": "x"})
    assert 10 <= len(pauses) <= 200


def test_nobody_there(pauses: list[float]) -> None:
    url = "http://127.0.0.1:9"
    with ServiceClient(url, patience_seconds=3, sleep=pauses.append) as client:
        with pytest.raises(ServiceUnreachableError, match=url):
            client.post_article({"text": "x"})
        assert pauses == [0.5, 1.0]
        assert not client.is_ready()


@pytest.mark.parametrize("url", ["nonsense", "", "http://", "ftp://127.0.0.1"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        ServiceClient(url)


def test_what_waiting_does_not_solve_is_raised_at_once(
    server: ScriptedServer, client: ServiceClient, pauses: list[float]
) -> None:
    server.script = lambda path, body: (422, {}, {"title": "bad", "detail": "text: give it"})
    with pytest.raises(ServiceRefusedError, match="text: give it") as caught:
        client.post_article({"text": ""})
    assert caught.value.status == 422
    assert pauses == []


def test_an_answer_of_something_else_is_told_apart(
    server: ScriptedServer, client: ServiceClient
) -> None:
    server.script = lambda path, body: (200, {}, b"<html>a printer</html>")
    with pytest.raises(ServiceRefusedError, match="check the address"):
        client.post_article({"text": "x"})


@pytest.mark.parametrize("results", [None, [{}], [{"index": 7}], [{"index": 0, "status": 200}]])
def test_results_of_another_shape_are_told_apart(
    server: ScriptedServer, client: ServiceClient, results: Any
) -> None:
    server.script = lambda path, body: (200, {}, {"results": results})
    with pytest.raises(ServiceRefusedError, match="check the address"):
        client.post_batch([{"text": "x"}])


def test_an_empty_batch_is_not_posted(server: ScriptedServer, client: ServiceClient) -> None:
    assert client.post_batch([]).accepted == 0
    assert server.requests == []


def test_a_rejection_keeps_its_index(server: ScriptedServer, client: ServiceClient) -> None:
    server.script = lambda path, body: (
        200,
        {},
        {"results": [stored(0), refused(1, 422), stored(2, "joined")]},
    )
    answer = client.post_batch([{"text": text} for text in "abc"])
    assert answer.decisions == {"created": 1, "joined": 1}
    assert [(item.index, item.detail) for item in answer.rejections] == [(1, "why 422")]


def test_items_the_service_was_too_busy_for_are_posted_again(
    server: ScriptedServer, client: ServiceClient, pauses: list[float]
) -> None:
    def script(path: str, body: Any) -> Answer:
        busy = len(server.requests) == 1
        results = [
            refused(index, 422)
            if item["text"] == "bad"
            else refused(index, 503)
            if busy and item["text"] == "late"
            else stored(index)
            for index, item in enumerate(body)
        ]
        return 200, {}, {"results": results}

    server.script = script
    answer = client.post_batch([{"text": text} for text in ("a", "late", "bad", "late", "b")])
    assert answer.accepted == 4
    assert [item.index for item in answer.rejections] == [2]
    assert [len(body) for _, body in server.requests] == [5, 2]
    assert len(pauses) == 1


def test_a_batch_that_is_too_large_is_halved(server: ScriptedServer, client: ServiceClient) -> None:
    def script(path: str, body: Any) -> Answer:
        if len(body) > 2 or any(item["text"] == "huge" for item in body):
            return 413, {}, {"detail": "too large"}
        return 200, {}, {"results": [stored(index) for index in range(len(body))]}

    server.script = script
    answer = client.post_batch([{"text": text} for text in ("a", "b", "c", "d", "huge")])
    assert answer.accepted == 4
    assert [(item.index, item.status) for item in answer.rejections] == [(4, 413)]


def test_listings_are_followed_to_their_end(server: ScriptedServer, client: ServiceClient) -> None:
    pages = {
        "/v1/clusters?limit=200": {"clusters": [{"n": 1}, {"n": 2}], "next_cursor": "a b"},
        "/v1/clusters?limit=200&cursor=a+b": {"clusters": [{"n": 3}], "next_cursor": None},
    }
    server.script = lambda path, body: (200, {}, pages[path.replace("%20", "+")])
    assert [cluster["n"] for cluster in client.clusters()] == [1, 2, 3]


def test_ids_are_quoted_in_paths(server: ScriptedServer, client: ServiceClient) -> None:
    server.script = lambda path, body: (200, {}, {"path": path})
    assert client.article("a/b?c é")["path"] == "/v1/articles/a%2Fb%3Fc%20%C3%A9"
