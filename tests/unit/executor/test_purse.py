"""Gas for what a miner has begun: kept before it claims, taken out of the vault when it lacks."""

from __future__ import annotations

import pytest

from executor.actor import Executor
from executor.defence import Defence
from executor.purse import DEFENCE_GAS, MOVE_GAS, TASK_GAS, AtStake
from infernet.chain.connection import GAS_CEILING
from infernet.chain.records import TaskId, TaskStatus, Wei
from infernet.chain.wallet import Wallet
from tests.stage import ETHER, Stage

# With so much the account can send anything, and with nothing free pay no more than that.
GAS = GAS_CEILING
AT_PEACE = AtStake(frozenset(), 0, frozenset())


def results(count: int) -> frozenset[TaskId]:
    return frozenset(TaskId(number.to_bytes(32, "big")) for number in range(count))


def tick(executor: Executor, at_stake: AtStake, gas: int = GAS) -> None:
    """Let the miner act once as if that were at stake, and its account could pay so much gas."""

    def balance(wallet: Wallet) -> Wei:
        return Wei(gas * wallet._prices.now().max_fee)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Defence, "at_stake", lambda *_: at_stake)
        patch.setattr(Wallet, "balance", property(balance))
        executor.tick()


def events(stage: Stage) -> list[str]:
    return [report.event for report in stage.reports]


@pytest.fixture
def executor(stage: Stage) -> Executor:
    return stage.executor(stage.wallet(), max_tasks=1)


def owed(executor: Executor, tasks: int, at_stake: AtStake) -> int:
    return executor._service._purse.owed(results(tasks), at_stake, {})


def test_each_result_keeps_a_move_and_each_game_all_of_its_moves(executor: Executor) -> None:
    assert owed(executor, 0, AT_PEACE) == DEFENCE_GAS
    assert owed(executor, 3, AT_PEACE) == 3 * (TASK_GAS + MOVE_GAS) + DEFENCE_GAS
    besieged = AtStake(results(40), 7, frozenset())
    assert owed(executor, 0, besieged) == 40 * MOVE_GAS + 8 * DEFENCE_GAS


@pytest.mark.parametrize(
    ("at_stake", "is_claimed"),
    [
        (AtStake(results(50), 0, frozenset()), True),
        (AtStake(results(51), 0, frozenset()), False),
        (AtStake(results(20), 9, frozenset()), True),
        (AtStake(results(20), 10, frozenset()), False),
    ],
)
def test_nothing_is_claimed_that_leaves_too_little_for_what_is_open(
    stage: Stage, executor: Executor, at_stake: AtStake, is_claimed: bool
) -> None:
    # The one stake in the vault is what the claim locks.
    task_id = stage.request(stage.wallet())
    tick(executor, at_stake)
    found = stage.contracts.market.task(task_id).status
    assert found is (TaskStatus.CLAIMED if is_claimed else TaskStatus.OPEN)
    assert ("gas_short" in events(stage)) is not is_claimed


def test_what_stays_free_in_the_vault_counts_for_disputes(stage: Stage, executor: Executor) -> None:
    task_id = stage.request(stage.wallet())
    stage.contracts.vault.deposit(executor.wallet, Wei(ETHER))
    tick(executor, AtStake(results(60), 0, frozenset()))
    assert stage.contracts.market.task(task_id).status is TaskStatus.CLAIMED


def test_what_is_free_counts_for_nothing_else(executor: Executor) -> None:
    is_short = executor._service._is_short_of_gas
    held = executor.wallet._prices.now().max_fee * TASK_GAS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Wallet, "balance", property(lambda _: Wei(held)))
        assert not is_short(1, TASK_GAS + DEFENCE_GAS, Wei(ETHER))
        assert is_short(2, 2 * TASK_GAS, Wei(ETHER))


def test_games_in_play_are_paid_out_of_the_vault(stage: Stage, executor: Executor) -> None:
    vault, wallet = stage.contracts.vault, executor.wallet
    vault.deposit(wallet, Wei(ETHER))
    before = vault.balance(wallet.address).free
    price = wallet._prices.now().max_fee
    tick(executor, AtStake(results(20), 20, frozenset()))
    taken = before - vault.balance(wallet.address).free
    due = 20 * DEFENCE_GAS + TASK_GAS
    assert taken == pytest.approx((2 * due - GAS) * price, rel=0.3)
    assert events(stage) == ["gas_topped_up"]
    tick(executor, AtStake(results(20), 20, frozenset()), 2 * due)
    assert events(stage) == ["gas_topped_up"]


@pytest.mark.parametrize("games", [0, 15])
def test_nothing_is_taken_while_the_account_can_pay(
    stage: Stage, executor: Executor, games: int
) -> None:
    tick(executor, AtStake(results(40), games, frozenset()))
    assert events(stage) == []


def test_no_crumbs_are_taken(stage: Stage, executor: Executor) -> None:
    vault, wallet = stage.contracts.vault, executor.wallet
    vault.withdraw(wallet, Wei(vault.balance(wallet.address).free - 1_000))
    tick(executor, AtStake(results(20), 20, frozenset()))
    assert events(stage) == []


def test_one_withdrawal_at_a_time_is_on_its_way(
    stage: Stage, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Wallet, "is_sending", lambda _, kind: kind == "top up")
    tick(executor, AtStake(results(20), 20, frozenset()))
    assert events(stage) == []


def test_games_may_take_what_a_claim_would_lock_and_the_turn_goes_on(
    stage: Stage, executor: Executor
) -> None:
    besieged = AtStake(results(40), 40, frozenset())
    price = executor.wallet._prices.now().max_fee
    needed = owed(executor, 1, besieged) + TASK_GAS - GAS
    stage.contracts.vault.deposit(executor.wallet, Wei(int(needed * 1.3) * price))
    task_id = stage.request(stage.wallet())
    tick(executor, besieged)
    assert "gas_topped_up" in events(stage)
    # Whether it was claimed first or not, nothing was refused aloud.
    assert stage.contracts.market.task(task_id).status in (TaskStatus.OPEN, TaskStatus.CLAIMED)
