"""Compiled functions keep their meaning, let threads run, and need no folder to write to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clustering.compiled import compiled, prefetch


@compiled
def ratio_of_sums(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    total = 0.0
    for value in first:
        total += value
    divisor = 0.0
    for value in second:
        divisor += value
    return total / divisor


@compiled
def spin(flag: NDArray[np.int64], rounds: int) -> int:
    seen = 0
    for turn in range(rounds):
        seen += flag[turn % flag.size]
    return seen


def test_result_is_that_of_python() -> None:
    # Whole numbers: since Python 3.12 `sum` of others is more exact than a loop.
    values = np.arange(1000.0)
    assert ratio_of_sums(values, values + 1) == sum(values.tolist()) / sum((values + 1).tolist())


def test_division_by_zero_follows_numpy() -> None:
    assert ratio_of_sums(np.ones(1), np.zeros(1)) == float("inf")
    assert np.isnan(ratio_of_sums(np.zeros(1), np.zeros(1)))


def test_other_threads_run_meanwhile() -> None:
    spin(np.ones(2, dtype=np.int64), 1)
    begun, flag = Event(), np.zeros(2, dtype=np.int64)

    def work() -> int:
        begun.set()
        return spin(flag, 100_000_000)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(work)
        begun.wait()
        steps = 0
        while not running.done() and steps < 100:
            steps += 1
        # Were the lock held, this thread would first get to run when the work is done.
        assert steps == 100


def test_a_function_without_a_file_is_compiled_all_the_same() -> None:
    namespace: dict[str, object] = {}
    exec("def double(x): return 2 * x", namespace)
    double = namespace["double"]
    assert callable(double)
    assert compiled(double)(21) == 42


@pytest.mark.parametrize("shape", [(0,), (1,), (1000,), (300, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64])
def test_fetching_ahead_changes_nothing(shape: tuple[int, ...], dtype: type) -> None:
    values: NDArray[Any] = np.ones(shape, dtype=dtype)
    prefetch(values, 0, values.size)
    prefetch(values, values.size // 2, values.size // 2)
    assert (values == 1).all()
