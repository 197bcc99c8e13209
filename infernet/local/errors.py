"""What keeps a local network from running.

LocalError
├── FolderInUse      another network runs in the folder
├── PortTaken        somebody else listens there
└── ServiceFailed    a process ended, or did not get ready in time
"""

from __future__ import annotations

from typing import ClassVar


class LocalError(Exception):
    """A local network cannot be run; the message says what to do."""

    exit_code: ClassVar[int] = 2


class FolderInUse(LocalError):
    """Another network runs in the folder."""


class PortTaken(LocalError):
    """Somebody else listens on a port that was asked for."""


class ServiceFailed(LocalError):
    """A process ended, or did not get ready in time; the message holds the end of its log."""

    exit_code: ClassVar[int] = 10
