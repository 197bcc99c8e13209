"""The scoreboard over a real node: what it tells is what the chain has, also after a fork."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from fisherman.cost import reward_of
from infernet.chain.market import Request
from infernet.chain.records import Address, Seconds
from infernet.chain.wallet import Wallet
from infernet.cli.status import Booth
from infernet.monitor import scoreboard
from infernet.monitor.observatory import Observatory
from infernet.monitor.scoreboard import Scoreboard
from infernet.monitor.scores import NO_BALANCE, PRIOR_SCORE
from infernet.monitor.snapshot import Role
from tests.anvil import Anvil, find_anvil, running
from tests.stage import FEE
from tests.survival.town import BRISK, Town, new_town

_WINDOW = BRISK.market.window_seconds + 1


@dataclass(frozen=True, slots=True)
class Cast:
    """Who did what: one true result, one lie, one claim without a result, two challenges."""

    town: Town
    honest: Address
    liar: Address
    idle: Address
    right: Address
    wrong: Address
    requester: Address


@pytest.fixture(scope="module")
def cast() -> Iterator[Cast]:
    if find_anvil() is None:
        pytest.skip("anvil is not installed: `npm ci` in contracts/ installs it, npm is missing")
    with running() as node:
        town = new_town(node)
        requester = town.wallet()
        honest, wrong = _defend(town, requester)
        liar, right = _lie(town, requester)
        idle = _idle(town, requester)
        wallets = (honest, liar, idle, right, wrong, requester)
        yield Cast(town, *(each.address for each in wallets))


def _defend(town: Town, requester: Wallet) -> tuple[Wallet, Wallet]:
    """Let a true result be challenged falsely and become final."""
    miner, attacker = town.wallet(), town.wallet()
    task = town.request(requester)
    executor, fisherman = town.executor(miner), town.fisherman(attacker, lie_at=3)
    market, games = town.contracts.market, town.contracts.games
    for _ in range(12):
        executor.tick()
        fisherman.tick()
        town.skip(5)
    (challenge,) = games.challenges()
    if not games.events("GameLost"):
        town.skip(BRISK.game.clock_seconds + BRISK.game.grace_seconds + 1)
        games.timeout(town.wallet(), challenge.game_id)
    games.settle(miner, challenge.game_id)
    town.skip(_WINDOW)
    market.finalise(miner, market.assertions(taskId=task)[0].assertion_id)
    return miner, attacker


def _lie(town: Town, requester: Wallet) -> tuple[Wallet, Wallet]:
    """Let a lie be challenged, slashed and the reward be paid."""
    miner, watcher = town.wallet(), town.wallet()
    town.request(requester)
    liar, fisherman = town.executor(miner, lie_at=3), town.fisherman(watcher)
    for _ in range(40):
        liar.tick()
        fisherman.tick()
        town.skip(20)
        if town.contracts.games.events("Rewarded"):
            return miner, watcher
        if town.contracts.games.events("AssertionVoided"):
            town.skip(BRISK.game.open_seconds + 1)
    raise AssertionError("the lie was not rewarded")


def _idle(town: Town, requester: Wallet) -> Wallet:
    """Let a claim of a task, whose deadline ends it early, expire."""
    miner, market = town.wallet(), town.contracts.market
    deadline = Seconds(town.chain.next_timestamp() + 500)
    request = Request(town.root, FEE, deadline, 4_711)
    task, _ = market.request_with_input(requester, request, town.data, FEE)
    stake = town.contracts.registry.info(town.root).minimum_stake
    market.claim(miner, task, stake, stake)
    town.skip(501)
    market.send(miner, "expireClaim", task)
    return miner


def test_each_player_has_the_record_of_what_it_did(cast):
    now = Scoreboard(cast.town.view()).look()
    honest, liar, idle = (now.miners[each] for each in (cast.honest, cast.liar, cast.idle))
    assert (honest.claims, honest.results, honest.final, honest.disputes_won) == (1, 1, 1, 1)
    assert (honest.slashed, honest.expired, honest.disputes_lost) == (0, 0, 0)
    assert honest.fees_wei == FEE
    # The liar's task is open again, and may be claimed once more.
    assert (liar.slashed, liar.disputes_lost, liar.final) == (1, 1, 0)
    assert (idle.claims, idle.results, idle.expired) == (1, 0, 1)
    assert idle.lost_wei > 0 and liar.lost_wei > idle.lost_wei
    right, wrong = now.fishermen[cast.right], now.fishermen[cast.wrong]
    assert (right.challenges, right.won, right.lost, right.rewards) == (1, 1, 0, 1)
    assert right.rewards_wei == reward_of(liar.lost_wei)
    assert right.bonds_lost_wei == 0
    assert (wrong.challenges, wrong.won, wrong.lost, wrong.rewards) == (1, 0, 1, 0)
    assert wrong.bonds_lost_wei > 0


def test_scores_stand_in_the_order_of_merit(cast):
    board = Scoreboard(cast.town.view())
    assert board.score(cast.liar) == PRIOR_SCORE
    now = board.look()
    scores = [board.score(each) for each in (cast.honest, cast.requester, cast.idle, cast.liar)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 4
    assert scores[1] == PRIOR_SCORE
    right, wrong = now.fishermen[cast.right], now.fishermen[cast.wrong]
    assert right.score(now.time) > PRIOR_SCORE > wrong.score(now.time)


def test_balances_folded_from_events_are_those_that_the_vault_tells(cast):
    contracts = cast.town.view()
    now = Scoreboard(contracts).look()
    assert len(now.balances) >= 6
    for address, balance in now.balances.items():
        assert balance == contracts.vault.balance(address), address
    assert now.balance(Address("0x" + "12" * 20)) == NO_BALANCE


def test_latencies_are_the_differences_of_the_blocks_times(cast):
    contracts = cast.town.view()
    market, chain = contracts.market, contracts.chain
    (asserted,) = market.events("Asserted", executor=cast.honest)
    (claimed,) = market.events("Claimed", executor=cast.honest)
    times = [chain.block(each.block_number).timestamp for each in (claimed, asserted)]
    record = Scoreboard(contracts).look().miners[cast.honest]
    assert record.latencies == {times[1] - times[0]: 1}
    # The idle miner's claim ended with its task, so its deadline does not tell its time.
    (claimed,) = market.events("Claimed", executor=cast.idle)
    idle = Scoreboard(contracts).look().miners[cast.idle]
    assert idle.tried.all.at == chain.block(claimed.block_number).timestamp


def test_what_was_folded_step_by_step_is_what_one_look_folds(cast, monkeypatch):
    contracts = cast.town.view()
    whole = Scoreboard(contracts).look()
    monkeypatch.setattr(scoreboard, "UNSETTLED_BLOCKS", 2)
    later = cast.town.view()
    later.feed.sync()
    stepwise = Scoreboard(later)
    for block in range(later.deployment.block, whole.block + 1):
        head = block, later.chain.block(block).hash
        monkeypatch.setattr(later.feed, "sync", lambda head=head: head)
        seen = stepwise.look()
        assert seen.block == block
    assert seen == whole
    assert stepwise._settled.miners


def test_a_reorganisation_takes_back_what_it_took(anvil: Anvil):
    town = new_town(anvil)
    board, wallet = Scoreboard(town.view()), town.wallet()
    executor = town.executor(wallet)
    town.request(town.wallet())
    for _ in range(3):
        executor.tick()
    before = board.look().miners[wallet.address]
    assert (before.results, before.final) == (1, 0)
    town.skip(_WINDOW)
    (result,) = town.contracts.market.assertions()
    town.contracts.market.finalise(wallet, result.assertion_id)
    board.look()
    assert board.score(wallet.address) > PRIOR_SCORE
    anvil.reorg(1)
    assert board.look().miners[wallet.address] == before
    assert board.score(wallet.address) == PRIOR_SCORE
    assert board.look() == Scoreboard(town.view()).look()


def test_a_look_at_a_known_block_reads_nothing_again(cast):
    board = Scoreboard(cast.town.view())
    assert board.look() is board.look()


def test_status_shows_the_score_of_the_role_that_an_account_has(cast, tmp_path):
    contracts = cast.town.view()
    now = Scoreboard(contracts).look()

    def shown(address: Address, role: Role) -> float | None:
        observatory = Observatory(contracts, address, role, {})
        return Booth(observatory, Scoreboard(contracts), "onnxruntime", tmp_path / "a").look().score

    assert shown(cast.honest, Role.MINER) == now.miners[cast.honest].score(now.time)
    assert shown(cast.right, Role.FISHERMAN) == now.fishermen[cast.right].score(now.time)
    assert shown(cast.requester, Role.MINER) is None
