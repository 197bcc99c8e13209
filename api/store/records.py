"""What the gateway's tables hold, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from infernet.chain.records import Address, AssertionId, ProgramRoot, Seconds, TaskId, Wei


class TaskState(StrEnum):
    """Where a task stands. Only FINAL is a result that nobody can take back.

    SLASHED: the last result was proven false and the task is about to be open again. FAILED: the
    deadline passed before the request could be sent; nothing was paid.
    """

    QUEUED = "queued"
    RUNNING = "running"
    ASSERTED = "asserted"
    DISPUTED = "disputed"
    SLASHED = "slashed"
    FINAL = "final"
    REFUNDED = "refunded"
    FAILED = "failed"


# States after which only a reorganisation changes anything.
ENDS = (TaskState.FINAL, TaskState.REFUNDED, TaskState.FAILED)
# States in which the fee has come back, or was never paid.
FREE = (TaskState.REFUNDED, TaskState.FAILED)


class Finality(StrEnum):
    """How sure an output is. PENDING can still be challenged and taken back."""

    NONE = "none"
    PENDING = "pending"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the chain says of a task; all of it follows from its events.

    `slashed`: results that were false. `output` is of the last result that still stands. Blocks
    are 0 and transactions empty for what has not happened.
    """

    state: TaskState = TaskState.QUEUED
    attempt: int = 0
    slashed: int = 0
    executor: Address | None = None
    assertion_id: AssertionId | None = None
    output: bytes | None = None
    claim_deadline: Seconds | None = None
    window_end: Seconds | None = None
    requested_block: int = 0
    requested_tx: bytes = b""
    asserted_block: int = 0
    asserted_tx: bytes = b""
    closed_block: int = 0
    closed_tx: bytes = b""

    @property
    def finality(self) -> Finality:
        """Return how sure the output is."""
        if self.output is None:
            return Finality.NONE
        return Finality.FINAL if self.state is TaskState.FINAL else Finality.PENDING


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of the market, with the id that it has there.

    `signature`: of the requester where the gateway only relays, else None. `account`: who asked
    this gateway; None for a task that others put on chain.
    """

    id: TaskId
    account: str | None
    model: str
    program_root: ProgramRoot
    input_root: bytes
    requester: Address
    nonce: int
    iterations: int
    fee_wei: Wei
    deadline: Seconds
    signature: bytes | None = None


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task as the gateway knows it. `sequence`: its place in lists, and their cursor.

    `accepted_at`: in seconds of chain time, 0 for a task of others. `trouble`: why it is not on
    chain yet, empty if nothing is wrong.
    """

    sequence: int
    order: Order
    accepted_at: Seconds
    standing: Standing
    trouble: str

    @property
    def state(self) -> TaskState:
        """Return where the task stands."""
        return self.standing.state

    @property
    def finality(self) -> Finality:
        """Return how sure its output is."""
        return self.standing.finality


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """Something that happened to a task. `sequence`: its number among all events, for SSE.

    `kind`: accepted, failed, reorganised, or a contract's event in snake case; `state`: where the
    task stood after it; `data`: the event's arguments in JSON types. `block`, `place` and
    `transaction`: where on chain, else 0, 0 and empty. `time`: of the chain, in seconds.
    """

    sequence: int
    task_id: TaskId
    kind: str
    state: TaskState
    data: dict[str, Any]
    block: int
    place: int
    transaction: bytes
    time: Seconds


@dataclass(frozen=True, slots=True)
class ChainEvent:
    """An event of the contracts that is about one task. `data`: its arguments in JSON types."""

    task_id: TaskId
    kind: str
    data: dict[str, Any]
    block: int
    place: int
    transaction: bytes
    time: Seconds

    @property
    def key(self) -> tuple[int, int, bytes]:
        """Return what tells it from every other event of any fork."""
        return self.block, self.place, self.transaction
