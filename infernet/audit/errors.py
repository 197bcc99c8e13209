"""Errors of audits, split by consequence.

AuditError
└── UnknownMatter   the chain knows no task, result or game of that id
"""

from __future__ import annotations

from typing import ClassVar


class AuditError(Exception):
    """Root of everything that audits raise themselves. `exit_code`: of the command line."""

    exit_code: ClassVar[int] = 3


class UnknownMatter(AuditError):
    """An id names nothing on this chain."""
