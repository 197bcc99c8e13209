"""From the threads that write to the event loops that answer, with one wake-up for many results."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class Landing:
    """Awaits futures of threads; of those that end together, the first alone wakes the loop."""

    def __init__(self) -> None:
        self._shores = WeakKeyDictionary[asyncio.AbstractEventLoop, _Shore]()

    async def of(self, future: Future[T]) -> T:
        """Return the result of a future, or raise its error."""
        loop = asyncio.get_running_loop()
        shore = self._shores.get(loop)
        if shore is None:
            shore = self._shores[loop] = _Shore()
        here: asyncio.Future[T] = loop.create_future()
        future.add_done_callback(lambda ended: shore.bring(here, ended))
        return await here


class _Shore:
    """What came for one event loop and is not seen there yet."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._come = deque[tuple[asyncio.Future[Any], Future[Any]]]()

    def bring(self, here: asyncio.Future[Any], ended: Future[Any]) -> None:
        """Take a result on any thread."""
        loop = here.get_loop()
        with self._lock:
            is_first = not self._come
            self._come.append((here, ended))
        if is_first and not loop.is_closed():
            loop.call_soon_threadsafe(self._land)

    def _land(self) -> None:
        with self._lock:
            come, self._come = self._come, deque()
        for here, ended in come:
            if here.done():
                # Whoever waited is gone.
                continue
            if error := ended.exception():
                here.set_exception(error)
            else:
                here.set_result(ended.result())
