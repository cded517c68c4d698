"""Two minutes of benchmarks that fail when ours falls behind: `python -m tests.benchmarks.short`.

Seconds depend on the machine and on what else it does; how much faster one program is than another
in the same run depends on little. So only ratios are guarded, and each floor lies well below
what a quiet machine shows (RESULTS.md): it catches a step that fell back into Python or a
lost index, not a tenth. Peers that are not installed are left out, but for datasketch, which is
always there.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.benchmarks import near_duplicates, requests
from tests.benchmarks.report import Table, machine


@dataclass(frozen=True, slots=True)
class Floor:
    """The least that a ratio may be.

    Attributes
    ----------
    table
        How the title of the table begins, or a part of it.
    peer
        How the name of the row begins.
    least_ratio
        Of our figure to the row's, the way round that more is better.
    """

    table: str
    peer: str
    least_ratio: float


FLOORS: Final = (
    Floor("planted pairs", "datasketch", 8.0),
    Floor("planted pairs", "rensa", 5.0),
    Floor("planted pairs", "gaoya", 1.6),
    Floor("one after the other", "datasketch", 0.25),
    Floor("in batches", "datasketch", 0.25),
)
_ALWAYS_THERE: Final = "datasketch"

_ROUNDS: Final = 5
"""Of everything, of which the middle one counts. Single ones of posts lie between .3 and .8:
which worker gets how many connections, and who decides first, is chance. And the first look for
near-duplicates, a quarter of a second, is half as fast as those after it where nothing is warm."""


def fallen(tables: Sequence[Table], floors: Sequence[Floor] = FLOORS) -> list[str]:
    """Return a sentence for each floor that the median of its figures does not keep."""
    sentences = []
    for floor in floors:
        ratios = [
            table.ratio(row)
            for table in tables
            if floor.table in table.title
            for row in table.rows[1:]
            if row.system.startswith(floor.peer)
        ]
        known = [ratio for ratio in ratios if ratio is not None]
        middle = [statistics.median(known)] if known else []
        if not known and floor.peer == _ALWAYS_THERE:
            sentences.append(f"{floor.table}: {floor.peer} was not measured")
        sentences += [
            f"{floor.table}: {ratio:.2f} x {floor.peer}, where {floor.least_ratio} x is the least"
            for ratio in middle
            if ratio < floor.least_ratio
        ]
    return sentences


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print the tables, and return 1 when a floor is not kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.short", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data = parser.parse_args(given).data
    if not data.is_dir():
        parser.error(f"no folder {data}: name the folder of the labelled news by --data")
    tables = near_duplicates.run(
        argparse.Namespace(data=data, seed=1, rounds=_ROUNDS, texts=4_000, words=485)
    )
    for _ in range(_ROUNDS):
        tables += requests.run(argparse.Namespace(data=data, seed=1, indexed=1200, posted=250))
    for table in tables:
        print("\n" + "\n".join(table.lines()))
    print(f"\n{machine()}")
    sentences = fallen(tables)
    for sentence in sentences:
        print(f"too slow: {sentence}", file=sys.stderr)
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(main())
