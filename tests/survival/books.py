"""What became of the tasks of a site: read from the chain, and compared with what was told."""

from __future__ import annotations

from collections import Counter, defaultdict

from infernet.chain.records import TaskId, TaskStatus
from tests.anvil import ETHER
from tests.deploy.players import wait_until

from .requesters import Ear, Requesters
from .site import Site
from .town import payments

_FEE_WEI = ETHER // 100
_FUNDED_WEI = 1_000 * ETHER
_KINDS = ["accepted", "requested", "claimed", "asserted", "finalised"]
_MOST_PAGE = 200


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


def await_heard(ear: Ear, tasks: int) -> None:
    """Wait until a listener has heard as many events as there are."""
    wait_until("all is heard", lambda: len(ear.heard) >= tasks * len(_KINDS))


def require_all_once(here: Site, clients: Requesters, ear: Ear, tasks: int) -> None:
    """Check that each task was accepted, final, paid and told once, and nothing else happened."""
    require_once_on_chain(here, clients, tasks)
    require_balanced(here, tasks)
    require_told(here, ear, set(clients.ids))


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
