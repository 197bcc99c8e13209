"""Real miners take work from real gateways on a real chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from infernet.chain.records import TaskId, TaskStatus
from tests.anvil import needs_anvil, running
from tests.survival.town import Town, new_town

from ..office import until
from .club import House, Miner, free_port, housed, mining

pytestmark = needs_anvil


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with running() as anvil:
        yield new_town(anvil)


@pytest.fixture
def house(town: Town, tmp_path: Path) -> Iterator[House]:
    with housed(town, tmp_path / "gateway") as found:
        yield found


def are_asserted(town: Town, tasks: list[TaskId]) -> bool:
    market = town.contracts.market
    return all(market.task(each).status is TaskStatus.ASSERTED for each in tasks)


def is_advised(miner: Miner) -> bool:
    """Return whether a gateway has told a miner what there is."""
    return miner.pool is not None and miner.pool.advice.patience_seconds > 0


def test_a_miner_joins_by_url_works_and_leaves(house: House, town: Town) -> None:
    with mining(town, [house.url]) as miner:
        until(lambda: house.members() == [miner.address], "joining")
        tasks = [house.submit(number) for number in range(2)]
        until(lambda: are_asserted(town, tasks), "results")
        assert miner.errors == []
    assert house.members() == []


def lost_races(miners: Sequence[Miner]) -> int:
    """Return how often miners claimed what another had claimed before."""
    told = (each for miner in miners for each in miner.reports if each.event == "overtaken")
    return sum("claim was refused" in each.what for each in told)


def test_two_miners_share_by_deposit_without_racing_each_other(house: House, town: Town) -> None:
    with (
        mining(town, [house.url], stakes=100, max_tasks=30) as rich,
        mining(town, [house.url], stakes=12, max_tasks=30) as poor,
    ):
        until(lambda: len(house.members()) == 2, "joining")
        until(lambda: all(is_advised(each) for each in (rich, poor)), "advice")
        tasks = [house.submit(100 + number) for number in range(24)]
        until(lambda: are_asserted(town, tasks), "results", 60)
        counts = Counter({each.address: len(each.claimed()) for each in (rich, poor)})
        print("claims by deposits of 100 and 12 stakes:", list(counts.values()))
        assert sum(counts.values()) == len(tasks)
        assert counts[rich.address] > counts[poor.address]
        assert lost_races([rich, poor]) == 0


def test_a_gateway_that_is_gone_is_replaced_and_comes_back_first(
    town: Town, tmp_path: Path
) -> None:
    port = free_port()
    with housed(town, tmp_path / "second") as second:
        urls = [f"http://127.0.0.1:{port}", second.url]
        with housed(town, tmp_path / "first", port) as first, mining(town, urls) as miner:
            until(lambda: first.members() == [miner.address], "joining the first")
            assert second.members() == []
        with mining(town, urls) as miner:
            until(lambda: second.members() == [miner.address], "joining the second")
            task = second.submit(200)
            until(lambda: are_asserted(town, [task]), "a result")
            with housed(town, tmp_path / "first again", port) as first:
                until(lambda: first.members() == [miner.address], "coming back")
                until(lambda: second.members() == [], "leaving the second")
                task = first.submit(201)
                until(lambda: are_asserted(town, [task]), "a result")
            until(lambda: second.members() == [miner.address], "falling over again")


def test_with_no_gateway_left_a_miner_serves_what_the_chain_offers(town: Town) -> None:
    with mining(town, [f"http://127.0.0.1:{free_port()}"]) as miner:
        task = town.request(town.wallet())
        until(lambda: are_asserted(town, [task]), "a result")
        assert miner.pool is not None
        until(lambda: miner.pool is not None and miner.pool.counts["failed"] > 1, "failures")
        assert miner.errors == []


def test_a_gateway_that_forgot_its_members_is_joined_again(house: House, town: Town) -> None:
    with mining(town, [house.url]) as miner:
        until(lambda: house.members() == [miner.address], "joining")
        pool = house.gateway.pool.pool
        # What a restart does to a table in memory.
        for place in pool.places():
            pool.leave(place.member)
        until(lambda: house.members() == [miner.address], "joining again")


def test_a_task_goes_to_another_when_the_one_it_was_offered_to_does_nothing(
    house: House, town: Town
) -> None:
    idle = house.gateway.pool.pool.join(town.wallet().address, [town.root], 10**24)[0]  # type: ignore[arg-type]
    house.gateway.pool.pool.poll(idle, 100)
    with mining(town, [house.url]) as miner:
        until(lambda: len(house.members()) == 2, "joining")
        task = house.submit(300)
        until(lambda: are_asserted(town, [task]), "a result")
        assert miner.claimed() == [task]
    lapses = {place.member.address: place.lapses for place in house.gateway.pool.places()}
    assert lapses[idle.address] == 1
