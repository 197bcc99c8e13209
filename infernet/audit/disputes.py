"""What happened in a dispute, as the chain tells it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bisection.game import Clocks, Player, Seconds
from infernet.chain.connection import translated
from infernet.chain.contract import Contract
from infernet.chain.deployment import Contracts
from infernet.chain.game import ChallengeFound
from infernet.chain.logs import Event
from infernet.chain.records import (
    Address,
    AssertionId,
    GameId,
    GameRecord,
    GameStatus,
    TaskId,
    Wei,
)
from infernet.chain.wallet import in_ether

WINNERS = {GameStatus.WON: Player.CHALLENGER, GameStatus.LOST: Player.EXECUTOR}
NO_DEADLINE = Seconds(0)


@dataclass(frozen=True, slots=True)
class Summary:
    """A dispute in one line. `length`: steps still in doubt; 0 before the opening.

    `deadline`: of the next move, 0 once the game is decided.
    """

    game_id: GameId
    assertion_id: AssertionId
    task_id: TaskId
    executor: Address
    challenger: Address
    status: GameStatus
    bond: Wei
    length: int
    deadline: Seconds
    block: int


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of a dispute, with its transaction.

    `interval`: the first step in doubt and the number of them after it; `clocks`: the executor's
    and the challenger's seconds after a move, None where none was made.
    """

    event: str
    by: Player | None
    what: str
    block: int
    time: int
    transaction: bytes
    gas: int
    interval: tuple[int, int] | None = None
    clocks: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """A dispute from its commit on. `steps`: of the whole run."""

    summary: Summary
    steps: int
    stake: Wei
    happenings: tuple[Happening, ...]

    @property
    def winner(self) -> Player | None:
        """Return who won, None while nobody has."""
        return WINNERS.get(self.summary.status)

    @property
    def gas(self) -> int:
        """Return the gas of all transactions, each counted once."""
        return sum({each.transaction: each.gas for each in self.happenings}.values())


def disputes(contracts: Contracts, *, is_open: bool = False) -> list[Summary]:
    """Return the disputes, oldest first; `is_open`: only those whose bond has not moved."""
    games = contracts.games
    found = games.open_challenges() if is_open else games.challenges()
    return [summary_of(contracts, challenge) for challenge in found]


def story_of(contracts: Contracts, game_id: GameId) -> Story:
    """Return what happened in a dispute so far."""
    (challenge,) = contracts.games.challenges(gameId=game_id)
    summary = summary_of(contracts, challenge)
    terms = contracts.market.terms(challenge.assertion_id)
    stake = contracts.market.assertion(challenge.assertion_id).stake
    return Story(summary, terms.steps, stake, tuple(_happenings(contracts, summary, terms.steps)))


def summary_of(contracts: Contracts, challenge: ChallengeFound) -> Summary:
    """Return a challenge as one line; asks the chain."""
    asserted = contracts.market.assertion(challenge.assertion_id)
    record: GameRecord = contracts.games.game(challenge.game_id)
    return Summary(
        challenge.game_id,
        challenge.assertion_id,
        TaskId(asserted.task_id),
        asserted.executor,
        challenge.challenger,
        record.status,
        challenge.bond,
        record.length,
        NO_DEADLINE if record.status in WINNERS else Seconds(record.deadline),
        challenge.block_number,
    )


def _happenings(contracts: Contracts, summary: Summary, steps: int) -> Iterator[Happening]:
    ledger = _Ledger(contracts)
    clock, grace = contracts.games.clock_for(steps), contracts.game_constants.grace_seconds
    clocks = Clocks(Seconds(clock), Seconds(clock), Seconds(grace))
    deadline: Seconds | None = None
    for event in _events(contracts, summary):
        block_time, gas = ledger.of(event)
        by = _player(event)
        interval = None
        if event.name == "Dissected":
            assert by is not None
            if deadline is not None:
                clocks = clocks.after_turn(by, deadline, Seconds(block_time))
            deadline = Seconds(event["deadline"])
            interval = int(event["start"]), int(event["length"])
        where = event.block_number, block_time, event.transaction, gas
        shown = (clocks.executor, clocks.challenger) if interval else None
        yield Happening(event.name, by, _words(event), *where, interval, shown)


def _events(contracts: Contracts, summary: Summary) -> list[Event]:
    """Return the events of a dispute and of what it decided, in the chain's order."""
    games: Contract = contracts.games
    names = _WORDS.keys() - {"Slashed"}
    found = [event for name in names for event in games.events(name, gameId=summary.game_id)]
    if WINNERS.get(summary.status) is Player.CHALLENGER:
        found += contracts.market.events("Slashed", assertionId=summary.assertion_id)
    return sorted(found, key=lambda event: (event.block_number, event.log_index))


def _player(event: Event) -> Player | None:
    if "byChallenger" in event.arguments:
        return Player.CHALLENGER if event["byChallenger"] else Player.EXECUTOR
    is_challenger = event.name in ("ChallengeCommitted", "GameOpened", "PriorityClaimed")
    return Player.CHALLENGER if is_challenger else None


def _words(event: Event) -> str:
    say = _WORDS[event.name]
    return say.format(**{name: _shown(name, value) for name, value in event.arguments.items()})


def _shown(name: str, value: Any) -> Any:
    if name in _MONEY:
        return in_ether(Wei(value))
    return f"0x{value.hex()}" if isinstance(value, bytes) else value


_MONEY = {"bond", "refunded", "paidToExecutor", "burned", "reward"}
_WORDS = {
    "ChallengeCommitted": "commits to a challenge, bond {bond}",
    "GameOpened": "opens the dispute, claims the final state {finalHash}",
    "Dissected": "cuts {length} steps from step {start}",
    "StepProved": "proves step {step}: {preHash} leads to {postHash}",
    "TimedOut": "let the deadline pass",
    "CommitForfeited": "the challenge was never opened",
    "GameLost": "the challenger has lost",
    "AssertionVoided": "the executor has lost, its result is void",
    "GameSettled": "bond: {refunded} back, {paidToExecutor} to the executor, {burned} burned",
    "PriorityClaimed": "claims to have been earlier",
    "Rewarded": "{challenger} gets {reward}",
    "Slashed": "stake: {burned} burned, {reward} for the winner",
}


class _Ledger:
    """Times of blocks and gas of transactions, each asked for once."""

    def __init__(self, contracts: Contracts) -> None:
        self._chain = contracts.chain
        self._times: dict[int, int] = {}
        self._gas: dict[bytes, int] = {}

    def of(self, event: Event) -> tuple[int, int]:
        """Return the time of an event's block and the gas of its transaction."""
        eth, number, hash_ = self._chain.web3.eth, event.block_number, event.transaction
        with translated("reading what a move cost", self._chain.name):
            if number not in self._times:
                self._times[number] = int(eth.get_block(number)["timestamp"])
            if hash_ not in self._gas:
                self._gas[hash_] = int(eth.get_transaction_receipt(hash_)["gasUsed"])
        return self._times[number], self._gas[hash_]
