"""What the command line writes: results to standard output, everything else to standard error.

Progress is drawn only on a terminal and only for work of more than a second, so that pipes and
logs hold nothing but lines.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TextIO

import orjson

if TYPE_CHECKING:
    from rich.status import Status

_DRAW_AFTER_SECONDS = 1.0
_SHOWN_PROBLEMS = 20


class ExitCode(IntEnum):
    """What a finished command tells whoever called it."""

    DONE = 0
    PARTLY = 1
    """Something was refused or failed; the rest is done."""
    UNUSABLE = 2
    """Wrong arguments, settings or input; nothing was done."""
    AWAY = 3
    """The service or its store did not answer; trying again later may help."""
    INTERRUPTED = 130
    """Ctrl-C; as shells count it, 128 and the signal's number."""


class CommandError(Exception):
    """Ends a command with a message for people and an exit code.

    Parameters
    ----------
    message
        What is wrong and what to do about it.
    exit_code
        What the process ends with.
    """

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.UNUSABLE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Console:
    """Where a command writes.

    Parameters
    ----------
    machine
        Results are one JSON object on standard output instead of prose.
    """

    def __init__(self, *, machine: bool = False) -> None:
        self.machine = machine
        self._problem_count = 0

    def note(self, message: str) -> None:
        """Write a line for people to standard error."""
        print(message, file=sys.stderr)

    def problem(self, where: str, message: str) -> None:
        """Write what is wrong and where; after the first twenty they are only counted."""
        self._problem_count += 1
        if self._problem_count <= _SHOWN_PROBLEMS:
            print(f"{where}: {message}", file=sys.stderr)

    def close_problems(self) -> None:
        """Say how many problems were not shown."""
        hidden = self._problem_count - _SHOWN_PROBLEMS
        if hidden > 0:
            print(f"… and {hidden:,} more of this kind", file=sys.stderr)

    def result(self, value: dict[str, Any], prose: str) -> None:
        """Write what was asked for: ``value`` as JSON for machines, else ``prose`` for people."""
        if self.machine:
            write_json(sys.stdout, value)
        else:
            print(prose)

    def summary(self, value: dict[str, Any], prose: str) -> None:
        """Write how a work went whose outcome is elsewhere: prose to standard error."""
        if self.machine:
            write_json(sys.stdout, value)
        else:
            self.note(prose)

    @contextmanager
    def progress(self, stage: str) -> Iterator[Progress]:
        """Show how far the work inside the block is."""
        progress = Progress(stage, sys.stderr)
        try:
            yield progress
        finally:
            progress.close()


class Progress:
    """One line on a terminal that says what is being done, from its second second on."""

    def __init__(self, stage: str, stream: TextIO) -> None:
        self._drawn = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._stage = stage
        self._begun = time.monotonic()
        self._stage_begun = self._begun
        self._status: Status | None = None

    def report(self, stage: str, share: float | None = None) -> None:
        """Note the stage and how much of it is done, 0..1; ``None`` where that is unknown."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._stage_begun = stage, now
        if not self._drawn or now - self._begun < _DRAW_AFTER_SECONDS:
            return
        line = stage
        if share is not None:
            line += f" {share:.0%}{remaining_time(now - self._stage_begun, share)}"
        if self._status is None:
            # Rich takes a tenth of a second to import, which short work need not pay.
            from rich.console import Console as RichConsole

            self._status = RichConsole(stderr=True).status(line)
            self._status.start()
        self._status.update(line)

    def close(self) -> None:
        """Take the line off the terminal."""
        if self._status is not None:
            self._status.stop()
            self._status = None
        self._drawn = False


def remaining_time(stage_seconds: float, share: float) -> str:
    """Return ``, about 3 min left``, from the time a share of a stage took; "" while too early."""
    if share <= 0 or stage_seconds < _DRAW_AFTER_SECONDS:
        return ""
    seconds = stage_seconds * (1 - share) / share
    if seconds < 60:
        return f", about {seconds:.0f} s left"
    return f", about {seconds / 60:.0f} min left"


def write_json(stream: TextIO, value: object) -> None:
    """Write one JSON document, indented, with a line end."""
    stream.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")
    stream.flush()


def counted(count: int, singular: str, plural: str = "") -> str:
    """Return ``1 article``, ``2,000 articles``."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"
