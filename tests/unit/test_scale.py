"""The arithmetic of scale: lines against their closed forms, gas against the contracts."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import gas, scale
from benchmarks.economics.closed import stake_for
from benchmarks.economics.delay import CLAIM_GAS
from benchmarks.economics.terms import RESNET_STEPS, Terms
from benchmarks.queues import (
    Blocks,
    Servers,
    arrivals_of,
    bottleneck,
    mean_seconds_of_one_server,
    simulate,
)
from executor.purse import TASK_GAS

# What `python -m benchmarks gas` prints for the first shape, rounded.
GAS = gas.TaskGas(256, 4, 149_495, 158_685, 91_836, 150_073, 71_873)
SPEEDS = scale.Speeds()
RESNET = Terms(RESNET_STEPS)


def test_the_gas_of_a_task_is_measured_on_the_contracts() -> None:
    found = gas.task_gas(gas.stage_of(256, 4))
    for name in ("request_by_root", "request_with_input", "claim", "assert_result", "finalise"):
        assert getattr(found, name) == pytest.approx(getattr(GAS, name), rel=0.01), name
    assert found.executor <= TASK_GAS
    assert found.claim <= CLAIM_GAS


@pytest.mark.parametrize("load", [0.3, 0.8])
def test_one_server_keeps_tasks_as_long_as_the_closed_form_says(load: float) -> None:
    waits = simulate([Servers("one", 0.1)], load / 0.1, 40_000, seed=2)
    assert waits.mean == pytest.approx(mean_seconds_of_one_server(load / 0.1, 0.1), rel=0.05)


def test_a_line_that_grows_for_ever_has_no_mean() -> None:
    with pytest.raises(ValueError, match="never settles"):
        mean_seconds_of_one_server(11, 0.1)


def test_a_quiet_chain_takes_a_task_after_half_a_block_and_a_full_one_in_turn() -> None:
    quiet = simulate([Blocks("chain", 12, 1_000)], 1, 20_000, seed=3)
    assert quiet.mean == pytest.approx(6, rel=0.03)
    at = Blocks("chain", 12, 2).serve(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 100.0]))
    assert at.tolist() == [12, 12, 24, 24, 36, 108]


def test_more_servers_take_more_and_the_slowest_station_bounds_all() -> None:
    at = Servers("two", 10, 2).serve(np.array([0.0, 0.0, 1.0, 30.0]))
    assert at.tolist() == [10, 10, 20, 40]
    line = scale.stations(GAS, SPEEDS, miners=1, share=0.1)
    assert bottleneck(line).name == "chain"
    assert bottleneck(line).rate == int(6_000_000 / GAS.by_root) / 12
    assert bottleneck(scale.stations(GAS, SPEEDS, 1, share=10)).name == "miners"


def test_what_is_bound_follows_littles_law() -> None:
    window, rate = RESNET.constants.market.window_seconds, 2.0
    at = arrivals_of(rate, 200_000, seed=4)
    middle = np.linspace(at[len(at) // 2], at[-1] - window, 50)
    inside = [np.count_nonzero((at <= now) & (at > now - window)) for now in middle]
    stake = RESNET.floor_wei / 10**18
    assert np.mean(inside) * stake == pytest.approx(scale.staked_ether(rate, RESNET), rel=0.02)


def test_a_batch_shares_its_transactions_and_its_stake_but_not_its_bytes() -> None:
    one, many = (scale.batched_gas(GAS, batch, 64) for batch in (10, 1_000))
    assert one - many == pytest.approx(GAS.by_root * (1 / 10 - 1 / 1_000))
    assert many > 64 * scale.CALLDATA_GAS
    assert scale.batched_gas(GAS, 1, 0) == GAS.by_root < scale.batched_gas(GAS, 1, 256)
    alone, batched = (scale.needs(100, GAS, SPEEDS, RESNET, batch) for batch in (1, 100))
    assert alone.stake_ether == pytest.approx(100 * batched.stake_ether)
    assert alone.cores == batched.cores


@pytest.mark.parametrize("covered", [0.001, 0.01, 0.1, 0.5, 0.9])
def test_a_stake_that_deters_one_lie_deters_any_number_that_fall_together(covered: float) -> None:
    stakes = stake_for(1, covered)
    assert scale.unprofitable_until(covered, falls_together=True) == 10_000
    assert not scale.deters(covered, 1, stakes * 0.99, falls_together=True)
    assert scale.unprofitable_until(covered, falls_together=False) == 1
