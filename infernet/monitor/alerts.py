"""Alerts: what a person may have to act on, to the log and to a webhook.

An alert is made from what an actor reports and from the errors of its loop. Nothing here ever holds
up a game: the webhook has its own thread and a bounded queue, and counts what it drops.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from threading import Lock
from time import monotonic
from typing import Protocol

import structlog

from infernet.actors.report import Report
from infernet.chain.errors import ChainUnavailable, InsufficientBalance, RetryableChainError

# What goes on is told again after so long; so many matters are remembered.
_REPEAT_SECONDS = 3_600.0
_REMEMBERED = 1_000
# One failing call mends itself; so many loops in a row do not.
_TROUBLED_LOOPS = 3


class Severity(IntEnum):
    """How urgent: INFO to know, WARNING to look at, ERROR for money or correctness."""

    INFO = logging.INFO
    WARNING = logging.WARNING
    ERROR = logging.ERROR


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that a person should know. `event` is constant; `ids` say what it is about."""

    event: str
    severity: Severity
    summary: str
    ids: Mapping[str, str] = field(default_factory=dict)


class Sink(Protocol):
    """Where alerts go."""

    def put(self, alert: Alert) -> None:
        """Take an alert without waiting."""


# What an actor reports that becomes an alert; everything else is for the log alone.
SEVERITIES: Mapping[str, Severity] = {
    "false_result_found": Severity.WARNING,
    "challenge_committed": Severity.INFO,
    "reward_collected": Severity.INFO,
    "reveal_timed_out": Severity.INFO,
    "input_hidden": Severity.WARNING,
    "too_costly": Severity.WARNING,
    "turn_due_soon": Severity.ERROR,
    "game_lost": Severity.ERROR,
    "out_of_moves": Severity.ERROR,
    "insufficient_funds": Severity.ERROR,
    "own_results_differ": Severity.ERROR,
    "false_result_final": Severity.ERROR,
    "window_missed": Severity.ERROR,
    "check_failed": Severity.ERROR,
    "coverage_low": Severity.WARNING,
}
# Strangers can cause any number of these; they are told as one matter.
_COMMON = frozenset(
    {
        "input_hidden",
        "insufficient_funds",
        "own_results_differ",
        "window_missed",
        "check_failed",
        "coverage_low",
    }
)
_RPC_TROUBLE, _RPC_BACK = "rpc_trouble", "rpc_back"


class LogSink:
    """Writes alerts to the log."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("infernet.alerts")

    def put(self, alert: Alert) -> None:
        self._log.log(alert.severity, alert.event, summary=alert.summary, alert=True, **alert.ids)


class Alerts:
    """Turns reports and errors of one actor into alerts; an observer of its loop.

    Each matter is told once, and again every `repeat_seconds` while it goes on. `raised` counts
    alerts by event. Threads may share it.
    """

    def __init__(self, sinks: Sequence[Sink], repeat_seconds: float = _REPEAT_SECONDS) -> None:
        self._sinks, self._repeat_seconds = tuple(sinks), repeat_seconds
        self._told: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._lock = Lock()
        self._failed_loops = 0
        self.raised: dict[str, int] = {}

    def on_report(self, report: Report) -> None:
        """Raise an alert for a report that is worth one."""
        severity = SEVERITIES.get(report.event)
        if severity is None:
            return
        alert = Alert(report.event, severity, f"{report.actor} {report.what}", ids_of(report))
        matter = alert.ids.get("game_id") or alert.ids.get("assertion_id") or ""
        self._once(alert, "" if report.event in _COMMON else matter)

    def on_error(self, error: Exception) -> None:
        """Raise an alert for an error that ended a turn of the loop."""
        if isinstance(error, InsufficientBalance):
            alert = Alert("insufficient_funds", Severity.ERROR, str(error))
            self._once(alert, "")
        elif isinstance(error, ChainUnavailable | RetryableChainError):
            self._failed_loops += 1
            if self._failed_loops == _TROUBLED_LOOPS:
                self.put(Alert(_RPC_TROUBLE, Severity.ERROR, str(error)))

    def on_tick(self, duration_seconds: float) -> None:
        """Note that a turn of the loop went well."""
        if self._failed_loops >= _TROUBLED_LOOPS:
            self.put(Alert(_RPC_BACK, Severity.INFO, "the chain answers again"))
        self._failed_loops = 0

    def put(self, alert: Alert) -> None:
        """Hand an alert to every sink."""
        with self._lock:
            self.raised[alert.event] = self.raised.get(alert.event, 0) + 1
        for sink in self._sinks:
            sink.put(alert)

    def _once(self, alert: Alert, matter: str) -> None:
        key, now = (alert.event, matter), monotonic()
        with self._lock:
            told_at = self._told.get(key)
            if told_at is not None and now < told_at + self._repeat_seconds:
                return
            self._told[key] = now
            self._told.move_to_end(key)
            if len(self._told) > _REMEMBERED:
                self._told.popitem(last=False)
        self.put(alert)


def ids_of(report: Report) -> dict[str, str]:
    """Return what a report is about, as text."""
    found: dict[str, bytes | None] = {
        "task_id": report.task_id,
        "assertion_id": report.assertion_id,
        "game_id": report.position.game_id if report.position else None,
        "transaction": report.sent.hash if report.sent else None,
    }
    ids = {name: f"0x{value.hex()}" for name, value in found.items() if value is not None}
    return {"account": report.address, **ids}
