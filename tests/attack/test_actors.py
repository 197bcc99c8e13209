"""Attacks on honest players' processes: races, empty purses, short deadlines, reorganisations."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from executor.actor import Executor
from fisherman.actor import Fisherman
from fisherman.cost import reveal_price
from infernet.actors.holdings import Run
from infernet.chain.connection import Chain
from infernet.chain.deploy import PRODUCTION
from infernet.chain.deployment import Contracts
from infernet.chain.market import Request
from infernet.chain.records import AssertionStatus, GameStatus, Seconds, TaskId, TaskStatus, Wei
from infernet.chain.wallet import Wallet, faucet
from interpreter.merkle import tree_of_bytes
from tests.stage import ETHER, FEE, Stage, new_stage

# Enough for the gas of every move, too little for a reveal bond.
GAS_MONEY = Wei(ETHER // 10)


@pytest.fixture
def stage() -> Stage:
    # A demand binds more than a small purse holds.
    market = replace(PRODUCTION.market, reveal_base_fee_wei=10**13)
    return new_stage(constants=replace(PRODUCTION, market=market))


@dataclass(frozen=True, slots=True)
class RacedChain(Chain):
    """A chain on which `rival` acts between a transaction's simulation and its inclusion."""

    rival: Callable[[], object] = lambda: None

    def simulate(self, call: str, transaction: dict[str, object]) -> int:
        gas = Chain.simulate(self, call, transaction)
        self.rival()
        return gas


def raced(wallet: Wallet, rival: Callable[[], object]) -> Wallet:
    """Return a wallet whose every transaction is preceded by what `rival` does."""
    chain = wallet.chain
    return Wallet(
        RacedChain(chain.web3, chain.name, chain.chain_id, chain.tester, rival), wallet.signer
    )


