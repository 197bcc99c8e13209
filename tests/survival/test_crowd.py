"""Many challengers at once: on the truth, on a lie, with a copy-cat and with whoever stalls."""

from __future__ import annotations

from random import Random

import pytest

from fisherman.cost import reward_of
from infernet.chain.records import AssertionStatus, TaskStatus, Wei
from infernet.chain.wallet import in_ether
from tests.anvil import Anvil
from tests.stage import FEE

from .accounts import gains, require_balanced
from .crowd import (
    CopyCat,
    Crowd,
    Participant,
    assert_result,
    bonds_left,
    bound_seconds,
    durations,
    stops_after,
    waits_until_late,
)
from .town import LONG_SEED, Town, new_town, payments

# Of a crowd: three stop after one, two and three moves, two move as late as they may.
STALLERS, LATE = 3, 2
CROWDS = (6, pytest.param(20, marks=pytest.mark.slow))


def liars(town: Town, count: int) -> list[Participant]:
    """Return challengers that lie at random steps; the first stall, the next are late."""
    random, found = Random(7), []
    for index in range(count):
        wallet = town.wallet()
        made = Participant(wallet, town.fisherman(wallet, random.randrange(town.steps)))
        if index < STALLERS:
            made.may_act = stops_after(town, wallet.address, index + 1)
        elif index < STALLERS + LATE:
            made.may_act = waits_until_late(town, wallet.address)
        found.append(made)
    return found


@pytest.mark.parametrize("count", CROWDS)
def test_lying_challengers_cost_an_honest_executor_nothing(anvil: Anvil, count: int) -> None:
    town = new_town(anvil, LONG_SEED)
    requester, wallet = town.wallet(), town.wallet()
    town.request(requester)
    miner = Participant(wallet, town.executor(wallet))
    found = assert_result(town, miner)
    attackers = liars(town, count)
    crowd = Crowd(town, [miner, *attackers])

    def is_over() -> bool:
        task = town.contracts.market.task(found.task_id)
        return task.status is TaskStatus.FINAL and not bonds_left(town)

    crowd.play(is_over)
    games = town.contracts.games
    bonds = sum(each.bond for each in games.challenges())
    refunds = sum(event["paidToExecutor"] for event in games.events("GameSettled"))
    assert len(games.challenges()) == count
    gained = gains(town, (each.address for each in crowd.participants))
    assert gained.pop(miner.address) == FEE + refunds
    assert -sum(gained.values()) == bonds
    gas = Wei(payments(town.anvil)[miner.address.lower()].gas_wei)
    took = durations(town)
    assert len(took) == count
    assert max(took.values()) <= bound_seconds(town)
    require_balanced(town, requester.address, *(p.address for p in crowd.participants))
    print(
        f"\n{count} challengers of an honest result, {crowd.rounds} rounds: games ended after "
        f"{min(took.values())} to {max(took.values())} s (bound {bound_seconds(town)} s); the "
        f"executor paid {in_ether(gas)} for gas and got {in_ether(Wei(refunds))} of "
        f"{in_ether(Wei(bonds))} in bonds"
    )


@pytest.mark.parametrize("count", CROWDS)
def test_the_first_of_many_honest_challengers_is_paid(anvil: Anvil, count: int) -> None:
    """A copy-cat sends again whatever it sees, for a higher price, and gains nothing."""
    town = new_town(anvil, LONG_SEED)
    requester, wallet = town.wallet(), town.wallet()
    town.request(requester)
    liar = Participant(wallet, town.executor(wallet, lie_at=town.steps // 2))
    found = assert_result(town, liar)
    wallets = [town.wallet() for _ in range(count)]
    watchers = [Participant(each, town.fisherman(each)) for each in wallets]
    cat = CopyCat(town, town.wallet())
    crowd = Crowd(town, [liar, *watchers], cat)
    games = town.contracts.games

    def is_over() -> bool:
        if not games.contest(found.assertion_id).rewarded:
            return False
        mine = {each.address for each in watchers}
        own = [c for c in games.challenges() if c.challenger in mine]
        return not any(games.game(each.game_id).bond for each in own)

    crowd.play(is_over)
    honest = {each.address for each in watchers}
    commits = [each for each in games.challenges() if each.challenger in honest]
    (rewarded,) = games.events("Rewarded", assertionId=found.assertion_id)
    assert rewarded["challenger"] == commits[0].challenger
    gained = gains(town, (cat.wallet.address, *honest))
    lost = Wei(-gained.pop(cat.wallet.address))
    assert gained.pop(commits[0].challenger) == rewarded["reward"]
    assert not any(gained.values())
    asserted = town.contracts.market.assertion(found.assertion_id)
    assert asserted.status is AssertionStatus.SLASHED
    assert rewarded["reward"] == reward_of(town.contracts.registry.info(town.root).minimum_stake)
    assert cat.sent > count
    assert lost >= 0, "copying was worth it"
    voided = games.contest(found.assertion_id).voided_at
    first = min(int(e["openDeadline"]) for e in games.events("ChallengeCommitted"))
    took = voided - (first - town.contracts.game_constants.open_seconds)
    assert took <= bound_seconds(town)
    addresses = (p.address for p in crowd.participants)
    require_balanced(town, requester.address, cat.wallet.address, *addresses)
    print(
        f"\n{len(commits)} challengers of a lie, {crowd.rounds} rounds: void after {took} s (bound "
        f"{bound_seconds(town)} s); the first got {in_ether(rewarded['reward'])}, the others "
        f"their bonds; a copy-cat sent {cat.sent} copies and lost {in_ether(lost)} besides gas"
    )
