"""Errors of audits, split by consequence.

AuditError
├── UnknownMatter    the chain knows no task, result or game of that id
├── NotAsserted      a task has no result yet, so there is nothing to certify
├── NotReclaimable   a task's fee cannot be taken back, or not yet
├── InvalidReceipt   a receipt is malformed, or contradicts itself
└── WrongVerdict     what was recomputed is not what the receipt or the chain says
"""

from __future__ import annotations

from typing import ClassVar


class AuditError(Exception):
    """Root of everything that audits raise themselves. `exit_code`: of the command line."""

    exit_code: ClassVar[int] = 3


class UnknownMatter(AuditError):
    """An id names nothing on this chain."""


class NotAsserted(AuditError):
    """A task has no result yet."""

    exit_code = 4


class NotReclaimable(AuditError):
    """A fee is not, or not yet, the requester's again."""

    exit_code = 4


class InvalidReceipt(AuditError):
    """A receipt cannot be read, or its parts do not fit each other."""


class WrongVerdict(AuditError):
    """A computation contradicts what a receipt or the chain says."""

    exit_code = 5
