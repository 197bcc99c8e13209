"""What the contracts' views return, as values with names (spec: dispute.md).

Field names are the contracts' in snake case; a view that returns other fields is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, NewType, TypeVar, get_type_hints

from .errors import DeploymentError, RetryableChainError

Wei = NewType("Wei", int)
Seconds = NewType("Seconds", int)
Address = NewType("Address", str)
TaskId = NewType("TaskId", bytes)
AssertionId = NewType("AssertionId", bytes)
GameId = NewType("GameId", bytes)
ProgramRoot = NewType("ProgramRoot", bytes)

NO_WEI = Wei(0)

T = TypeVar("T")


class TaskStatus(IntEnum):
    """Where a task stands."""

    NONE = 0
    OPEN = 1
    CLAIMED = 2
    ASSERTED = 3
    FINAL = 4
    REFUNDED = 5


class AssertionStatus(IntEnum):
    """Where an assertion stands."""

    NONE = 0
    PENDING = 1
    FINAL = 2
    SLASHED = 3


class DemandStatus(IntEnum):
    """Where the demand to reveal an input stands."""

    NONE = 0
    OPEN = 1
    REVEALED = 2
    CLOSED = 3


class GameStatus(IntEnum):
    """Where a game stands; LOST and WON are the challenger's view."""

    NONE = 0
    COMMITTED = 1
    EXECUTOR_TURN = 2
    CHALLENGER_TURN = 3
    LOST = 4
    WON = 5


ENUMS: dict[str, type[IntEnum]] = {
    "TaskStatus": TaskStatus,
    "AssertionStatus": AssertionStatus,
    "DemandStatus": DemandStatus,
    "GameStatus": GameStatus,
}


@dataclass(frozen=True, slots=True)
class Task:
    """A request and its present claim."""

    requester: Address
    deadline: Seconds
    iterations: int
    status: TaskStatus
    input_available: bool
    executor: Address
    claim_deadline: Seconds
    attempt: int
    fee: Wei
    stake: Wei
    program_root: ProgramRoot
    input_root: bytes


@dataclass(frozen=True, slots=True)
class Asserted:
    """An assertion as the market keeps it."""

    task_id: TaskId
    final_hash: bytes
    executor: Address
    window_end: Seconds
    status: AssertionStatus
    demand: DemandStatus
    reveal_deadline: Seconds
    stake: Wei
    demander: Address


@dataclass(frozen=True, slots=True)
class Terms:
    """What a game over an assertion is about."""

    executor: Address
    window_end: Seconds
    pending: bool
    program_root: ProgramRoot
    iterations: int
    steps: int
    initial_hash: bytes
    final_hash: bytes


@dataclass(frozen=True, slots=True)
class MarketConstants:
    """Parameters of the market; `claim_penalty_bps` in hundredths of a percent.

    `reveal_base_fee_wei`: the highest base fee at which the bond of a demand pays for the bytes.
    """

    window_seconds: int
    assert_seconds: int
    reveal_seconds: int
    claim_penalty_bps: int
    reveal_base_fee_wei: int


@dataclass(frozen=True, slots=True)
class GameConstants:
    """Parameters of the game; `arity` is the k of its dissections.

    `dissection_gas`, `proof_gas`: what a move of an executor that wins is refunded, at the base fee
    of its block.
    """

    arity: int
    open_seconds: int
    clock_seconds: int
    grace_seconds: int
    steps_per_clock_second: int
    bond_base_wei: int
    bond_per_dissection_wei: int
    dissection_gas: int
    proof_gas: int

    def run_seconds(self, steps: int) -> Seconds:
        """Return what a run of so many steps adds to clocks, openings, claims and windows."""
        return Seconds(steps // self.steps_per_clock_second)


@dataclass(frozen=True, slots=True)
class GameRecord:
    """A game as the contract keeps it; `start` and `length` are of the last dissection.

    `refund`: of the executor's moves, should the challenger lose.
    """

    start: int
    length: int
    deadline: Seconds
    executor_clock: Seconds
    challenger_clock: Seconds
    index: int
    status: GameStatus
    dissection: bytes
    claim: bytes
    challenger: Address
    bond: Wei
    refund: Wei
    assertion_id: AssertionId

    def is_lost(self, voided_at: Seconds) -> bool:
        """Return whether the challenger has lost; `voided_at`: when the assertion fell, or 0.

        A commit whose time to open was over by then is lost too, though nobody forfeited it yet.
        """
        is_late = self.status is GameStatus.COMMITTED and self.deadline < voided_at
        return self.status is GameStatus.LOST or is_late


@dataclass(frozen=True, slots=True)
class Contest:
    """All games over one assertion together; `voided_at` is 0 while the executor lost none."""

    executor: Address
    unopened: int
    open: int
    count: int
    voided_at: Seconds
    rewarded: bool
    candidate: GameId


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the registry knows of a program."""

    registered: bool
    minimum_stake: Wei
    max_iterations: int
    steps_per_iteration: int
    input_bytes: int
    output_bytes: int
    slot_depth: int
    input_slot: int
    output_slot: int
    initial_siblings: list[bytes]


def from_struct(kind: type[T], components: list[dict[str, Any]], values: Any) -> T:
    """Return the record in a struct that a view returned, by the names in the interface.

    Raises DeploymentError where the interface lacks a field, RetryableChainError where a status is
    none.
    """
    by_name = {_snake(item["name"]): value for item, value in zip(components, values, strict=True)}
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    if missing := set(names) - set(by_name):
        raise DeploymentError(
            f"the contract's {kind.__name__} lacks {', '.join(sorted(missing))}; "
            "deploy the contracts of this version"
        )
    try:
        return kind(**{name: _typed(hints[name], by_name[name]) for name in names})
    except ValueError as error:
        raise RetryableChainError(
            f"the node gives a {kind.__name__} that the contract cannot hold ({error}); look again "
            "later, or ask another node"
        ) from None


def to_struct(record: object, components: list[dict[str, Any]]) -> tuple[object, ...]:
    """Return a record's values in the order of an interface's struct."""
    return tuple(getattr(record, _snake(item["name"])) for item in components)


def _typed(hint: Any, value: Any) -> Any:
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return hint(value)
    return value


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
