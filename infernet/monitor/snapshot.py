"""How one player stands at one moment: from the chain, and from its file where it has one.

Whoever reads needs no key and no lock, so a snapshot can be taken beside a running player, and of
one that is down. Amounts are exact, in wei.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from infernet.chain.deployment import Contracts
from infernet.chain.fees import Prices
from infernet.chain.records import (
    Address,
    AssertionId,
    GameId,
    GameRecord,
    GameStatus,
    ProgramRoot,
    Seconds,
    TaskId,
    Wei,
)
from infernet.store.checks import Coverage, coverage_of
from infernet.store.database import Database
from infernet.store.journal import Journal, SlotState

from .history import History, Ledger, OpenGame

# Either player's moves together take less, from the first to the last.
_DISPUTE_GAS = 1_500_000


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
    """What a miner wants to have in work at most, and what it stakes on each task."""

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


@dataclass(slots=True)
class Observatory:
    """Takes snapshots of one player. `models`: names by root, as the player is configured.

    `database`: the player's file if there is one; without it the chain alone is asked.
    """

    contracts: Contracts
    address: Address
    role: Role
    models: Mapping[ProgramRoot, str]
    database: Database | None = None
    capacity: Capacity | None = None
    _ledger: Ledger = field(init=False)
    _prices: Prices = field(init=False)
    _journal: Journal | None = field(init=False)

    def __post_init__(self) -> None:
        self._ledger = Ledger(self.contracts, self.address)
        self._prices = Prices(self.contracts.chain)
        self._journal = Journal(self.database, self.address) if self.database else None

    def take(self) -> Snapshot:
        """Return how the player stands; raises ChainError or StoreError."""
        history = self._ledger.look()
        chain = self.contracts.chain
        now = chain.next_timestamp()
        disputes = self._disputes(history, now)
        return Snapshot(
            role=self.role,
            address=self.address,
            chain_id=chain.chain_id,
            block=chain.block_number(),
            chain_time=now,
            models=self._models(history),
            tasks=_tasks(history, disputes),
            challenges=history.counts["challenges"],
            games_won=history.counts["games_won"],
            games_lost=history.counts["games_lost"],
            money=self._money(history),
            disputes=disputes,
            dues=_dues(history, disputes, now),
            capacity=self.capacity,
            transactions=self._transactions(),
            coverage=self._coverage(),
        )

    def _models(self, history: History) -> tuple[Served, ...]:
        found = []
        for root, name in self.models.items():
            info = self.contracts.registry.info(root)
            accepted = history.final_by_model[root]
            found.append(Served(name, root, info.registered, info.minimum_stake, accepted))
        return tuple(found)

    def _money(self, history: History) -> Money:
        wei, vault = history.wei, self.contracts.vault.balance(self.address)
        return Money(
            wallet_wei=self.contracts.chain.balance(self.address),
            free_wei=vault.free,
            locked_wei=vault.locked,
            deposited_wei=Wei(wei["deposited"]),
            withdrawn_wei=Wei(wei["withdrawn"]),
            fees_wei=Wei(wei["fees"]),
            rewards_wei=Wei(wei["rewards"]),
            other_wei=Wei(wei["paid_in"] - wei["fees"] - wei["rewards"]),
            paid_wei=Wei(wei["paid_out"]),
            burned_wei=Wei(wei["burned"]),
            slashed_wei=Wei(wei["slashed"]),
            penalties_wei=Wei(wei["penalties"]),
            gas_wei=Wei(self._journal.totals().fee_wei) if self._journal else None,
            reserve_wei=Wei(_DISPUTE_GAS * self._prices.now().max_fee),
        )

    def _transactions(self) -> Transactions | None:
        if self._journal is None:
            return None
        totals, unsettled = self._journal.totals(), self._journal.unsettled()
        waiting = [slot.nonce for slot in unsettled if slot.state is SlotState.OPEN]
        return Transactions(
            waiting=len(waiting),
            unconfirmed=len(unsettled) - len(waiting),
            lowest_nonce=min(waiting, default=None),
            included=totals.included,
            failed=totals.failed,
            gas_used=totals.gas_used,
        )

    def _disputes(self, history: History, now: Seconds) -> tuple[Dispute, ...]:
        games = self.contracts.games
        found = [
            _dispute(game_id, game, games.game(game_id), now)
            for game_id, game in history.games.items()
        ]
        return tuple(sorted(found, key=lambda dispute: (dispute.turn, dispute.deadline)))

    def _coverage(self) -> Coverage | None:
        if self.role is not Role.FISHERMAN or self.database is None:
            return None
        return sum(coverage_of(self.database).values(), Coverage())


def _tasks(history: History, disputes: tuple[Dispute, ...]) -> Tasks:
    disputed = {d.assertion_id for d in disputes if not d.is_challenger and d.turn != Turn.OVER}
    disputed &= history.results.keys()
    return Tasks(
        claimed=len(history.claims),
        asserted=len(history.results) - len(disputed),
        disputed=len(disputed),
        final=history.counts["final"],
        slashed=history.counts["slashed"],
        expired=history.counts["expired"],
    )


_MOVERS = {
    GameStatus.COMMITTED: True,
    GameStatus.CHALLENGER_TURN: True,
    GameStatus.EXECUTOR_TURN: False,
}


def _dispute(game_id: GameId, game: OpenGame, record: GameRecord, now: Seconds) -> Dispute:
    """Return a game as the player sees it, with the clock of whoever's turn it is running."""
    clocks = (record.challenger_clock, record.executor_clock)
    ours, theirs = clocks if game.is_ours else clocks[::-1]
    turn = Turn.OVER
    if record.status in _MOVERS:
        turn = Turn.OURS if _MOVERS[record.status] == game.is_ours else Turn.THEIRS
    return Dispute(
        game_id=game_id,
        assertion_id=game.assertion_id,
        is_challenger=game.is_ours,
        status=record.status,
        turn=turn,
        start=record.start,
        length=record.length,
        our_clock_seconds=ours,
        their_clock_seconds=theirs,
        deadline=record.deadline,
        seconds_left=record.deadline - now,
        bond_wei=record.bond,
    )


def _dues(history: History, disputes: tuple[Dispute, ...], now: Seconds) -> tuple[Due, ...]:
    found = [
        Due(Duty.OPEN if d.status is GameStatus.COMMITTED else Duty.MOVE, d.game_id, d.seconds_left)
        for d in disputes
        if d.turn is Turn.OURS
    ]
    found += [Due(Duty.ASSERT, task_id, until - now) for task_id, until in history.claims.items()]
    found += [
        Due(Duty.REVEAL, assertion_id, result.reveal_deadline - now)
        for assertion_id, result in history.results.items()
        if result.reveal_deadline
    ]
    return tuple(sorted(found, key=lambda due: due.seconds_left))


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    raise TypeError(f"{type(value).__name__} has no JSON form")
