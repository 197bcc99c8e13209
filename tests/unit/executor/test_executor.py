"""What a miner takes on, what it leaves alone, and what a failing engine may not spoil."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from executor.actor import Executor
from executor.errors import InferenceFailed
from executor.policy import MOST_SECONDS, Policy
from executor.purse import TASK_GAS
from infernet.actors.holdings import Run, StartRun, hold
from infernet.chain.connection import Chain
from infernet.chain.deploy import PRODUCTION
from infernet.chain.deployment import Contracts
from infernet.chain.fees import Prices
from infernet.chain.market import Request
from infernet.chain.records import NO_WEI, Seconds, TaskId, TaskStatus, Wei
from infernet.chain.wallet import Sent, Wallet
from infernet.store.database import open_database
from infernet.store.events import Log
from tests.stage import FEE, Stage, new_stage

BROKEN = b"\xee"


def events(stage: Stage) -> list[str]:
    return [report.event for report in stage.reports]


def request(stage: Stage, data: bytes | None = None, fee: Wei = FEE) -> TaskId:
    """Request a run on an input, by default the stage's."""
    stage.nonce += 1
    deadline = Seconds(stage.chain.next_timestamp() + 10**6)
    wanted = Request(stage.root, fee, deadline, stage.nonce)
    market = stage.contracts.market
    return market.request_with_input(stage.wallet(), wanted, data or stage.data, fee)[0]


def custom(stage: Stage, wallet: Wallet, max_tasks: int, start: StartRun | None = None) -> Executor:
    """Return an executor that deposits nothing, with an engine of its own."""
    view = stage.view()
    held = hold(view, stage.program, start or partial(stage.run, None))
    policy = Policy(view.registry.info(stage.root).minimum_stake, max_tasks)
    return Executor(view, wallet, held, policy, stage.conformance, "executor", stage.reports.append)


def statuses(stage: Stage, tasks: list[TaskId]) -> list[TaskStatus]:
    return [stage.contracts.market.task(task_id).status for task_id in tasks]


def test_an_engine_that_fails_on_one_input_does_not_stop_the_others(stage: Stage) -> None:
    broken = BROKEN * len(stage.data)

    def start(data: bytes, iterations: int = 1) -> Run:
        if data == broken:
            raise MemoryError("no room for this one")
        return stage.truth(data)

    wallet = stage.wallet()
    stage.executor(wallet)
    executor = custom(stage, wallet, 4, start)
    tasks = [request(stage, broken), request(stage), request(stage)]
    executor.tick()
    for _ in range(3):
        with pytest.raises(InferenceFailed, match="MemoryError: no room"):
            executor.tick()
    assert statuses(stage, tasks) == [
        TaskStatus.CLAIMED,
        TaskStatus.ASSERTED,
        TaskStatus.ASSERTED,
    ]
    # After three tries it is given up: no more errors, and nobody claims it again once it expired.
    assert executor.tick() is False
    assert events(stage).count("claim_lost") == 1
    stage.skip(stage.contracts.market_constants.assert_seconds + 1)
    executor.tick()
    assert stage.contracts.market.task(tasks[0]).attempt == 1


def test_after_a_restart_claimed_tasks_come_first(stage: Stage) -> None:
    wallet, tasks = stage.wallet(), [request(stage) for _ in range(2)]
    stage.executor(wallet, max_tasks=2).tick()
    assert statuses(stage, tasks) == [TaskStatus.CLAIMED] * 2
    request(stage)
    stage.reports.clear()
    stage.executor(wallet, max_tasks=3).tick()
    assert events(stage) == ["result_asserted", "result_asserted", "task_claimed"]


def test_tasks_in_work_are_bounded_by_the_policy(stage: Stage) -> None:
    tasks = [request(stage) for _ in range(3)]
    wallet = stage.wallet()
    stage.executor(wallet, max_tasks=3)
    executor = custom(stage, wallet, max_tasks=1)
    taken = []
    for _ in range(6):
        executor.tick()
        found = statuses(stage, tasks)
        assert found.count(TaskStatus.CLAIMED) <= 1
        taken.append(found.count(TaskStatus.ASSERTED))
    # What is asserted is not in work any more, so the next one follows.
    assert taken[-1] == 3


def test_stakes_at_risk_are_bounded_by_what_lies_in_the_vault(stage: Stage) -> None:
    tasks = [request(stage) for _ in range(3)]
    wallet = stage.wallet()
    stage.executor(wallet, max_tasks=2)
    executor = custom(stage, wallet, max_tasks=9)
    for _ in range(5):
        executor.tick()
    assert sorted(statuses(stage, tasks)) == [TaskStatus.OPEN] + [TaskStatus.ASSERTED] * 2
    assert stage.contracts.vault.balance(wallet.address).free == 0
    assert "stake_exhausted" not in events(stage)


