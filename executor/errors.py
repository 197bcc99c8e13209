"""Errors of the executor, split by consequence.

ExecutorError
├── PolicyError       the operator's wishes cannot be met; nothing starts
├── InferenceFailed   one task could not be executed; the others go on
└── GatewayFailed     a gateway is of no use for a while; the next one is asked
    ├── SessionOver   it knows the miner no more; joining again helps
    └── GatewayLied   it said what the chain contradicts
"""

from __future__ import annotations

from typing import ClassVar


class ExecutorError(Exception):
    """Root of everything that the executor raises itself. `exit_code`: of the command line."""

    exit_code: ClassVar[int] = 3


class PolicyError(ExecutorError):
    """A setting of the policy contradicts the chain or itself."""


class InferenceFailed(ExecutorError):
    """An engine failed on an input."""


class GatewayFailed(ExecutorError):
    """A gateway does not answer as one does. `status`: of HTTP, None if none came."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class SessionOver(GatewayFailed):
    """A session ended, or the gateway was started anew."""


class GatewayLied(GatewayFailed):
    """What a gateway said is not so."""
