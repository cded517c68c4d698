"""Parquet files: one article a row, read batch by batch. The one module that imports pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from service.importers.fields import (
    FIELD_NAMES,
    ImportedArticle,
    ImportProblem,
    api_name_of,
    imported_article,
)

MAGIC: Final = b"PAR1"
"""What every Parquet file begins and ends with."""
_ROWS_AT_ONCE: Final = 512


def read_parquet(path: Path, where: str) -> Iterator[ImportedArticle | ImportProblem]:
    """Read the rows of a Parquet file; a row's place is ``FILE#ROW``, counted from 1.

    Columns that the API has no place for are read too, as with the other formats: a labelled set
    has its labels there. Of a row group a few hundred rows are in memory at a time.
    """
    try:
        # Late: 50 MB that only this format needs.
        import pyarrow as pa  # type: ignore[import-untyped]
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]
    except ImportError as error:
        yield ImportProblem(
            where,
            f"Parquet cannot be read here ({error}): install samestory[parquet]",
            whole_input=True,
        )
        return
    number = 0
    try:
        # Without the buffer ahead: it would hold whole row groups, which may be whole files.
        with parquet.ParquetFile(path, pre_buffer=False) as file:
            names = list(file.schema_arrow.names)
            if not any(api_name_of(name) in {"text", "html"} for name in names):
                yield _no_text_column(where, names)
                return
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, use_threads=False):
                for row in batch.to_pylist():
                    number += 1
                    yield imported_article(f"{where}#{number}", _plain(row))
    except (pa.ArrowException, OSError, ValueError) as error:
        yield ImportProblem(
            f"{where}#{number + 1}" if number else where,
            f"not a whole Parquet file, what follows is left out: {_first_line(error)}",
            whole_input=True,
        )


def _plain(row: Mapping[str, Any]) -> dict[str, object]:
    """Return a row with its dates as text, as JSON lines have them."""
    return {
        name: value.isoformat() if isinstance(value, date | datetime) else value
        for name, value in row.items()
    }


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _no_text_column(where: str, names: list[str]) -> ImportProblem:
    return ImportProblem(
        where,
        f"no column holds the text: name it one of {', '.join(FIELD_NAMES['text'])}; the columns "
        f"are {', '.join(names) or 'none'}",
        whole_input=True,
    )
