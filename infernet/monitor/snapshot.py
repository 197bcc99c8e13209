"""How one player stands at one moment: from the chain, and from its file where it has one.

Amounts are exact, in wei.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

from infernet.chain.records import (
    Address,
    AssertionId,
    GameId,
    GameStatus,
    ProgramRoot,
    Seconds,
    TaskId,
    Wei,
)
from infernet.store.checks import Coverage


class Role(StrEnum):
    """What a player is."""

    MINER = "miner"
    FISHERMAN = "fisherman"


class Turn(StrEnum):
    """What a game waits for. OVER: it is decided, and a bond or a reward is still to be moved."""

    OURS = "ours"
    THEIRS = "theirs"
    OVER = "over"


class Duty(StrEnum):
    """What this player must do before a deadline, or lose money."""

    ASSERT = "assert"
    OPEN = "open"
    MOVE = "move"
    REVEAL = "reveal"


@dataclass(frozen=True, slots=True)
class Served:
    """A model that the player works with; `accepted`: its results that became final here."""

    name: str
    root: ProgramRoot
    is_registered: bool
    minimum_stake_wei: Wei
    accepted: int


@dataclass(frozen=True, slots=True)
class Tasks:
    """Tasks by state. The first three are open now, the others are sums since the beginning."""

    claimed: int
    asserted: int
    disputed: int
    final: int
    slashed: int
    expired: int

    @property
    def in_work(self) -> int:
        """Return how many are claimed or wait for finality."""
        return self.claimed + self.asserted + self.disputed


@dataclass(frozen=True, slots=True)
class Money:
    """Where the money is, and what came and went since the beginning.

    `other_wei`: income beside fees and rewards, from lost challengers' bonds and from reveals.
    `gas_wei`: what recorded transactions paid, None where there is no record. `reserve_wei`: what
    the wallet should hold to play one dispute to its end at today's price of gas.
    """

    wallet_wei: Wei
    free_wei: Wei
    locked_wei: Wei
    deposited_wei: Wei
    withdrawn_wei: Wei
    fees_wei: Wei
    rewards_wei: Wei
    other_wei: Wei
    paid_wei: Wei
    burned_wei: Wei
    slashed_wei: Wei
    penalties_wei: Wei
    gas_wei: Wei | None
    reserve_wei: Wei

    @property
    def earned_wei(self) -> Wei:
        """Return all income."""
        return Wei(self.fees_wei + self.rewards_wei + self.other_wei)

    @property
    def lost_wei(self) -> Wei:
        """Return all that went to others or was burned."""
        return Wei(self.paid_wei + self.burned_wei)

    @property
    def net_wei(self) -> Wei:
        """Return what is left over, gas included where it is known."""
        return Wei(self.earned_wei - self.lost_wei - (self.gas_wei or 0))


@dataclass(frozen=True, slots=True)
class Transactions:
    """Recorded transactions that are not settled, and the sums over all of them.

    `waiting`: in no block yet, from the lowest nonce on; `unconfirmed`: in a block that may still
    be replaced.
    """

    waiting: int
    unconfirmed: int
    lowest_nonce: int | None
    included: int
    failed: int
    gas_used: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many tasks a miner has in work at most, and the least stake that one more needs."""

    max_tasks: int
    stake_wei: Wei


@dataclass(frozen=True, slots=True)
class Dispute:
    """A game that is not settled. `start` and `length`: the interval in steps; clocks in seconds.

    `seconds_left`: until `deadline`, negative after it.
    """

    game_id: GameId
    assertion_id: AssertionId
    is_challenger: bool
    status: GameStatus
    turn: Turn
    start: int
    length: int
    our_clock_seconds: int
    their_clock_seconds: int
    deadline: Seconds
    seconds_left: int
    bond_wei: Wei


@dataclass(frozen=True, slots=True)
class Due:
    """A deadline of this player's own."""

    duty: Duty
    of: TaskId | AssertionId | GameId
    seconds_left: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One player at one block. `chain_time`: the chain's own clock."""

    role: Role
    address: Address
    chain_id: int
    block: int
    chain_time: Seconds
    models: tuple[Served, ...]
    tasks: Tasks
    challenges: int
    games_won: int
    games_lost: int
    money: Money
    disputes: tuple[Dispute, ...]
    dues: tuple[Due, ...]
    capacity: Capacity | None
    transactions: Transactions | None
    coverage: Coverage | None

    def to_json(self) -> str:
        """Return the snapshot as a JSON object; hashes in hexadecimal, wei as whole numbers."""
        return json.dumps(asdict(self), default=_shown, indent=2)


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    raise TypeError(f"{type(value).__name__} has no JSON form")
