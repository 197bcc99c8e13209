"""What each mode does, and what it leaves alone."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from fisherman.cost import reward_of
from fisherman.policy import FishermanPolicy, Mode
from infernet.actors.holdings import Run
from infernet.chain.records import AssertionStatus
from infernet.store.checks import Coverage
from infernet.store.database import open_database
from tests.stage import Stage
from tests.unit.fisherman.lies import events, hide_input, locked, play_out, tell_lie, tell_truth

WATCHTOWER = FishermanPolicy(mode=Mode.WATCHTOWER)
DEFENSIVE = FishermanPolicy(mode=Mode.DEFENSIVE)


def test_a_watchtower_needs_no_money_and_never_sends(stage: Stage) -> None:
    tell_lie(stage)
    hide_input(stage)
    watcher = stage.wallet(0)
    tower = stage.fisherman(watcher, policy=WATCHTOWER)
    for _ in range(3):
        assert not tower.tick()
    assert {"false_result_found", "input_hidden"} <= set(events(stage))
    assert stage.chain.web3.eth.get_transaction_count(watcher.address) == 0
    assert tower.coverage() == Coverage(seen=2, sampled=2, checked=1, false=1)


def test_a_watchtower_says_when_a_lie_becomes_final(stage: Stage) -> None:
    lie = tell_lie(stage)
    tower = stage.fisherman(stage.wallet(0), policy=WATCHTOWER)
    tower.tick()
    stage.skip(stage.contracts.market_constants.window_seconds + 1)
    lie.liar.tick()
    assert stage.contracts.market.assertion(lie.assertion_id).status is AssertionStatus.FINAL
    tower.tick()
    assert events(stage)[-1] == "false_result_final"


def test_a_defensive_fisherman_begins_no_game(stage: Stage) -> None:
    tell_lie(stage)
    hide_input(stage)
    watcher = stage.wallet()
    fisherman = stage.fisherman(watcher, policy=DEFENSIVE)
    for _ in range(3):
        assert not fisherman.tick()
    assert fisherman.coverage() == Coverage()
    assert not stage.contracts.games.challenges()


def test_a_change_to_defensive_finishes_what_was_begun(stage: Stage) -> None:
    lie, watcher = tell_lie(stage), stage.wallet()
    stage.fisherman(watcher).tick()
    assert locked(stage, watcher) > 0
    play_out(stage, lie, stage.fisherman(watcher, policy=DEFENSIVE))
    stake = stage.contracts.market.assertion(lie.assertion_id).stake
    balance = stage.contracts.vault.balance(watcher.address)
    assert (balance.locked, balance.free >= reward_of(stake)) == (0, True)
    assert events(stage)[-1] == "reward_collected"


def test_a_defensive_fisherman_ends_its_own_demand(stage: Stage) -> None:
    assertion_id, watcher = hide_input(stage), stage.wallet()
    stage.fisherman(watcher).tick()
    assert events(stage) == ["input_demanded"]
    stage.skip(stage.contracts.market_constants.reveal_seconds + 1)
    stage.fisherman(watcher, policy=DEFENSIVE).tick()
    assert stage.contracts.market.assertion(assertion_id).status is AssertionStatus.SLASHED
    assert locked(stage, watcher) == 0


def test_a_sample_of_nothing_checks_nothing_and_says_so(stage: Stage) -> None:
    tell_truth(stage, 3)
    fisherman = stage.fisherman(stage.wallet(), policy=FishermanPolicy(sample=Fraction(0)))
    fisherman.tick()
    assert fisherman.coverage() == Coverage(seen=3, skipped=3)
    assert events(stage) == ["result_skipped"] * 3


def test_a_fisherman_that_lost_its_file_draws_the_same_sample(stage: Stage) -> None:
    tell_truth(stage, 4)
    wallet, half = stage.wallet(), FishermanPolicy(sample=Fraction(1, 2))
    samples = []
    for _ in range(2):
        stage.reports.clear()
        fisherman = stage.fisherman(wallet, policy=half)
        fisherman.tick()
        fates = {report.assertion_id: report.event for report in stage.reports}
        assert len(fates) == 4 and set(fates.values()) <= {"result_checked", "result_skipped"}
        checked = sum(event == "result_checked" for event in fates.values())
        assert fisherman.coverage() == Coverage(4, checked, checked, 4 - checked)
        samples.append(fates)
    assert samples[0] == samples[1]


def test_coverage_survives_a_restart_and_nothing_is_checked_twice(
    stage: Stage, tmp_path: Path
) -> None:
    tell_truth(stage, 3)
    wallet, path = stage.wallet(), tmp_path / "account.sqlite"
    database = open_database(path)
    first = stage.fisherman(wallet, database=database)
    first.tick()
    assert first.coverage() == Coverage(seen=3, sampled=3, checked=3)
    database.close()
    database = open_database(path)
    again = stage.fisherman(wallet, database=database, start_run=refuse)
    again.tick()
    assert again.coverage() == Coverage(seen=3, sampled=3, checked=3)
    assert events(stage) == ["result_checked"] * 3


def refuse(data: bytes, iterations: int = 1) -> Run:
    raise AssertionError("a result is checked again")


def test_a_first_start_leaves_results_alone_whose_time_is_over(stage: Stage) -> None:
    tell_truth(stage, 2)
    stage.skip(stage.contracts.market_constants.window_seconds + 60)
    fisherman = stage.fisherman(stage.wallet())
    fisherman.tick()
    assert fisherman.coverage() == Coverage(seen=2, sampled=2)
    assert events(stage) == []


def test_a_fisherman_that_was_away_too_long_says_what_it_missed(
    stage: Stage, tmp_path: Path
) -> None:
    tell_truth(stage, 1)
    wallet, database = stage.wallet(), open_database(tmp_path / "account.sqlite")
    stage.fisherman(wallet, database=database).tick()
    tell_truth(stage, 1)
    # Longer than anything can stay open to a challenge.
    stage.skip(10 * stage.contracts.market_constants.window_seconds)
    stage.chain.tester.mine_blocks(2)
    fisherman = stage.fisherman(wallet, database=database)
    fisherman.tick()
    assert fisherman.coverage() == Coverage(seen=2, sampled=2, checked=1, late=1)
    assert events(stage) == ["result_checked", "window_missed", "coverage_low"]
