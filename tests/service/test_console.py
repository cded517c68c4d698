"""The progress line: how far, and how long it still takes."""

from __future__ import annotations

import io

import pytest

from service.console import Progress, remaining_time


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stage_seconds", "share", "expected"),
    [
        (0.5, 0.5, ""),
        (10.0, 0.0, ""),
        (10.0, 0.5, ", about 10 s left"),
        (30.0, 0.1, ", about 4 min left"),
        (30.0, 1.0, ", about 0 s left"),
    ],
)
def test_what_is_left_follows_from_what_is_done(
    stage_seconds: float, share: float, expected: str
) -> None:
    assert remaining_time(stage_seconds, share) == expected


def test_the_time_left_is_that_of_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    clock = [100.0]
    monkeypatch.setattr("service.console.time.monotonic", lambda: clock[0])
    drawn: list[str] = []

    class Status:
        def update(self, line: str) -> None:
            drawn.append(line)

        def stop(self) -> None:
            drawn.append("stopped")

    progress = Progress("reading", Terminal())
    progress._status = Status()  # type: ignore[assignment]
    clock[0] = 120.0
    progress.report("reading (5,000 articles)")
    progress.report("preparing", 0.0)
    clock[0] = 130.0
    progress.report("preparing", 0.25)
    progress.close()
    assert drawn == [
        "reading (5,000 articles)",
        "preparing 0%",
        "preparing 25%, about 30 s left",
        "stopped",
    ]
