"""Errors of the game, split by consequence.

GameError
├── InvalidDissection   the numbers cannot form a dissection
├── IllegalMove         the contract would refuse this move; nothing changes
└── InvalidProof        a one-step proof shows nothing; nobody wins by it
"""

from __future__ import annotations


class GameError(Exception):
    """Root of everything that the game raises."""


class InvalidDissection(GameError):
    """A range, a number of hashes or a segment index does not fit."""


class IllegalMove(GameError):
    """A move breaks the rule named `rule`."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(f"{rule}: {reason}")
        self.rule = rule


class InvalidProof(GameError):
    """A one-step proof does not decode, or does not start from the agreed state."""
