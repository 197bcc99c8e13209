"""The chain's own time; the clock of this machine is never asked."""

from __future__ import annotations

import time
from threading import Lock
from typing import Any

from .quorum import HEAD_SECONDS, QuorumProvider
from .records import Seconds
from .votes import lower_median


class Clock:
    """Tells the earliest time that the next block can carry; threads may ask it at once.

    Nodes say when they would mine a block now (`pending`); the middle one of several counts. Where
    none serves that, or one passes the latest block for it, time has gone on from the latest block
    by as much as it did on this machine since the block was seen.
    """

    def __init__(self, provider: QuorumProvider) -> None:
        self._provider = provider
        self._lock = Lock()
        self._parent: Any = None
        self._head_time, self._head_seen = 0, 0.0
        self._told, self._told_at = Seconds(0), float("-inf")

    def now(self) -> Seconds:
        """Return the time; it may be early by a block, never late."""
        with self._lock:
            is_fresh = time.monotonic() - self._told_at < HEAD_SECONDS
            if is_fresh and self._provider.quorum > 1:
                return self._told
        asked = time.monotonic()
        told = self._ask()
        with self._lock:
            self._told, self._told_at = told, asked
        return told

    def _ask(self) -> Seconds:
        pending = [
            block
            for answer in self._provider.each("eth_getBlockByNumber", ["pending", False])
            if (block := answer.get("result")) and block.get("timestamp")
        ]
        with self._lock:
            self._look_at_head(pending)
            passed = int(time.monotonic() - self._head_seen)
            base = self._head_time + passed
        times = [int(block["timestamp"], 16) for block in pending]
        return Seconds(max(base, lower_median(times)) if times else base)

    def _look_at_head(self, pending: list[dict[str, Any]]) -> None:
        """Note when the latest block was first seen, unless its successor-to-be is the same."""
        parent = pending[0].get("parentHash") if len(pending) == 1 else None
        if parent is not None and parent == self._parent:
            return
        head_time = int(self._provider.head()["timestamp"], 16)
        self._parent = parent
        if head_time != self._head_time:
            self._head_time, self._head_seen = head_time, time.monotonic()