def test_a_miner_without_a_stake_says_so_once(stage: Stage) -> None:
    tasks = [request(stage)]
    executor = custom(stage, stage.wallet(), max_tasks=1)
    for _ in range(3):
        assert executor.tick() is False
    assert statuses(stage, tasks) == [TaskStatus.OPEN]
    assert events(stage) == ["stake_exhausted"]


def test_the_best_paid_task_is_taken_first(stage: Stage) -> None:
    poor, rich = request(stage, fee=Wei(FEE)), request(stage, fee=Wei(5 * FEE))
    stage.executor(stage.wallet(), max_tasks=1).tick()
    assert statuses(stage, [poor, rich]) == [TaskStatus.OPEN, TaskStatus.CLAIMED]


def test_a_claim_of_somebody_else_is_taken_over_once_it_has_expired(stage: Stage) -> None:
    task_id, idle, market = request(stage), stage.wallet(), stage.contracts.market
    stake = stage.contracts.registry.info(stage.root).minimum_stake
    market.claim(idle, task_id, stake, stake)
    wallet = stage.wallet()
    executor = stage.executor(wallet)
    assert executor.tick() is False
    stage.skip(stage.contracts.market_constants.assert_seconds + 1)
    executor.tick()
    executor.tick()
    task = market.task(task_id)
    assert (task.status, task.executor) == (TaskStatus.ASSERTED, wallet.address)


def test_a_task_that_a_model_is_too_slow_for_is_left_alone(stage: Stage) -> None:
    wallet = stage.wallet()
    executor = stage.executor(wallet)
    # A model that was once seen to take a third of what the market gives, and more.
    seconds = stage.contracts.market_constants.assert_seconds / 3 + 1
    executor._means.runs._seconds[stage.root] = seconds
    task_id = request(stage)
    assert executor.tick() is False
    assert statuses(stage, [task_id]) == [TaskStatus.OPEN]


def test_what_is_in_work_counts_against_the_time_that_is_left(stage: Stage) -> None:
    executor = stage.executor(stage.wallet())
    # Two such runs take two thirds of what a claim may, so a third would come too late.
    seconds = stage.contracts.market_constants.assert_seconds / 6.5
    executor._means.runs._seconds[stage.root] = seconds
    tasks = [request(stage) for _ in range(4)]
    executor.tick()
    assert statuses(stage, tasks).count(TaskStatus.CLAIMED) == 2


@pytest.fixture(scope="module")
def patient() -> Stage:
    """Return a stage whose claims grow with a run, by a second for each step."""
    return new_stage(
        constants=replace(PRODUCTION, game=replace(PRODUCTION.game, steps_per_clock_second=1))
    )


def test_a_run_that_keeps_short_ones_out_is_left_alone_however_long_its_claim(
    patient: Stage,
) -> None:
    with patient.rewound() as stage:
        executor, seconds = stage.executor(stage.wallet()), MOST_SECONDS + 1
        claim = stage.contracts.market_constants.assert_seconds + stage.steps
        assert 3 * seconds < claim
        tasks = [request(stage)]
        executor._means.runs._seconds[stage.root] = seconds
        for _ in range(2):
            assert executor.tick() is False
        assert statuses(stage, tasks) == [TaskStatus.OPEN]
        assert events(stage) == ["runs_too_long"]
        willing = replace(executor, policy=replace(executor.policy, most_seconds=seconds))
        willing._means.runs._seconds[stage.root] = seconds
        willing.tick()
        assert statuses(stage, tasks) == [TaskStatus.CLAIMED]


def test_tasks_that_would_wait_for_too_long_behind_others_are_left_alone(patient: Stage) -> None:
    with patient.rewound() as stage:
        executor = stage.executor(stage.wallet())
        executor._means.runs._seconds[stage.root] = MOST_SECONDS / 2.5
        tasks = [request(stage) for _ in range(4)]
        executor.tick()
        assert statuses(stage, tasks).count(TaskStatus.CLAIMED) == 2


def test_a_model_that_does_not_run_is_refused_before_anything_is_claimed(stage: Stage) -> None:
    def start(data: bytes, iterations: int = 1) -> Run:
        raise OSError("the device is gone")

    with pytest.raises(InferenceFailed, match="OSError: the device is gone"):
        custom(stage, stage.wallet(), 1, start)


