"""Executor and fisherman on the real contracts: whoever is honest wins, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from executor.actor import Executor
from executor.policy import Policy
from executor.registration import plan
from fisherman.actor import Fisherman
from fisherman.cost import reveal_price, reward_of
from infernet.actors import holdings
from infernet.actors.errors import ModelTooLarge, UnregisteredModel
from infernet.actors.holdings import hold
from infernet.backend.errors import ConformanceError
from infernet.backend.footprint import run_bytes
from infernet.chain.deployment import Contracts
from infernet.chain.game import commitment_of
from infernet.chain.market import Request
from infernet.chain.records import (
    AssertionId,
    AssertionStatus,
    GameStatus,
    Seconds,
    TaskId,
    TaskStatus,
    Wei,
)
from tests.programs import random_program
from tests.stage import ETHER, FEE, Stage, new_stage

Actor = Executor | Fisherman


@pytest.fixture(scope="module")
def built() -> Stage:
    return new_stage()


@pytest.fixture
def stage(built: Stage) -> Iterator[Stage]:
    with built.rewound() as stage:
        yield stage


def settle_down(*actors: Actor) -> None:
    """Let actors act until none has anything to do at this time."""
    while sum(actor.tick() for actor in actors):
        pass


def assertion_of_task(contracts: Contracts, task_id: TaskId) -> AssertionId:
    (found,) = contracts.market.assertions(taskId=task_id)
    return found.assertion_id


def final_window(stage: Stage) -> int:
    return stage.contracts.market_constants.window_seconds + 1


def test_honest_result_becomes_final_and_pays(stage: Stage) -> None:
    wallet = stage.wallet()
    task_id = stage.request(stage.wallet())
    executor, fisherman = stage.executor(wallet), stage.fisherman(stage.wallet())
    settle_down(executor, fisherman)
    assert fisherman.checked >= 1
    stage.skip(final_window(stage))
    settle_down(executor, fisherman)
    assert stage.contracts.market.task(task_id).status is TaskStatus.FINAL
    balance = stage.contracts.vault.balance(wallet.address)
    deposited = executor.policy.stake_wei * executor.policy.max_tasks
    assert (balance.free - FEE, balance.locked) == (deposited, 0)
    (found,) = stage.contracts.market.assertions(taskId=task_id)
    assert found.output == stage.truth().output


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8])
def test_lie_is_slashed_and_the_fisherman_paid(stage: Stage, share: float) -> None:
    lie_at = int((stage.steps - 1) * share)
    liar, watcher = stage.wallet(), stage.wallet()
    task_id = stage.request(stage.wallet())
    executor, fisherman = stage.executor(liar, lie_at, max_tasks=1), stage.fisherman(watcher)
    stage.reports.clear()
    while stage.contracts.market.task(task_id).status is not TaskStatus.ASSERTED:
        executor.tick()
    settle_down(fisherman, executor)
    assertion_id = assertion_of_task(stage.contracts, task_id)
    if not stage.contracts.games.is_voided(assertion_id):
        # The liar had the last word and could prove nothing; its clock decides.
        assert any("has no move left" in report.what for report in stage.reports)
        constants = stage.contracts.game_constants
        stage.skip(constants.clock_seconds + constants.grace_seconds + 60)
        fisherman.tick()
    assert stage.contracts.games.is_voided(assertion_id)
    stage.skip(stage.contracts.game_constants.open_seconds + 1)
    fisherman.tick()
    stake = stage.contracts.market.assertion(assertion_id).stake
    assert stage.contracts.market.assertion(assertion_id).status is AssertionStatus.SLASHED
    assert stage.contracts.vault.balance(liar.address).total == 0
    free = stage.contracts.vault.balance(watcher.address).free
    assert free >= reward_of(stake)
    assert stage.contracts.vault.balance(watcher.address).locked == 0
    assert stage.contracts.market.task(task_id).status is TaskStatus.OPEN


def test_lying_challenger_loses_its_bond(stage: Stage) -> None:
    honest, liar = stage.wallet(), stage.wallet()
    task_id = stage.request(stage.wallet())
    executor = stage.executor(honest)
    settle_down(executor)
    fisherman = stage.fisherman(liar, lie_at=stage.steps // 3)
    settle_down(fisherman, executor)
    assertion_id = assertion_of_task(stage.contracts, task_id)
    (challenge,) = stage.contracts.games.challenges(assertionId=assertion_id)
    if stage.contracts.games.game(challenge.game_id).status is not GameStatus.LOST:
        constants = stage.contracts.game_constants
        stage.skip(constants.clock_seconds + constants.grace_seconds + 60)
        settle_down(executor)
    assert stage.contracts.games.game(challenge.game_id).status is GameStatus.LOST
    stage.skip(final_window(stage))
    settle_down(executor, fisherman)
    assert stage.contracts.market.task(task_id).status is TaskStatus.FINAL
    assert stage.contracts.vault.balance(liar.address).locked == 0


def test_players_that_restart_before_every_move_still_win(stage: Stage) -> None:
    liar, watcher = stage.wallet(), stage.wallet()
    task_id = stage.request(stage.wallet())
    executor = stage.executor(liar, lie_at=stage.steps // 2)
    settle_down(executor)
    for _ in range(12):
        stage.fisherman(watcher).tick()
        stage.executor(liar, lie_at=stage.steps // 2, max_tasks=0).tick()
    assertion_id = assertion_of_task(stage.contracts, task_id)
    (challenge,) = stage.contracts.games.challenges(assertionId=assertion_id)
    assert challenge.challenger == watcher.address
    record = stage.contracts.games.game(challenge.game_id)
    if record.status is not GameStatus.WON:
        stage.skip(record.deadline + 1 - stage.chain.next_timestamp())
        stage.fisherman(watcher).tick()
    stage.skip(stage.contracts.game_constants.open_seconds + 1)
    stage.fisherman(watcher).tick()
    assert stage.contracts.games.contest(assertion_id).rewarded
    assert stage.contracts.vault.balance(watcher.address).locked == 0


def test_unopened_challenge_is_forfeited_and_does_not_stop_finality(stage: Stage) -> None:
    honest, other = stage.wallet(), stage.wallet()
    task_id = stage.request(stage.wallet())
    executor = stage.executor(honest)
    settle_down(executor)
    assertion_id = assertion_of_task(stage.contracts, task_id)
    commitment = commitment_of(assertion_id, other.address, b"\x01" * 32, b"\x02" * 32)
    bond = stage.contracts.games.bond_for(assertion_id)
    stage.contracts.games.commit(other, assertion_id, commitment, bond, bond)
    stage.skip(final_window(stage))
    settle_down(executor)
    assert stage.contracts.market.task(task_id).status is TaskStatus.FINAL
    assert stage.contracts.vault.balance(other.address).total == 0


def test_hidden_input_is_demanded_and_its_executor_slashed(stage: Stage) -> None:
    market, requester, executor = stage.contracts.market, stage.wallet(), stage.wallet()
    stage.nonce += 1
    deadline = Seconds(stage.chain.next_timestamp() + 10**6)
    request = Request(stage.root, FEE, deadline, stage.nonce)
    task_id, _ = market.request(requester, request, b"\x05" * 32, FEE)
    stake = stage.contracts.registry.info(stage.root).minimum_stake
    market.claim(executor, task_id, stake, stake)
    output = bytes(stage.program.header.output_type.byte_count)
    market.assert_result(executor, task_id, 1, output)
    watcher = stage.wallet()
    fisherman = stage.fisherman(watcher)
    settle_down(fisherman)
    stage.skip(stage.contracts.market_constants.reveal_seconds + 1)
    settle_down(fisherman)
    assert market.task(task_id).status is TaskStatus.OPEN
    gained = stage.contracts.vault.balance(watcher.address)
    covered = Wei(stage.contracts.market_constants.reveal_base_fee_wei)
    bond = reveal_price(stage.program.header.input_type.byte_count, covered)
    assert (gained.free, gained.locked) == (reward_of(stake) + bond, 0)


def test_executor_leaves_tasks_whose_input_it_could_not_reveal(stage: Stage) -> None:
    stage.nonce += 1
    deadline = Seconds(stage.chain.next_timestamp() + 10**6)
    request = Request(stage.root, FEE, deadline, stage.nonce)
    task_id, _ = stage.contracts.market.request(stage.wallet(), request, b"\x06" * 32, FEE)
    settle_down(stage.executor(stage.wallet()))
    assert stage.contracts.market.task(task_id).status is TaskStatus.OPEN


def test_executor_takes_no_more_than_its_policy_says(stage: Stage) -> None:
    tasks = [stage.request(stage.wallet()) for _ in range(3)]
    wallet = stage.wallet()
    executor = stage.executor(wallet, max_tasks=2)
    settle_down(executor)
    mine = [t for t in tasks if stage.contracts.market.task(t).executor == wallet.address]
    assert len(mine) <= 2
    stake = executor.policy.stake_wei
    assert stage.contracts.vault.balance(wallet.address).locked <= Wei(2 * stake)
    stage.skip(final_window(stage))
    settle_down(executor)


def test_nobody_acts_without_exact_conformance(stage: Stage) -> None:
    broken = replace(stage, conformance=replace(stage.conformance, digest=b"\0" * 32))
    with pytest.raises(ConformanceError):
        broken.executor(stage.wallet())
    with pytest.raises(ConformanceError):
        broken.fisherman(stage.wallet(0))


def test_model_whose_root_is_not_registered_is_refused(stage: Stage) -> None:
    other = random_program(np.random.default_rng(99))
    with pytest.raises(UnregisteredModel, match=other.root.hex()):
        hold(stage.contracts, other, partial(stage.run, None))


def test_a_model_that_does_not_fit_into_memory_is_refused_before_anything_is_spent(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = run_bytes(stage.program)
    monkeypatch.setattr(holdings, "machine_bytes", lambda: 2 * needed)
    hold(stage.contracts, stage.program, partial(stage.run, None))
    monkeypatch.setattr(holdings, "machine_bytes", lambda: 2 * needed - 2)
    with pytest.raises(ModelTooLarge, match=r"take 0\.\d GB.*take this model out"):
        hold(stage.contracts, stage.program, partial(stage.run, None))
    with pytest.raises(ModelTooLarge, match=stage.root.hex()):
        plan(stage.contracts, stage.wallet(0), Policy(Wei(ETHER)), {"large": stage.program})
