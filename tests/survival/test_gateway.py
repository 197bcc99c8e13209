"""Gateway, workers and Redis are killed at random: each accepted task ends once, paid once."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.anvil import Anvil, free_port

from .books import await_end, await_heard, require_all_once
from .outpost import RedisServer, worker_on
from .requesters import Ear, Requesters
from .site import site


def survive(anvil: Anvil, folder: Path, tasks: int, kills: int, most_pause_seconds: float) -> None:
    """Post so many tasks while so many processes are killed, and account for everything."""
    dice, began = random.Random(7), time.monotonic()
    redis = RedisServer(folder, free_port())
    workers = [worker_on(f"worker-{number}", folder, redis.url) for number in range(2)]
    with site(anvil, folder, tasks, redis, workers) as here:
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
            await_heard(ear, tasks)
        require_all_once(here, clients, ear, tasks)
        print(
            f"\n{tasks} tasks, {kills} kills {dict(here.killed)} in {killed - started:.0f} s and "
            f"one wipe: all final once, paid once, {here.checked()} checked. Clients met "
            f"{dict(clients.faults)}, the listener {ear.breaks} breaks; "
            f"{here.computed_locally()} runs were computed locally; "
            f"{time.monotonic() - began:.0f} s in all"
        )


def test_six_deaths_and_a_wipe_lose_no_task(anvil: Anvil, tmp_path: Path) -> None:
    survive(anvil, tmp_path, tasks=20, kills=6, most_pause_seconds=1)


@pytest.mark.slow
def test_a_hundred_deaths_during_five_hundred_tasks_lose_none(anvil: Anvil, tmp_path: Path) -> None:
    survive(anvil, tmp_path, tasks=500, kills=100, most_pause_seconds=4)
