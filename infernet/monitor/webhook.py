"""Alerts to a URL: one JSON object a POST, in order, from a thread of its own.

The URL may hold a secret, so only its host is ever shown.
"""

from __future__ import annotations

import queue
import random
import threading
from dataclasses import dataclass
from time import time
from typing import Any
from urllib.parse import urlsplit

import requests
import structlog

from .alerts import Alert

_QUEUE_LENGTH = 256
_ATTEMPTS = 6
_TIMEOUT_SECONDS = (5.0, 10.0)
# Request timeout, too many requests.
_PASSING_STATUS = (408, 429)
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 60.0


class WebhookError(ValueError):
    """The webhook's URL cannot be used."""


@dataclass(frozen=True, slots=True)
class WebhookCounts:
    """Alerts by fate; `failed`: given up after all attempts, `dropped`: the queue was full."""

    sent: int
    failed: int
    dropped: int
    waiting: int


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a POST failed; `is_passing`: another attempt may succeed."""

    reason: str
    is_passing: bool


class Webhook:
    """A sink that POSTs alerts; raise WebhookError for a URL that is not http(s).

    `first_pause_seconds`: before the second attempt; it doubles with each further one.
    """

    def __init__(self, url: str, first_pause_seconds: float = _FIRST_PAUSE_SECONDS) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise WebhookError("the webhook is not an http(s) URL; check fisherman.webhook")
        self.host = parts.hostname
        self._url, self._pause = url, first_pause_seconds
        self._queue: queue.Queue[Alert] = queue.Queue(_QUEUE_LENGTH)
        self._sent = self._failed = self._dropped = 0
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._log = structlog.get_logger("infernet.webhook").bind(host=self.host)
        self._thread = threading.Thread(target=self._work, name="webhook", daemon=True)
        self._thread.start()

    def put(self, alert: Alert) -> None:
        """Queue an alert; drop and count it if the queue is full."""
        try:
            self._queue.put_nowait(alert)
        except queue.Full:
            with self._lock:
                self._dropped += 1
            self._log.warning("webhook_dropped", alert=alert.event)

    @property
    def counts(self) -> WebhookCounts:
        """Return what became of the alerts so far."""
        with self._lock:
            return WebhookCounts(self._sent, self._failed, self._dropped, self._queue.qsize())

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Send what is queued for at most so long, then end."""
        self._stop.set()
        self._thread.join(timeout_seconds)

    def _work(self) -> None:
        while True:
            try:
                alert = self._queue.get(timeout=0.2)
            except queue.Empty:
                if self._stop.is_set():
                    return
                continue
            is_sent = self._deliver(alert)
            with self._lock:
                self._sent += is_sent
                self._failed += not is_sent

    def _deliver(self, alert: Alert) -> bool:
        body, pause = body_of(alert), self._pause
        for attempt in range(1, _ATTEMPTS + 1):
            failure = self._post(body)
            if failure is None:
                return True
            self._log.warning("webhook_failed", reason=failure.reason, attempt=attempt)
            if not failure.is_passing:
                return False
            # Of several players that fail together not all should come back together.
            if attempt < _ATTEMPTS and not self._stop.wait(pause * random.uniform(0.5, 1.0)):
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        return False

    def _post(self, body: dict[str, Any]) -> _Failure | None:
        try:
            # A redirect would carry alerts to a host that nobody configured.
            answer = requests.post(
                self._url, json=body, timeout=_TIMEOUT_SECONDS, allow_redirects=False
            )
        except requests.RequestException as error:
            # The error's text holds the URL.
            return _Failure(type(error).__name__, is_passing=True)
        if 200 <= answer.status_code < 300:
            return None
        is_passing = answer.status_code >= 500 or answer.status_code in _PASSING_STATUS
        return _Failure(f"HTTP {answer.status_code}", is_passing)


def body_of(alert: Alert) -> dict[str, Any]:
    """Return an alert as the JSON object that is sent; chat services show its `text`."""
    severity = alert.severity.name.lower()
    return {
        "event": alert.event,
        "severity": severity,
        "text": f"[{severity}] {alert.event}: {alert.summary}",
        "summary": alert.summary,
        "ids": dict(alert.ids),
        "sent_at": int(time()),
    }
