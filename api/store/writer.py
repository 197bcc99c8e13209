"""Group commit: what many threads want written goes to disk together, with one wait for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

from infernet.store.database import Database

from ..errors import GatewayError, Stopping

T = TypeVar("T")

_MOST = 256


@dataclass(frozen=True, slots=True)
class _Work:
    act: Callable[[], Any]
    done: Future[Any]


class Writer:
    """A thread that does works in transactions, as many in one as wait for it.

    A work that raises GatewayError must have written nothing by then; it fails alone. Any other
    error fails the whole group, of which nothing is written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._works: SimpleQueue[_Work | None] = SimpleQueue()
        self._lock = Lock()
        self._is_closed = False
        self._thread = Thread(target=self._labour, name="gateway-writer", daemon=True)
        self._thread.start()

    def post(self, act: Callable[[], T]) -> Future[T]:
        """Have a work done; its result comes once it is on disk. Raises Stopping after `close`."""
        done: Future[T] = Future()
        # So that it can no longer be cancelled, and always gets its result.
        done.set_running_or_notify_cancel()
        with self._lock:
            if self._is_closed:
                raise Stopping("the gateway is ending; send again in a moment")
            self._works.put(_Work(act, done))
        return done

    def close(self) -> None:
        """Do what waits, then end."""
        with self._lock:
            self._is_closed = True
        self._works.put(None)
        self._thread.join()

    def _labour(self) -> None:
        is_open = True
        while is_open:
            group = [self._works.get()]
            while len(group) < _MOST:
                try:
                    group.append(self._works.get_nowait())
                except Empty:
                    break
            is_open = None not in group
            self._commit([work for work in group if work is not None])

    def _commit(self, group: list[_Work]) -> None:
        if not group:
            return
        results = list[tuple[_Work, Any]]()
        refused = list[tuple[_Work, GatewayError]]()
        try:
            with self._database.transaction():
                for work in group:
                    try:
                        results.append((work, work.act()))
                    except GatewayError as error:
                        refused.append((work, error))
        except Exception as error:  # noqa: BLE001 - each of the callers raises it
            for work in group:
                work.done.set_exception(error)
            return
        for work, result in results:
            work.done.set_result(result)
        for work, refusal in refused:
            work.done.set_exception(refusal)
