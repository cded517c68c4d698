"""Files of articles, whatever their format, as one stream of API-shaped fields.

Every reader yields an `ImportedArticle`, or an `ImportProblem` that says where the file is wrong
and what to do, and goes on with the next item. One item is in memory at a time, so the size of a
file does not matter.

========================  =======================================================================
input                     read as
========================  =======================================================================
``.jsonl .ndjson .json``  one JSON object a line
``.csv .tsv``             a header line, then one article a line; comma, semicolon or tab
``.parquet``              one article a row (needs ``samestory[parquet]``)
``.rss .atom .xml``       RSS 0.9x/1.0/2.0 or Atom
``.html .htm .txt``       one article a file
a folder                  its ``.html``, ``.htm`` and ``.txt`` files, subfolders included, by name;
                          where it has none of these, its JSON lines, CSV and Parquet files
``-``                     JSON lines from standard input
========================  =======================================================================

Line formats and feeds may be gzipped (``.gz``). Field names other than the API's are understood
where people commonly use them; `service.importers.fields` lists them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from service.importers.feeds import read_feed
from service.importers.fields import FIELD_NAMES, ImportedArticle, ImportProblem
from service.importers.line_blocks import are_plain_lines
from service.importers.lines import read_csv, read_json_lines
from service.importers.pages import PAGE_SUFFIXES, page_names, read_folder, read_page
from service.importers.parquet import MAGIC, read_parquet
from service.importers.streams import open_input

STANDARD_INPUT = "-"

_JSON_SUFFIXES = frozenset({".jsonl", ".ndjson", ".json"})
_CSV_SUFFIXES = frozenset({".csv", ".tsv"})
_PARQUET_SUFFIXES = frozenset({".parquet"})
_PARTITION_SUFFIXES = frozenset({".jsonl", ".ndjson"}) | _CSV_SUFFIXES | _PARQUET_SUFFIXES
_FEED_SUFFIXES = frozenset({".rss", ".atom", ".xml"})

__all__ = [
    "FIELD_NAMES",
    "STANDARD_INPUT",
    "ImportProblem",
    "ImportedArticle",
    "are_line_files",
    "read_articles",
    "read_input",
]


def read_articles(inputs: Iterable[str | Path]) -> Iterator[ImportedArticle | ImportProblem]:
    """Read every input in turn. See `read_input`."""
    for item in inputs:
        yield from read_input(item)


def are_line_files(inputs: Iterable[str | Path]) -> bool:
    """Whether all inputs can be cut by `line_blocks`, which takes them for JSON lines as they are.

    `read_articles` would read the same from them.
    """
    try:
        return all(
            str(name) != STANDARD_INPUT
            and _suffix(Path(name)) in _JSON_SUFFIXES
            and are_plain_lines(Path(name))
            for name in inputs
        )
    except OSError:
        # Whoever reads it will say why it cannot be read.
        return False


def read_input(name: str | Path) -> Iterator[ImportedArticle | ImportProblem]:
    """Read one file, folder or standard input (``-``).

    Never raises for what the input holds: an input that cannot be used at all gives a single
    `ImportProblem` with ``whole_input`` set.
    """
    if str(name) == STANDARD_INPUT:
        yield from read_json_lines(sys.stdin.buffer, "stdin")
        return
    path = Path(name)
    try:
        yield from _read_path(path)
    except OSError as error:
        reason = error.strerror or str(error)
        yield ImportProblem(str(path), f"cannot be read: {reason}", whole_input=True)


def _read_path(path: Path) -> Iterator[ImportedArticle | ImportProblem]:
    if path.is_dir():
        partitions = [] if page_names(path) else _partitions(path)
        if not partitions:
            yield from read_folder(path)
        for partition in partitions:
            yield from read_input(partition)
        return
    suffix = _suffix(path)
    if suffix in _PARQUET_SUFFIXES:
        yield from read_parquet(path, str(path))
        return
    if suffix in PAGE_SUFFIXES:
        yield read_page(path, path.name, str(path))
        return
    with open_input(path) as stream:
        where = str(path)
        if suffix not in _JSON_SUFFIXES | _CSV_SUFFIXES | _FEED_SUFFIXES:
            suffix = _sniff(stream.peek(512))
            if suffix in _PARQUET_SUFFIXES:
                yield from read_parquet(path, where)
                return
        if suffix in _JSON_SUFFIXES:
            yield from read_json_lines(stream, where)
        elif suffix in _CSV_SUFFIXES:
            yield from read_csv(stream, where)
        elif suffix in _FEED_SUFFIXES:
            yield from read_feed(stream, where)
        else:
            yield ImportProblem(
                where,
                "its format is not known: give it a name ending in .jsonl, .csv, .rss, .atom, "
                ".xml, .parquet, .html or .txt (the first five also with .gz)",
                whole_input=True,
            )


def _partitions(folder: Path) -> list[Path]:
    """Return the files that one set was divided into, in the order of their relative paths.

    What begins with a dot or an underline is a marker of whoever wrote them (``_SUCCESS``).
    """
    return sorted(
        Path(parent, name)
        for parent, _, names in os.walk(folder)
        for name in names
        if _suffix(Path(name)) in _PARTITION_SUFFIXES and not name.startswith((".", "_"))
    )


def _suffix(path: Path) -> str:
    """Return the suffix that names the format: ``.jsonl`` of ``news.JSONL.gz``."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def _sniff(start: bytes) -> str:
    """Return the suffix a file of an unknown name should have had; empty when unclear."""
    start = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"{"):
        return ".jsonl"
    if start.startswith(MAGIC):
        return ".parquet"
    if start.startswith((b"<?xml", b"<rss", b"<feed", b"<rdf:RDF")):
        return ".xml"
    return ""
