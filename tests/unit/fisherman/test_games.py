"""Own games: warnings, losses, restarts from the file, and floods around them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fisherman.actor import Fisherman
from fisherman.policy import FishermanPolicy, Mode
from infernet.actors.holdings import Run
from infernet.chain.deploy import PRODUCTION
from infernet.chain.records import Wei
from infernet.chain.wallet import KeySigner, Wallet, faucet
from infernet.store.checks import Coverage
from infernet.store.database import open_database
from interpreter.merkle import tree_of_bytes
from tests.stage import ETHER, Stage, new_stage
from tests.unit.fisherman.lies import assert_all, broken, events, hide_input, tell_lie, tell_truth


def fund(stage: Stage, wallet: Wallet) -> None:
    Wallet(stage.chain, faucet(stage.chain)).transfer(wallet.address, Wei(ETHER))


def test_a_turn_that_is_nearly_over_is_said_once_and_so_is_the_loss(stage: Stage) -> None:
    lie, wallet = tell_lie(stage), stage.wallet()
    stage.fisherman(wallet).tick()
    stage.reports.clear()
    fisherman = stage.fisherman(wallet, start_run=broken, policy=FishermanPolicy(Mode.DEFENSIVE))
    stage.skip(stage.contracts.game_constants.open_seconds * 9 // 10)
    for _ in range(3):
        with pytest.raises(Exception, match="disk is gone"):
            fisherman.tick()
    assert events(stage) == ["turn_due_soon"]
    assert stage.reports[-1].position is not None
    stage.skip(stage.contracts.game_constants.open_seconds)
    lie.liar.tick()
    for _ in range(3):
        fisherman.tick()
    assert events(stage) == ["turn_due_soon", "game_lost"]


def test_the_time_to_open_that_is_nearly_over_counts_with_the_run() -> None:
    game = replace(PRODUCTION.game, steps_per_clock_second=1)
    stage = new_stage(constants=replace(PRODUCTION, game=game))
    tell_lie(stage)
    wallet, whole = stage.wallet(), game.open_seconds + stage.steps
    stage.fisherman(wallet).tick()
    stage.reports.clear()
    fisherman = stage.fisherman(wallet, start_run=broken, policy=FishermanPolicy(Mode.DEFENSIVE))
    (own,) = stage.contracts.games.challenges(challenger=wallet.address)
    for left, told in ((whole // 4 + 60, []), (whole // 4 - 60, ["turn_due_soon"])):
        assert left > game.open_seconds // 4
        stage.skip(own.open_deadline - left - stage.chain.next_timestamp())
        with pytest.raises(Exception, match="disk is gone"):
            fisherman.tick()
        assert events(stage) == told


def test_a_restart_from_its_file_before_every_move_changes_nothing(
    stage: Stage, tmp_path: Path
) -> None:
    lie, wallet = tell_lie(stage), stage.wallet()
    constants = stage.contracts.game_constants
    for number in range(9):
        database = open_database(tmp_path / "account.sqlite")
        stage.fisherman(wallet, database=database).tick()
        lie.liar.tick()
        database.close()
        if number == 7:
            stage.skip(constants.clock_seconds + constants.grace_seconds + 60)
    stage.skip(constants.open_seconds + 1)
    database = open_database(tmp_path / "account.sqlite")
    fisherman = stage.fisherman(wallet, database=database)
    fisherman.tick()
    assert events(stage)[-1] == "reward_collected"
    assert events(stage).count("challenge_committed") == 1
    assert fisherman.coverage() == Coverage(seen=1, sampled=1, checked=1, false=1)
    assert stage.contracts.vault.balance(wallet.address).locked == 0


def test_a_lie_behind_a_hidden_input_is_found_once_the_bytes_appear(stage: Stage) -> None:
    root = tree_of_bytes(np.frombuffer(stage.data, np.uint8)).root
    assertion_id, revealer = hide_input(stage, root), stage.wallet()
    fisherman = stage.fisherman(stage.wallet())
    fisherman.tick()
    fisherman.tick()
    assert events(stage) == ["input_demanded"]
    stage.contracts.market.reveal(revealer, assertion_id, stage.data)
    fisherman.tick()
    assert events(stage)[1:] == ["false_result_found", "challenge_committed"]


def test_a_false_result_that_a_reorganisation_takes_back_is_challenged_when_it_comes_again(
    stage: Stage, tmp_path: Path
) -> None:
    task_id, liar = stage.request(stage.wallet()), stage.executor(stage.wallet(), lie_at=3)
    before = stage.chain.tester.take_snapshot()
    assert_all(stage, liar, [task_id])
    watcher, database = stage.wallet(0), open_database(tmp_path / "account.sqlite")
    stage.fisherman(watcher, database=database).tick()
    assert events(stage) == ["false_result_found", "insufficient_funds"]
    stage.chain.tester.revert_to_snapshot(before)
    stage.chain.tester.mine_blocks(3)
    fund(stage, watcher)
    stage.skip(stage.contracts.market_constants.window_seconds // 100 + 1)
    fisherman = stage.fisherman(watcher, database=database)
    fisherman.tick()
    assert fisherman.coverage() == Coverage()
    # The chain counts fewer transactions of the liar than its journal.
    again = Wallet(stage.chain, liar.wallet.signer)
    assert_all(stage, stage.executor(again, lie_at=3), [task_id])
    fisherman.tick()
    assert events(stage)[-2:] == ["false_result_found", "challenge_committed"]


def test_a_machine_that_disagrees_with_itself_challenges_nothing_that_it_found_before(
    stage: Stage, tmp_path: Path
) -> None:
    tell_lie(stage)
    watcher, database = stage.wallet(0), open_database(tmp_path / "account.sqlite")
    begun: list[bytes] = []

    def start(data: bytes, iterations: int = 1) -> Run:
        # Right twice, so that the lie is found, and once wrong after that.
        begun.append(data)
        return stage.run(1 if len(begun) == 3 else None, data)

    fisherman = stage.fisherman(watcher, database=database, start_run=start)
    fisherman.tick()
    assert events(stage) == ["false_result_found", "insufficient_funds"]
    tell_truth(stage)
    fisherman.tick()
    assert events(stage)[-1] == "own_results_differ"
    fund(stage, watcher)
    stage.skip(stage.contracts.market_constants.window_seconds // 100 + 1)
    fisherman.tick()
    assert not stage.contracts.games.challenges()
    stage.fisherman(watcher, database=database).tick()
    assert len(stage.contracts.games.challenges()) == 1


def test_a_model_that_is_held_from_now_on_is_watched_from_now_on(
    stage: Stage, tmp_path: Path
) -> None:
    tell_lie(stage)
    wallet, database = stage.wallet(), open_database(tmp_path / "account.sqlite")
    assert isinstance(wallet.signer, KeySigner)
    without = Fisherman(
        stage.view(), wallet, wallet.signer, {}, stage.conformance, database=database
    )
    without.tick()
    assert without.coverage() == Coverage(seen=1, unheld=1)
    stage.fisherman(wallet, database=database).tick()
    assert events(stage) == ["false_result_found", "challenge_committed"]


def ask_and_answer(stage: Stage, wallet: Wallet, count: int) -> None:
    """Let one account request tasks and assert their results itself."""
    tasks = [stage.request(wallet) for _ in range(count)]
    assert_all(stage, stage.executor(wallet, max_tasks=2 * count), tasks)


def test_under_a_flood_of_own_tasks_a_third_partys_lie_is_found_first(stage: Stage) -> None:
    ask_and_answer(stage, stage.wallet(), 4)
    tell_lie(stage)
    fisherman = stage.fisherman(stage.wallet(), policy=FishermanPolicy(max_runs=1))
    # Whatever is begun takes a day, so that not all can be checked.
    fisherman._checker._seconds_each = 86_400.0
    assert fisherman.tick()
    assert events(stage) == ["false_result_found", "challenge_committed"]
    assert fisherman.checked == 1
