"""Reward against cost: the arithmetic, and what follows from it."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fisherman.cost import (
    Verdict,
    gas_after_commit,
    gas_to_the_end,
    most_seconds,
    reveal_price,
    weigh,
    weigh_demand,
)
from infernet.chain.deploy import PRODUCTION
from infernet.chain.records import Wei

ETHER = 10**18
GWEI = Wei(10**9)
RATE = Fraction(1, 10)
AMOUNTS = st.integers(0, 10**21)


def test_a_challenge_earns_a_quarter_of_the_stake_and_pays_gas_and_bound_money() -> None:
    bond = Wei(ETHER // 10)
    verdict = weigh(Wei(11), bond, 1_000, GWEI, PRODUCTION.game, Fraction(0))
    assert verdict.reward_wei == 2
    assert verdict.gas_wei == gas_to_the_end(1_000, 28) * GWEI
    assert (verdict.capital_wei, verdict.bound_wei) == (0, bond)
    assert verdict.profit_wei == 2 - verdict.gas_wei


@given(AMOUNTS, AMOUNTS, st.integers(1, 2**40), st.integers(0, 10**12))
def test_profit_is_reward_less_cost_and_the_bond_is_no_cost(
    stake: int, bond: int, steps: int, price: int
) -> None:
    verdict = weigh(Wei(stake), Wei(bond), steps, Wei(price), PRODUCTION.game, RATE)
    assert verdict.profit_wei == stake // 4 - verdict.cost_wei
    # A tenth a year for hours is little; the whole bond never counts as spent.
    assert verdict.capital_wei <= bond // 1_000 + 1
    assert verdict.gas_wei == gas_to_the_end(steps, 28) * price


@given(st.integers(1, 2**50), st.integers(2, 256))
def test_a_longer_trace_never_costs_less(steps: int, arity: int) -> None:
    assert gas_to_the_end(steps, arity) <= gas_to_the_end(steps * 2, arity)
    assert gas_after_commit(steps, arity) < gas_to_the_end(steps, arity)
    assert most_seconds(steps, PRODUCTION.game) <= most_seconds(2 * steps, PRODUCTION.game)


@pytest.mark.parametrize(("gwei", "is_worth"), [(1, True), (20, True), (1_000, False)])
def test_the_floor_stake_of_a_resnet_pays_for_its_dispute_unless_gas_is_extreme(
    gwei: int, is_worth: bool
) -> None:
    stake = Wei(PRODUCTION.stake_base_wei + 26 * PRODUCTION.stake_per_bit_wei)
    bond = Wei(50 * ETHER // 1_000)
    verdict = weigh(stake, bond, 38_900_000, Wei(gwei * GWEI), PRODUCTION.game, RATE)
    assert (verdict.profit_wei > 0) is is_worth


def test_the_price_of_an_input_grows_with_its_bytes_and_the_base_fee() -> None:
    assert reveal_price(262_144, GWEI) == (21_000 + 40 * 262_144) * GWEI
    assert reveal_price(64, Wei(0)) == 0 < reveal_price(64, Wei(1)) == 81_000 + 32 * 64


@pytest.mark.parametrize("gwei", [1, 100, 1_000])
def test_a_demand_binds_what_the_dearest_covered_bytes_cost(gwei: int) -> None:
    price, constants = Wei(gwei * GWEI), PRODUCTION.market
    verdict = weigh_demand(Wei(ETHER), 1_000, price, constants, Fraction(0), Fraction(0))
    assert verdict.bound_wei == reveal_price(1_000, Wei(100 * GWEI))
    assert verdict.capital_wei == reveal_price(1_000, Wei(min(gwei, 100) * GWEI))


def test_a_demand_is_worth_it_when_hidden_inputs_are_mostly_lies() -> None:
    stake, constants = Wei(ETHER // 10), PRODUCTION.market
    trusting = weigh_demand(stake, 262_144, GWEI, constants, Fraction(1, 10), RATE)
    wary = weigh_demand(stake, 262_144, GWEI, constants, Fraction(9, 10), RATE)
    assert trusting.profit_wei < 0 < wary.profit_wei
    certain = weigh_demand(stake, 262_144, GWEI, constants, Fraction(1), Fraction(0))
    assert certain.profit_wei == stake // 4 - certain.gas_wei


def test_a_verdict_says_its_figures() -> None:
    verdict = Verdict(Wei(ETHER), Wei(ETHER // 4), Wei(ETHER // 8), Wei(3))
    assert str(verdict) == (
        "earns 1 ETH, costs 0.375 ETH (0.25 ETH of it gas), binds 0.000000000000000003 ETH"
    )
