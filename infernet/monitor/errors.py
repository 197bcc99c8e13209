"""Errors of what operators look at."""

from __future__ import annotations

from typing import ClassVar


class MonitorError(Exception):
    """The metrics cannot be served; the message says what to change."""

    exit_code: ClassVar[int] = 2
