"""What pages are made of, as values.

Amounts are in wei, times in the chain's seconds, a block of 0 has not been.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from infernet.audit.proved import Executed
from infernet.chain.records import (
    Address,
    AssertionId,
    GameId,
    ProgramRoot,
    Seconds,
    TaskId,
    Wei,
)

from ..store.records import Finality, TaskState


class Side(StrEnum):
    """Whose doing something was."""

    REQUESTER = "requester"
    EXECUTOR = "executor"
    CHALLENGER = "challenger"
    ANYONE = "anyone"


class Verdict(StrEnum):
    """How a dispute stands. OVERTAKEN: another dispute over the same result decided first."""

    COMMITTED = "committed"
    EXECUTOR_TURN = "executor to move"
    CHALLENGER_TURN = "challenger to move"
    EXECUTOR_WON = "executor won"
    CHALLENGER_WON = "challenger won"
    OVERTAKEN = "overtaken"

    @property
    def is_over(self) -> bool:
        """Return whether nobody can move any more."""
        return self in (Verdict.EXECUTOR_WON, Verdict.CHALLENGER_WON, Verdict.OVERTAKEN)


@dataclass(frozen=True, slots=True)
class Head:
    """The block that a page tells of."""

    chain_id: int
    block: int
    time: Seconds


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A program; `name`: None where this gateway does not hold it."""

    root: ProgramRoot
    name: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One event, in words. `index`: of the log in its block."""

    event: str
    by: Side
    who: Address | None
    words: str
    block: int
    index: int
    time: Seconds
    transaction: bytes
    task_id: TaskId | None = None
    assertion_id: AssertionId | None = None
    game_id: GameId | None = None


@dataclass(frozen=True, slots=True)
class TaskLine:
    """A task in a list."""

    id: TaskId
    model: ModelRef
    state: TaskState
    finality: Finality
    slashed: int
    requester: Address
    executor: Address | None
    fee_wei: Wei
    time: Seconds
    block: int
    index: int


@dataclass(frozen=True, slots=True)
class DisputeLine:
    """A dispute in a list. `length`: steps in doubt now, 0 before the opening."""

    id: GameId
    assertion_id: AssertionId
    task_id: TaskId
    executor: Address
    challenger: Address
    verdict: Verdict
    bond_wei: Wei
    steps: int
    length: int
    time: Seconds
    block: int
    index: int


@dataclass(frozen=True, slots=True)
class ResultLine:
    """A result in a list. `status`: pending, final or slashed."""

    id: AssertionId
    task_id: TaskId
    attempt: int
    executor: Address
    status: str
    time: Seconds
    block: int


@dataclass(frozen=True, slots=True)
class Score:
    """One class and its number in an output; `share`: of the distance from lowest to highest."""

    label: str
    value: float
    share: float


@dataclass(frozen=True, slots=True)
class Answer:
    """An output in words of its model: the highest classes. Empty where no model is held."""

    scores: tuple[Score, ...]
    classes: int


@dataclass(frozen=True, slots=True)
class Move:
    """One dissection. Clocks: seconds left to each after it; `gas`: of its transaction."""

    number: int
    by: Side
    start: int
    length: int
    parts: int
    executor_clock: Seconds
    challenger_clock: Seconds
    block: int
    time: Seconds
    transaction: bytes
    gas: int


@dataclass(frozen=True, slots=True)
class Instruction:
    """The step that the contract executed. `claimed_hash`: what the loser said comes after it.

    `layer`: empty where no stored model names it; `executed`: None where the proof cannot be read.
    """

    step: int
    prover: Side
    layer: str
    sentence: str
    pre_hash: bytes
    post_hash: bytes
    claimed_hash: bytes | None
    transaction: bytes
    executed: Executed | None


@dataclass(frozen=True, slots=True)
class Purse:
    """Where one side's money in a dispute is. The parts sum to `total_wei`."""

    side: Side
    what: str
    total_wei: Wei
    locked_wei: Wei
    burned_wei: Wei
    paid_wei: Wei
    returned_wei: Wei


@dataclass(frozen=True, slots=True)
class Layer:
    """One operator of a program and how many of its steps it takes."""

    index: int
    opcode: str
    name: str
    first_step: int
    steps: int


@dataclass(frozen=True, slots=True)
class MinerLine:
    """A miner in a ranking. Latencies: seconds from claim to assertion, None without results."""

    address: Address
    score: float
    deposit_wei: Wei
    results: int
    final: int
    slashed: int
    expired: int
    disputes_won: int
    disputes_lost: int
    latency_median: Seconds | None
    latency_p95: Seconds | None
    fees_wei: Wei
    lost_wei: Wei


@dataclass(frozen=True, slots=True)
class FishermanLine:
    """A fisherman in a ranking."""

    address: Address
    score: float
    deposit_wei: Wei
    challenges: int
    won: int
    lost: int
    rewards_wei: Wei
    bonds_lost_wei: Wei


@dataclass(frozen=True, slots=True)
class Deeds:
    """What became of a miner's claims, counted in equal spans of blocks.

    `latencies`: seconds from claim to assertion, and how many results took them, the least first.
    """

    first_block: int
    last_block: int
    final: tuple[int, ...]
    slashed: tuple[int, ...]
    expired: tuple[int, ...]
    latencies: tuple[tuple[Seconds, int], ...]


@dataclass(frozen=True, slots=True)
class Pulse:
    """How many requests, final and slashed results lie in each of equal spans of blocks."""

    first_block: int
    last_block: int
    requested: tuple[int, ...]
    final: tuple[int, ...]
    slashed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the whole deployment."""

    requested: int
    final: int
    slashed: int
    open_tasks: int
    disputes: int
    open_disputes: int
    models: int
    burned_wei: Wei
    vault_wei: Wei


@dataclass(frozen=True, slots=True)
class ModelLine:
    """A program in a list."""

    ref: ModelRef
    minimum_stake_wei: Wei
    steps: int
    requested: int


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that a search found. `kind`: which page shows it; `key`: its id in the URL."""

    kind: str
    key: str
    title: str
