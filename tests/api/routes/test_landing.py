"""Results of threads reach the event loops that wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from api.routes.landing import Landing

MANY = 50


def test_of_results_that_come_together_the_first_alone_wakes_the_loop() -> None:
    async def waiting() -> tuple[list[int], int]:
        loop, landing, woken = asyncio.get_running_loop(), Landing(), []
        wake: Callable[..., Any] = loop.call_soon_threadsafe

        def counting(*given: Any) -> Any:
            woken.append(given)
            return wake(*given)

        loop.call_soon_threadsafe = counting  # type: ignore[method-assign, assignment]
        futures = [Future[int]() for _ in range(MANY)]
        waits = [asyncio.ensure_future(landing.of(each)) for each in futures]
        await asyncio.sleep(0)
        with ThreadPoolExecutor(1) as pool:
            # The loop stands still meanwhile.
            pool.submit(_end, futures).result()
        return [await each for each in waits], len(woken)

    results, woken = asyncio.run(waiting())
    assert results == list(range(MANY))
    assert woken == 1


def test_what_has_ended_before_is_there_as_well() -> None:
    future = Future[int]()
    future.set_result(7)
    assert asyncio.run(Landing().of(future)) == 7


def test_an_error_is_raised_where_it_is_waited_for() -> None:
    future = Future[int]()
    future.set_exception(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        asyncio.run(Landing().of(future))


def test_who_has_left_keeps_nobody_else_waiting() -> None:
    async def waiting() -> int:
        landing, futures = Landing(), [Future[int](), Future[int]()]
        gone, stays = (asyncio.ensure_future(landing.of(each)) for each in futures)
        await asyncio.sleep(0)
        gone.cancel()
        _end(futures)
        return await asyncio.wait_for(stays, 5)

    assert asyncio.run(waiting()) == 1


def test_each_loop_gets_its_own() -> None:
    landing = Landing()

    async def waiting(number: int) -> int:
        future = Future[int]()
        asyncio.get_running_loop().call_later(0.01, future.set_result, number)
        return await asyncio.wait_for(landing.of(future), 5)

    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda number: asyncio.run(waiting(number)), range(4))
        assert list(found) == [0, 1, 2, 3]


def _end(futures: list[Future[int]]) -> None:
    for number, each in enumerate(futures):
        each.set_result(number)