def keep(wallet: Wallet, amount: Wei) -> None:
    """Send away all but `amount`."""
    sink = faucet(wallet.chain).address
    wallet.transfer(sink, Wei(wallet.balance - amount - ETHER // 1000))


def bare_task(stage: Stage, data: bytes) -> TaskId:
    """Request a run on an input that only its root names."""
    stage.nonce += 1
    deadline = Seconds(stage.chain.next_timestamp() + 10**6)
    request = Request(stage.root, FEE, deadline, stage.nonce)
    root = tree_of_bytes(np.frombuffer(data, np.uint8)).root
    return stage.contracts.market.request(stage.wallet(), request, root, FEE)[0]


def assert_truth(stage: Stage, task_id: TaskId, wallet: Wallet) -> None:
    market = stage.contracts.market
    stake = stage.contracts.registry.info(stage.root).minimum_stake
    market.claim(wallet, task_id, stake, stake)
    market.assert_result(wallet, task_id, 1, stage.truth().output)


def lie_on_chain(stage: Stage) -> Executor:
    """Return a liar whose false result is on chain."""
    task_id = stage.request(stage.wallet())
    liar = stage.executor(stage.wallet(), lie_at=stage.steps // 2)
    while stage.contracts.market.task(task_id).status is not TaskStatus.ASSERTED:
        liar.tick()
    return liar


def test_a_lost_race_does_not_stop_an_executor(stage: Stage) -> None:
    first, second = stage.request(stage.wallet()), stage.request(stage.wallet())
    market, rival = stage.contracts.market, stage.wallet()
    stake = stage.contracts.registry.info(stage.root).minimum_stake

    def snatch() -> None:
        if market.task(first).status is TaskStatus.OPEN:
            market.claim(rival, first, stake, stake)

    wallet = stage.wallet()
    stage.executor(wallet)
    executor = stage.executor(raced(wallet, snatch))
    for _ in range(4):
        executor.tick()
    assert market.task(first).executor == rival.address
    assert market.task(second).status is TaskStatus.ASSERTED
    assert any("looks again" in report.what for report in stage.reports)


def test_a_lost_race_for_a_commit_does_not_stop_a_fisherman(stage: Stage) -> None:
    lie_on_chain(stage)
    games, crowd = stage.contracts.games, [stage.wallet() for _ in range(6)]
    (found,) = stage.contracts.market.assertions()

    def crowd_in() -> None:
        # Each live game raises the bond by an eighth; six pass the limit that was asked for.
        while crowd:
            bond = games.bond_for(found.assertion_id)
            games.commit(crowd.pop(), found.assertion_id, bytes(31) + b"\x01", bond, bond)

    fisherman = stage.fisherman(raced(stage.wallet(), crowd_in))
    fisherman.tick()
    fisherman.tick()
    assert games.challenges(challenger=fisherman.wallet.address)


def test_an_empty_purse_for_new_matters_does_not_lose_a_game_in_play(stage: Stage) -> None:
    liar = lie_on_chain(stage)
    fisherman = stage.fisherman(stage.wallet())
    while not stage.contracts.games.challenges() or not is_turn(stage, GameStatus.EXECUTOR_TURN):
        fisherman.tick()
    # Colluders post a true result on an input that they hide: no stake of theirs is at risk.
    assert_truth(stage, bare_task(stage, stage.data), stage.wallet())
    keep(fisherman.wallet, GAS_MONEY)
    liar.tick()
    assert is_turn(stage, GameStatus.CHALLENGER_TURN) or is_turn(stage, GameStatus.WON)
    fisherman.tick()
    assert [r for r in stage.reports if r.event == "insufficient_funds"]
    assert not is_turn(stage, GameStatus.CHALLENGER_TURN)


def test_whoever_hides_true_inputs_hardly_costs_a_watcher(stage: Stage) -> None:
    market, watcher = stage.contracts.market, stage.fisherman(stage.wallet())
    covered = Wei(stage.contracts.market_constants.reveal_base_fee_wei)
    bond = reveal_price(len(stage.data), covered)
    for _ in range(3):
        task_id, hider = bare_task(stage, stage.data), stage.wallet()
        assert_truth(stage, task_id, hider)
        watcher.tick()
        (found,) = market.assertions(taskId=task_id)
        market.reveal(hider, found.assertion_id, stage.data)
        watcher.tick()
    assert watcher.checked == 3
    balance = stage.contracts.vault.balance(watcher.wallet.address)
    assert balance.locked == 0
    # One bond serves all demands, and of it only the price of the bytes is gone.
    assert bond * 9 // 10 < balance.free <= bond


def is_turn(stage: Stage, status: GameStatus) -> bool:
    (challenge,) = stage.contracts.games.challenges()
    return stage.contracts.games.game(challenge.game_id).status is status


@pytest.mark.parametrize("seconds", [2, 60, 599])
def test_a_task_about_to_expire_is_no_trap_for_a_stake(stage: Stage, seconds: int) -> None:
    stage.nonce += 1
    deadline = Seconds(stage.chain.next_timestamp() + seconds)
    request = Request(stage.root, FEE, deadline, stage.nonce)
    market = stage.contracts.market
    task_id, _ = market.request_with_input(stage.wallet(), request, stage.data, FEE)
    executor = stage.executor(stage.wallet())
    executor.tick()
    assert market.task(task_id).status is TaskStatus.OPEN
    assert stage.contracts.vault.balance(executor.wallet.address).locked == 0


def test_an_assertion_that_a_reorganisation_brings_is_seen(stage: Stage) -> None:
    task_id = stage.request(stage.wallet())
    liar = stage.executor(stage.wallet(), lie_at=stage.steps // 2)
    liar.tick()
    assert stage.contracts.market.task(task_id).status is TaskStatus.CLAIMED
    fisherman = seen_from_a_public_node(stage)
    tester = stage.chain.tester
    snapshot = tester.take_snapshot()
    # The branch that will lose: two blocks without the assertion, which the fisherman reads.
    tester.mine_blocks(2)
    fisherman.tick()
    tester.revert_to_snapshot(snapshot)
    liar.tick()
    (found,) = stage.contracts.market.assertions()
    tester.mine_blocks(3)
    fisherman.tick()
    assert stage.contracts.games.challenges(assertionId=found.assertion_id)


def seen_from_a_public_node(stage: Stage) -> Fisherman:
    """Return a fisherman for whom recent blocks may still be replaced."""
    chain = stage.chain
    public = Chain(chain.web3, "a public node", chain.chain_id)
    return stage.fisherman(stage.wallet(), view=Contracts(public, stage.contracts.deployment))


def test_a_reread_assertion_is_not_checked_twice(stage: Stage) -> None:
    task_id = stage.request(stage.wallet())
    executor = stage.executor(stage.wallet())
    executor.tick()
    executor.tick()
    assert stage.contracts.market.task(task_id).status is TaskStatus.ASSERTED
    fisherman = seen_from_a_public_node(stage)
    for _ in range(3):
        fisherman.tick()
        stage.chain.tester.mine_blocks(1)
    assert fisherman.checked == 1


def test_checked_runs_do_not_pile_up_in_memory(stage: Stage) -> None:
    alive: list[weakref.ref[Run]] = []

    def start(data: bytes, iterations: int = 1) -> Run:
        run = stage.truth(data)
        alive.append(weakref.ref(run))
        return run

    fisherman = stage.fisherman(stage.wallet(), start_run=start)
    for _ in range(3):
        stage.request(stage.wallet())
    executor = stage.executor(stage.wallet())
    while executor.tick():
        pass
    fisherman.tick()
    gc.collect()
    assert fisherman.checked == len(alive) == 3
    assert [run for run in alive if run() is not None] == []


def test_one_challenger_with_many_games_delays_but_never_defeats_the_truth(stage: Stage) -> None:
    task_id = stage.request(stage.wallet())
    executor = stage.executor(stage.wallet())
    while executor.tick():
        pass
    games = stage.contracts.games
    (found,) = stage.contracts.market.assertions(taskId=task_id)
    attackers = [stage.fisherman(stage.wallet(), lie_at=stage.steps * i // 9) for i in range(1, 9)]
    for _ in range(6):
        for attacker in attackers:
            attacker.tick()
        executor.tick()
    constants = stage.contracts.game_constants
    stage.skip(constants.clock_seconds + constants.grace_seconds + 60)
    for _ in range(4):
        executor.tick()
    stage.skip(stage.contracts.market_constants.window_seconds + 1)
    for _ in range(4):
        executor.tick()
    challenges = games.challenges(assertionId=found.assertion_id)
    assert {games.game(c.game_id).status for c in challenges} == {GameStatus.LOST}
    assert stage.contracts.market.assertion(found.assertion_id).status is AssertionStatus.FINAL
    assert stage.contracts.vault.balance(executor.wallet.address).locked == 0
