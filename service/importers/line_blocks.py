"""JSON lines cut into blocks of whole lines, which other processes read.

To find where lines end is a hundredth of what it takes to read them. What is read of a block, and
what is wrong with it, is the same as in one stream.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from service.importers.fields import ImportProblem
from service.importers.lines import is_json_array, json_records, line_too_long
from service.importers.streams import MAX_LINE_BYTES, LineTooLongError, bounded_lines, is_gzipped

BLOCK_LINES: Final = 120
"""A few less than the articles that are analysed together (`clustering.preparer`): lines differ in
length, and what is beyond these takes nearly as long as all of them."""
_FIRST_BYTES: Final = 1 << 15
_LEAST_BYTES: Final = 1 << 16
_MOST_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class LineBlock:
    """Some lines of a file.

    Attributes
    ----------
    where
        The file, for messages.
    first_number
        Of the first line, counted from 1.
    content
        Whole lines.
    problem_behind
        What is wrong behind them.
    """

    where: str
    first_number: int
    content: bytes
    problem_behind: ImportProblem | None = None

    def records(self) -> Iterator[tuple[str, dict[str, Any]] | ImportProblem]:
        """Yield what `json_records` yields for its lines, and the problem behind them."""
        lines = enumerate(io.BytesIO(self.content), start=self.first_number)
        yield from json_records(lines, self.where)
        if self.problem_behind is not None:
            yield self.problem_behind


def are_plain_lines(path: Path) -> bool:
    """Whether a file is one that can be cut: JSON lines, as its first line tells, not compressed.

    Raises
    ------
    OSError
        It cannot be read.
    """
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        if is_gzipped(stream.peek(2)):
            return False
        _, line = next(bounded_lines(stream), (1, b""))
        return not isinstance(line, LineTooLongError) and not is_json_array(line)


def line_blocks(path: Path) -> Iterator[LineBlock]:
    """Cut a file for which `are_plain_lines` holds; what cannot be read of it is a problem."""
    where = str(path)
    number = 1
    try:
        with path.open("rb") as stream:
            for content, is_cut in _contents(stream):
                lines = content.count(b"\n")
                problem = line_too_long(f"{where}:{number + lines}") if is_cut else None
                yield LineBlock(where, number, content, problem)
                number += lines + is_cut
    except OSError as error:
        reason = error.strerror or str(error)
        problem = ImportProblem(where, f"cannot be read: {reason}", whole_input=True)
        yield LineBlock(where, number, b"", problem)


def _contents(stream: IO[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield whole lines, and whether one behind them was skipped because it is too long.

    First few, so that progress shows, then some `BLOCK_LINES` as long as those before them.
    """
    size, lines, read_bytes = _FIRST_BYTES, 0, 0
    while content := stream.read(size):
        is_cut = False
        if not content.endswith(b"\n"):
            begin = content.rfind(b"\n") + 1
            most = MAX_LINE_BYTES - (len(content) - begin)
            rest = stream.readline(most + 1)
            is_cut = len(rest) > most
            content = content[:begin] if is_cut else content + rest
            while is_cut and rest and not rest.endswith(b"\n"):
                rest = stream.readline(MAX_LINE_BYTES)
        yield content, is_cut
        lines += content.count(b"\n") + 1
        read_bytes += len(content)
        size = min(2 * size, max(_LEAST_BYTES, BLOCK_LINES * read_bytes // lines), _MOST_BYTES)
