"""What an operator wants of a fisherman: how far it goes, what it looks at, what it pays."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from infernet.chain.records import NO_WEI, Wei

from .errors import PolicyError

_SHARES = ("sample", "hidden_share", "due_soon_share", "coverage_target")


class Mode(Enum):
    """How far a fisherman goes.

    WATCHTOWER re-executes and says what it finds, and never sends a transaction. DEFENSIVE plays
    the games that its account is in, and collects what is due to it. FULL also challenges.
    """

    WATCHTOWER = "watchtower"
    DEFENSIVE = "defensive"
    FULL = "full"

    @property
    def checks(self) -> bool:
        """Say whether it re-executes results."""
        return self is not Mode.DEFENSIVE

    @property
    def sends(self) -> bool:
        """Say whether it ever sends a transaction."""
        return self is not Mode.WATCHTOWER

    @property
    def challenges(self) -> bool:
        """Say whether it begins games."""
        return self is Mode.FULL


@dataclass(frozen=True, slots=True)
class FishermanPolicy:
    """What one fisherman does; raise PolicyError for a share outside its bounds.

    `sample`: the share of results that it re-executes. `minimum_profit_wei`: what a challenge must
    leave over; a negative one allows to challenge at a loss. `hidden_share`: of the results whose
    input is hidden, the share that it expects to be false. `yearly_rate`: what money costs while it
    is bound. `due_soon_share`: of the time for a move, the rest that is alarming.
    `coverage_target`: of what should have been checked, the share below which it gives alarm.
    `max_runs`: executions at once, and as many kept in memory for games.
    """

    mode: Mode = Mode.FULL
    sample: Fraction = Fraction(1)
    minimum_profit_wei: Wei = NO_WEI
    hidden_share: Fraction = Fraction(1, 2)
    yearly_rate: Fraction = Fraction(1, 10)
    due_soon_share: Fraction = Fraction(1, 4)
    coverage_target: Fraction = Fraction(99, 100)
    max_runs: int = 4

    def __post_init__(self) -> None:
        for name in _SHARES:
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise PolicyError(f"{name} is {value}; it is a share: choose 0 to 1")
        if self.max_runs < 1:
            raise PolicyError(f"max_runs is {self.max_runs}; choose 1 or more")
