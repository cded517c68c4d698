"""Run benchmarks: ``python -m tests.benchmarks [NAME ...] --data ../shared/data``.

A benchmark is a module of this package with ``add_arguments(parser)``, which may add options of
its own, and ``run(arguments) -> list[Table]``. Its name in `BENCHMARKS` is its name on the command
line.
"""

from __future__ import annotations

import argparse
import importlib
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.report import RESULTS, Table, machine, write

BENCHMARKS = (
    "near_duplicates",
    "batch",
    "growth",
    "distributed",
    "requests",
    "imports",
    "start",
    "memory",
    "million",
)
ON_REQUEST = ("million",)
"""Those that run only when they are named."""


def main(given: Sequence[str] | None = None) -> int:
    """Run the benchmarks named, or all; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="folder of the labelled news"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of each system, one after the other")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help=f"put the tables into {RESULTS.name}")
    modules = {name: importlib.import_module(f"tests.benchmarks.{name}") for name in BENCHMARKS}
    for name, module in modules.items():
        module.add_arguments(parser.add_argument_group(name))
    arguments = parser.parse_args(given)
    unknown = [name for name in arguments.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]}: there are {', '.join(BENCHMARKS)}")
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    if not arguments.data.is_dir():
        parser.error(f"no folder {arguments.data}: name the folder of the labelled news by --data")
    command = shlex.join(["python", "-m", "tests.benchmarks", *(given or sys.argv[1:])])
    for name in arguments.names or [each for each in BENCHMARKS if each not in ON_REQUEST]:
        tables: list[Table] = modules[name].run(arguments)
        for table in tables:
            print("\n" + "\n".join(table.lines()))
        if arguments.write:
            write(name, command, tables)
    print(f"\n{machine()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
