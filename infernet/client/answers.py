"""What a gateway answers, typed. Amounts are whole wei, times are seconds of the chain."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NewType

# A task's id on chain: 0x and 64 hexadecimal digits in lower case.
TaskId = NewType("TaskId", str)
Wei = NewType("Wei", int)


class State(StrEnum):
    """How a task stands."""

    QUEUED = "queued"
    RUNNING = "running"
    ASSERTED = "asserted"
    DISPUTED = "disputed"
    SLASHED = "slashed"
    FINAL = "final"
    REFUNDED = "refunded"
    FAILED = "failed"


class Finality(StrEnum):
    """How sure a result is: only `FINAL` can nobody take back."""

    NONE = "none"
    PENDING = "pending"
    FINAL = "final"


ENDS = frozenset({State.FINAL, State.REFUNDED, State.FAILED})


@dataclass(frozen=True, slots=True)
class Accepted:
    """A task that the gateway has durably taken on. `is_repeat`: under the same key, earlier."""

    id: TaskId
    is_repeat: bool


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """Tasks that were accepted together, in the order asked."""

    tasks: tuple[Accepted, ...]
    is_repeat: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A transaction and its block."""

    block: int
    transaction: str


@dataclass(frozen=True, slots=True)
class Guess:
    """One element of an output: its index, its label if it has one, and its real number."""

    index: int
    label: str | None
    value: float


@dataclass(frozen=True, slots=True)
class Output:
    """A result, and how sure it is. `highest`: its largest elements, the largest first."""

    finality: Finality
    data: bytes
    highest: tuple[Guess, ...]


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a model of text was asked and said; `output`: None where it makes no text, or not yet.

    `made_tokens`: an end token among them; `finish_reason`: stop or length.
    """

    prompt: str
    prompt_tokens: int
    output: str | None
    made_tokens: int
    finish_reason: str | None


@dataclass(frozen=True, slots=True)
class Task:
    """A task as the chain tells it, or as the gateway promised it."""

    id: TaskId
    state: State
    finality: Finality
    model: str
    program_root: str
    input_root: str
    requester: str
    iterations: int
    fee_wei: Wei
    deadline: int
    attempt: int
    slashed: int
    executor: str | None
    assertion_id: str | None
    claim_deadline: int | None
    window_end: int | None
    output: Output | None
    text: Spoken | None
    requested: Place | None
    asserted: Place | None
    closed: Place | None
    trouble: str | None

    @property
    def has_ended(self) -> bool:
        """Return whether nothing will happen to it any more."""
        return self.state in ENDS


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Some tasks. `cursor`: gives the next page, None on the last."""

    tasks: tuple[Task, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a task. `sequence` only grows; a stream resumes after it."""

    sequence: int
    task_id: TaskId
    kind: str
    state: State
    finality: Finality
    data: dict[str, object]
    at: Place | None
    time: int


@dataclass(frozen=True, slots=True)
class Model:
    """A model that tasks may name. `input_shape`: of the source's input.

    `task`: generate, classify or embed, and `positions` in tokens; None where it takes no text.
    """

    name: str
    program_root: str
    input_shape: tuple[int, ...]
    input_dtype: str
    input_bytes: int
    output_bytes: int
    output_shape: tuple[int, ...]
    takes_images: bool
    labels: tuple[str, ...]
    task: str | None
    positions: int | None
    max_iterations: int
    minimum_stake_wei: Wei


@dataclass(frozen=True, slots=True)
class ModelList:
    """The models that tasks may name."""

    models: tuple[Model, ...]


@dataclass(frozen=True, slots=True)
class Dispute:
    """A challenged result in one line. `length`: steps still in doubt."""

    id: str
    assertion_id: str
    task_id: TaskId
    executor: str
    challenger: str
    status: str
    bond_wei: Wei
    length: int
    block: int


@dataclass(frozen=True, slots=True)
class DisputePage:
    """Some disputes. `cursor`: gives the next page, None on the last."""

    disputes: tuple[Dispute, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Move:
    """One event of a dispute. `by`: whose it was. `interval`: first step in doubt, steps in doubt.

    `clocks`: seconds that the executor and the challenger have left.
    """

    event: str
    by: str | None
    what: str
    at: Place
    time: int
    gas: int
    interval: tuple[int, ...] | None
    clocks: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Story(Dispute):
    """A dispute, move by move. `steps`: of the whole run; `winner`: None while undecided."""

    steps: int
    stake_wei: Wei
    winner: str | None
    gas: int
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """The step that decided a dispute, with all that running it again needs."""

    dispute_id: str
    program_root: str
    iterations: int
    step: int
    pre_hash: str
    post_hash: str
    prover: str
    proof: bytes
    transaction: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What anyone needs to check a result, docs/spec/receipt.md; `text` is not checked yet."""

    text: str

    def save(self, path: Path) -> None:
        """Write it where `infernet task verify` reads it, or raise OSError."""
        path.write_text(self.text, encoding="utf-8")
