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
from infernet.chain.wallet import Wallet

from .errors import NotReclaimable, UnknownMatter
from .ids import find_id


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
    """A task at one moment. `slashed`: results of it that were false.

    `output`, `halted`: of the last result, None without one. `claim_deadline`: of the executor's
    result, None while nobody has claimed; `window_end`: when the last result can become final, None
    without one.
    """

    task_id: TaskId
    state: TaskState
    program_root: ProgramRoot
    requester: Address
    executor: Address | None
    fee_wei: Wei
    deadline: Seconds
    iterations: int
    claim_deadline: Seconds | None
    slashed: int
    assertion_id: AssertionId | None
    output: bytes | None
    halted: bool | None
    window_end: Seconds | None


def find_task(contracts: Contracts, text: str) -> TaskId:
    """Return the one task whose id begins so, or raise UnknownMatter."""
    known = (request.task_id for request in contracts.market.requests())
    return TaskId(find_id(text, known, "task"))


def tasks_of(contracts: Contracts, requester: Address | None, last: int) -> list[Progress]:
    """Return how the `last` tasks stand, oldest first. `requester`: None for anyone's."""
    requests = contracts.market.requests()
    wanted = [each for each in requests if requester in (None, each.requester)]
    return [progress_of(contracts, each.task_id) for each in wanted[-last:]]


def reclaim(contracts: Contracts, wallet: Wallet, task_id: TaskId) -> Wei:
    """Take a task's fee back to the wallet, and return how much came; repeat it after a crash.

    Raises NotReclaimable before anything is sent that the contracts would refuse.
    """
    market, vault = contracts.market, contracts.vault
    task = market.task(task_id)
    if not _is_refunded(contracts, wallet, task):
        if task.status is TaskStatus.CLAIMED:
            market.expire_claim(wallet, task_id)
        market.reclaim_fee(wallet, task_id)
    due = Wei(min(task.fee, vault.balance(wallet.address).free))
    if not due:
        raise NotReclaimable("the fee was taken back before; nothing is left to take")
    vault.withdraw(wallet, due)
    return due


def _is_refunded(contracts: Contracts, wallet: Wallet, task: Task) -> bool:
    """Return whether the contracts have released the fee, or raise why they would not."""
    if task.requester != wallet.address:
        raise NotReclaimable(
            f"the task was requested by {task.requester}, not by {wallet.address}; use its keystore"
        )
    if not task.fee:
        raise NotReclaimable("the task was requested without a fee; there is nothing to take back")
    if task.status is TaskStatus.FINAL:
        raise NotReclaimable("the task is final; its fee was paid to the executor")
    if task.status is TaskStatus.ASSERTED:
        raise NotReclaimable(
            "the task has a result; only if that is slashed, the fee can be taken back"
        )
    if task.status is TaskStatus.REFUNDED:
        return True
    is_claimed = task.status is TaskStatus.CLAIMED
    end = Seconds(max(task.deadline, task.claim_deadline if is_claimed else 0))
    now = contracts.chain.next_timestamp()
    if now <= end:
        raise NotReclaimable(
            f"the task has {end - now + 1} seconds left in which a miner may serve it; wait until "
            "they are over"
        )
    return False


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
        task.iterations,
        task.claim_deadline if task.status is TaskStatus.CLAIMED else None,
        slashed,
        last.assertion_id if last else None,
        last.output if last else None,
        last.halted if last else None,
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
