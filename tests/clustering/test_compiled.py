"""Compiled functions keep their meaning, let threads run, and need no folder to write to."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Timer
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clustering.compiled import CompiledElsewhereError, compiled, leave_to, prefetch, share_with


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


def test_a_loop_that_is_called_with_constants_is_compiled_once() -> None:
    # Without a file nothing is kept on disk.
    namespace: dict[str, Any] = {"compiled": compiled}
    exec(
        "@compiled\ndef scaled(value, factor): return value * factor\n"
        "@compiled\ndef by_both(value): return scaled(value, 2) + scaled(value, 3)\n",
        namespace,
    )
    assert namespace["by_both"](5) == 25
    assert len(namespace["scaled"]._within.overloads) == 1
    # The interpreter may call it all the same.
    assert namespace["scaled"](5, 7) == 35


_KERNELS = """
from clustering.compiled import compiled
from {constants} import FACTOR, TABLE

@compiled
def inner(value):
    return value * FACTOR + TABLE[1]

@compiled
def outer(value):
    return inner(value) {sign} 1
"""


def _outer(folder: Path, name: str, *, factor: int, entry: int = 7, sign: str = "+") -> Any:
    """Load two modules anew, as another process would, and return the compiled function."""
    constants = f"constants_of_{name}"
    (folder / f"{constants}.py").write_text(
        f"import numpy as np\nFACTOR = {factor}\nTABLE = np.array([1, {entry}])\n"
    )
    path = folder / f"{name}.py"
    path.write_text(_KERNELS.format(constants=constants, sign=sign))
    for module_name in (constants, name):
        module = sys.modules[module_name] = ModuleType(module_name)
        file = folder / f"{module_name}.py"
        # Not imported: Python's own cache of a source looks at whole seconds.
        exec(compile(file.read_text(), str(file), "exec"), vars(module))
    return sys.modules[name].outer


def test_what_is_kept_on_disk_is_used(tmp_path: Path) -> None:
    assert _outer(tmp_path, "kept", factor=10)(2) == 28
    again = _outer(tmp_path, "kept", factor=10)
    assert again(2) == 28
    assert again.stats.cache_hits
    assert not again.stats.cache_misses


def test_what_is_kept_on_disk_is_used_without_loading_the_compiler(tmp_path: Path) -> None:
    # A module of its own, which another process imports once it is compiled.
    (tmp_path / "looped.py").write_text(
        "import sys\nimport numpy as np\nfrom clustering.compiled import compiled\n"
        "@compiled\ndef squares(count):\n"
        "    found = np.empty(count, dtype=np.int64)\n"
        "    for k in range(count):\n        found[k] = k * k\n"
        "    return found\n"
        "print(squares(4).tolist(), *(name in sys.modules for name in"
        " ('numba.np.arraymath', 'scipy.linalg')))\n"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", "import looped"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split("]")
        for _ in range(2)
    ]
    assert told[0][0] == told[1][0] == "[0, 1, 4, 9"
    assert told[0][1].split() == ["True", "True"]
    assert told[1][1].split() == ["False", "False"]


def test_a_loop_is_left_to_the_process_that_has_claimed_it(tmp_path: Path) -> None:
    claimed = {"outer": False}

    class Claims:
        def take(self, name: str) -> bool:
            assert name.endswith(".outer")
            return not claimed["outer"]

        def give_back(self, name: str) -> None:
            claimed["given back"] = True

    function = _outer(tmp_path, "claimed", factor=10)
    share_with(Claims())
    try:
        claimed["outer"] = True
        with pytest.raises(CompiledElsewhereError, match="outer"):
            function(2)
        claimed["outer"] = False
        assert function(2) == 28
    finally:
        share_with(None)
    assert claimed["given back"]


@pytest.mark.parametrize(
    ("changed", "result"),
    [({"factor": 100}, 208), ({"factor": 10, "entry": 9}, 30), ({"factor": 10, "sign": "-"}, 26)],
)
def test_an_edit_anywhere_below_renews_what_is_kept_on_disk(
    tmp_path: Path, changed: dict[str, Any], result: int
) -> None:
    name = f"edited_{result}"
    assert _outer(tmp_path, name, factor=10)(2) == 28
    assert _outer(tmp_path, name, **changed)(2) == result


def test_what_others_compile_is_waited_for_and_taken_from_the_disk(tmp_path: Path) -> None:
    ended = Event()
    first = _outer(tmp_path, "left", factor=10)
    second = _outer(tmp_path, "left", factor=10)
    leave_to(lambda: not ended.is_set())
    try:
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(second, 2)
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
            # The other one compiles, as another process would, and writes it to the disk.
            leave_to(None)
            first(2)
            assert waiting.result(60) == 28
    finally:
        leave_to(None)
    assert second.stats.cache_hits


def test_what_others_did_not_compile_is_compiled_here_when_they_end(tmp_path: Path) -> None:
    ended = Event()
    function = _outer(tmp_path, "undone", factor=10)
    leave_to(lambda: not ended.is_set())
    try:
        Timer(0.2, ended.set).start()
        assert function(2) == 28
        assert ended.is_set()
    finally:
        leave_to(None)
    assert not function.stats.cache_hits