def test_a_task_that_does_not_pay_its_gas_is_left_alone(stage: Stage) -> None:
    wallet = stage.wallet()
    price = Prices(stage.chain).now().paid
    executor = stage.executor(wallet)
    tasks = [request(stage, fee=Wei(TASK_GAS * price // 2))]
    for _ in range(2):
        assert executor.tick() is False
    assert events(stage) == ["fees_too_low"]
    tasks.append(request(stage, fee=Wei(TASK_GAS * price * 2)))
    executor.tick()
    assert statuses(stage, tasks) == [TaskStatus.OPEN, TaskStatus.CLAIMED]
    generous = replace(executor, policy=replace(executor.policy, minimum_fee_wei=NO_WEI))
    generous.tick()
    assert statuses(stage, tasks) == [TaskStatus.CLAIMED, TaskStatus.ASSERTED]


def test_the_gas_of_a_task_is_bounded_and_the_bound_is_no_fantasy(stage: Stage) -> None:
    wallet = stage.wallet()
    sent: list[Sent] = []
    executor = replace(
        stage.executor(wallet), wallet=Wallet(stage.chain, wallet.signer, sent.append)
    )
    request(stage)
    while executor.tick():
        pass
    stage.skip(stage.contracts.market_constants.window_seconds + 1)
    while executor.tick():
        pass
    assert [each.kind for each in sent] == ["claim", "assertResult", "finalise"]
    gas = sum(each.gas_used for each in sent)
    print(f"gas of a task: {gas}")
    assert gas <= TASK_GAS <= 2 * gas


def test_a_slashed_task_is_not_taken_up_again(stage: Stage) -> None:
    task_id, wallet = request(stage), stage.wallet()
    liar = stage.executor(wallet, lie_at=0, max_tasks=2)
    fisherman = stage.fisherman(stage.wallet())
    for _ in range(14):
        liar.tick()
        fisherman.tick()
    constants = stage.contracts.game_constants
    stage.skip(constants.clock_seconds + constants.grace_seconds + 60)
    for _ in range(3):
        fisherman.tick()
        stage.skip(constants.open_seconds + 1)
    assert statuses(stage, [task_id]) == [TaskStatus.OPEN]
    stage.reports.clear()
    for _ in range(3):
        liar.tick()
    assert "task_claimed" not in events(stage)


def test_nothing_is_held_for_tasks_that_are_over(stage: Stage) -> None:
    wallet = stage.wallet()
    executor = stage.executor(wallet)
    tasks = [request(stage) for _ in range(3)]
    while executor.tick():
        pass
    stage.skip(stage.contracts.market_constants.window_seconds + 1)
    while executor.tick():
        pass
    executor.tick()
    assert statuses(stage, tasks) == [TaskStatus.FINAL] * 3
    assert executor._means.runs._kept == {}
    assert executor._service._booked == {}
    assert executor._defence._deadlines == {}


def test_ten_thousand_closed_tasks_do_not_slow_a_restart(stage: Stage, tmp_path: Path) -> None:
    wallet, count = stage.wallet(), 10_000
    executor = stage.executor(wallet)
    request(stage)
    while executor.tick():
        pass
    stage.skip(stage.contracts.market_constants.window_seconds + 1)
    while executor.tick():
        pass
    public = Chain(stage.chain.web3, "a public node", stage.chain.chain_id)
    path = tmp_path / "history.sqlite"
    _repeat_history(Contracts(public, stage.contracts.deployment, open_database(path)), count)
    fresh = request(stage)
    began = time.perf_counter()
    view = Contracts(public, stage.contracts.deployment, open_database(path))
    restarted = replace(executor, contracts=view)
    restarted.tick()
    seconds = time.perf_counter() - began
    assert len(view.market.events("Finalised")) == count + 1
    assert statuses(stage, [fresh]) == [TaskStatus.CLAIMED]
    print(f"first turn after {count} closed tasks: {seconds:.2f} s")
    assert seconds < 5


def _repeat_history(contracts: Contracts, count: int) -> None:
    """Let the index hold the logs of one closed task many times, under other ids."""
    index = contracts.feed.index
    contracts.feed.sync()
    names = ("Requested", "Claimed", "Asserted", "Finalised")
    market = contracts.market
    logs = [
        log for name in names for log in index.select(market._code, market._events[name].topic0)
    ]
    number, block_hash = index.checkpoints()[0]
    others = [
        replace(log, block=number, place=1_000 + len(logs) * i + place, topics=_renamed(log, i))
        for i in range(count)
        for place, log in enumerate(logs)
    ]
    own = [log for log in logs if log.block == number]
    index.replace(number, [*own, *others], number, block_hash)
    # Opened anew, the file has to be free.
    contracts.feed.index._database.close()


def _renamed(log: Log, number: int) -> tuple[bytes, ...]:
    """Return topics that name other tasks and assertions, the same for each task's logs."""
    mark = number.to_bytes(8, "big")
    return (log.topics[0], *(t if t[:12] == bytes(12) else t[:-8] + mark for t in log.topics[1:]))
