"""The records and scores of all players, kept up to date with the chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import Generic, TypeVar

from infernet.chain.contract import Contract
from infernet.chain.deployment import Contracts
from infernet.chain.feed import UNSETTLED_BLOCKS
from infernet.chain.logs import Event
from infernet.chain.records import Address, ProgramRoot, Seconds, Wei
from infernet.chain.stake import Balance

from .scores import NO_BALANCE, NO_MINER, FishermanRecord, MinerRecord, Tally

_MARKET = ("Claimed", "ClaimExpired", "Asserted", "Finalised", "Slashed")
_GAMES = ("ChallengeCommitted", "GameLost", "AssertionVoided", "GameSettled", "Rewarded")
_VAULT = ("Deposited", "Withdrawn", "Locked", "Unlocked", "Paid", "Burned")


R = TypeVar("R", MinerRecord, FishermanRecord)


class Rank(StrEnum):
    """What a ranking goes by: the score, or all that an account has in the vault."""

    SCORE = "score"
    STAKE = "stake"


@dataclass(frozen=True, slots=True)
class Player(Generic[R]):
    """An account that did something, what that speaks for it, and what it has in the vault."""

    address: Address
    score: float
    balance: Balance
    record: R


@dataclass(frozen=True, slots=True)
class Standings:
    """All players as of a block; nobody changes the mappings."""

    block: int
    time: Seconds
    miners: Mapping[Address, MinerRecord]
    fishermen: Mapping[Address, FishermanRecord]
    balances: Mapping[Address, Balance]

    def balance(self, address: Address) -> Balance:
        """Return what an account has in the vault."""
        return self.balances.get(address, NO_BALANCE)

    def miner(self, address: Address) -> Player[MinerRecord] | None:
        """Return a miner, None for an account that never claimed a task."""
        return self._player(self.miners, address)

    def fisherman(self, address: Address) -> Player[FishermanRecord] | None:
        """Return a fisherman, None for an account that never challenged a result."""
        return self._player(self.fishermen, address)

    def ranked_miners(self, rank: Rank = Rank.SCORE) -> list[Player[MinerRecord]]:
        """Return all miners, the best first."""
        return self._ranked(self.miners, rank)

    def ranked_fishermen(self, rank: Rank = Rank.SCORE) -> list[Player[FishermanRecord]]:
        """Return all fishermen, the best first."""
        return self._ranked(self.fishermen, rank)

    def _player(self, records: Mapping[Address, R], address: Address) -> Player[R] | None:
        record = records.get(address)
        if record is None:
            return None
        return Player(address, record.score(self.time), self.balance(address), record)

    def _ranked(self, records: Mapping[Address, R], rank: Rank) -> list[Player[R]]:
        found = [
            Player(address, record.score(self.time), self.balance(address), record)
            for address, record in records.items()
        ]

        def place(player: Player[R]) -> tuple[float, float, Address]:
            by = (-player.score, -player.balance.total)
            first, second = by if rank is Rank.SCORE else by[::-1]
            return first, second, player.address

        return sorted(found, key=place)


class Scoreboard:
    """Follows one deployment; threads may share it.

    What is old enough to stay is folded once; the latest blocks, which a reorganisation may
    replace, are folded anew each time.
    """

    def __init__(self, contracts: Contracts) -> None:
        self._contracts, self._lock = contracts, Lock()
        self._settled = Tally()
        self._next = contracts.deployment.block
        self._seen: tuple[int, bytes] | None = None
        # Of an iteration; a registered program never changes.
        self._steps: dict[ProgramRoot, int] = {}
        self._standings: Standings | None = None

    def look(self) -> Standings:
        """Return how all players stand at the latest block; raises ChainError."""
        with self._lock:
            head = self._contracts.feed.sync()
            if self._standings is None or head != self._seen:
                with self._contracts.feed.as_it_is():
                    self._standings = self._folded(head[0])
                self._seen = head
            return self._standings

    def score(self, address: Address) -> float:
        """Return a miner's score by the last look, and that of a new one before the first.

        The chain is not asked.
        """
        now = self._standings
        if now is None:
            return NO_MINER.score(Seconds(0))
        return now.miners.get(address, NO_MINER).score(now.time)

    def deposit(self, address: Address) -> Wei | None:
        """Return what an account had in the vault at the last look, None before the first."""
        now = self._standings
        return None if now is None else now.balance(address).total

    def _folded(self, head: int) -> Standings:
        settled_until = head - UNSETTLED_BLOCKS
        events = [each for each in self._events() if each.block_number <= head]
        events.sort(key=lambda each: (each.block_number, each.log_index))
        timed = [(each, self._time_of(each)) for each in events]
        time = self._contracts.chain.block(head).timestamp
        for event, at in timed:
            if event.block_number <= settled_until:
                self._settled.apply(event, at)
        self._next = max(self._next, settled_until + 1)
        tally = self._settled.copied()
        for event, at in timed:
            if event.block_number > settled_until:
                tally.apply(event, at)
        return Standings(head, time, tally.miners, tally.fishermen, tally.balances)

    def _events(self) -> Iterator[Event]:
        contracts = self._contracts
        places: tuple[tuple[Contract, tuple[str, ...]], ...] = (
            (contracts.market, _MARKET),
            (contracts.games, _GAMES),
            (contracts.vault, _VAULT),
        )
        for contract, names in places:
            for name in names:
                yield from contract.events(name, self._next)

    def _time_of(self, event: Event) -> Seconds:
        """Return the time of an event's block, as far as the fold asks for it.

        The contracts tell it by the deadline that they set; so nothing is asked of the chain.
        """
        market, games = self._contracts.market_constants, self._contracts.game_constants
        if event.name == "Asserted":
            run = self._run_seconds(self._request_of(event))
            return Seconds(event["windowEnd"] - market.window_seconds - run)
        if event.name == "ChallengeCommitted":
            asserted = self._contracts.market.events("Asserted", assertionId=event["assertionId"])
            run = self._run_seconds(self._request_of(asserted[0])) if asserted else 0
            return Seconds(event["openDeadline"] - games.open_seconds - run)
        if event.name != "Claimed":
            return Seconds(0)
        request = self._request_of(event)
        if request is not None and event["claimDeadline"] < request["deadline"]:
            run = self._run_seconds(request)
            return Seconds(event["claimDeadline"] - market.assert_seconds - run)
        # The task ends before the claim's time does.
        return self._contracts.chain.block(event.block_number).timestamp

    def _request_of(self, event: Event) -> Event | None:
        """Return the request of an event's task; None where the index has lost it meanwhile."""
        found = self._contracts.market.events("Requested", taskId=event["taskId"])
        return found[0] if found else None

    def _run_seconds(self, request: Event | None) -> int:
        """Return what a task's run adds to its periods, 0 for one that is not known."""
        if request is None:
            return 0
        contracts, root = self._contracts, ProgramRoot(bytes(request["programRoot"]))
        if root not in self._steps:
            self._steps[root] = contracts.registry.info(root).steps_per_iteration
        return contracts.game_constants.run_seconds(request["iterations"] * self._steps[root])
