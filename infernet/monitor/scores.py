"""What each miner and each fisherman did so far, and how far that speaks for it.

A pure fold over the events of the contracts, in the chain's order. docs/scores.md has the formula
and what it cannot resist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil

from infernet.chain.logs import Event
from infernet.chain.records import NO_WEI, Address, AssertionId, GameId, Seconds, TaskId, Wei
from infernet.chain.stake import Balance

HALF_LIFE_SECONDS = 14 * 86_400
# Of an account that has done nothing yet: so much, as if so many results had shown it.
PRIOR_SCORE, PRIOR_WEIGHT = 0.5, 10.0
# What a result takes from the worth of one that came at once, if it took all the time there is.
SLOWNESS_COST = 0.1
# Results that one claim without a result, or one decided dispute, counts as much as.
EXPIRY_WEIGHT, DISPUTE_WEIGHT = 3.0, 5.0
# What a false result leaves of a score: less than a new account has.
LIE_FACTOR = 0.25
_NEVER = Seconds(0)


@dataclass(frozen=True, slots=True)
class Fading:
    """A sum whose parts halve every HALF_LIFE_SECONDS; it was `amount` at the time `at`."""

    amount: float = 0.0
    at: Seconds = _NEVER

    def plus(self, weight: float, at: Seconds) -> Fading:
        """Return the sum with one part more, which may be older than the last."""
        latest = max(self.at, at)
        return Fading(self.value(latest) + weight * _left(latest - at), latest)

    def value(self, now: Seconds) -> float:
        """Return what is left of the sum."""
        return self.amount * _left(now - self.at)


@dataclass(frozen=True, slots=True)
class Tried:
    """What was tried and how much of it went well, as an average that begins at PRIOR_SCORE."""

    good: Fading = Fading()
    all: Fading = Fading()

    def plus(self, weight: float, worth: float, at: Seconds) -> Tried:
        """Return it with a trial more; `worth`: from 0 to 1."""
        return Tried(self.good.plus(weight * worth, at), self.all.plus(weight, at))

    def average(self, now: Seconds) -> float:
        """Return the share that went well, from 0 to 1."""
        good = PRIOR_SCORE * PRIOR_WEIGHT + self.good.value(now)
        return good / (PRIOR_WEIGHT + self.all.value(now))


@dataclass(frozen=True, slots=True)
class MinerRecord:
    """What a miner did. `latencies`: how many results took so many seconds from claim to assertion.

    `lost_wei`: stakes slashed and penalties of claims without a result.
    """

    claims: int = 0
    results: int = 0
    final: int = 0
    slashed: int = 0
    expired: int = 0
    disputes_won: int = 0
    disputes_lost: int = 0
    fees_wei: Wei = NO_WEI
    lost_wei: Wei = NO_WEI
    latencies: Mapping[Seconds, int] = field(default_factory=dict)
    tried: Tried = Tried()
    lies: Fading = Fading()

    def score(self, now: Seconds) -> float:
        """Return how far the record speaks for the miner, from 0 to 1."""
        return float(self.tried.average(now) * LIE_FACTOR ** self.lies.value(now))

    def latency(self, share: float) -> Seconds | None:
        """Return within which time so large a share of the results came; None without results."""
        needed = ceil(share * sum(self.latencies.values()))
        for seconds, count in sorted(self.latencies.items()):
            needed -= count
            if needed <= 0:
                return seconds
        return None


@dataclass(frozen=True, slots=True)
class FishermanRecord:
    """What a fisherman did; challenges neither won nor lost are open, or another decided first."""

    challenges: int = 0
    won: int = 0
    lost: int = 0
    rewards: int = 0
    rewards_wei: Wei = NO_WEI
    bonds_lost_wei: Wei = NO_WEI
    tried: Tried = Tried()

    def score(self, now: Seconds) -> float:
        """Return how far the record speaks for the fisherman, from 0 to 1."""
        return self.tried.average(now)


NO_MINER, NO_FISHERMAN, NO_BALANCE = MinerRecord(), FishermanRecord(), Balance(NO_WEI, NO_WEI)


@dataclass(frozen=True, slots=True)
class _Claim:
    at: Seconds
    deadline: Seconds

    def share_gone(self, at: Seconds) -> float:
        """Return how much of the claim's time is over, from 0 to 1."""
        return min(1.0, (at - self.at) / max(1, self.deadline - self.at))


