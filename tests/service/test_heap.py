"""Large arrays go back to the system when they are given back."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import threading
import numpy as np
import psutil
from service.heap import give_large_arrays_back

{call}
process = psutil.Process()
# A C library that adapts learns from this one that arrays of 24 MB are nothing special.
np.ones(24 << 20, dtype=np.uint8)
before = process.memory_info().rss
kept = []
def work():
    for _ in range(8):
        array = np.ones(8 << 20, dtype=np.uint8)
        kept.append(bytes(2000))
        between = np.ones(8 << 20, dtype=np.uint8)
        kept.append(bytes(2000))
        del array, between
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(process.memory_info().rss - before)
"""


def _left_bytes(call: str) -> int:
    printed = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(call=call)],
        check=True,
        capture_output=True,
        text=True,
    )
    return int(printed.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the C library of Linux is what is set")
def test_what_threads_gave_back_is_gone() -> None:
    assert _left_bytes("give_large_arrays_back()") < 4 << 20
