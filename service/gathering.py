"""What is asked for while something is being done is done next, all of it together.

Nothing waits for company: the first is done at once, by itself. The more are asked for at a time,
the more are done together, and the less each costs.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


class Gathering(Generic[_Given, _Made]):
    """Does things one after the other or together, in the order in which they were asked for.

    Parameters
    ----------
    do_many
        Does several, and returns what came of each in its place: an exception where it failed.
    most
        Done together at most.
    """

    def __init__(
        self,
        do_many: Callable[[Sequence[_Given]], Awaitable[Sequence[_Made | Exception]]],
        *,
        most: int,
    ) -> None:
        self._do_many = do_many
        self._most = most
        self._waiting: deque[tuple[_Given, asyncio.Future[_Made]]] = deque()
        self._doing: asyncio.Task[None] | None = None

    async def do(self, given: _Given) -> _Made:
        """Do one; it is done even if nobody waits for it any more."""
        future: asyncio.Future[_Made] = asyncio.get_running_loop().create_future()
        self._waiting.append((given, future))
        if self._doing is None or self._doing.done():
            # In a context of its own: what is done belongs to no single request.
            self._doing = asyncio.create_task(self._do_waiting(), context=contextvars.Context())
        return await future

    async def _do_waiting(self) -> None:
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            made: Sequence[_Made | Exception]
            try:
                made = await self._do_many([given for given, _ in some])
            except Exception as error:  # noqa: BLE001 - handed on to whoever asked
                made = [error] * len(some)
            for (_, future), outcome in zip(some, made, strict=True):
                if future.done():
                    continue
                if isinstance(outcome, Exception):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome)
