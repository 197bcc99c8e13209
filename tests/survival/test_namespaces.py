"""Gateway and workers on hosts of their own, and the network between them cut and healed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.anvil import needs_anvil, running
from tests.deploy.players import wait_until

from .books import await_end, await_heard, require_all_once
from .hosts import Host, hosts, why_not
from .outpost import RedisServer, worker_on
from .requesters import Ear, Requesters
from .site import Site, site

_WHY_NOT = why_not()
pytestmark = [needs_anvil, pytest.mark.skipif(_WHY_NOT is not None, reason=str(_WHY_NOT))]

_PORT = 6379


@contextmanager
def three_hosts(folder: Path, tasks: int) -> Iterator[tuple[Site, list[Host]]]:
    """Give chain, gateway and players here on the first host, Redis and workers on the others."""
    with hosts(3) as found, found[0].entered(), running() as anvil:
        redis = RedisServer(folder, _PORT, found[1].address, inside=found[1].inside)
        workers = [
            worker_on(f"worker-{number}", folder, redis.url, found[number].inside)
            for number in (1, 2)
        ]
        with site(anvil, folder, tasks, redis, workers) as here:
            here.start()
            yield here, found


def asserted(here: Site) -> int:
    return len(here.town.contracts.market.events("Asserted"))


def claimed(here: Site) -> int:
    return len(here.town.contracts.market.events("Claimed"))


def has_claimed_more(here: Site, than: int) -> bool:
    return claimed(here) > than


@pytest.mark.slow
def test_partitions_heal_without_loss(tmp_path: Path) -> None:
    tasks = 16
    with three_hosts(tmp_path, tasks) as (here, (_, with_redis, with_worker)):
        size = here.town.program.header.input_type.byte_count
        with Requesters(here.url, here.key, size) as clients, Ear(here.url, here.key) as ear:
            for first, host, cut in (
                (0, with_redis, Host.unplug),
                (4, with_redis, Host.silence),
                (8, with_worker, Host.unplug),
                (12, with_worker, Host.silence),
            ):
                is_in_work = partial(has_claimed_more, here, claimed(here))
                clients.want(range(first, first + 4))
                wait_until("a task is in work", is_in_work)
                cut(host)
                time.sleep(3)
                host.heal()
            await_end(here, clients, tasks)
            await_heard(ear, tasks)
        require_all_once(here, clients, ear, tasks)
        assert here.computed_locally() == 0
        here.require_alive()


@pytest.mark.slow
def test_a_partition_that_outlasts_patience_is_said_and_costs_no_task(tmp_path: Path) -> None:
    """The miner computes by itself, loudly; healed, it goes on with its workers."""
    with three_hosts(tmp_path, 8) as (here, (_, with_redis, _)):
        size = here.town.program.header.input_type.byte_count
        with Requesters(here.url, here.key, size) as clients, Ear(here.url, here.key) as ear:
            with_redis.silence()
            began = time.monotonic()
            clients.want(range(4))
            wait_until("all are asserted", lambda: asserted(here) == 4, 200)
            seconds, local = time.monotonic() - began, here.computed_locally()
            assert local >= 4
            assert "no worker answers in time" in here.processes["miner"].log
            with_redis.heal()
            wait_until("the fisherman has checked", lambda: here.checked() == 4, 200)
            local = here.computed_locally()
            time.sleep(40)
            clients.want(range(4, 8))
            await_end(here, clients, 8)
            await_heard(ear, 8)
        require_all_once(here, clients, ear, 8)
        assert here.computed_locally() == local
        print(f"\n4 tasks without Redis: asserted after {seconds:.0f} s, {local} runs done here")
