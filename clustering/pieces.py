"""Work on many articles, cut into pieces that threads share.

Compiled loops and sorting let go of the interpreter, so threads use every core. A piece is as large
as it is worth: small enough that its arrays are still in the processor's cache when the next step
reads them, large enough that handing it out costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Result = TypeVar("Result")


def in_pieces(
    among: range, piece: int, work: Callable[[int, int], Result], *, threads: int
) -> Iterator[Result]:
    """Yield ``work(begin, end)`` for the pieces of a range, in their order.

    Parameters
    ----------
    among
        Without a step.
    piece
        Of how many, at least 1; the last one may be smaller.
    work
        Called in any order, by several threads at a time; must depend on its piece alone.
    threads
        How many to use. With one, or a single piece, this thread does everything.

    Raises
    ------
    Exception
        Whatever the work raised, at the place of its piece.
    """
    begins = range(among.start, among.stop, piece)

    def worked(begin: int) -> Result:
        return work(begin, min(begin + piece, among.stop))

    if threads <= 1 or len(begins) <= 1:
        yield from map(worked, begins)
        return
    with ThreadPoolExecutor(min(threads, len(begins))) as pool:
        yield from pool.map(worked, begins)


@contextmanager
def done_beside(work: Callable[[], Result], *, threads: int) -> Iterator[Callable[[], Result]]:
    """Let a thread do one thing while the block does another, which leaves a core idle.

    Parameters
    ----------
    work
        Must not depend on what the block does, nor change what that reads.
    threads
        With one, the work is done before the block begins.

    Yields
    ------
    What waits for the result, or raises what the work raised.
    """
    if threads <= 1:
        result = work()
        yield lambda: result
        return
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work).result
