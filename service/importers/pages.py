"""HTML and text files: one article a file, named by its path."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator
from pathlib import Path

from service.importers.fields import ImportedArticle, ImportProblem
from service.importers.streams import MAX_PAGE_BYTES

HTML_SUFFIXES = frozenset({".html", ".htm"})
PAGE_SUFFIXES = HTML_SUFFIXES | {".txt"}

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w-]{2,40})", re.IGNORECASE)
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_folder(folder: Path) -> Iterator[ImportedArticle | ImportProblem]:
    """Read the pages under a folder in the order of their relative paths.

    An article's id is that path, with ``/`` between its parts on every system. Links to folders
    are not followed.
    """
    names = page_names(folder)
    if not names:
        yield ImportProblem(
            str(folder),
            "holds no .html, .htm or .txt file, and no .jsonl, .csv or .parquet file: name files "
            "of other formats one by one",
            whole_input=True,
        )
    for name in names:
        path = folder / name
        try:
            yield read_page(path, name, str(path))
        except OSError as error:
            reason = error.strerror or str(error)
            yield ImportProblem(str(path), f"cannot be read: {reason}")


def page_names(folder: Path) -> list[str]:
    """Return the relative paths of the pages under a folder, in order."""
    return sorted(
        Path(parent, name).relative_to(folder).as_posix()
        for parent, _, names in os.walk(folder)
        for name in names
        if Path(name).suffix.lower() in PAGE_SUFFIXES
    )


def read_page(path: Path, article_id: str, where: str) -> ImportedArticle | ImportProblem:
    """Read one file as an article. Raises `OSError` where the system refuses it."""
    if path.stat().st_size > MAX_PAGE_BYTES:
        return ImportProblem(
            where, f"is larger than {MAX_PAGE_BYTES >> 20} MiB: too large for one article"
        )
    content = decode_page(path.read_bytes())
    if not content.strip():
        return ImportProblem(where, "is empty: there is no article in it")
    field = "html" if path.suffix.lower() in HTML_SUFFIXES else "text"
    return ImportedArticle(where, {"id": article_id, field: content})


def decode_page(content: bytes) -> str:
    """Decode by byte order mark, then as UTF-8, then by ``<meta charset>``, then Windows-1252.

    UTF-8 is tried before the declaration because text in another encoding is practically never
    valid UTF-8, while pages that were saved again often keep an outdated declaration.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    declared = _META_CHARSET.search(content[:4096])
    if declared:
        try:
            return content.decode(declared[1].decode("ascii"), "replace")
        except LookupError:
            pass
    return content.decode("windows-1252", "replace")
