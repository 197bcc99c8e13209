"""Let works wait side by side: threads on which an actor attempts what is due.

Most of a work's time passes waiting for the chain or inside an engine, which both leave the
interpreter free. Urgent works have threads of their own, so that none waits behind a long run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from queue import PriorityQueue

from infernet.chain.errors import Reverted

from .attempt import OnOvertaken, attempt, joined

NO_DEADLINE = 2**63
# How long a signal to stop may go unnoticed.
_STOP_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Work:
    """Something to attempt. `act` returns whether it sent anything.

    `matter`: what it is about; nobody works twice on a matter at a time. `deadline`: in seconds of
    chain time, the earliest comes first. `is_urgent`: its lateness loses money already at stake.
    """

    matter: bytes
    act: Callable[[], bool]
    deadline: int = NO_DEADLINE
    is_urgent: bool = False


@dataclass(slots=True)
class _Outcome:
    """What works came to since somebody last asked."""

    has_acted: bool = False
    errors: list[Exception] = field(default_factory=list)


_Entry = tuple[int, int, Work | None, OnOvertaken]


class Crew:
    """`workers` threads for urgent works and as many for others; with none, the caller's own.

    An embedded chain has one thread and takes a crew of none.
    """

    def __init__(self, workers: int = 0) -> None:
        self._changed = threading.Condition()
        self._busy: set[bytes] = set()
        self._news = _Outcome()
        self._numbers = count()
        self._lanes: dict[bool, PriorityQueue[_Entry]] = {True: PriorityQueue()}
        self._lanes[False] = PriorityQueue()
        self._threads: list[threading.Thread] = []
        for number in range(2 * workers):
            lane = self._lanes[number < workers]
            # Daemon threads end with the process: whatever they do, the journal can resume.
            thread = threading.Thread(
                target=self._labour, args=(lane,), name=f"crew-{number}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    @property
    def is_inline(self) -> bool:
        """Return whether works are done by whoever asks for them."""
        return not self._threads

    def is_busy_with(self, matter: bytes) -> bool:
        """Return whether somebody works on a matter, or is about to."""
        with self._changed:
            return matter in self._busy

    def attempt_all(self, works: Iterable[Work], on_overtaken: OnOvertaken) -> bool:
        """Have works attempted, the most urgent first; return whether anything was sent.

        With threads this returns at once, and tells what became of earlier works. What fails
        hinders nothing else: errors are raised once, as `joined` gives them.
        """
        ordered = sorted(works, key=lambda work: (not work.is_urgent, work.deadline))
        for work in ordered:
            if self.is_inline:
                self._do(work, on_overtaken)
            elif self._reserve(work.matter):
                entry = (work.deadline, next(self._numbers), work, on_overtaken)
                self._lanes[work.is_urgent].put(entry)
        with self._changed:
            news, self._news = self._news, _Outcome()
        if error := joined(news.errors):
            raise error
        return news.has_acted

    def wait(self, stop: threading.Event, seconds: float) -> None:
        """Return when a work has something to tell, `stop` is set, or so much time has passed."""
        if self.is_inline:
            stop.wait(seconds)
            return
        until = time.monotonic() + seconds
        with self._changed:
            while not (self._news.has_acted or self._news.errors or stop.is_set()):
                left = until - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(min(left, _STOP_SECONDS))

    def dismiss(self, seconds: float) -> int:
        """Begin nothing more, let what runs finish for so long; return how many still run."""
        for lane in self._lanes.values():
            for _ in range(len(self._threads) // 2):
                lane.put((-1, next(self._numbers), None, _ignore))
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return sum(thread.is_alive() for thread in self._threads)

    def _reserve(self, matter: bytes) -> bool:
        with self._changed:
            if matter in self._busy:
                return False
            self._busy.add(matter)
            return True

    def _labour(self, lane: PriorityQueue[_Entry]) -> None:
        while True:
            _, _, work, on_overtaken = lane.get()
            if work is None:
                return
            self._do(work, on_overtaken)

    def _do(self, work: Work, on_overtaken: OnOvertaken) -> None:
        has_acted, errors = False, list[Exception]()
        try:
            has_acted = bool(attempt(work.act, on_overtaken))
        except Exception as error:  # noqa: BLE001 - the caller is told, in its own thread
            errors.append(error)
        with self._changed:
            self._busy.discard(work.matter)
            self._news.has_acted |= has_acted
            self._news.errors += errors
            self._changed.notify_all()


def _ignore(error: Reverted) -> None:
    """Do nothing; the entry that ends a thread needs it."""
