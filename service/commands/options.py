"""Options that several commands have, and how every command is run and ended."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from service.console import CommandError, Console, ExitCode

EXIT_CODES: Final = (
    "Exit codes: 0 done; 1 done in part, something was refused or failed; 2 wrong arguments, "
    "settings or input, nothing was done; 3 the service or its store did not answer; "
    "130 stopped with Ctrl-C."
)

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        help="JSON lines, CSV, RSS or Atom (each also .gz), Parquet, a folder of .html and .txt "
        "files or of partitions, or - for JSON lines from standard input.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON, for machines.")]
Online = Annotated[
    bool,
    typer.Option(
        "--online",
        help="Decide article by article in order of publication, as the service does, instead "
        "of all at once, as the nightly job does.",
    ),
]
Dask = Annotated[
    str,
    typer.Option(
        "--dask",
        metavar="ADDRESS",
        help="Work on the Dask cluster of the scheduler at this address, such as "
        "tcp://host:8786 (needs samestory[distributed]). The outcome is the same.",
        show_default=False,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Data directory of the private server (SAMESTORY_DATA_DIR); unused with REDIS_URL.",
        show_default=False,
    ),
]
RedisUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Address of the server (REDIS_URL).", show_default=False),
]


def finish(run: Callable[[Console], ExitCode], *, machine: bool = False) -> None:
    """Run a command and end the process with its exit code, errors told in one line."""
    try:
        code = run(Console(machine=machine))
    except CommandError as error:
        code = _complain(error, error.exit_code)
    except BrokenPipeError:
        # Whoever read the output has seen enough, such as `head`. The interpreter must not try to
        # write the rest once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.PARTLY
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except Exception as error:
        # Loaded now: they bring more with them than some commands need.
        from clustering.errors import ConfigurationError
        from service.store import StoreError, StoreMismatchError

        if isinstance(error, ConfigurationError | StoreMismatchError):
            code = _complain(error, ExitCode.UNUSABLE)
        elif isinstance(error, StoreError):
            code = _complain(error, ExitCode.AWAY)
        else:
            raise
    raise typer.Exit(code)


def _complain(error: Exception, code: ExitCode) -> ExitCode:
    print(f"samestory: {error}", file=sys.stderr)
    return code
