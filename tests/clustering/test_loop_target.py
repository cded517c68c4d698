"""What numba brings along does in loops what NumPy does; others who use numba keep theirs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba.core import event
from numpy.typing import NDArray

from clustering.compiled import compiled

REPOSITORY = Path(__file__).resolve().parents[2]


@compiled
def numbas_own(values: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[Any, ...]:
    empty = np.empty(values.size, dtype=np.int64)
    empty[:] = values
    empty[1:3] = other[:2]
    ordered = np.sort(empty)
    return (
        ordered,
        np.zeros(3, dtype=np.uint32),
        np.ones((2, 2)),
        np.full(2, 7),
        np.arange(2, 9, 3),
        np.concatenate((values, other)),
        np.argsort(values),
        np.searchsorted(ordered, other),
        values.max(),
        np.empty_like(values).size,
    )


@compiled
def formulas(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[Any, ...]:
    # Formulas of arrays, some of which are used again: one loop is made of those that are not.
    difference = first - second
    scaled = np.sqrt(difference * difference + 1.0) / -second
    return scaled, difference, np.array([first[0], second[-1]]), np.exp(-first)


@compiled
def branching(counts: NDArray[np.int64], limits: tuple[int, int, int]) -> tuple[int, int, float]:
    # Variables of several types, given in branches and loops, and constant indices of a tuple.
    low, high, share = 0, limits[1], 0.0
    for position, count in enumerate(counts):
        if count < limits[0]:
            low += 1
            continue
        while high > limits[2] and count > 1:
            count //= 2  # noqa: PLW2901 - a loop's variable that is given again, as ours have
            high -= 1
        share = position / counts.size
    return low, high, share


@compiled
def assign(target: NDArray[np.int64], values: NDArray[np.int64]) -> None:
    target[1:] = values


@compiled
def sorted_values(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.sort(values)


def places_of_sorted(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.argsort(values)


# Numbers what it compiles from a number on; prints the names of what its loop is made of.
_ANOTHER_PROCESS = """
import itertools, sys
import numpy as np
from numba.core.bytecode import FunctionIdentity
from clustering.compiled import compiled
from tests.clustering.test_loop_target import places_of_sorted, sorted_values

values = np.array([9, 4, 6, 1])
if sys.argv[1:]:
    assert sorted_values(values).tolist() == [1, 4, 6, 9]
    loop = compiled(places_of_sorted)
    loop._cache.disable()
    expected, first = [3, 1, 2, 0], int(sys.argv[1])
else:
    loop, expected, first = sorted_values, [1, 4, 6, 9], 1000
FunctionIdentity._unique_ids = itertools.count(first)
assert loop(values).tolist() == expected
(made,) = loop.overloads.values()
print(*(function.name for function in made.library._final_module.functions))
"""


def python_of(function: Any) -> Any:
    return function.py_func


def test_numbas_own_functions_give_what_numpy_gives() -> None:
    values, other = np.array([9, 4, 6, 1]), np.array([5, 2, 8])
    found = numbas_own(values, other)
    for one, expected in zip(found, python_of(numbas_own)(values, other), strict=True):
        np.testing.assert_array_equal(one, expected)
        assert np.asarray(one).dtype == np.asarray(expected).dtype


def test_formulas_of_arrays_give_what_numpy_gives() -> None:
    first, second = np.linspace(0, 3, 17), np.linspace(1, 9, 17)
    found = formulas(first, second)
    for one, expected in zip(found, python_of(formulas)(first, second), strict=True):
        np.testing.assert_allclose(one, expected, rtol=1e-15)


def test_branches_and_loops_give_what_python_gives() -> None:
    random = np.random.default_rng(5)
    for _ in range(50):
        counts = random.integers(0, 40, random.integers(0, 9))
        limits = tuple(random.integers(0, 9, 3).tolist())
        assert branching(counts, limits) == python_of(branching)(counts, limits)


def test_an_array_of_another_size_is_refused() -> None:
    target = np.zeros(4, dtype=np.int64)
    assign(target, np.arange(3))
    assert target.tolist() == [0, 0, 1, 2]
    with pytest.raises(ValueError, match="another size"):
        assign(target, np.arange(2))


def test_others_who_use_numba_keep_theirs() -> None:
    theirs = numba.njit(python_of(assign))
    with pytest.raises(ValueError, match=r"shape \(3,\) from input of shape \(2,\)"):
        theirs(np.zeros(4, dtype=np.int64), np.arange(2))


def test_only_what_is_called_gets_entry_points() -> None:
    with_entry_points = []

    class Listening(event.Listener):
        def on_start(self, event: Any) -> None:
            dispatcher = event.data["dispatcher"]
            if not dispatcher.targetoptions.get("no_cpython_wrapper"):
                with_entry_points.append(dispatcher.py_func.__name__)

        def on_end(self, event: Any) -> None:
            pass

    # Of a file that is not there: nothing is kept of it.
    names: dict[str, Any] = {"np": np}
    source = "def make(n):\n    a = np.zeros(n, dtype=np.int16)\n    return np.sort(a), a.max()"
    exec(compile(source, "<nowhere>", "exec"), names)
    listening = Listening()
    event.register("numba:compile", listening)  # type: ignore[no-untyped-call]
    try:
        compiled(names["make"])(4)
    finally:
        event.unregister("numba:compile", listening)  # type: ignore[no-untyped-call]
    assert with_entry_points == ["make"]


def test_what_a_loop_is_made_of_is_not_taken_for_what_another_is_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # numba's sorting by value and by place have parts of one name, told apart by a number.
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))

    def names_of_parts(*number: str) -> set[str]:
        command = [sys.executable, "-c", _ANOTHER_PROCESS, *number]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return {name for name in done.stdout.split() if "quicksort" in name}

    one, other = names_of_parts(), names_of_parts("1003")
    assert one & other  # else another number is to be tried here
    assert one != other
