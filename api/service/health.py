"""How the gateway fares, for its status page and its metrics."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from threading import Lock

from infernet.actors.report import Report
from infernet.chain.records import Seconds


@dataclass(frozen=True, slots=True)
class Condition:
    """A gateway at one moment.

    `turns`: that went well; `idle_seconds`: since the last of them, or since the start;
    `waiting`: tasks that are not on chain yet, `oldest_at`: since when the first of them;
    `members`: miners of the pool; `errors`: turns spoiled, by the error's name.
    """

    block: int
    waiting: int
    oldest_at: Seconds | None
    members: int
    blob_bytes: int
    most_blob_bytes: int
    listeners: int
    turns: int
    idle_seconds: float
    errors: dict[str, int]


class Health:
    """What the loop tells (an `infernet.actors.daemon.Observer`)."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._turns, self._last_turn = 0, time.monotonic()
        self._errors: Counter[str] = Counter()

    @property
    def turns(self) -> int:
        """Return how many turns went well."""
        return self._turns

    @property
    def idle_seconds(self) -> float:
        """Return how long ago the last good turn was, or the start before the first."""
        return time.monotonic() - self._last_turn

    @property
    def errors(self) -> dict[str, int]:
        """Return how many turns each kind of error spoiled."""
        with self._lock:
            return dict(self._errors)

    def on_report(self, report: Report) -> None:
        """Hear what a player did; the gateway plays no game."""

    def on_error(self, error: Exception) -> None:
        """Hear what spoiled a turn."""
        with self._lock:
            self._errors[type(error).__name__] += 1

    def on_tick(self, duration_seconds: float) -> None:
        """Hear that a turn went well."""
        self._turns, self._last_turn = self._turns + 1, time.monotonic()
