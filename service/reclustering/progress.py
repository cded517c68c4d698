"""How far a run is: stage, share, rate and time left, told to whoever listens.

The clustering reports from a thread of its own; the event loop reads the latest report when it
publishes the next heartbeat.

A run can be made to stop itself at the beginning of a stage: with ``SAMESTORY_RECLUSTER_PAUSE_AT``
set to the stage's name the process sends itself SIGSTOP there, until SIGCONT. So an operator can
look at a store half-way through the job, and a test can end the job at any of its stages.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

PAUSE_VARIABLE: Final = "SAMESTORY_RECLUSTER_PAUSE_AT"

# Where each stage begins on the whole run, in shares of its time: roughly, as measured on 1,000
# articles of which some were prepared anew. Comparing and linking take more of a larger run.
_BEGINS: Final = {
    "starting": 0.0,
    "reading": 0.0,
    "counting lines": 0.05,
    "preparing": 0.25,
    "candidates": 0.33,
    "similarities": 0.4,
    "linkage": 0.5,
    "duplicates": 0.87,
    "keeping ids": 0.9,
    "storing the plan": 0.92,
    "checking the plan": 0.93,
    "rewriting articles": 0.94,
    "laying out": 0.97,
    "switching": 0.98,
    "carrying out": 0.981,
    "cleaning up": 0.99,
    "done": 1.0,
}
STAGES: Final = tuple(_BEGINS)
_ENDS: Final = dict(zip(STAGES, [*list(_BEGINS.values())[1:], 1.0], strict=True))

_RATED_AFTER_SECONDS: Final = 0.5
_ESTIMATED_AFTER_SECONDS: Final = 2.0
_ESTIMATED_FROM_SHARE: Final = 0.05


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """Where a run is.

    Attributes
    ----------
    stage
        One of `STAGES`.
    share
        Of the whole run, 0..1.
    rate_per_second
        Articles, or pairs in the stage ``similarities``; ``None`` while unknown.
    eta_seconds
        Until the run has finished; ``None`` while unknown.
    """

    stage: str = "starting"
    share: float = 0.0
    rate_per_second: float | None = None
    eta_seconds: float | None = None

    def __str__(self) -> str:
        """``linkage 70%, 12,000/s, 3 min left``."""
        parts = [f"{self.stage} {self.share:.0%}"]
        if self.rate_per_second is not None:
            parts.append(f"{self.rate_per_second:,.0f}/s")
        if self.eta_seconds is not None:
            minutes = self.eta_seconds / 60
            left = f"{self.eta_seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min"
            parts.append(f"{left} left")
        return ", ".join(parts)


class Progress:
    """Takes reports from any thread; `latest` is what they come to.

    Parameters
    ----------
    on_progress
        Called with every report.
    clock
        Monotonic seconds.
    """

    def __init__(
        self,
        on_progress: Callable[[ProgressReport], None] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.latest = ProgressReport()
        self._on_progress = on_progress
        self._clock = clock
        self._begun = self._stage_begun = clock()
        self._pause_at = os.environ.get(PAUSE_VARIABLE, "")

    def report(self, stage: str, done: int = 0, total: int = 0) -> None:
        """Note the stage, and how much of it is done; ``total`` is 0 where that is unknown."""
        now = self._clock()
        if stage != self.latest.stage:
            self._stage_begun = now
            if stage == self._pause_at:
                self._pause_at = ""
                os.kill(os.getpid(), signal.SIGSTOP)
        begin, end = _BEGINS[stage], _ENDS[stage]
        share = begin + (end - begin) * (min(1.0, done / total) if total else 0.0)
        in_stage, elapsed = now - self._stage_begun, now - self._begun
        self.latest = ProgressReport(
            stage=stage,
            share=share,
            rate_per_second=done / in_stage if done and in_stage >= _RATED_AFTER_SECONDS else None,
            eta_seconds=(
                elapsed * (1 - share) / share
                if share >= _ESTIMATED_FROM_SHARE and elapsed >= _ESTIMATED_AFTER_SECONDS
                else None
            ),
        )
        if self._on_progress is not None:
            self._on_progress(self.latest)
