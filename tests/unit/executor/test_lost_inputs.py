"""A task's input that the chain carried and carries no more: a reorganisation can do that."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import pytest

from executor.actor import Executor
from infernet.chain.market import Request
from infernet.chain.records import AssertionStatus, Seconds, TaskId, TaskStatus, Wei
from infernet.chain.wallet import Wallet
from interpreter.merkle import tree_of_bytes
from tests.stage import ETHER, FEE, Stage


@dataclass
class Swap:
    """A miner that has claimed a task with its input, whose block is then replaced.

    The new one holds the same task named by its input's root alone, and the claim, sent again.
    """

    stage: Stage
    executor: Executor = field(init=False)
    task_id: TaskId = field(init=False)

    def __post_init__(self) -> None:
        stage, market = self.stage, self.stage.contracts.market
        wallet, requester = stage.wallet(), stage.wallet()
        deadline = Seconds(stage.chain.next_timestamp() + 10**6)
        wanted = Request(stage.root, FEE, deadline, 77)
        root = tree_of_bytes(np.frombuffer(stage.data, np.uint8)).root
        self.executor = stage.executor(wallet)
        before = stage.chain.tester.take_snapshot()
        self.task_id, _ = market.request_with_input(requester, wanted, stage.data, FEE)
        self.executor.tick()
        assert market.task(self.task_id).status is TaskStatus.CLAIMED
        # It has run the task already.
        self.executor._means.runs.infer(self.task_id, stage.root, 1)
        stage.chain.tester.revert_to_snapshot(before)
        # A journal of the other branch is of no use on this chain without a mempool.
        again = Wallet(stage.chain, wallet.signer)
        object.__setattr__(self.executor._means, "wallet", again)
        bare, _ = market.request(Wallet(stage.chain, requester.signer), wanted, root, FEE)
        assert bare == self.task_id
        market.claim(again, bare, stage.contracts.registry.info(stage.root).minimum_stake)
        stage.chain.tester.mine_blocks(2)


@pytest.fixture
def swap(stage: Stage) -> Swap:
    return Swap(stage)


def test_an_input_that_a_reorganisation_strips_is_revealed_all_the_same(swap: Swap) -> None:
    market = swap.stage.contracts.market
    while swap.executor.tick():
        pass
    (found,) = market.assertions(taskId=swap.task_id)
    market.demand_reveal(swap.stage.wallet(), found.assertion_id, Wei(2 * ETHER))
    while swap.executor.tick():
        pass
    assert market.is_input_carried(swap.task_id)
    assert market.assertion(found.assertion_id).status is AssertionStatus.PENDING


def test_nothing_is_asserted_whose_input_could_not_be_revealed(swap: Swap) -> None:
    swap.executor._means.inputs._database.execute("DELETE FROM inputs")
    for _ in range(2):
        swap.executor.tick()
    assert swap.stage.contracts.market.task(swap.task_id).status is TaskStatus.CLAIMED


def test_what_the_chain_carries_is_kept_for_an_hour_and_while_its_result_is_open(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = stage.executor(stage.wallet())
    task_id = stage.request(stage.wallet())
    executor.tick()
    held = executor._means.inputs
    assert set(held.kept_bytes()) == {task_id}
    held.tidy([])
    assert set(held.kept_bytes()) == {task_id}
    later = time.time() + 3_601
    monkeypatch.setattr("executor.inputs.time.time", lambda: later)
    held.tidy([task_id])
    assert set(held.kept_bytes()) == {task_id}
    held.tidy([])
    assert held.kept_bytes() == {}
