"""What each page shows, as one value: the page and its JSON twin are made from it."""

from __future__ import annotations

from dataclasses import dataclass

from infernet.chain.records import (
    Address,
    AssertionId,
    GameId,
    Seconds,
    TaskId,
    Wei,
)

from ..service.text import Spoken
from ..store.records import Finality, TaskState
from .records import (
    Answer,
    Deeds,
    DisputeLine,
    Entry,
    FishermanLine,
    Head,
    Hit,
    Instruction,
    Layer,
    MinerLine,
    ModelLine,
    ModelRef,
    Move,
    Pulse,
    Purse,
    ResultLine,
    TaskLine,
    Totals,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class TaskPage:
    """One task from its request to its end. `trouble`: why it is not on chain yet, or empty.

    `spoken`: of a model of text that is held here.
    """

    head: Head
    id: TaskId
    state: TaskState
    finality: Finality
    attempt: int
    slashed: int
    model: ModelRef
    requester: Address
    executor: Address | None
    fee_wei: Wei
    deadline: Seconds
    iterations: int
    input_root: bytes
    has_picture: bool
    window_end: Seconds | None
    output: bytes | None
    answer: Answer
    results: tuple[ResultLine, ...]
    disputes: tuple[DisputeLine, ...]
    history: tuple[Entry, ...]
    trouble: str = ""
    spoken: Spoken | None = None


@dataclass(frozen=True, slots=True)
class AssertionPage:
    """One result and what is at stake for it."""

    head: Head
    id: AssertionId
    task_id: TaskId
    model: ModelRef
    attempt: int
    executor: Address
    status: str
    finality: Finality
    stake_wei: Wei
    window_end: Seconds
    demand: str
    steps: int
    initial_hash: bytes
    final_hash: bytes
    output_root: bytes
    halted: bool
    output: bytes
    answer: Answer
    is_clear: bool
    disputes: tuple[DisputeLine, ...]
    history: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class DisputePage:
    """One dispute, move by move. `clock_seconds`: what each side began with.

    `deadline`: of the opening, then of the turn; None once it is over. `by_timeout`: whether a
    clock decided.
    """

    head: Head
    id: GameId
    assertion_id: AssertionId
    task_id: TaskId
    model: ModelRef
    executor: Address
    challenger: Address
    verdict: Verdict
    by_timeout: bool
    steps: int
    arity: int
    clock_seconds: Seconds
    grace_seconds: Seconds
    executor_clock: Seconds
    challenger_clock: Seconds
    deadline: Seconds | None
    moves: tuple[Move, ...]
    instruction: Instruction | None
    purses: tuple[Purse, ...]
    gas: int
    history: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class ModelPage:
    """One program: what the registry says, and what a stored model adds."""

    head: Head
    ref: ModelRef
    minimum_stake_wei: Wei
    max_iterations: int
    steps: int
    input_bytes: int
    output_bytes: int
    shapes: tuple[tuple[int, ...], ...]
    source: str
    labels: int
    layers: tuple[Layer, ...]
    requested: int
    recent: tuple[TaskLine, ...]


@dataclass(frozen=True, slots=True)
class AddressPage:
    """One account. `free_wei`, `locked_wei`: in the vault; `role`: set for the contracts.

    `asked`: tasks that it requested; `miner`, `deeds` and `fisherman`: None where it is none.
    """

    head: Head
    address: Address
    role: str
    wallet_wei: Wei
    free_wei: Wei
    locked_wei: Wei
    asked: int
    miner: MinerLine | None
    deeds: Deeds | None
    fisherman: FishermanLine | None
    requested: tuple[TaskLine, ...]
    results: tuple[ResultLine, ...]
    disputes: tuple[DisputeLine, ...]


@dataclass(frozen=True, slots=True)
class TransactionPage:
    """One transaction and what the contracts told in it."""

    head: Head
    hash: bytes
    block: int
    time: Seconds
    sender: Address
    to: Address | None
    succeeded: bool
    gas: int
    fee_wei: Wei
    value_wei: Wei
    calldata_bytes: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """What goes on now."""

    head: Head
    totals: Totals
    pulse: Pulse
    tasks: tuple[TaskLine, ...]
    disputes: tuple[DisputeLine, ...]
    miners: tuple[MinerLine, ...]
    fishermen: tuple[FishermanLine, ...]


@dataclass(frozen=True, slots=True)
class TasksPage:
    """Tasks, newest first. `next`: where the following page begins, None at the end."""

    head: Head
    tasks: tuple[TaskLine, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class DisputesPage:
    """Disputes, newest first. `next`: where the following page begins, None at the end."""

    head: Head
    disputes: tuple[DisputeLine, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class MinersPage:
    """Miners, the best first. `skipped`: ranks before; `next`: those before the following page."""

    head: Head
    miners: tuple[MinerLine, ...]
    skipped: int
    next: int | None


@dataclass(frozen=True, slots=True)
class FishermenPage:
    """Fishermen, the best first; as MinersPage."""

    head: Head
    fishermen: tuple[FishermanLine, ...]
    skipped: int
    next: int | None


@dataclass(frozen=True, slots=True)
class ModelsPage:
    """Registered programs, newest first."""

    head: Head
    models: tuple[ModelLine, ...]


@dataclass(frozen=True, slots=True)
class SearchPage:
    """What begins as the text does."""

    head: Head
    text: str
    hits: tuple[Hit, ...]
