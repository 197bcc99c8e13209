"""What a first start costs, what it does, and how the money comes back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from executor.errors import PolicyError
from executor.policy import Policy
from executor.registration import Plan, carry_out, plan
from executor.withdrawal import Reason, standing, withdraw
from infernet.chain.errors import Reverted
from infernet.chain.records import NO_WEI, Seconds, Wei
from infernet.chain.wallet import KeySigner, Sent, Wallet
from interpreter.program import Program
from tests.programs import random_program
from tests.stage import ETHER, Stage


def other_program() -> Program:
    return random_program(np.random.default_rng(99))


def noted(stage: Stage) -> tuple[Wallet, list[Sent]]:
    """Return a funded wallet, and what it sends from now on."""
    sent: list[Sent] = []
    wallet = stage.wallet()
    return Wallet(stage.chain, wallet.signer, sent.append), sent


def test_a_plan_names_all_that_is_missing_and_an_upper_bound(stage: Stage) -> None:
    wallet, sent = noted(stage)
    programs = {"known": stage.program, "new": other_program()}
    policy = Policy(Wei(2 * ETHER), max_tasks=3)
    wanted = plan(stage.contracts, wallet, policy, programs)
    assert wanted.deposit_wei == wanted.target_wei == 6 * ETHER
    assert [each.name for each in wanted.registrations] == ["new"]
    assert wanted.registrations_wei == stage.contracts.registry.deposit()
    told: list[tuple[str, int, int]] = []
    before = wallet.balance
    carry_out(stage.contracts, wallet, wanted, programs, lambda *step: told.append(step))
    assert told[-1] == ("new", len(programs["new"].operators), len(programs["new"].operators))
    assert before - wallet.balance <= wanted.total_wei
    gas = sum(each.gas_used for each in sent)
    bound = sum(each.gas for each in wanted.registrations) + 60_000
    # The bound holds, and is no fantasy.
    assert gas <= bound <= 2 * gas
    assert wanted.gas_wei % bound == 0
    assert stage.contracts.vault.balance(wallet.address).free == 6 * ETHER


def test_carrying_out_twice_deposits_once(stage: Stage) -> None:
    wallet, sent = noted(stage)
    programs = {"known": stage.program}
    policy = Policy(Wei(ETHER), max_tasks=2)
    wanted = plan(stage.contracts, wallet, policy, programs)
    carry_out(stage.contracts, wallet, wanted, programs)
    carry_out(stage.contracts, wallet, wanted, programs)
    assert [each.kind for each in sent] == ["deposit"]
    again = plan(stage.contracts, wallet, policy, programs)
    assert again == Plan(wanted.target_wei, NO_WEI, (), NO_WEI)
    assert again.total_wei == 0
    more = plan(stage.contracts, wallet, replace(policy, max_tasks=3), programs)
    assert more.deposit_wei == ETHER


def test_a_stake_below_a_models_floor_is_refused_by_name(stage: Stage) -> None:
    floor = stage.contracts.registry.floor(stage.program)
    assert floor == stage.contracts.registry.info(stage.root).minimum_stake
    policy = Policy(Wei(floor - 1))
    with pytest.raises(PolicyError, match=r"below the floor of model 'known', 0\.\d+ ETH"):
        plan(stage.contracts, stage.wallet(0), policy, {"known": stage.program})


def test_an_account_without_a_stake_has_nothing_to_withdraw(stage: Stage) -> None:
    wallet = Wallet(stage.chain, KeySigner.create())
    found = standing(stage.contracts, wallet.address)
    assert (found.free_wei, found.locked_wei, found.locked_until) == (0, 0, None)
    assert withdraw(stage.contracts, wallet) is None


def test_what_is_locked_is_named_until_it_is_free(stage: Stage) -> None:
    wallet, market = stage.wallet(), stage.contracts.market
    executor = stage.executor(wallet, max_tasks=2)
    stake = executor.policy.stake_wei
    task_id = stage.request(stage.wallet())
    executor.tick()
    (lock,) = standing(stage.contracts, wallet.address).locks
    assert (lock.task_id, lock.reason, lock.stake_wei) == (task_id, Reason.CLAIMED, stake)
    assert lock.until == market.task(task_id).claim_deadline
    executor.tick()
    found = standing(stage.contracts, wallet.address)
    assert (found.free_wei, found.locked_wei) == (stake, stake)
    (asserted,) = market.assertions(taskId=task_id)
    assert [lock.reason for lock in found.locks] == [Reason.ASSERTED]
    assert found.locked_until == asserted.window_end
    with pytest.raises(Reverted, match="InsufficientFree"):
        withdraw(stage.contracts, wallet, Wei(stake + 1))
    sent = withdraw(stage.contracts, wallet)
    assert sent is not None
    assert standing(stage.contracts, wallet.address).free_wei == 0
    stage.chain.travel_to(Seconds(asserted.window_end + 1))
    while executor.tick():
        pass
    left = standing(stage.contracts, wallet.address)
    assert (left.locked_wei, left.locks) == (0, ())
    # The stake and the fee.
    assert left.free_wei > stake


def test_a_disputed_stake_is_locked_beyond_its_window(stage: Stage) -> None:
    wallet = stage.wallet()
    stage.request(stage.wallet())
    executor = stage.executor(wallet, lie_at=stage.steps // 2, max_tasks=1)
    executor.tick()
    executor.tick()
    stage.fisherman(stage.wallet()).tick()
    found = standing(stage.contracts, wallet.address)
    (game,) = stage.contracts.games.open_challenges()
    deadline = stage.contracts.games.game(game.game_id).deadline
    (lock,) = found.locks
    assert lock.reason is Reason.DISPUTED
    assert lock.until >= deadline
