"""Inputs that no transaction carries: from the gateway to the miner, and to the chain if asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infernet.chain.records import DemandStatus, TaskStatus
from tests.anvil import needs_anvil, running
from tests.survival.town import Town, new_town

from ..office import input_for, until
from .club import housed, mining
from .test_miners import are_asserted

pytestmark = needs_anvil


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with running() as anvil:
        yield new_town(anvil)


def test_a_hidden_input_is_computed_on_and_revealed_when_somebody_demands_it(
    town: Town, tmp_path: Path
) -> None:
    market = town.contracts.market
    with (
        housed(town, tmp_path / "gateway", are_inputs_carried=False) as house,
        mining(town, []) as stranger,
        mining(town, [house.url]) as miner,
    ):
        until(lambda: house.members() == [miner.address], "joining")
        task = house.submit(1)
        until(lambda: are_asserted(town, [task]), "a result")
        (found,) = market.assertions(taskId=task)
        assert found.executor == miner.address
        assert stranger.claimed() == []
        assert market.carried_input(task) is None
        assert found.output == town.truth(input_for(town.program, 1)).output
    # The gateway is gone, and the miner still answers.
    with mining(town, [house.url], earlier=miner) as miner:
        watcher = town.fisherman(town.wallet())
        until(lambda: watcher.tick() or bool(market.events("RevealDemanded")), "a demand")
        until(lambda: market.carried_input(task) is not None, "the input")
        assert market.carried_input(task) == input_for(town.program, 1)
        assert market.assertion(found.assertion_id).demand is DemandStatus.REVEALED
        town.skip(2 * town.contracts.market_constants.window_seconds)
        until(lambda: market.task(task).status is TaskStatus.FINAL, "the fee")
        assert miner.errors == []


def test_a_miner_without_a_gateway_leaves_hidden_inputs_alone(town: Town, tmp_path: Path) -> None:
    with (
        housed(town, tmp_path / "gateway", are_inputs_carried=False) as house,
        mining(town, []) as stranger,
    ):
        task = house.submit(2)
        until(lambda: bool(town.contracts.market.events("Requested", taskId=task)), "a request")
        seen = town.request(town.wallet())
        until(lambda: are_asserted(town, [seen]), "a result")
        assert task not in stranger.claimed()
