"""Over a real socket: bodies that are too large, however they come, and what they leave behind."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
import time
from collections.abc import Iterator

import orjson
import pytest
import uvicorn

from service.app import create_app
from service.settings import Settings
from tests.service.fakes import FakeBackend, fixed_clock

CHUNK_BYTES = 1 << 16


class ServerThread:
    """The application behind uvicorn on a free loopback port."""

    def __init__(self, backend: FakeBackend) -> None:
        app = create_app(Settings(), backend=backend, now=fixed_clock())
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on")
        self._server = uvicorn.Server(config)
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._server.serve(sockets=[self._socket])), daemon=True
        )

    def start(self) -> None:
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()
        assert not self._thread.is_alive()


@pytest.fixture(scope="module")
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture(scope="module")
def server(backend: FakeBackend) -> Iterator[ServerThread]:
    server = ServerThread(backend)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def connection(server: ServerThread) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    yield connection
    connection.close()


def read_problem(response: http.client.HTTPResponse) -> tuple[int, str]:
    body = orjson.loads(response.read())
    return response.status, body["type"].rpartition(":")[2]


def chunks_of(total_bytes: int) -> Iterator[bytes]:
    yield b'{"text": "'
    for _ in range(total_bytes // CHUNK_BYTES):
        yield b"x" * CHUNK_BYTES
    yield b'"}'


def test_fifty_megabytes_with_a_length(
    connection: http.client.HTTPConnection, backend: FakeBackend
) -> None:
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/v1/articles", b"x" * 50_000_000, headers)
    assert read_problem(connection.getresponse()) == (413, "body-too-large")
    assert backend.calls == 0


def test_fifty_megabytes_in_chunks(
    connection: http.client.HTTPConnection, backend: FakeBackend
) -> None:
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/v1/articles", chunks_of(50_000_000), headers, encode_chunked=True)
    assert read_problem(connection.getresponse()) == (413, "body-too-large")
    assert backend.calls == 0


def test_declared_length_is_refused_before_any_byte(server: ServerThread) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
        raw.sendall(
            b"POST /v1/articles HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 50000000\r\n\r\n"
        )
        assert raw.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_chunked_body_is_refused_long_before_its_end(server: ServerThread) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
        raw.sendall(
            b"POST /v1/articles HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        # 2 MiB and a little, and no end of the body.
        for _ in range(33):
            raw.sendall(b"10000\r\n" + b"x" * CHUNK_BYTES + b"\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_client_that_hangs_up_leaves_nothing(server: ServerThread, backend: FakeBackend) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
        raw.sendall(
            b"POST /v1/articles HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b'Content-Length: 1000\r\n\r\n{"text": "x"}'
        )
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()
    assert backend.calls == 0


def test_encoded_slashes_survive_the_server(
    connection: http.client.HTTPConnection, backend: FakeBackend
) -> None:
    posting = orjson.dumps({"id": "a/../b ü%2F", "text": "x"})
    connection.request("POST", "/v1/articles", posting, {"Content-Type": "application/json"})
    created = connection.getresponse()
    created.read()
    assert created.status == 201
    location = created.headers["Location"]
    connection.request("GET", location)
    answer = connection.getresponse()
    assert orjson.loads(answer.read())["article_id"] == "a/../b ü%2F"
    connection.request("DELETE", location)
    deleted = connection.getresponse()
    deleted.read()
    assert deleted.status == 204
    assert backend.posted == {}
    backend.calls = 0


def test_head_over_a_socket(connection: http.client.HTTPConnection) -> None:
    connection.request("HEAD", "/healthz")
    head = connection.getresponse()
    assert (head.status, head.read()) == (200, b"")
    connection.request("GET", "/healthz")
    assert connection.getresponse().read() == b'{"status":"alive"}'
