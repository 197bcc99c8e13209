"""A thousand listeners hear everything in order; one that is too slow is let go."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from api.errors import NoRoom
from api.service.notify import Listener, Notifier
from api.store.records import TaskEvent, TaskState
from infernet.chain.records import Seconds, TaskId

_TASKS = 10


def event(sequence: int) -> TaskEvent:
    task_id = TaskId(bytes([sequence % _TASKS] * 32))
    return TaskEvent(sequence, task_id, "claimed", TaskState.RUNNING, {}, 1, 1, b"", Seconds(1))


class Book:
    """Events that are stored before they are told, as the gateway does it."""

    def __init__(self, most_listeners: int = 2_000) -> None:
        self.notifier = Notifier(most_listeners)
        self._events: list[TaskEvent] = []
        self._lock = threading.Lock()

    def write(self, count: int) -> None:
        with self._lock:
            first = len(self._events) + 1
            fresh = [event(number) for number in range(first, first + count)]
            self._events += fresh
            self.notifier.publish(fresh)

    def read(self, after: int, task_id: TaskId | None, limit: int) -> list[TaskEvent]:
        with self._lock:
            found = [e for e in self._events[after:] if task_id in (None, e.task_id)]
        return found[:limit]

    def listen(self, after: int = 0, task_id: TaskId | None = None) -> Listener:
        return Listener(self.notifier, self.read, after, task_id)


async def hear(book: Book, last: int, task_id: TaskId | None = None, after: int = 0) -> list[int]:
    heard = []
    async with book.listen(after, task_id) as listener:
        async for each in listener:
            heard.append(each.sequence)
            if each.sequence >= last:
                break
    return heard


def test_a_thousand_listeners_miss_nothing_and_hear_nothing_twice() -> None:
    book, total = Book(), 400

    def write() -> None:
        while book.notifier.listeners < 1_000:
            time.sleep(0.001)
        for _ in range(total // 20):
            book.write(20)
            time.sleep(0.005)

    async def listen() -> list[list[int]]:
        writer = threading.Thread(target=write)
        writer.start()
        kinds = [TaskId(bytes([number % _TASKS] * 32)) for number in range(900)]
        ones = (hear(book, total - _TASKS + kind[0] if kind[0] else total, kind) for kind in kinds)
        alls = (hear(book, total) for _ in range(100))
        try:
            return await asyncio.wait_for(asyncio.gather(*ones, *alls), 30)
        finally:
            writer.join()

    heard = asyncio.run(listen())
    for number, found in enumerate(heard[:900]):
        first = number % _TASKS or _TASKS
        assert found == list(range(first, total + 1, _TASKS))[: len(found)]
        assert len(found) == total // _TASKS
    assert all(found == list(range(1, total + 1)) for found in heard[900:])
    assert book.notifier.listeners == 0


def test_the_past_comes_before_the_present_without_a_gap() -> None:
    book = Book()
    book.write(600)

    async def listen() -> list[int]:
        task = asyncio.create_task(hear(book, 605, after=10))
        await asyncio.sleep(0.05)
        book.write(5)
        return await asyncio.wait_for(task, 10)

    assert asyncio.run(listen()) == list(range(11, 606))


def test_a_listener_that_does_not_keep_up_is_let_go_and_can_come_back() -> None:
    book = Book()

    async def listen() -> list[int]:
        heard = []
        async with book.listen() as listener:
            async for each in _after_writing(book, listener):
                heard.append(each.sequence)
            assert listener.is_behind
            heard += await hear(book, 2_001, after=listener.after)
        return heard

    assert asyncio.run(listen()) == list(range(1, 2_002))


async def _after_writing(book: Book, listener: Listener):  # type: ignore[no-untyped-def]
    """Yield what a listener hears, while far more is told than it takes."""
    book.write(1)
    async for each in listener:
        if each.sequence == 1:
            book.write(2_000)
            await asyncio.sleep(0.05)
        yield each


def test_too_many_listeners_are_refused_and_the_end_reaches_all() -> None:
    book = Book(most_listeners=2)

    async def listen() -> None:
        async with book.listen() as one, book.listen():
            with pytest.raises(NoRoom, match="2 listeners"):
                async with book.listen():
                    pass
            task = asyncio.create_task(_count(one))
            await asyncio.sleep(0.01)
            book.notifier.close()
            assert await asyncio.wait_for(task, 5) == 0
            assert not one.is_behind

    asyncio.run(listen())


async def _count(listener: Listener) -> int:
    return len([each async for each in listener])
