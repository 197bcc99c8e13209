"""Runs that threads ask for at the same time share waves, and so one pass over the weights."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from threading import Condition, Lock

from .waves import Lane, Waves


@dataclass(slots=True)
class Joint:
    """Completes runs, up to `most` in a wave. Each caller waits for its own.

    One of the callers leads: it runs the waves of all until its own run is done, then another one
    does. So a run alone is led by its own caller and waits for nobody. Runs join before any wave,
    in the order in which they came. What a leader raises is its own; the others go on.

    `threads`: for each run; those in a wave put theirs together, up to `most_threads`.
    """

    waves: Waves
    most: int
    threads: int
    most_threads: int
    _lock: Lock = field(init=False, default_factory=Lock, repr=False)
    _changed: Condition = field(init=False, repr=False)
    _waiting: deque[Lane] = field(init=False, default_factory=deque, repr=False)
    _running: list[Lane] = field(init=False, default_factory=list, repr=False)
    _leader: Lane | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        self._changed = Condition(self._lock)

    def complete(self, lane: Lane) -> None:
        """Return when a run is done."""
        try:
            with self._lock:
                self._waiting.append(lane)
            while self._is_to_lead(lane):
                self._advance()
        finally:
            self._leave(lane)

    def _is_to_lead(self, lane: Lane) -> bool:
        """Wait until a run is done or its caller leads; return whether it does."""
        # Not `with self._changed`: an exception from another thread could leave that one locked.
        with self._lock:
            while not lane.is_done and self._leader not in (None, lane):
                self._changed.wait()
            if lane.is_done:
                return False
            self._leader = lane
            return True

    def _advance(self) -> None:
        with self._lock:
            while self._waiting and len(self._running) < self.most:
                self._running.append(self._waiting.popleft())
            lanes = list(self._running)
        threads = min(len(lanes) * self.threads, max(self.threads, self.most_threads))
        self.waves.advance(lanes, threads)
        if any(lane.is_done for lane in lanes):
            with self._lock:
                self._running = [lane for lane in self._running if not lane.is_done]
                self._changed.notify_all()

    def _leave(self, lane: Lane) -> None:
        """Forget a run that is done, or whose caller gives it up."""
        with self._lock:
            for lanes in (self._waiting, self._running):
                if lane in lanes:
                    lanes.remove(lane)
            if self._leader is lane:
                self._leader = None
            self._changed.notify_all()
