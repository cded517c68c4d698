"""Tasks on the workers of a cluster: handed out ahead, a bounded number, and taken in order.

Dask itself speaks pickle with whoever may reach the scheduler, so that what is unpickled on a
worker, its own caller's bytes, adds nothing to what must be trusted. No stored byte is read so.
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
_Result_co = TypeVar("_Result_co", covariant=True)

UPLOAD_BYTES: Final = 2 << 20
"""What one task carries: well below the 10 MB from which Dask warns of a large graph."""
_CHUNK_ITEMS: Final = 64
_TASKS_AHEAD: Final = 4
"""Tasks handed out beyond the one awaited, for each thread of the workers."""


class Task(Protocol[_Result_co]):
    """What `Workers.submit` gives: a result that is there, or is to come."""

    def release(self) -> None:
        """Say that nobody needs the result any more."""


class Workers(Protocol):
    """What is asked of a Dask cluster; ``service.dask_cluster`` makes one of a Dask client."""

    @property
    def thread_count(self) -> int:
        """Threads of all workers together, at least 1."""

    def submit(self, function: Callable[..., Result], /, *arguments: Any) -> Task[Result]:
        """Have a function of a module called on some worker, as often as it takes.

        Tasks among the arguments, or in a list that is one, stand for their results.
        """

    def result(self, task: Task[Result]) -> Result:
        """Wait for a result, or raise what the function raised."""


def worked_in_order(
    workers: Workers, items: Iterable[Item], make_work: Callable[[], Callable[[Item], Result]]
) -> Iterator[Result]:
    """Do the same work on every item and yield the results in the order of the items.

    Parameters
    ----------
    workers
        Where.
    items
        Read as the results are taken, a bounded number ahead; picklable, as are the results.
    make_work
        Called once in every worker process for the function that does the work; picklable. The
        work must depend on its item alone.

    Raises
    ------
    Exception
        Whatever the work raised, at the place of its item.
    """
    packed = held(workers, pickle.dumps(make_work))
    tasks = (workers.submit(_worked, packed, chunk) for chunk in _chunks(items))
    for results in in_order(workers, tasks):
        yield from results


def in_order(workers: Workers, tasks: Iterable[Task[Result]]) -> Iterator[Result]:
    """Yield the results of tasks, a bounded number of which are handed out at a time."""
    remaining = iter(tasks)
    waiting: deque[Task[Result]] = deque()
    for task in remaining:
        waiting.append(task)
        if len(waiting) > _TASKS_AHEAD * workers.thread_count:
            yield _taken(workers, waiting)
    while waiting:
        yield _taken(workers, waiting)


def _taken(workers: Workers, waiting: deque[Task[Result]]) -> Result:
    task = waiting.popleft()
    result = workers.result(task)
    task.release()
    return result


def held(workers: Workers, content: bytes) -> Task[bytes]:
    """Upload bytes that many tasks read, so that a worker gets them once."""
    pieces = [
        workers.submit(same, content[begin : begin + UPLOAD_BYTES])
        for begin in range(0, len(content), UPLOAD_BYTES)
    ]
    return workers.submit(b"".join, pieces)


def _chunks(items: Iterable[Item]) -> Iterator[list[bytes]]:
    """Pack items for the way, in chunks of a bounded number and size."""
    chunk: list[bytes] = []
    held_bytes = 0
    for item in items:
        chunk.append(pickle.dumps(item))
        held_bytes += len(chunk[-1])
        if len(chunk) == _CHUNK_ITEMS or held_bytes >= UPLOAD_BYTES:
            yield chunk
            chunk, held_bytes = [], 0
    if chunk:
        yield chunk


def same(value: Result) -> Result:
    """Return what it is given: a task that holds it."""
    return value


def _worked(packed: bytes, chunk: Sequence[bytes]) -> list[Any]:
    work = _made_work(packed)
    return [work(pickle.loads(item)) for item in chunk]  # noqa: S301


@lru_cache(maxsize=2)
def _made_work(packed: bytes) -> Callable[[Any], Any]:
    make_work: Callable[[], Callable[[Any], Any]] = pickle.loads(packed)  # noqa: S301
    return make_work()
