"""What became of a task, in the words that requesters use."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from infernet.chain.deployment import Contracts
from infernet.chain.market import AssertionFound
from infernet.chain.records import (
    Address,
    AssertionId,
    ProgramRoot,
    Seconds,
    Task,
    TaskId,
    TaskStatus,
    Wei,
)

from .errors import UnknownMatter


class TaskState(StrEnum):
    """Where a task stands. Only FINAL is a result that nobody can take back."""

    QUEUED = "queued"
    RUNNING = "running"
    ASSERTED = "asserted"
    DISPUTED = "disputed"
    FINAL = "final"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class Progress:
    """A task at one moment. `slashed`: results of it that were false; `output`: of the last result.

    `window_end`: when the last result can become final; None without one.
    """

    task_id: TaskId
    state: TaskState
    program_root: ProgramRoot
    requester: Address
    executor: Address | None
    fee_wei: Wei
    deadline: Seconds
    slashed: int
    assertion_id: AssertionId | None
    output: bytes | None
    window_end: Seconds | None


def progress_of(contracts: Contracts, task_id: TaskId) -> Progress:
    """Return how a task stands, or raise UnknownMatter."""
    market = contracts.market
    task = market.task(task_id)
    if task.status is TaskStatus.NONE:
        raise UnknownMatter(
            f"the market at {market.address} has no task 0x{task_id.hex()}; check id and contracts"
        )
    slashed = len(market.events("Slashed", taskId=task_id))
    last = _current(contracts, task, task_id)
    return Progress(
        task_id,
        _state(contracts, task, last),
        ProgramRoot(task.program_root),
        task.requester,
        None if task.status in (TaskStatus.OPEN, TaskStatus.REFUNDED) else task.executor,
        task.fee,
        task.deadline,
        slashed,
        last.assertion_id if last else None,
        last.output if last else None,
        last.window_end if last else None,
    )


def _current(contracts: Contracts, task: Task, task_id: TaskId) -> AssertionFound | None:
    """Return the result that the task rests on now; a slashed one is none."""
    if task.status not in (TaskStatus.ASSERTED, TaskStatus.FINAL):
        return None
    found = contracts.market.assertions(taskId=task_id)
    return found[-1] if found else None


def _state(contracts: Contracts, task: Task, last: AssertionFound | None) -> TaskState:
    states = {
        TaskStatus.OPEN: TaskState.QUEUED,
        TaskStatus.CLAIMED: TaskState.RUNNING,
        TaskStatus.ASSERTED: TaskState.ASSERTED,
        TaskStatus.FINAL: TaskState.FINAL,
        TaskStatus.REFUNDED: TaskState.REFUNDED,
    }
    state = states[task.status]
    if state is TaskState.ASSERTED and last and not contracts.games.is_clear(last.assertion_id):
        return TaskState.DISPUTED
    return state
