"""The same work on many pieces, spread over processes, with the results in the order of input.

Preparing is Python that holds the interpreter's lock, so threads would not help. Processes take a
second or two to start: small inputs are worked on right here, and so are the first pieces of large
ones meanwhile. What comes out never depends on how many processes there were, nor on whether there
were any.

Where the system can fork, one process loads everything (`service.preparing_server`) and the others
are forked from it, so that loading is paid once and its memory shared.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from multiprocessing.context import BaseContext
from types import ModuleType, TracebackType
from typing import Any, Final, Generic, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

IN_PROCESS_SECONDS: Final = 1.0
"""So long it is worked here before processes are started: about what starting them takes."""
_AHEAD: Final = 4
"""Items handed out beyond the one whose result is awaited, for each process: bounds memory."""


class Crew(Generic[Item, Result]):
    """Processes that do one kind of work; this process until they are there. A context manager.

    Parameters
    ----------
    make_work
        Called once in every process for the function that does the work, so that what this needs
        is loaded once a process. Must be picklable: a function of a module, or a
        ``functools.partial`` of one. The work must depend on its item alone.
    processes
        How many to use; ``None`` for one a core. With one, everything is done here.
    in_process_seconds
        So long it is worked here alone; with 0 processes are started at once.
    """

    def __init__(
        self,
        make_work: Callable[[], Callable[[Item], Result]],
        *,
        processes: int | None = None,
        in_process_seconds: float = IN_PROCESS_SECONDS,
    ) -> None:
        self._make_work = make_work
        self._processes = core_count() if processes is None else processes
        self._seconds_left = in_process_seconds
        self._own_work: Callable[[Item], Result] | None = None
        self._executor: ProcessPoolExecutor | None = None
        self._ready: Future[None] | None = None
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """End the processes; from here on everything is done in this one."""
        self._ended = True
        executor, self._executor = self._executor, None
        if executor is not None:
            self.wait_until_ready()
            # What is being worked on ends in a fraction of a second.
            executor.shutdown(wait=True, cancel_futures=True)

    def start(self) -> None:
        """Start the processes, without waiting until they are there."""
        if self._executor is not None or self._processes < 2:
            return
        load_ahead()
        self._executor = ProcessPoolExecutor(
            self._processes, _context(), initializer=_begin, initargs=(self._make_work,)
        )
        self._ready = Future()
        # To start one is to wait until the process that it is forked from has loaded everything.
        threading.Thread(
            target=_bring_up, args=(self._executor, self._processes, self._ready)
        ).start()

    def wait_until_ready(self, *, timeout_seconds: float | None = None) -> bool:
        """Wait for the processes that were started; ``False`` when they are not there in time."""
        return self._ready is not None and bool(wait([self._ready], timeout_seconds).done)

    def worked(self, items: Iterable[Item]) -> Iterator[Result]:
        """Do the work on every item and yield the results in the order of the items.

        Parameters
        ----------
        items
            Read as the results are taken, a bounded number ahead. Must be picklable, as the
            results.

        Raises
        ------
        Exception
            Whatever the work raised, at the place of its item. A process that dies (out of memory,
            say) takes nothing with it: its items are done here.
        """
        remaining = iter(items)
        handed_out: deque[tuple[Item, Future[Result] | None]] = deque()
        for item in remaining:
            executor = self._executor
            if executor is None or self._ready is None or not self._ready.done():
                begun = time.perf_counter()
                result = self._work_here(item)
                self._seconds_left -= time.perf_counter() - begun
                if self._seconds_left <= 0 and not self._ended:
                    self.start()
                yield result
                continue
            handed_out.append((item, _handed_out(executor, item)))
            if len(handed_out) > self._processes * _AHEAD:
                yield self._result(*handed_out.popleft())
        while handed_out:
            yield self._result(*handed_out.popleft())

    def _work_here(self, item: Item) -> Result:
        if self._own_work is None:
            self._own_work = self._make_work()
        return self._own_work(item)

    def _result(self, item: Item, future: Future[Result] | None) -> Result:
        """Await a result, or work for it here when the processes are gone."""
        if future is not None:
            try:
                return future.result()
            except BrokenProcessPool:
                pass
        return self._work_here(item)


def worked_in_order(
    items: Iterable[Item],
    make_work: Callable[[], Callable[[Item], Result]],
    *,
    processes: int | None = None,
    in_process_seconds: float = IN_PROCESS_SECONDS,
) -> Iterator[Result]:
    """Do the same work on every item and yield the results in the order of the items.

    Parameters are those of `Crew` and `Crew.worked`. Processes end with the iteration, at its end,
    at an error, at Ctrl-C or when it is closed; and when this process is killed.
    """
    with Crew(make_work, processes=processes, in_process_seconds=in_process_seconds) as crew:
        if in_process_seconds <= 0:
            crew.start()
        yield from crew.worked(items)


def load_ahead() -> None:
    """Have what processes are forked from loaded by another process, beside this one.

    For a command that will start a `Crew`, before it loads what it needs itself.
    """
    if sys.platform == "win32" or core_count() < 2:
        return
    _context()
    # Once it runs, the next call does not start it: to start it lets signals through again.
    resource_tracker.ensure_running()
    # Ctrl-C reaches every process of a terminal: this one is deaf to it from its first moment.
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)


def core_count() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _bring_up(executor: ProcessPoolExecutor, count: int, ready: Future[None]) -> None:
    """Start the processes, and say when they are there."""
    try:
        wait([executor.submit(_do_nothing) for _ in range(count)])
    except (BrokenProcessPool, EOFError, OSError, RuntimeError) as error:
        # Whoever hands an item out will meet it, too.
        ready.set_exception(error)
    else:
        ready.set_result(None)


def _handed_out(executor: ProcessPoolExecutor, item: Any) -> Future[Any] | None:
    """Hand an item to the processes; ``None`` when they are gone."""
    try:
        return executor.submit(_work_on, item)
    except BrokenProcessPool:
        return None


def _context() -> BaseContext:
    if sys.platform == "win32":
        return get_context("spawn")
    get_context("forkserver").set_forkserver_preload(["service.preparing_server"])
    return _WithoutMain()


if sys.platform != "win32":
    from multiprocessing import forkserver, resource_tracker

    _main_module = threading.Lock()

    class _WithoutMainProcess(multiprocessing.context.ForkServerProcess):
        """A process that does not run the main module anew, as those of the library do.

        The work is a function of a module, so nothing of the main module is asked for; and running
        the command line's would take as long as all the rest.
        """

        def start(self) -> None:
            # Two threads at a time would each put back what the other one left.
            with _main_module:
                main = sys.modules["__main__"]
                sys.modules["__main__"] = ModuleType("__main__")
                try:
                    super().start()
                finally:
                    sys.modules["__main__"] = main

    class _WithoutMain(multiprocessing.context.ForkServerContext):
        Process = _WithoutMainProcess


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


def _do_nothing() -> None:
    """Tell by its end that a process is there."""


def _work_on(item: Any) -> Any:
    if _work is None:
        raise RuntimeError("this process was not set up: start it through a Crew")
    return _work(item)
