"""Reveals that come after the window: what they reopen, and what no watcher may give up before."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest

from fisherman.policy import FishermanPolicy
from infernet.chain.market import Market
from infernet.chain.records import Asserted, AssertionId, DemandStatus, Wei
from infernet.store.checks import Coverage
from tests.attack.test_actors import bare_task
from tests.stage import ETHER, Stage, new_stage
from tests.unit.fisherman.lies import assert_output, events, false

# Such a fisherman demands nothing itself.
WAITING = FishermanPolicy(hidden_share=Fraction(0))


@pytest.fixture(scope="module")
def built() -> Stage:
    return new_stage()


def lie_hidden(stage: Stage) -> AssertionId:
    """Return a false result on a hidden input."""
    return assert_output(stage, bare_task(stage, stage.data), false(stage.truth().output))


def demand_at_the_end(stage: Stage, assertion_id: AssertionId) -> None:
    """Demand the input in the last minute of the window, and let that minute pass."""
    stage.skip(stage.contracts.market_constants.window_seconds - 60)
    stage.contracts.market.demand_reveal(stage.wallet(), assertion_id, Wei(2 * ETHER))
    stage.skip(600)


def reveal(stage: Stage, assertion_id: AssertionId) -> None:
    stage.contracts.market.reveal(stage.wallet(), assertion_id, stage.data)


Stale = Callable[[Asserted, int], None]


@pytest.fixture
def stale(monkeypatch: pytest.MonkeyPatch) -> Stale:
    """Return what has a node answer with an old record so many times."""

    def lag(old: Asserted, times: int) -> None:
        real, left = Market.assertion, [old] * times

        def told(market: Market, assertion_id: AssertionId) -> Asserted:
            return left.pop() if left else real(market, assertion_id)

        monkeypatch.setattr(Market, "assertion", told)

    return lag


def test_a_node_whose_records_lag_its_events_hides_no_lie(stage: Stage, stale: Stale) -> None:
    assertion_id = lie_hidden(stage)
    fisherman = stage.fisherman(stage.wallet(), policy=WAITING)
    fisherman.tick()
    demand_at_the_end(stage, assertion_id)
    fisherman.tick()
    old = stage.contracts.market.assertion(assertion_id)
    assert old.demand is DemandStatus.OPEN
    reveal(stage, assertion_id)
    stale(old, 2)
    fisherman.tick()
    assert "window_missed" not in events(stage)
    stage.skip(stage.contracts.market_constants.window_seconds // 100 + 1)
    fisherman.tick()
    assert stage.contracts.games.challenges(assertionId=assertion_id)


def test_a_record_from_before_the_demand_closes_nothing_for_good(
    stage: Stage, stale: Stale
) -> None:
    assertion_id = lie_hidden(stage)
    fisherman = stage.fisherman(stage.wallet(), policy=WAITING)
    fisherman.tick()
    old = stage.contracts.market.assertion(assertion_id)
    demand_at_the_end(stage, assertion_id)
    stale(old, 1)
    fisherman.tick()
    assert fisherman.coverage().late == 1
    reveal(stage, assertion_id)
    fisherman.tick()
    assert fisherman.coverage() == Coverage(seen=1, sampled=1, checked=1, false=1)
    assert stage.contracts.games.challenges(assertionId=assertion_id)


@pytest.mark.parametrize("is_revealed", [True, False])
def test_a_first_start_leaves_no_result_alone_that_a_demand_keeps_open(
    stage: Stage, *, is_revealed: bool
) -> None:
    assertion_id = lie_hidden(stage)
    demand_at_the_end(stage, assertion_id)
    if is_revealed:
        reveal(stage, assertion_id)
    fisherman = stage.fisherman(stage.wallet())
    fisherman.tick()
    if not is_revealed:
        reveal(stage, assertion_id)
        fisherman.tick()
    assert stage.contracts.games.challenges(assertionId=assertion_id)
