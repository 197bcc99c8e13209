"""Snapshots: every state of a task and a game is counted once, and the money adds up to the wei."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from fisherman.cost import reward_of
from infernet.chain.records import AssertionStatus, TaskStatus
from infernet.monitor.observatory import Observatory
from infernet.monitor.snapshot import Duty, Money, Role, Snapshot, Turn
from tests.stage import FEE, Stage, new_stage


@pytest.fixture(scope="module")
def town() -> Stage:
    return new_stage()


@pytest.fixture
def stage(town: Stage) -> Iterator[Stage]:
    with town.rewound() as stage:
        yield stage


def observe(stage: Stage, address: str, role: Role = Role.MINER) -> Observatory:
    return Observatory(stage.view(), address, role, {stage.root: "toy"})


def assert_adds_up(money: Money) -> None:
    """Everything that came or went is where the vault says it is."""
    held = money.deposited_wei - money.withdrawn_wei + money.earned_wei - money.lost_wei
    assert held == money.free_wei + money.locked_wei


def agrees(kept: Observatory, stage: Stage) -> Snapshot:
    """Return the snapshot of an observatory that looked before; a fresh one sees the same."""
    found = kept.take()
    assert found == observe(stage, kept.address, kept.role).take()
    assert_adds_up(found.money)
    return found


def test_an_account_that_did_nothing_is_empty(stage: Stage) -> None:
    found = observe(stage, stage.wallet().address).take()
    assert found.tasks.in_work == 0 and not found.disputes and not found.dues
    assert [(model.name, model.is_registered, model.accepted) for model in found.models] == [
        ("toy", True, 0)
    ]
    assert found.money.net_wei == 0


def test_a_task_is_counted_in_each_of_its_states(stage: Stage) -> None:
    wallet = stage.wallet()
    miner, kept = stage.executor(wallet), observe(stage, wallet.address)
    task_id = stage.request(stage.wallet())
    miner.tick()
    found = agrees(kept, stage)
    assert (found.tasks.claimed, found.tasks.in_work) == (1, 1)
    (due,) = found.dues
    assert due.duty is Duty.ASSERT and due.of == task_id and 3_000 < due.seconds_left <= 3_600
    miner.tick()
    found = agrees(kept, stage)
    assert (found.tasks.claimed, found.tasks.asserted) == (0, 1) and not found.dues
    assert found.money.locked_wei == stage.contracts.registry.info(stage.root).minimum_stake
    stage.skip(21_601)
    miner.tick()
    found = agrees(kept, stage)
    assert (found.tasks.in_work, found.tasks.final) == (0, 1)
    assert found.models[0].accepted == 1
    assert found.money.fees_wei == FEE and found.money.net_wei == FEE
    assert found.money.locked_wei == 0


def test_an_expired_claim_costs_its_penalty(stage: Stage) -> None:
    wallet, task_id = stage.wallet(), stage.request(stage.wallet())
    stage.executor(wallet).tick()
    kept = observe(stage, wallet.address)
    assert kept.take().tasks.claimed == 1
    stage.skip(3_601)
    assert kept.take().dues[0].seconds_left < 0
    market = stage.contracts.market
    market.expire_claim(stage.wallet(), task_id)
    found = agrees(kept, stage)
    stake = stage.contracts.registry.info(stage.root).minimum_stake
    assert (found.tasks.in_work, found.tasks.expired) == (0, 1)
    assert found.money.penalties_wei == found.money.burned_wei == stake // 10


def test_a_dispute_shows_turns_clocks_and_who_won(stage: Stage) -> None:
    liar_wallet, watcher_wallet = stage.wallet(), stage.wallet()
    stage.request(stage.wallet())
    liar = stage.executor(liar_wallet, lie_at=stage.steps // 2)
    watcher = stage.fisherman(watcher_wallet)
    mine = observe(stage, watcher_wallet.address, Role.FISHERMAN)
    theirs = observe(stage, liar_wallet.address)
    liar.tick()
    liar.tick()
    watcher.tick()
    ours, other = agrees(mine, stage).disputes[0], agrees(theirs, stage).disputes[0]
    assert (ours.is_challenger, ours.turn, other.turn) == (True, Turn.OURS, Turn.THEIRS)
    assert mine.take().dues[0].duty is Duty.OPEN
    assert theirs.take().tasks.disputed == 1 and theirs.take().tasks.asserted == 0
    stage.skip(5)
    watcher.tick()
    ours, other = agrees(mine, stage).disputes[0], agrees(theirs, stage).disputes[0]
    assert (ours.turn, other.turn) == (Turn.THEIRS, Turn.OURS)
    assert ours.length == other.length == stage.steps
    constants = stage.contracts.game_constants
    limit = constants.grace_seconds + other.our_clock_seconds
    assert limit - 60 < other.seconds_left <= limit
    assert theirs.take().dues[0].duty is Duty.MOVE
    (assertion,) = stage.contracts.market.assertions()
    games = stage.contracts.games
    while not games.is_voided(assertion.assertion_id):
        liar.tick()
        watcher.tick()
    assert agrees(theirs, stage).games_lost == 1 and not theirs.take().disputes
    (over,) = agrees(mine, stage).disputes
    assert over.turn is Turn.OVER
    stage.skip(constants.open_seconds + 1)
    watcher.tick()
    won, lost = agrees(mine, stage), agrees(theirs, stage)
    stake = stage.contracts.registry.info(stage.root).minimum_stake
    assert (won.challenges, won.games_won, won.games_lost) == (1, 1, 0)
    assert not won.disputes and won.money.rewards_wei == reward_of(stake)
    assert lost.tasks.slashed == 1 and lost.tasks.in_work == 0
    assert lost.money.slashed_wei == lost.money.lost_wei == stake
    status = stage.contracts.market.assertion(assertion.assertion_id).status
    assert status is AssertionStatus.SLASHED


def test_an_honest_executor_sees_what_a_lost_challenger_paid(stage: Stage) -> None:
    wallet = stage.wallet()
    task_id = stage.request(stage.wallet())
    miner, liar = stage.executor(wallet), stage.fisherman(stage.wallet(), lie_at=1)
    miner.tick()
    miner.tick()
    kept = observe(stage, wallet.address)
    for _ in range(20):
        stage.skip(5)
        liar.tick()
        miner.tick()
        agrees(kept, stage)
    stage.skip(21_601)
    for _ in range(3):
        miner.tick()
    found = agrees(kept, stage)
    assert stage.contracts.market.task(task_id).status is TaskStatus.FINAL
    assert (found.games_won, found.games_lost, found.tasks.final) == (1, 0, 1)
    assert found.money.other_wei > 0 and not found.disputes


def test_the_json_holds_hashes_as_text_and_wei_exactly(stage: Stage) -> None:
    wallet = stage.wallet()
    stage.request(stage.wallet())
    stage.executor(wallet).tick()
    snapshot = observe(stage, wallet.address).take()
    content = json.loads(snapshot.to_json())
    assert content["models"][0]["root"] == f"0x{stage.root.hex()}"
    assert content["money"]["wallet_wei"] == snapshot.money.wallet_wei
    assert content["dues"][0]["duty"] == "assert"
