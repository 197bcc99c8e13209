"""Errors of actors, split by consequence.

ActorError
├── UnregisteredModel   the registry does not know the program: serving it would be worthless
└── ModelTooLarge       a run takes more memory than this machine can give
"""

from __future__ import annotations

from typing import ClassVar


class ActorError(Exception):
    """Root of everything that actors raise themselves. `exit_code`: of the command line."""

    exit_code: ClassVar[int] = 3


class UnregisteredModel(ActorError):
    """A model's root is not one that is registered."""


class ModelTooLarge(ActorError):
    """A model's tensors do not fit into memory."""
