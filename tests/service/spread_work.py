"""Work that other processes do in the tests of `service.preparing`.

In a module of its own that imports nothing large: every process imports it first.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clustering.articles import Article


def squaring() -> Callable[[int], tuple[int, int]]:
    return lambda number: (number * number, os.getpid())


def napping() -> Callable[[int], tuple[int, int]]:
    return _nap


def _nap(number: int) -> tuple[int, int]:
    time.sleep(0.02)
    return number, os.getpid()


def failing_at(where: int) -> Callable[[int], int]:
    return partial(_fail_at, where)


def _fail_at(where: int, number: int) -> int:
    if number == where:
        raise ValueError(f"no good: {number}")
    return number


def dying_at(where: int, first_process: int) -> Callable[[int], int]:
    return partial(_die_at, where, first_process)


def _die_at(where: int, first_process: int, number: int) -> int:
    if number == where and os.getpid() != first_process:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def preparing() -> Callable[[Article], bytes]:
    from clustering.preparer import Preparer

    preparer = Preparer.shipped()
    return lambda article: preparer.prepare(article).features.event_tokens.tobytes()
