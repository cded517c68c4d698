"""The same work on many articles, spread over processes, with the results in the order of input.

Preparing is Python that holds the interpreter's lock, so threads would not help. Processes take
seconds to start, so small inputs are worked on right here. What comes out never depends on how
many processes there were, nor on whether there were any.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import connection, get_context, parent_process
from typing import Any, Final, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

IN_PROCESS_SECONDS: Final = 3.0
"""So long it is worked here before processes are started: about what starting them takes."""
_CHUNK_ITEMS: Final = 32
_CHUNKS_AHEAD: Final = 4
"""Chunks handed out beyond the one whose results are awaited, for each process: bounds memory."""


def worked_in_order(
    items: Iterable[Item],
    make_work: Callable[[], Callable[[Item], Result]],
    *,
    processes: int | None = None,
    in_process_seconds: float = IN_PROCESS_SECONDS,
) -> Iterator[Result]:
    """Do the same work on every item and yield the results in the order of the items.

    Parameters
    ----------
    items
        Read as the results are taken, a bounded number ahead. Must be picklable, as the
        results.
    make_work
        Called once in every process for the function that does the work, so that what this
        needs (tables, compiled loops) is loaded once a process. Must be picklable: a function
        of a module, or a ``functools.partial`` of one. The work must depend on its item alone.
    processes
        How many to use; ``None`` for one a core. With one, everything is done here.
    in_process_seconds
        So long it is always worked here, and processes are started only for what is left then.

    Raises
    ------
    Exception
        Whatever the work raised, at the place of its item. Processes end with the iteration, at
        its end, at an error, at Ctrl-C or when it is closed; and when this process is killed. A
        process that dies (out of memory, say) takes nothing with it: its items are done here.
    """
    remaining = iter(items)
    work = make_work()
    processes = _cores() if processes is None else processes
    seconds = 0.0
    while processes < 2 or seconds < in_process_seconds:
        try:
            item = next(remaining)
        except StopIteration:
            return
        begun = time.perf_counter()
        result = work(item)
        seconds += time.perf_counter() - begun
        yield result
    first = next(chunks := _chunks(remaining), None)
    if first is None:
        return
    executor = ProcessPoolExecutor(
        processes, get_context("spawn"), initializer=_begin, initargs=(make_work,)
    )
    try:
        handed_out: deque[tuple[list[Item], Future[list[Result]] | None]] = deque()
        handed_out.append((first, _hand_out(executor, first)))
        while handed_out:
            for chunk in islice(chunks, processes * _CHUNKS_AHEAD - len(handed_out)):
                handed_out.append((chunk, _hand_out(executor, chunk)))
            chunk, future = handed_out.popleft()
            yield from _results(chunk, future, work)
    finally:
        # Chunks that are being worked on end in a fraction of a second.
        executor.shutdown(wait=True, cancel_futures=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _chunks(items: Iterator[Item]) -> Iterator[list[Item]]:
    while chunk := list(islice(items, _CHUNK_ITEMS)):
        yield chunk


def _hand_out(executor: ProcessPoolExecutor, chunk: list[Item]) -> Future[list[Any]] | None:
    """Hand a chunk to the processes; ``None`` when they are gone."""
    try:
        return executor.submit(_work_on, chunk)
    except BrokenProcessPool:
        return None


def _results(
    chunk: Sequence[Item], future: Future[list[Result]] | None, work: Callable[[Item], Result]
) -> list[Result]:
    """Await the results of a chunk, or work on it here when the processes are gone."""
    if future is not None:
        try:
            return future.result()
        except BrokenProcessPool:
            pass
    return [work(item) for item in chunk]


# What follows runs in the other processes.

_work: Callable[[Any], Any] | None = None


def _begin(make_work: Callable[[], Callable[[Any], Any]]) -> None:
    global _work
    # Ctrl-C reaches every process of a terminal; this one ends when the first one says so.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _work = make_work()


def _end_with_parent() -> None:
    """End when the parent is gone, even by SIGKILL: waiting for work would never end."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _work_on(chunk: list[Any]) -> list[Any]:
    if _work is None:
        raise RuntimeError("this process was not set up: start it through worked_in_order")
    return [_work(item) for item in chunk]
