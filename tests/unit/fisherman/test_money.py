"""When a fisherman pays, when it does not, and what it does instead."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest

from fisherman.cost import REVEAL_TIMEOUT_GAS, Verdict, gas_after_commit, reward_of
from fisherman.policy import FishermanPolicy
from fisherman.purse import Purse
from infernet.chain.fees import Prices
from infernet.chain.records import NO_WEI, Wei
from infernet.chain.wallet import Wallet, faucet
from tests.stage import ETHER, Stage
from tests.unit.fisherman.lies import (
    events,
    hide_input,
    locked,
    play_out,
    tell_lie,
)

GREEDY = FishermanPolicy(minimum_profit_wei=Wei(10**6 * ETHER))


def fund(stage: Stage, wallet: Wallet, amount: Wei) -> None:
    Wallet(stage.chain, faucet(stage.chain)).transfer(wallet.address, amount)


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


def test_a_commit_says_what_it_earns_and_costs(stage: Stage) -> None:
    tell_lie(stage)
    stage.fisherman(stage.wallet()).tick()
    assert re.fullmatch(r"commits a challenge, 0\.\d+ for 0\.0\d+ ETH", stage.reports[-1].what)


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
    # Enough for the gas of a commit or a demand, not for their bonds.
    fund(stage, wallet, Wei(bond // 4))
    fisherman = stage.fisherman(wallet)
    assert not fisherman.tick()
    assert events(stage).count("insufficient_funds") == 2
    assert stage.chain.web3.eth.get_transaction_count(wallet.address) == 0
    fund(stage, wallet, Wei(ETHER))
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


def verdict(gas: int, bound: int = 0) -> Verdict:
    return Verdict(NO_WEI, Wei(gas), NO_WEI, Wei(bound))


def test_what_begins_before_the_next_look_is_not_paid_with_the_same_money(stage: Stage) -> None:
    wallet = stage.wallet(1)
    purse = Purse(stage.contracts, wallet, Prices(stage.chain))
    quarter, tenth = ETHER // 4, ETHER // 10
    for _ in range(2):
        with purse.set_aside(verdict(quarter, tenth)) as deposit:
            assert deposit == tenth
            with purse.set_aside(verdict(quarter, 5 * tenth)) as second:
                # Beside the first one, whose bond is not locked yet.
                assert second is None
    begun = purse.begun
    with purse.set_aside(verdict(quarter, 3 * tenth)) as deposit:
        assert deposit is None
    purse.recount(0, begun)
    with purse.set_aside(verdict(quarter, 3 * tenth)) as deposit:
        assert deposit == 3 * tenth


def test_what_was_not_sent_keeps_nothing(stage: Stage) -> None:
    purse = Purse(stage.contracts, stage.wallet(1), Prices(stage.chain))
    with pytest.raises(ConnectionError), purse.set_aside(verdict(ETHER // 2, ETHER // 4)):
        raise ConnectionError
    with purse.set_aside(verdict(ETHER // 2, ETHER // 2)) as deposit:
        assert deposit == ETHER // 2


def test_a_game_in_play_and_a_demand_keep_the_gas_of_their_way_to_the_end(stage: Stage) -> None:
    tell_lie(stage)
    hide_input(stage)
    wallet = stage.wallet()
    fisherman = stage.fisherman(wallet)
    fisherman.tick()
    assert {"challenge_committed", "input_demanded"} <= set(events(stage))
    fisherman.tick()
    gas = gas_after_commit(stage.steps, stage.contracts.game_constants.arity) + REVEAL_TIMEOUT_GAS
    left = wallet.balance - gas * Prices(stage.chain).now().max_fee
    purse = fisherman._means.purse
    with purse.set_aside(verdict(left + 1)) as deposit:
        assert deposit is None
    with purse.set_aside(verdict(left)) as deposit:
        assert deposit == 0


def test_the_last_try_to_challenge_comes_before_the_window_closes(stage: Stage) -> None:
    lie, wallet = tell_lie(stage), stage.wallet(0)
    stage.skip(stage.contracts.market_constants.window_seconds - 120)
    fisherman = stage.fisherman(wallet)
    fisherman.tick()
    assert events(stage)[-1] == "insufficient_funds"
    fund(stage, wallet, Wei(ETHER))
    stage.skip(60)
    fisherman.tick()
    assert mine(stage, wallet) == 1
    play_out(stage, lie, fisherman)
    assert events(stage)[-1] == "reward_collected"


def test_nobody_is_relied_on_and_an_honest_second_gets_its_bond_back(
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
    assert free == [limit[0] + reward_of(stake), limit[1]]
    assert {"reward_collected", "bond_returned"} <= set(events(stage))
