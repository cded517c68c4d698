"""Imported by the process that workers are forked from: loads what they all need, once.

Two workers that load everything for themselves take twice the time on as many cores, and the memory
of it each. Nothing of this may be open or run when it ends: no connection, no thread.
"""

from __future__ import annotations

import gc
import signal
import threading

# Ctrl-C is for the process that started this one, and ends it.
_previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
# What is loaded here stays: there is nothing to look through for garbage.
gc.disable()

from clustering.prepare import load_language_model  # noqa: E402

# Takes half a second, and leaves the interpreter to the rest meanwhile.
_model = threading.Thread(target=load_language_model)
_model.start()

import service.app  # noqa: E402
import service.backend  # noqa: E402, F401
from clustering.compiled import leave_to  # noqa: E402
from service.clusterer import Clusterer  # noqa: E402
from service.warming import SERVING  # noqa: E402


class _NotCompiledError(Exception):
    """A loop is not compiled; the workers know what to do about it."""


def _missing() -> bool:
    raise _NotCompiledError


def _load() -> None:
    clusterer = Clusterer()
    leave_to(_missing)
    try:
        for piece in SERVING.values():
            piece(clusterer)
    except _NotCompiledError:
        pass
    finally:
        leave_to(None)
        _model.join()


_load()
gc.freeze()
signal.signal(signal.SIGINT, _previous)
