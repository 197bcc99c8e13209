"""The loop of a long-running player: finish what was begun, then look and act until told to stop.

Nothing that goes wrong in one turn ends it. See docs/adr/0008.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Protocol

import structlog

from infernet.chain.errors import ChainError
from infernet.chain.wallet import Wallet
from infernet.store.errors import StoreError

from .attempt import each_of
from .crew import Crew
from .report import Report

_REPEAT_SECONDS = 60.0


class Actor(Protocol):
    """A player that looks at the chain and does what is due. `crew`: who does it."""

    @property
    def crew(self) -> Crew:
        """Return on whose threads the player works."""

    def tick(self) -> bool:
        """Do one turn; return whether anything was sent."""

    def stop(self) -> None:
        """Note that the process ends because it was asked to."""


class Observer(Protocol):
    """Whoever is told how a player fares; must neither fail nor block."""

    def on_report(self, report: Report) -> None:
        """Hear what the player did or found."""

    def on_error(self, error: Exception) -> None:
        """Hear what spoiled a turn."""

    def on_tick(self, duration_seconds: float) -> None:
        """Hear that a turn went well."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait: `poll_seconds` after a turn without a move.

    After a failed turn it is `first_pause_seconds`, doubled each time up to
    `longest_pause_seconds`, which has to be far below every clock of a game. `grace_seconds`: what
    works in flight get to finish when the player is told to stop.
    """

    poll_seconds: float = 1.0
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 15.0
    grace_seconds: float = 10.0

    def pause(self, failures: int) -> float:
        """Return the wait after so many failed turns in a row, with jitter."""
        whole = self.first_pause_seconds * 2.0 ** min(failures - 1, 16)
        return min(whole, self.longest_pause_seconds) * random.uniform(0.75, 1.25)


def run(
    actor: Actor, wallet: Wallet, stop: Event, observer: Observer, pace: Pace | None = None
) -> None:
    """Play until `stop` is set; what is in flight then stays in the journal.

    Transactions of an earlier process come to their end before the first look at the chain, so
    that nothing is sent twice. The player's crew is dismissed in the end.
    """
    pace = pace or Pace()
    loop = _Loop(observer, stop, pace)
    while not stop.is_set() and not loop.turn(wallet.recover):
        pass
    while not stop.is_set():
        if loop.turn(lambda: _tick(actor, wallet, loop)) and not loop.has_acted:
            actor.crew.wait(stop, pace.poll_seconds)
    loop.say_goodbye(actor.crew.dismiss(pace.grace_seconds))
    actor.stop()


def stop_on_signals(stop: Event) -> None:
    """Let SIGTERM and SIGINT end the loop after the turn in progress; a second one ends at once."""

    def ask(number: int, frame: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)


def _tick(actor: Actor, wallet: Wallet, loop: _Loop) -> None:
    began = time.monotonic()
    loop.has_acted, trouble = False, None
    try:
        wallet.tend()
    except (ChainError, StoreError) as error:
        # What became of earlier transactions must not keep a move waiting.
        trouble = error
    loop.has_acted = actor.tick()
    if trouble:
        raise trouble
    loop.observer.on_tick(time.monotonic() - began)


class _Loop:
    """Takes turns, counts failures in a row and says each once."""

    def __init__(self, observer: Observer, stop: Event, pace: Pace) -> None:
        self.observer = observer
        self.has_acted = False
        self._stop, self._pace = stop, pace
        self._failures = 0
        self._said: dict[str, float] = {}
        self._log = structlog.get_logger("infernet.daemon")

    def turn(self, work: Callable[[], object]) -> bool:
        """Do the work; return whether it went well, or wait a while."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a player with clocks running must go on
            self._failures += 1
            for each in each_of(error):
                self.observer.on_error(each)
                self._say(each)
            self._stop.wait(self._pace.pause(self._failures))
            return False
        if self._failures:
            self._log.info("turn_succeeded", failures_before=self._failures)
            self._failures = 0
            self._said.clear()
        return True

    def say_goodbye(self, works_left: int) -> None:
        """Log the end, and how many works were still in flight."""
        self._log.info("stopped", works_in_flight=works_left)

    def _say(self, error: Exception) -> None:
        """Log an error unless the same was logged a moment ago."""
        text, now = f"{type(error).__name__}: {error}", time.monotonic()
        if now - self._said.get(text, -_REPEAT_SECONDS) < _REPEAT_SECONDS:
            return
        self._said = {key: at for key, at in self._said.items() if now - at < _REPEAT_SECONDS}
        self._said[text] = now
        if isinstance(error, ChainError | StoreError):
            self._log.warning("turn_failed", reason=str(error), kind=type(error).__name__)
        else:
            self._log.error("turn_broke", kind=type(error).__name__, exc_info=error)
