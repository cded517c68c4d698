"""What is asked for while something is done is done next, together, each with its own outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from service.gathering import Gathering

pytestmark = pytest.mark.anyio


class Doubling:
    """Doubles numbers, when it is let; odd hundreds fail, and a whole call where 0 is among it."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.let = asyncio.Event()

    async def __call__(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.calls.append(list(numbers))
        await self.let.wait()
        if 0 in numbers:
            raise ZeroDivisionError
        return [ValueError(n) if n >= 100 and n % 2 else 2 * n for n in numbers]


async def test_the_first_at_once_the_others_together() -> None:
    doubling = Doubling()
    gathering = Gathering(doubling, most=3)
    tasks = [asyncio.create_task(gathering.do(1))]
    await asyncio.sleep(0.01)
    tasks += [asyncio.create_task(gathering.do(n)) for n in (2, 3, 4, 5)]
    await asyncio.sleep(0.01)
    assert doubling.calls == [[1]]
    doubling.let.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 10]
    assert doubling.calls == [[1], [2, 3, 4], [5]]
    assert await gathering.do(6) == 12


async def test_each_gets_its_own_error() -> None:
    doubling = Doubling()
    doubling.let.set()
    gathering = Gathering(doubling, most=8)
    answers = await asyncio.gather(
        *(gathering.do(n) for n in (100, 101, 102)), return_exceptions=True
    )
    assert answers[::2] == [200, 204]
    assert isinstance(answers[1], ValueError)
    # Where all fail together, all are told, and it goes on.
    both = await asyncio.gather(gathering.do(0), gathering.do(7), return_exceptions=True)
    assert [type(answer) for answer in both] == [ZeroDivisionError] * 2
    assert await gathering.do(8) == 16


async def test_who_goes_away_holds_up_nobody() -> None:
    doubling = Doubling()
    gathering = Gathering(doubling, most=8)
    leaving, staying = (asyncio.create_task(gathering.do(n)) for n in (1, 2))
    await asyncio.sleep(0.01)
    leaving.cancel()
    await asyncio.sleep(0.01)
    doubling.let.set()
    assert await staying == 4
    assert leaving.cancelled()
    assert doubling.calls == [[1, 2]]
