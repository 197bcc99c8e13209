"""Errors of the fisherman, split by consequence.

FishermanError
├── PolicyError   the operator's wishes contradict themselves; nothing starts
└── RunFailed     one result could not be re-executed; the others go on
"""

from __future__ import annotations

from typing import ClassVar


class FishermanError(Exception):
    """Root of everything that the fisherman raises itself. `exit_code`: of the command line."""

    exit_code: ClassVar[int] = 3


class PolicyError(FishermanError):
    """A setting of the policy is outside its bounds."""


class RunFailed(FishermanError):
    """An engine failed on an input."""
