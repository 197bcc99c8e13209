"""What goes wrong, and what is under way, looks like that: on pages over a real node."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from api.explorer.explorer import ChainExplorer
from api.explorer.records import Verdict
from api.store.records import Finality, TaskState
from infernet.chain.market import Request
from infernet.chain.records import GameId, GameStatus, Seconds, TaskId
from tests.anvil import Anvil
from tests.stage import FEE
from tests.survival.town import BRISK, Town, new_town

from .scene import app_over, served


@pytest.fixture
def town(anvil: Anvil) -> Town:
    return new_town(anvil)


def show(id_: bytes) -> str:
    return f"0x{id_.hex()}"


def asserted_task(town: Town) -> tuple[TaskId, bytes]:
    """Return a task with a true result whose window is open."""
    task = town.request(town.wallet())
    executor = town.executor(town.wallet())
    for _ in range(3):
        executor.tick()
    (found,) = town.contracts.market.assertions(taskId=task)
    return task, found.assertion_id


def test_a_result_in_its_window_is_pending_and_never_final(town):
    task, result = asserted_task(town)
    explorer = ChainExplorer(town.view())
    page = explorer.task(show(task))
    assert (page.state, page.finality) == (TaskState.ASSERTED, Finality.PENDING)
    assert page.window_end is not None
    assert explorer.assertion(show(result)).is_clear
    with (
        served(app_over(town.view(), ())) as url,
        httpx.Client(base_url=url, headers={"Accept": "text/html"}) as client,
    ):
        html = client.get(f"/explorer/tasks/{show(task)}").text
    assert "not final yet" in html
    assert "nobody can take it back" not in html


def attacked(town: Town, rounds: int) -> GameId:
    """Let a liar challenge a true result, and both play so many rounds."""
    town.request(town.wallet())
    executor, attacker = town.executor(town.wallet()), town.fisherman(town.wallet(), lie_at=3)
    for _ in range(rounds):
        executor.tick()
        attacker.tick()
        town.skip(5)
    (challenge,) = town.contracts.games.challenges()
    return challenge.game_id


def test_a_false_challenge_is_lost_and_its_bond_pays_and_burns(town):
    game = attacked(town, 12)
    constants = town.contracts.game_constants
    executor = town.executor(town.wallet())
    if town.contracts.games.game(game).status not in (GameStatus.LOST, GameStatus.WON):
        town.skip(constants.clock_seconds + constants.grace_seconds + 1)
        town.contracts.games.timeout(town.wallet(), game)
    town.contracts.games.settle(executor.wallet, game)
    page = ChainExplorer(town.view()).dispute(show(game))
    assert page.verdict is Verdict.EXECUTOR_WON
    assert page.deadline is None
    stake, bond = page.purses
    assert stake.locked_wei == stake.total_wei
    assert bond.locked_wei == 0
    assert bond.burned_wei + bond.paid_wei == bond.total_wei
    task = ChainExplorer(town.view()).task(show(page.task_id))
    assert task.state is TaskState.ASSERTED


def test_a_clock_that_ran_out_is_said_to_have_decided(town):
    game = attacked(town, 4)
    constants = town.contracts.game_constants
    before = ChainExplorer(town.view()).dispute(show(game))
    assert before.verdict in (Verdict.EXECUTOR_TURN, Verdict.CHALLENGER_TURN)
    assert before.deadline is not None
    town.skip(constants.clock_seconds + constants.grace_seconds + 1)
    town.contracts.games.timeout(town.wallet(), game)
    page = ChainExplorer(town.view()).dispute(show(game))
    assert page.by_timeout
    assert page.verdict.is_over
    assert page.instruction is None
    told = {each.event: each.words for each in page.history}
    assert "deadline" in told["TimedOut"]


def test_a_challenge_that_waits_to_be_opened_has_its_page(town):
    task, _ = asserted_task(town)
    attacker = town.fisherman(town.wallet(), lie_at=3)
    attacker.tick()
    (challenge,) = town.contracts.games.challenges()
    page = ChainExplorer(town.view()).dispute(show(challenge.game_id))
    assert (page.verdict, page.moves) == (Verdict.COMMITTED, ())
    assert page.executor_clock == page.challenger_clock == page.clock_seconds
    assert ChainExplorer(town.view()).task(show(task)).state is TaskState.DISPUTED


def test_an_expired_claim_and_a_fee_taken_back_are_told(town):
    wallet, miner, market = town.wallet(), town.wallet(), town.contracts.market
    deadline = Seconds(town.chain.next_timestamp() + 2_000)
    request = Request(town.root, FEE, deadline, 77)
    task, _ = market.request_with_input(wallet, request, town.data, FEE)
    stake = town.contracts.registry.info(town.root).minimum_stake
    market.claim(miner, task, stake, stake)
    explorer = ChainExplorer(town.view())
    assert explorer.task(show(task)).state is TaskState.RUNNING
    town.skip(BRISK.market.assert_seconds + 1)
    market.send(miner, "expireClaim", task)
    assert explorer.task(show(task)).state is TaskState.QUEUED
    page = explorer.address(miner.address)
    assert page.miner is not None and page.deeds is not None
    assert (page.miner.expired, sum(page.deeds.expired), page.deeds.latencies) == (1, 1, ())
    town.skip(2_000)
    market.reclaim_fee(wallet, task)
    page = explorer.task(show(task))
    assert page.state is TaskState.REFUNDED
    told = [each.event for each in page.history]
    assert told == ["Requested", "Claimed", "ClaimExpired", "FeeReclaimed"]
    assert explorer.overview().totals.open_tasks == 0


def test_a_page_is_made_once_for_each_block(town, monkeypatch):
    task, _ = asserted_task(town)
    explorer = ChainExplorer(town.view())
    first = explorer.task(show(task))
    assert explorer.task(show(task)) is first
    town.anvil.mine()
    again = explorer.task(show(task))
    assert again is not first
    assert replace(again, head=first.head) == first


def test_a_node_that_is_away_is_an_error_with_its_page_and_no_crash(town):
    with (
        served(app_over(town.view(), ())) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        assert client.get("/explorer").status_code == 200
        town.anvil.kill()
        answer = client.get("/explorer", headers={"Accept": "text/html"})
        assert answer.status_code == 503
        assert "The chain does not answer" in answer.text
        assert client.get("/explorer/static/explorer.css").status_code == 200
