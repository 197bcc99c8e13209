"""Tasks whose input only the miner holds: none is claimed that it could not pay to reveal."""

from __future__ import annotations

import numpy as np
import pytest

from executor.actor import Executor
from executor.errors import InferenceFailed
from executor.purse import DEFENCE_GAS, MOVE_GAS, TASK_GAS
from infernet.chain.connection import GAS_CEILING, gas_limit
from infernet.chain.market import MAX_INPUT_BYTES, Request, reveal_gas
from infernet.chain.records import Seconds, TaskId, TaskStatus, Wei
from infernet.chain.wallet import Wallet
from interpreter.merkle import tree_of_bytes
from tests.stage import ETHER, FEE, Stage

# As long as inputs get, so that the gas of a reveal outweighs all else.
LARGE = bytes(MAX_INPUT_BYTES)
REVEAL_GAS = gas_limit(reveal_gas(len(LARGE)))


def hidden(stage: Stage, executor: Executor, data: bytes) -> TaskId:
    """Request a run on the stage's input by its root, and let the miner hold `data` for it."""
    stage.nonce += 1
    deadline = Seconds(stage.chain.next_timestamp() + 10**6)
    wanted = Request(stage.root, Wei(2 * FEE), deadline, stage.nonce)
    root = tree_of_bytes(np.frombuffer(stage.data, np.uint8)).root
    task_id, _ = stage.contracts.market.request(stage.wallet(), wanted, root, wanted.fee)
    executor._means.inputs.put(task_id, data)
    return task_id


def tick(executor: Executor, gas: int) -> None:
    """Let the miner act once while its account can pay so much gas, as it seems all along."""

    def balance(wallet: Wallet) -> Wei:
        return Wei(gas * wallet._prices.now().max_fee)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Wallet, "balance", property(balance))
        executor.tick()


def statuses(stage: Stage, tasks: list[TaskId]) -> list[TaskStatus]:
    return [stage.contracts.market.task(task_id).status for task_id in tasks]


@pytest.mark.parametrize(
    ("size", "gas"), [(64, 83_048), (150_528, 6_042_120), (MAX_INPUT_BYTES, 10_506_760)]
)
def test_the_gas_of_a_reveal_is_what_the_spec_says(size: int, gas: int) -> None:
    assert reveal_gas(size) == gas


def test_a_hidden_input_is_claimed_only_with_the_gas_of_its_reveal(stage: Stage) -> None:
    # Two stakes and no more, so that nothing in the vault counts as gas.
    executor = stage.executor(stage.wallet(), max_tasks=2)
    tasks = [hidden(stage, executor, LARGE), hidden(stage, executor, LARGE)]
    # It pays less, so it comes last.
    tasks.append(stage.request(stage.wallet()))
    needed = 2 * (TASK_GAS + MOVE_GAS) + REVEAL_GAS + DEFENCE_GAS
    assert needed < GAS_CEILING
    tick(executor, GAS_CEILING)
    found = statuses(stage, tasks)
    assert sorted(found[:2]) == [TaskStatus.OPEN, TaskStatus.CLAIMED]
    # What cannot be paid for one does not keep out another that needs less.
    assert found[2] is TaskStatus.CLAIMED
    short = [report.what for report in stage.reports if report.event == "gas_short"]
    assert len(short) == 1
    assert "revealing hidden inputs" in short[0]
    assert "send it the difference" in short[0]


def test_a_hidden_input_counts_from_its_claim_until_it_is_on_chain(stage: Stage) -> None:
    miner, market = stage.wallet(), stage.contracts.market
    vault, executor = stage.contracts.vault, stage.executor(miner)
    # Each stake comes when it is needed and not before, so that nothing free counts as gas.
    stake = executor.policy.stake_wei
    vault.withdraw(miner, Wei(vault.balance(miner.address).free - stake))
    gas = GAS_CEILING * 5 // 4
    assert 2 * (TASK_GAS + MOVE_GAS) + DEFENCE_GAS + REVEAL_GAS < gas < 2 * REVEAL_GAS
    first = hidden(stage, executor, stage.data)
    executor.tick()
    executor.tick()
    (found,) = market.assertions(taskId=first)
    # From here on as if it were long.
    executor._means.inputs.put(first, LARGE)
    vault.deposit(miner, stake)
    second = hidden(stage, executor, LARGE)
    tick(executor, gas)
    assert statuses(stage, [first, second]) == [TaskStatus.ASSERTED, TaskStatus.OPEN]
    watcher = stage.wallet()
    market.demand_reveal(watcher, found.assertion_id, Wei(ETHER))
    market.reveal(watcher, found.assertion_id, stage.data)
    tick(executor, gas)
    assert statuses(stage, [second]) == [TaskStatus.CLAIMED]
    vault.deposit(miner, stake)
    third = hidden(stage, executor, LARGE)
    # It is too long to be run as well.
    with pytest.raises(InferenceFailed):
        tick(executor, gas)
    assert statuses(stage, [second, third]) == [TaskStatus.CLAIMED, TaskStatus.OPEN]


def test_an_input_is_kept_while_its_result_is_open_though_its_model_is_served_no_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    miner = stage.wallet()
    executor = stage.executor(miner)
    open_, other = hidden(stage, executor, stage.data), TaskId(bytes(31) + b"\x07")
    executor.tick()
    executor.tick()
    assert statuses(stage, [open_]) == [TaskStatus.ASSERTED]
    held = executor._means.inputs
    held.put(other, stage.data)
    executor._means.holdings.clear()
    monkeypatch.setattr("executor.inputs._KEPT_SECONDS", -1)
    stage.request(stage.wallet())
    executor.tick()
    assert set(held.kept_bytes()) == {open_}
