"""Tables of measured figures: printed, and kept in RESULTS.md with the machine they come from."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")

_HEAD = """# Measured speed

Written by `make bench`; figures are worth comparing within one run only. What each benchmark does
says its module.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One system in one benchmark.

    Attributes
    ----------
    system
        What was run, in a few words.
    version
        Of the library; empty for our own.
    figure
        What was measured, in the table's unit; ``None`` where the system was not there.
    remarks
        Further columns, such as recall; for a system that was not there, why, and how to get it.
    """

    system: str
    version: str
    figure: float | None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one benchmark; the first row is ours, which the others are compared with.

    ``higher_is_better`` says which way the ratio is taken: above 1, ours is better.
    """

    title: str
    unit: str
    remark_names: tuple[str, ...]
    rows: tuple[Row, ...]
    higher_is_better: bool = True

    def lines(self) -> list[str]:
        """Return the table in Markdown."""
        header = ["system", "version", self.unit, "ours against it", *self.remark_names]
        lines = [
            f"**{self.title}**",
            "",
            "| " + " | ".join(header) + " |",
            "|" + "|".join(["---", "---", *["---:"] * (len(header) - 2)]) + "|",
        ]
        for row in self.rows:
            cells = [row.system, row.version, _number(row.figure), self._ratio(row)]
            cells += [*row.remarks, *[""] * (len(self.remark_names) - len(row.remarks))]
            lines.append("| " + " | ".join(cells) + " |")
        return lines

    def ratio(self, row: Row) -> float | None:
        """Return how many times better ours is than a row; ``None`` where either is missing."""
        ours = self.rows[0].figure
        if row.figure is None or ours is None:
            return None
        return ours / row.figure if self.higher_is_better else row.figure / ours

    def _ratio(self, row: Row) -> str:
        ratio = self.ratio(row)
        return "" if ratio is None or row is self.rows[0] else f"{ratio:.1f} x"


def _number(figure: float | None) -> str:
    if figure is None:
        return "not measured"
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


def installed_version(distribution: str) -> str:
    """Return the version of an installed distribution; empty when it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def missing(system: str, distribution: str) -> Row:
    """Return the row of a peer that is not installed."""
    return Row(system, "", None, (f"not installed: pip install {distribution}",))


def machine() -> str:
    """Return one line on what the figures were measured on."""
    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        names = re.findall(r"^model name\s*:\s*(.+)$", information.read_text(), re.MULTILINE)
        processor = names[0] if names else processor
    load = f", load {os.getloadavg()[0]:.1f} when it ended" if hasattr(os, "getloadavg") else ""
    return (
        f"{os.cpu_count()} x {processor}, {platform.system()}, Python {platform.python_version()}, "
        f"{datetime.now(tz=UTC):%Y-%m-%d}{load}"
    )


def write(name: str, command: str, tables: Sequence[Table], path: Path = RESULTS) -> None:
    """Put the tables of one benchmark into the file in place of its earlier ones."""
    body = "\n\n".join("\n".join(table.lines()) for table in tables)
    section = f"## {name}\n\n`{command}` on {machine()}\n\n{body}\n"
    text = path.read_text(encoding="utf-8") if path.is_file() else _HEAD
    sections = re.split(r"(?m)^(?=## )", text)
    kept = [part for part in sections[1:] if not part.startswith(f"## {name}\n")]
    ordered = sorted([*(part.rstrip() + "\n" for part in kept), section])
    path.write_text(sections[0].rstrip() + "\n\n" + "\n".join(ordered), encoding="utf-8")
