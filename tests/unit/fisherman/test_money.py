"""When a fisherman pays, when it does not, and what it does instead."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest

from fisherman.policy import FishermanPolicy
from infernet.chain.records import GameStatus, Wei
from infernet.chain.wallet import Wallet, faucet
from tests.stage import ETHER, Stage, new_stage
from tests.unit.fisherman.lies import (
    commit_as,
    events,
    hide_input,
    locked,
    play_out,
    tell_lie,
    truth_of,
)

GREEDY = FishermanPolicy(minimum_profit_wei=Wei(10**6 * ETHER))
RELYING = FishermanPolicy(relies_on_others=True)


@pytest.fixture(scope="module")
def built() -> Stage:
    return new_stage(seed=0)


@pytest.fixture
def stage(built: Stage) -> Iterator[Stage]:
    with built.rewound() as stage:
        yield stage


def mine(stage: Stage, wallet: Wallet) -> int:
    return len(stage.contracts.games.challenges(challenger=wallet.address))


def test_what_does_not_pay_is_said_with_figures_and_weighed_again(stage: Stage) -> None:
    lie, wallet = tell_lie(stage), stage.wallet()
    fisherman = stage.fisherman(wallet, policy=GREEDY)
    fisherman.tick()
    assert events(stage) == ["false_result_found", "too_costly"]
    assert "earns" in stage.reports[-1].what and "costs" in stage.reports[-1].what
    stage.skip(stage.contracts.market_constants.window_seconds // 100 + 1)
    fisherman.tick()
    assert events(stage)[-1] == "too_costly"
    assert mine(stage, wallet) == 0
    # The same lie, and another wish: it is not found again, but challenged.
    play_out(stage, lie, stage.fisherman(wallet))
    assert events(stage)[-1] == "reward_collected"


def test_a_challenge_at_a_loss_is_possible_for_whoever_asks_for_it(stage: Stage) -> None:
    tell_lie(stage)
    dear, wallet = Fraction(10**6), stage.wallet()
    stage.fisherman(wallet, policy=FishermanPolicy(yearly_rate=dear)).tick()
    assert events(stage)[-1] == "too_costly"
    least = Wei(-(10**6) * ETHER)
    policy = FishermanPolicy(yearly_rate=dear, minimum_profit_wei=least)
    stage.fisherman(wallet, policy=policy).tick()
    assert events(stage)[-1] == "challenge_committed"


def test_nobody_begins_what_it_cannot_pay_to_the_end(stage: Stage) -> None:
    tell_lie(stage)
    hide_input(stage)
    wallet = stage.wallet(0)
    bond = stage.contracts.game_constants.bond_base_wei
    # Enough for the bond and the gas of the commit, not for the way to the end.
    Wallet(stage.chain, faucet(stage.chain)).transfer(wallet.address, Wei(bond))
    fisherman = stage.fisherman(wallet)
    assert not fisherman.tick()
    assert events(stage).count("insufficient_funds") == 2
    assert stage.chain.web3.eth.get_transaction_count(wallet.address) == 0
    Wallet(stage.chain, faucet(stage.chain)).transfer(wallet.address, Wei(ETHER))
    stage.skip(stage.contracts.market_constants.window_seconds // 100 + 1)
    fisherman.tick()
    assert mine(stage, wallet) == 1
    assert "input_demanded" in events(stage)


def test_an_input_whose_bytes_cost_more_than_the_stake_earns_stays_hidden(stage: Stage) -> None:
    hide_input(stage)
    policy = FishermanPolicy(hidden_share=Fraction(0))
    fisherman = stage.fisherman(stage.wallet(), policy=policy)
    assert not fisherman.tick()
    assert events(stage) == ["input_hidden"]


def test_whoever_relies_on_others_waits_and_steps_in_when_they_lose(stage: Stage) -> None:
    lie, wallet, other = tell_lie(stage), stage.wallet(), stage.wallet()
    commit_as(stage, other, lie.assertion_id, b"\x09" * 32)
    fisherman = stage.fisherman(wallet, policy=RELYING)
    fisherman.tick()
    assert events(stage) == ["false_result_found", "left_to_others"]
    # The other never opens.
    stage.skip(stage.contracts.game_constants.open_seconds + 1)
    lie.liar.tick()
    (challenge,) = stage.contracts.games.challenges()
    assert stage.contracts.games.game(challenge.game_id).status is GameStatus.LOST
    fisherman.tick()
    assert mine(stage, wallet) == 1


def test_whoever_relies_on_others_steps_in_before_the_window_closes(stage: Stage) -> None:
    lie, wallet = tell_lie(stage), stage.wallet()
    fisherman = stage.fisherman(wallet, policy=RELYING)
    window = stage.contracts.market_constants.window_seconds
    # A sybil of the liar commits late, so that it is still there when the window closes.
    stage.skip(window * 3 // 4 - 600)
    commit_as(stage, stage.wallet(), lie.assertion_id, truth_of(stage))
    fisherman.tick()
    assert mine(stage, wallet) == 0
    stage.skip(660)
    fisherman.tick()
    assert mine(stage, wallet) == 1


def test_by_default_nobody_is_relied_on_and_an_honest_second_gets_its_bond_back(
    stage: Stage,
) -> None:
    lie, first, second = tell_lie(stage), stage.wallet(), stage.wallet()
    players = stage.fisherman(first), stage.fisherman(second)
    play_out(stage, lie, *players)
    assert mine(stage, first) == mine(stage, second) == 1
    stake = stage.contracts.market.assertion(lie.assertion_id).stake
    assert (locked(stage, first), locked(stage, second)) == (0, 0)
    bonds = [c.bond for c in stage.contracts.games.challenges()]
    limit = [bond + bond // 2 for bond in bonds]
    free = [stage.contracts.vault.balance(w.address).free for w in (first, second)]
    assert free == [limit[0] + stake // 2, limit[1]]
    assert {"reward_collected", "bond_returned"} <= set(events(stage))
