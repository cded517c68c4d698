"""Texts that are needed once more, kept aside in the order they came.

What must be read twice (first to learn which lines repeat, then to be prepared without them) need
not stay in memory: beyond ``memory_bytes`` it goes to a temporary file, which has no name and is
gone when the process is.
"""

from __future__ import annotations

import tempfile
from types import TracebackType
from typing import Self

_MEMORY_BYTES = 64 * 2**20


class Spool:
    """Byte strings, each under the number that `put` gave it. A context manager."""

    def __init__(self, *, memory_bytes: int = _MEMORY_BYTES) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=memory_bytes)  # noqa: SIM115
        self._ends: list[int] = [0]

    def put(self, content: bytes) -> int:
        """Keep bytes; return their number, counted from 0."""
        self._file.seek(self._ends[-1])
        self._file.write(content)
        self._ends.append(self._ends[-1] + len(content))
        return len(self._ends) - 2

    def get(self, number: int) -> bytes:
        """Return the bytes of a number."""
        start, end = self._ends[number : number + 2]
        self._file.seek(start)
        return self._file.read(end - start)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