@dataclass(frozen=True, slots=True)
class _Result:
    """An assertion. `slowness`: the share of its claim's time that it took."""

    executor: Address
    slowness: float
    at: Seconds


@dataclass(frozen=True, slots=True)
class _Game:
    executor: Address
    challenger: Address
    at: Seconds


@dataclass(slots=True)
class Tally:
    """All records, and what is open.

    What an event is about may be missing where a reorganisation came between two reads of the
    index; such an event is passed over, and the next block is folded from events that fit.
    """

    miners: dict[Address, MinerRecord] = field(default_factory=dict)
    fishermen: dict[Address, FishermanRecord] = field(default_factory=dict)
    balances: dict[Address, Balance] = field(default_factory=dict)
    _claims: dict[TaskId, _Claim] = field(default_factory=dict)
    _results: dict[AssertionId, _Result] = field(default_factory=dict)
    _games: dict[GameId, _Game] = field(default_factory=dict)

    def copied(self) -> Tally:
        """Return a tally that can grow by itself."""
        return Tally(
            dict(self.miners),
            dict(self.fishermen),
            dict(self.balances),
            dict(self._claims),
            dict(self._results),
            dict(self._games),
        )

    def apply(self, event: Event, time: Seconds) -> None:
        """Take in an event. `time`: of its block, for Claimed, Asserted and ChallengeCommitted."""
        RULES[event.name](self, event, time)

    def _claimed(self, event: Event, time: Seconds) -> None:
        claim = _Claim(time, Seconds(event["claimDeadline"]))
        self._claims[TaskId(bytes(event["taskId"]))] = claim
        record = self.miners.get(event["executor"], NO_MINER)
        self.miners[event["executor"]] = replace(record, claims=record.claims + 1)

    def _expired(self, event: Event, _: Seconds) -> None:
        claim = self._claims.pop(TaskId(bytes(event["taskId"])), None)
        if claim is None:
            return
        record = self.miners[event["executor"]]
        self.miners[event["executor"]] = replace(
            record,
            expired=record.expired + 1,
            lost_wei=Wei(record.lost_wei + event["penalty"]),
            tried=record.tried.plus(EXPIRY_WEIGHT, 0.0, claim.at),
        )

    def _asserted(self, event: Event, time: Seconds) -> None:
        executor, claim = event["executor"], self._claims.pop(TaskId(bytes(event["taskId"])), None)
        if claim is None:
            return
        latency = Seconds(time - claim.at)
        result = _Result(executor, claim.share_gone(time), time)
        self._results[AssertionId(bytes(event["assertionId"]))] = result
        record = self.miners[executor]
        count = record.latencies.get(latency, 0) + 1
        latencies = {**record.latencies, latency: count}
        record = replace(record, results=record.results + 1, latencies=latencies)
        self.miners[executor] = record

    def _finalised(self, event: Event, _: Seconds) -> None:
        result = self._results.pop(AssertionId(bytes(event["assertionId"])), None)
        if result is None:
            return
        record = self.miners[result.executor]
        worth = 1.0 - SLOWNESS_COST * result.slowness
        self.miners[result.executor] = replace(
            record,
            final=record.final + 1,
            fees_wei=Wei(record.fees_wei + event["fee"]),
            tried=record.tried.plus(1.0, worth, result.at),
        )

    def _slashed(self, event: Event, _: Seconds) -> None:
        result = self._results.pop(AssertionId(bytes(event["assertionId"])), None)
        if result is None:
            return
        record = self.miners[result.executor]
        self.miners[result.executor] = replace(
            record,
            slashed=record.slashed + 1,
            lost_wei=Wei(record.lost_wei + event["burned"] + event["reward"]),
            lies=record.lies.plus(1.0, result.at),
        )

    def _challenged(self, event: Event, time: Seconds) -> None:
        result = self._results.get(AssertionId(bytes(event["assertionId"])))
        if result is None:
            return
        challenger = event["challenger"]
        game = _Game(result.executor, challenger, time)
        self._games[GameId(bytes(event["gameId"]))] = game
        record = self.fishermen.get(challenger, NO_FISHERMAN)
        self.fishermen[challenger] = replace(record, challenges=record.challenges + 1)

    def _lost(self, event: Event, _: Seconds) -> None:
        self._decide(event, challenger_won=False)

    def _voided(self, event: Event, _: Seconds) -> None:
        # An input that was never shown voids a result without a game.
        self._decide(event, challenger_won=True)

    def _decide(self, event: Event, *, challenger_won: bool) -> None:
        game = self._games.get(GameId(bytes(event["gameId"])))
        if game is None:
            return
        miner, fisherman = self.miners[game.executor], self.fishermen[game.challenger]
        lost = not challenger_won
        self.miners[game.executor] = replace(
            miner,
            disputes_won=miner.disputes_won + lost,
            disputes_lost=miner.disputes_lost + challenger_won,
        )
        self.fishermen[game.challenger] = replace(
            fisherman,
            won=fisherman.won + challenger_won,
            lost=fisherman.lost + lost,
            tried=fisherman.tried.plus(DISPUTE_WEIGHT, float(challenger_won), game.at),
        )

    def _settled(self, event: Event, _: Seconds) -> None:
        game = self._games.pop(GameId(bytes(event["gameId"])), None)
        if game is None:
            return
        record = self.fishermen[game.challenger]
        lost = record.bonds_lost_wei + event["burned"] + event["paidToExecutor"]
        self.fishermen[game.challenger] = replace(record, bonds_lost_wei=Wei(lost))

    def _rewarded(self, event: Event, _: Seconds) -> None:
        record = self.fishermen.get(event["challenger"], NO_FISHERMAN)
        total = Wei(record.rewards_wei + event["reward"])
        record = replace(record, rewards=record.rewards + 1, rewards_wei=total)
        self.fishermen[event["challenger"]] = record

    def _deposited(self, event: Event, _: Seconds) -> None:
        self._move(event["account"], free=event["amount"])

    def _withdrawn(self, event: Event, _: Seconds) -> None:
        self._move(event["account"], free=-event["amount"])

    def _locked(self, event: Event, _: Seconds) -> None:
        self._move(event["account"], free=-event["amount"], locked=event["amount"])

    def _unlocked(self, event: Event, _: Seconds) -> None:
        self._move(event["account"], free=event["amount"], locked=-event["amount"])

    def _paid(self, event: Event, _: Seconds) -> None:
        self._move(event["from"], locked=-event["amount"])
        self._move(event["to"], free=event["amount"])

    def _burned(self, event: Event, _: Seconds) -> None:
        self._move(event["from"], locked=-event["amount"])

    def _move(self, account: Address, free: int = 0, locked: int = 0) -> None:
        now = self.balances.get(account, NO_BALANCE)
        self.balances[account] = Balance(Wei(now.free + free), Wei(now.locked + locked))


def _left(seconds: int) -> float:
    """Return what fading leaves of 1 after so many seconds."""
    return float(2.0 ** (-max(0, seconds) / HALF_LIFE_SECONDS))


RULES: dict[str, Callable[[Tally, Event, Seconds], None]] = {
    "Claimed": Tally._claimed,
    "ClaimExpired": Tally._expired,
    "Asserted": Tally._asserted,
    "Finalised": Tally._finalised,
    "Slashed": Tally._slashed,
    "ChallengeCommitted": Tally._challenged,
    "GameLost": Tally._lost,
    "AssertionVoided": Tally._voided,
    "GameSettled": Tally._settled,
    "Rewarded": Tally._rewarded,
    "Deposited": Tally._deposited,
    "Withdrawn": Tally._withdrawn,
    "Locked": Tally._locked,
    "Unlocked": Tally._unlocked,
    "Paid": Tally._paid,
    "Burned": Tally._burned,
}
