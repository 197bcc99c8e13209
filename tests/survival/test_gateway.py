"""Gateway, workers and Redis are killed at random: each accepted task ends once, paid once.

Everything is a process of its own, started as an operator starts it. What counts in the end is
read from the chain.
"""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from infernet.chain.records import TaskId, TaskStatus
from tests.anvil import ETHER, Anvil
from tests.deploy.players import wait_until

from .requesters import Ear, Requesters
from .site import Site, site
from .town import payments

_FEE_WEI = ETHER // 100
_FUNDED_WEI = 1_000 * ETHER
_KINDS = ["accepted", "requested", "claimed", "asserted", "finalised"]
_MOST_PAGE = 200


def survive(anvil: Anvil, folder: Path, tasks: int, kills: int, most_pause_seconds: float) -> None:
    """Post so many tasks while so many processes are killed, and account for everything."""
    dice, began = random.Random(7), time.monotonic()
    with site(anvil, folder, tasks) as here:
        here.start()
        size = here.town.program.header.input_type.byte_count
        with Requesters(here.url, here.key, size) as clients, Ear(here.url, here.key) as ear:
            started = time.monotonic()
            for kill in range(kills):
                clients.want(range(tasks * kill // kills, tasks * (kill + 1) // kills))
                time.sleep(dice.uniform(0.1, most_pause_seconds))
                if kill == kills // 2:
                    here.redis.wipe()
                    here.lose_redis(1)
                here.require_alive()
                here.kill_something(dice)
            killed = time.monotonic()
            await_end(here, clients, tasks)
            wait_until("all is heard", lambda: len(ear.heard) >= tasks * len(_KINDS), 30)
        require_once_on_chain(here, clients, tasks)
        require_balanced(here, tasks)
        require_told(here, ear, set(clients.ids))
        local = sum(each.log.count("computed_locally") for each in here.processes.values())
        print(
            f"\n{tasks} tasks, {kills} kills {dict(here.killed)} in {killed - started:.0f} s and "
            f"one wipe: all final once, paid once, {here.checked()} checked. Clients met "
            f"{dict(clients.faults)}, the listener {ear.breaks} breaks; {local} runs were "
            f"computed locally; {time.monotonic() - began:.0f} s in all"
        )


def await_end(here: Site, clients: Requesters, tasks: int) -> None:
    """Wait until all is accepted, asserted, checked and, after the window, final."""
    market = here.town.contracts.market
    most = 60 + tasks / 2
    wait_until("all are accepted", lambda: len(clients.told) == tasks or clients.refused, most)
    assert not clients.refused, clients.refused[:3]
    wait_until("all are asserted", lambda: len(market.events("Asserted")) >= tasks, most)
    wait_until("all are checked", lambda: here.checked() >= tasks, most)
    here.town.anvil.skip(here.town.contracts.market_constants.window_seconds + 1)
    wait_until("all are final", lambda: len(market.events("Finalised")) >= tasks, most)


def require_once_on_chain(here: Site, clients: Requesters, tasks: int) -> None:
    """Check that the chain has each accepted task once, final once, and nothing else."""
    contracts, ids = here.town.contracts, clients.ids
    assert sorted(clients.told) == list(range(tasks))
    assert len(set(ids)) == len(ids) == tasks, "a client was told two ids for one wish"
    assert Counter(found.task_id for found in contracts.market.requests()) == Counter(ids)
    for kind in ("Asserted", "Finalised"):
        found = [TaskId(bytes(event["taskId"])) for event in contracts.market.events(kind)]
        assert Counter(found) == Counter(ids), f"{kind}: not each task once"
    assert all(contracts.market.task(each).status is TaskStatus.FINAL for each in ids)
    assert not contracts.games.events("ChallengeCommitted")
    assert contracts.vault.burned() == 0


def require_balanced(here: Site, tasks: int) -> None:
    """Check by the wei what gateway and miner have, and that no call but deposits came twice."""
    vault, anvil = here.town.contracts.vault, here.town.anvil
    paid = payments(anvil)
    gateway, miner = (here.players[name].address for name in ("gateway", "miner"))
    earned = vault.balance(miner)
    assert (earned.free, earned.locked) == (here.deposit_wei + tasks * _FEE_WEI, 0)
    left = vault.balance(gateway)
    assert left.locked == 0
    worth = anvil.balance(gateway) + left.free + paid[gateway.lower()].gas_wei
    assert worth == _FUNDED_WEI - tasks * _FEE_WEI
    assert anvil.balance(vault.address) == left.free + earned.free
    for address in (gateway, miner):
        calls = Counter(paid[address.lower()].calls)
        assert all(len(call) == 4 for call, count in calls.items() if count > 1)


def require_told(here: Site, ear: Ear, ids: set[TaskId]) -> None:
    """Check that the store agrees with the chain, and told each event once and in order."""
    assert stored(here) == dict.fromkeys(ids, "final")
    numbers = [number for number, _ in ear.heard]
    assert numbers == sorted(set(numbers)), "an event was told twice or out of order"
    kinds = defaultdict(list)
    for _, event in ear.heard:
        kinds[TaskId(bytes.fromhex(event["task_id"][2:]))].append(event["kind"])
    assert kinds.keys() == ids
    assert all(found == _KINDS for found in kinds.values())


def stored(here: Site) -> dict[TaskId, str]:
    """Return the states of all tasks that the gateway knows, page by page."""
    found: dict[TaskId, str] = {}
    query = {"limit": str(_MOST_PAGE)}
    while True:
        page = here.get("/v1/tasks", **query)
        found |= {TaskId(bytes.fromhex(t["id"][2:])): t["state"] for t in page["tasks"]}
        if page["cursor"] is None:
            return found
        query["cursor"] = str(page["cursor"])


def test_six_deaths_and_a_wipe_lose_no_task(anvil: Anvil, tmp_path: Path) -> None:
    survive(anvil, tmp_path, tasks=20, kills=6, most_pause_seconds=1)


@pytest.mark.slow
def test_a_hundred_deaths_during_five_hundred_tasks_lose_none(anvil: Anvil, tmp_path: Path) -> None:
    survive(anvil, tmp_path, tasks=500, kills=100, most_pause_seconds=4)
