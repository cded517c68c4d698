"""JSON lines and CSV: one article a line, problems named by file and line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import IO, Any

import orjson

from service.importers.fields import (
    FIELD_NAMES,
    ImportedArticle,
    ImportProblem,
    api_name_of,
    imported_article,
)
from service.importers.streams import (
    DAMAGED_GZIP_MESSAGE,
    DECOMPRESSION_ERRORS,
    MAX_LINE_BYTES,
    LineTooLongError,
    bounded_lines,
)

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DELIMITERS = (",", ";", "\t")


def read_json_lines(stream: IO[bytes], where: str) -> Iterator[ImportedArticle | ImportProblem]:
    """Read one JSON object a line; blank lines are skipped."""
    try:
        for item in json_records(bounded_lines(stream), where):
            yield item if isinstance(item, ImportProblem) else imported_article(*item)
    except DECOMPRESSION_ERRORS:
        yield ImportProblem(where, DAMAGED_GZIP_MESSAGE, whole_input=True)


def json_records(
    lines: Iterable[tuple[int, bytes | LineTooLongError]], where: str
) -> Iterator[tuple[str, dict[str, Any]] | ImportProblem]:
    """Yield the place of each JSON object, and the object; blank lines are skipped.

    Parameters
    ----------
    lines
        With their numbers, counted from 1.
    where
        The file, for messages.
    """
    for number, raw_line in lines:
        place = f"{where}:{number}"
        if isinstance(raw_line, LineTooLongError):
            yield line_too_long(place)
            continue
        line = raw_line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw_line
        if number == 1 and is_json_array(line):
            yield ImportProblem(
                place,
                "this is a JSON array; one object a line is read: convert it with "
                "`jq -c '.[]' FILE.json > FILE.jsonl`",
                whole_input=True,
            )
            return
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield ImportProblem(place, f"not valid JSON: {error}")
            continue
        if isinstance(record, dict):
            yield place, record
        else:
            yield ImportProblem(place, "not a JSON object: write one {…} a line")


def is_json_array(first_line: bytes) -> bool:
    """Whether a file that begins like this holds an array, and not one object a line."""
    return first_line.removeprefix(_BYTE_ORDER_MARK).lstrip()[:1] == b"["


def line_too_long(place: str) -> ImportProblem:
    """Say that a line was skipped."""
    return ImportProblem(
        place, f"the line is longer than {MAX_LINE_BYTES >> 20} MiB and was skipped"
    )


def read_csv(stream: IO[bytes], where: str) -> Iterator[ImportedArticle | ImportProblem]:
    """Read a CSV file with a header line.

    The delimiter is the one of comma, semicolon and tab that the header holds most often. Line
    numbers are those where a row ends, as quoted fields may span lines.
    """
    # The default limit of 128 KiB a field is shorter than long articles.
    csv.field_size_limit(MAX_LINE_BYTES)
    lines = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    place = where
    try:
        header = lines.readline(1 << 20)
        delimiter = max(_DELIMITERS, key=header.count)
        names = next(csv.reader([header], delimiter=delimiter), [])
        if not any(api_name_of(name) in {"text", "html"} for name in names):
            yield _no_text_column(where, names)
            return
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        for row in rows:
            place = f"{where}:{rows.line_num + 1}"
            if not any(row):
                continue
            if len(row) != len(names):
                yield ImportProblem(
                    place,
                    f"{len(row)} columns where the header has {len(names)}: put fields that "
                    f"hold {delimiter!r} or a line break in double quotes",
                )
                continue
            yield imported_article(place, dict(zip(names, row, strict=True)))
    except csv.Error as error:
        yield ImportProblem(
            place, f"not valid CSV after this line, the rest is left out: {error}", True
        )
    except UnicodeDecodeError:
        yield ImportProblem(
            place,
            "not UTF-8 after this line, the rest is left out: convert the file with "
            "`iconv -f WINDOWS-1252 -t UTF-8`",
            whole_input=True,
        )
    except DECOMPRESSION_ERRORS:
        yield ImportProblem(where, DAMAGED_GZIP_MESSAGE, whole_input=True)
    finally:
        # The stream belongs to the caller, who closes it.
        lines.detach()


def _no_text_column(where: str, names: list[str]) -> ImportProblem:
    if not any(name.strip() for name in names):
        return ImportProblem(where, "the file is empty: a header line is needed", True)
    return ImportProblem(
        f"{where}:1",
        f"no column holds the text: name it one of {', '.join(FIELD_NAMES['text'])} in the header "
        f"line; the columns are {', '.join(names)}",
        whole_input=True,
    )
