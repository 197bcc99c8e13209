"""False results on chain, and what a watcher does about them."""

from __future__ import annotations

from dataclasses import dataclass

from executor.actor import Executor
from fisherman.actor import Fisherman
from infernet.actors.holdings import Run
from infernet.chain.market import Request
from infernet.chain.records import AssertionId, Seconds, TaskId, TaskStatus, Wei
from infernet.chain.wallet import Wallet
from tests.stage import FEE, Stage


class Broken:
    """A run whose states cannot be had."""

    output, halted = b"", False

    def state_hashes(self, steps: object) -> object:
        raise RuntimeError("the disk is gone")

    proof = state_hashes


def broken(data: bytes, iterations: int = 1) -> Run:
    return Broken()


@dataclass
class Lie:
    """A false result and who told it."""

    liar: Executor
    task_id: TaskId
    assertion_id: AssertionId


def tell_lie(stage: Stage, share: float = 0.5) -> Lie:
    """Let an executor assert a false result of a third party's task."""
    task_id = stage.request(stage.wallet())
    liar = stage.executor(stage.wallet(), lie_at=int((stage.steps - 1) * share))
    assert_all(stage, liar, [task_id])
    (found,) = stage.contracts.market.assertions(taskId=task_id)
    return Lie(liar, task_id, found.assertion_id)


def tell_truth(stage: Stage, count: int = 1) -> None:
    """Let an executor assert true results."""
    tasks = [stage.request(stage.wallet()) for _ in range(count)]
    executor = stage.executor(stage.wallet(), max_tasks=count)
    assert_all(stage, executor, tasks)


def assert_all(stage: Stage, executor: Executor, tasks: list[TaskId]) -> None:
    """Let an executor act until it has asserted results of all tasks."""
    for _ in range(20):
        if all(stage.contracts.market.task(t).status is TaskStatus.ASSERTED for t in tasks):
            return
        executor.tick()
    raise AssertionError("the executor left a task alone")


def hide_input(stage: Stage, root: bytes = b"\x05" * 32) -> AssertionId:
    """Assert something on an input that only its root names."""
    market = stage.contracts.market
    stage.nonce += 1
    deadline = Seconds(stage.chain.next_timestamp() + 10**6)
    request = Request(stage.root, FEE, deadline, stage.nonce)
    task_id, _ = market.request(stage.wallet(), request, root, FEE)
    return assert_output(stage, task_id, bytes(stage.program.header.output_type.byte_count))


def assert_output(stage: Stage, task_id: TaskId, output: bytes) -> AssertionId:
    """Have a fresh account claim a task with the least stake and assert an output."""
    market, executor = stage.contracts.market, stage.wallet()
    stake = stage.contracts.registry.info(stage.root).minimum_stake
    market.claim(executor, task_id, stake, stake)
    market.assert_result(executor, task_id, 1, output)
    (found,) = market.assertions(taskId=task_id)
    return found.assertion_id


def false(output: bytes) -> bytes:
    """Return another output of that size."""
    return bytes([output[0] ^ 1]) + output[1:]


def play_out(stage: Stage, lie: Lie, *fishermen: Fisherman) -> None:
    """Let everybody act until the assertion has fallen and the reward is collected."""
    constants, games = stage.contracts.game_constants, stage.contracts.games
    for _ in range(8):
        for fisherman in fishermen:
            fisherman.tick()
        lie.liar.tick()
    if not games.is_voided(lie.assertion_id):
        stage.skip(constants.clock_seconds + constants.grace_seconds + 60)
        for fisherman in fishermen:
            fisherman.tick()
    stage.skip(constants.open_seconds + 1)
    for _ in range(2):
        for fisherman in fishermen:
            fisherman.tick()


def events(stage: Stage) -> list[str]:
    """Return the events that fishermen reported, in order."""
    return [report.event for report in stage.reports if report.actor == "fisherman"]


def locked(stage: Stage, wallet: Wallet) -> Wei:
    """Return what an account has locked in the vault."""
    return stage.contracts.vault.balance(wallet.address).locked
