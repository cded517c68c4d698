"""Posts articles to a service as fast as it takes them; run as a process of its own.

``python -m tests.benchmarks.load_generator PORT BODIES CONNECTIONS PATH``: BODIES is a file with
one request body a line, JSON-escaped. Every connection posts the next body that nobody has posted
yet, waits for the answer, and posts again. Prints one line of JSON: the time of each request in
order of posting, in seconds, and the time from the first to the last.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path


def _request(path: str, body: bytes) -> bytes:
    kind = "application/x-ndjson" if path.endswith(":batch") else "application/json"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


async def _answer(reader: asyncio.StreamReader) -> int:
    """Read one answer; returns its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    lengths = [line for line in lines if line.lower().startswith(b"content-length:")]
    await reader.readexactly(int(lengths[0].partition(b":")[2]))
    return int(lines[0].split()[1])


async def _post_all(port: int, requests: Iterator[bytes], seconds: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        begun = time.perf_counter()
        writer.write(request)
        status = await _answer(reader)
        if status not in (200, 201):
            raise RuntimeError(f"a posting was answered with status {status}")
        seconds.append(time.perf_counter() - begun)
    writer.close()


async def _main(port: int, bodies: list[bytes], connections: int, path: str) -> None:
    requests = iter([_request(path, body) for body in bodies])
    seconds: list[float] = []
    begun = time.perf_counter()
    await asyncio.gather(*(_post_all(port, requests, seconds) for _ in range(connections)))
    print(json.dumps({"seconds": seconds, "whole_seconds": time.perf_counter() - begun}))


if __name__ == "__main__":
    _port, _file, _connections, _path = sys.argv[1:]
    _bodies = [
        json.loads(line).encode("utf-8")
        for line in Path(_file).read_text("utf-8").split("\n")
        if line
    ]
    asyncio.run(_main(int(_port), _bodies, int(_connections), _path))
