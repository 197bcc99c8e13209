"""Errors of the executor, split by consequence.

ExecutorError
├── PolicyError       the operator's wishes cannot be met; nothing starts
└── InferenceFailed   one task could not be executed; the others go on
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
