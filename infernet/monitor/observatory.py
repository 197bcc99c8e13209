"""Take snapshots of one player.

Whoever looks needs no key and no lock: beside a running player, and at one that is down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from infernet.chain.deployment import Contracts
from infernet.chain.fees import Prices
from infernet.chain.records import (
    NO_WEI,
    Address,
    GameId,
    GameRecord,
    GameStatus,
    ProgramRoot,
    Seconds,
    Wei,
)
from infernet.store.checks import Coverage, coverage_of
from infernet.store.database import Database
from infernet.store.journal import Journal, SlotState

from .history import History, Ledger, OpenGame
from .snapshot import (
    Capacity,
    Dispute,
    Due,
    Duty,
    Money,
    Role,
    Served,
    Snapshot,
    Tasks,
    Transactions,
    Turn,
)

# Either player's moves together take less, from the first to the last.
_DISPUTE_GAS = 1_500_000


@dataclass(slots=True)
class Observatory:
    """Takes snapshots of one player. `models`: names by root, as the player is configured.

    `database`: the player's file if there is one; without it the chain alone is asked. `capacity`:
    as a miner is configured; a model's floor may ask for more stake.
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
        disputes, models = self._disputes(history, now), self._models(history)
        return Snapshot(
            role=self.role,
            address=self.address,
            chain_id=chain.chain_id,
            block=chain.block_number(),
            chain_time=now,
            models=models,
            tasks=_tasks(history, disputes),
            challenges=history.counts["challenges"],
            games_won=history.counts["games_won"],
            games_lost=history.counts["games_lost"],
            money=self._money(history),
            disputes=disputes,
            dues=_dues(history, disputes, now),
            capacity=self._capacity(models),
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

    def _capacity(self, models: tuple[Served, ...]) -> Capacity | None:
        if self.capacity is None:
            return None
        floor = min((model.minimum_stake_wei for model in models), default=NO_WEI)
        return Capacity(self.capacity.max_tasks, Wei(max(self.capacity.stake_wei, floor)))

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
