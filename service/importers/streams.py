"""Bytes in, bounded: gzip opened by its magic number, and lines that cannot fill the memory."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

# An article of a megabyte is long; a "line" of this size is a file in another format.
MAX_LINE_BYTES = 32 << 20
MAX_PAGE_BYTES = 32 << 20

_GZIP_MAGIC = b"\x1f\x8b"
_READ_BYTES = 1 << 17
"""At each read other threads may take over, and what comes back is waited for: so seldom."""

DECOMPRESSION_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)
"""What reading a damaged gzip file raises; `gzip.BadGzipFile` is an `OSError` too."""

DAMAGED_GZIP_MESSAGE = "the gzip data is damaged or ends early: fetch or compress the file again"


class LineTooLongError(Exception):
    """A line passes `MAX_LINE_BYTES`; it was skipped."""


@contextmanager
def open_input(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file for reading, unpacking it when it is gzipped, whatever its name."""
    raw: io.BufferedReader = io.BufferedReader(path.open("rb", buffering=0), _READ_BYTES)
    with raw:
        if is_gzipped(raw.peek(2)):
            # Buffered, so that callers can look ahead; GzipFile reads like a raw stream.
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield io.BufferedReader(cast("io.RawIOBase", unpacked))
        else:
            yield raw


def is_gzipped(start: bytes) -> bool:
    """Whether a file that begins like this is compressed."""
    return start[:2] == _GZIP_MAGIC


def bounded_lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes | LineTooLongError]]:
    """Yield ``(line number from 1, line)``; a line that is too long comes as an error instead."""
    number = 0
    while True:
        line = stream.readline(MAX_LINE_BYTES + 1)
        if not line:
            return
        number += 1
        if len(line) <= MAX_LINE_BYTES:
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE_BYTES)
        yield number, LineTooLongError()
