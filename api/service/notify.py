"""Tell many listeners of each event at once, and never wait for one of them."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from threading import Lock

from infernet.chain.records import TaskId

from ..errors import NoRoom
from ..store.records import TaskEvent

# Events that may wait for one listener; more, and it is left behind.
_MOST_HELD = 512
_PAGE = 256

Publish = Callable[[Sequence[TaskEvent]], None]
Read = Callable[[int, TaskId | None, int], list[TaskEvent]]


class Listener:
    """Events behind a sequence number, first the stored ones, then as they happen.

    Iterate inside `async with`, in the event loop that opened it. The iteration ends where the
    listener was too slow (`is_behind`) or the gateway ends; the client then comes back with the
    last sequence number it has.
    """

    def __init__(self, notifier: Notifier, read: Read, after: int, task_id: TaskId | None) -> None:
        self.after, self.task_id, self.is_behind = after, task_id, False
        self._notifier, self._read = notifier, read
        self._held: deque[TaskEvent] = deque()
        self._wake = asyncio.Event()
        self._is_over = False

    async def __aenter__(self) -> Listener:
        self._notifier.add(self)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._notifier.remove(self)

    async def __aiter__(self) -> AsyncIterator[TaskEvent]:
        while not self._is_over:
            page = await asyncio.to_thread(self._read, self.after, self.task_id, _PAGE)
            for event in page:
                self.after = event.sequence
                yield event
            if len(page) < _PAGE:
                break
        while True:
            while self._held:
                event = self._held.popleft()
                if event.sequence > self.after:
                    self.after = event.sequence
                    yield event
            if self._is_over:
                return
            self._wake.clear()
            await self._wake.wait()

    def deliver(self, event: TaskEvent) -> None:
        """Hold an event for the iteration; in the event loop."""
        if self._is_over:
            return
        if len(self._held) >= _MOST_HELD:
            self.is_behind = True
            self.end()
            return
        self._held.append(event)
        self._wake.set()

    def end(self) -> None:
        """End the iteration after what is held; in the event loop."""
        self._is_over = True
        self._wake.set()


class Notifier:
    """The listeners of every event loop. `publish` may be called from any thread."""

    def __init__(self, most_listeners: int) -> None:
        self._most = most_listeners
        self._lock = Lock()
        self._is_closed = False
        self._groups: dict[asyncio.AbstractEventLoop, _Group] = {}
        self._heeds: list[Publish] = []

    @property
    def listeners(self) -> int:
        """Return how many listen."""
        with self._lock:
            return sum(group.size for group in self._groups.values())

    def add(self, listener: Listener) -> None:
        """Let a listener hear what comes from now on; raise NoRoom if too many do."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if sum(group.size for group in self._groups.values()) >= self._most:
                raise NoRoom(f"{self._most} listeners are connected; poll the task, or come later")
            self._groups.setdefault(loop, _Group()).add(listener)
            if self._is_closed:
                listener.end()

    def remove(self, listener: Listener) -> None:
        """Forget a listener."""
        loop = asyncio.get_running_loop()
        with self._lock:
            group = self._groups[loop]
            group.remove(listener)
            if not group.size:
                del self._groups[loop]

    def heed(self, act: Publish) -> None:
        """Have all events given to `act` on the thread that tells them; it returns at once."""
        self._heeds.append(act)

    def publish(self, events: Sequence[TaskEvent]) -> None:
        """Tell everyone whom it concerns; returns at once."""
        if events:
            for act in self._heeds:
                act(events)
            self._each(lambda group: group.deliver(events))

    def close(self) -> None:
        """End every iteration."""
        with self._lock:
            self._is_closed = True
        self._each(lambda group: group.end())

    def _each(self, act: Callable[[_Group], None]) -> None:
        with self._lock:
            for loop, group in self._groups.items():
                if not loop.is_closed():
                    loop.call_soon_threadsafe(act, group)


class _Group:
    """The listeners of one event loop, found by the task they listen to."""

    def __init__(self) -> None:
        self._by_task: defaultdict[TaskId | None, set[Listener]] = defaultdict(set)
        self.size = 0

    def add(self, listener: Listener) -> None:
        self._by_task[listener.task_id].add(listener)
        self.size += 1

    def remove(self, listener: Listener) -> None:
        found = self._by_task[listener.task_id]
        if listener in found:
            found.remove(listener)
            self.size -= 1
        if not found:
            del self._by_task[listener.task_id]

    def deliver(self, events: Sequence[TaskEvent]) -> None:
        for event in events:
            for key in (event.task_id, None):
                for listener in self._by_task.get(key, ()):
                    listener.deliver(event)

    def end(self) -> None:
        for found in self._by_task.values():
            for listener in found:
                listener.end()
