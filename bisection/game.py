"""The game as an immutable value: an assertion, the last dissection, whose turn, the clocks.

Twin: contracts/src/DisputeGame.sol. What the contract keeps as a commitment stands here in full.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import NewType

from interpreter.merkle import Hash
from interpreter.program import Step

from .dissection import Dissection, Segment, worst_dissections

Seconds = NewType("Seconds", int)


class Player(Enum):
    """Who plays: the executor defends its assertion, the challenger disputes it."""

    EXECUTOR = "executor"
    CHALLENGER = "challenger"

    @property
    def opponent(self) -> Player:
        """Return the other player."""
        return Player.CHALLENGER if self is Player.EXECUTOR else Player.EXECUTOR


class Reason(Enum):
    """How a game ended."""

    PROOF = "a one-step proof"
    TIMEOUT = "a clock that ran out"


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an executor claims: `final` is the state hash after `steps` steps from `initial`.

    Both hashes are derived by the contract, from the input root and from the output.
    """

    steps: int
    initial: Hash
    final: Hash

    @property
    def dissection(self) -> Dissection:
        """Return the assertion as a dissection with one part: what the opening move answers."""
        return Dissection(Step(0), Step(self.steps), (self.initial, self.final))


@dataclass(frozen=True, slots=True)
class Clocks:
    """A chess clock per player. A turn may last `grace` plus what is left on the mover's clock."""

    executor: Seconds
    challenger: Seconds
    grace: Seconds

    def left(self, player: Player) -> Seconds:
        """Return the seconds on a player's clock, grace not counted."""
        return self.executor if player is Player.EXECUTOR else self.challenger

    def deadline(self, player: Player, now: Seconds) -> Seconds:
        """Return the last second of a turn that begins now."""
        return Seconds(now + self.grace + self.left(player))

    def after_turn(self, player: Player, deadline: Seconds, now: Seconds) -> Clocks:
        """Return the clocks after a move at `now` ≤ `deadline`: unused grace is not saved up."""
        rest = Seconds(min(self.left(player), deadline - now))
        if player is Player.EXECUTOR:
            return replace(self, executor=rest)
        return replace(self, challenger=rest)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who won and how."""

    winner: Player
    reason: Reason


@dataclass(frozen=True, slots=True)
class Game:
    """One challenger against one assertion.

    `last` is what the mover must answer: the assertion itself until the game is opened, then the
    opponent's dissection. `deadline` is the last second in which the mover may move; the opening
    must come later than the second `opens_after` of the commit. `claimed` is the final hash that
    the challenger committed to, None where it is still hidden.
    """

    assertion: Assertion
    k: int
    last: Dissection
    mover: Player
    clocks: Clocks
    deadline: Seconds
    opens_after: Seconds
    claimed: Hash | None
    dissections: int = 0
    verdict: Verdict | None = None

    @property
    def is_opened(self) -> bool:
        """Return whether the challenger has made its opening move."""
        return self.dissections > 0 or self.verdict is not None

    @property
    def most_dissections(self) -> int:
        """Return the bound on dissections that the assertion's length sets."""
        return worst_dissections(self.assertion.steps, self.k)


@dataclass(frozen=True, slots=True)
class Dissect:
    """Cut `segment` of the last dissection; `hashes` are the states at its cuts but the first.

    The state at the segment's start is inherited, so it cannot be supplied wrongly.
    """

    segment: Segment
    hashes: tuple[Hash, ...]


@dataclass(frozen=True, slots=True)
class Prove:
    """Execute the one step of `segment` on chain, from its agreed start."""

    segment: Segment
    proof: bytes


@dataclass(frozen=True, slots=True)
class ClaimTimeout:
    """End the game against a mover whose deadline has passed; anyone may."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing before `until` has passed: the opponent may move, or it is too early to open."""

    until: Seconds


@dataclass(frozen=True, slots=True)
class Concede:
    """Do nothing and lose on time: the trace at hand agrees with everything the opponent said."""


Move = Dissect | Prove
Action = Dissect | Prove | ClaimTimeout | Wait | Concede


def new_game(
    assertion: Assertion,
    k: int,
    clocks: Clocks,
    committed_at: Seconds,
    open_by: Seconds,
    claimed: Hash | None,
) -> Game:
    """Return the game of a committed challenge: to be opened after `committed_at`, by `open_by`."""
    first = assertion.dissection
    mover = Player.CHALLENGER
    return Game(assertion, k, first, mover, clocks, open_by, committed_at, claimed)
