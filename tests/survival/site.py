"""A gateway with its miner, its fisherman, their Redis and workers, each a process of its own."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from api.access.keys import Scope, changing
from infernet.chain.records import Wei
from infernet.chain.wallet import KeySigner, Wallet
from infernet.store.checks import Coverage, coverage_of
from infernet.store.database import account_file, open_database
from tests.anvil import ETHER, Anvil, free_port
from tests.deploy.players import STAKE, Company, Player, company, wait_until

from .outpost import Process, RedisServer, process_of
from .town import BRISK

# Long enough that no task ends by time while a test lasts.
_DEADLINE_SECONDS = 500_000
_START_SECONDS = 90


@dataclass
class Site:
    """All that serves one gateway's tasks. `key`: lets a client ask the gateway."""

    town: Company
    url: str
    key: str = field(repr=False)
    players: dict[str, Player]
    processes: dict[str, Process]
    redis: RedisServer
    workers: list[Process]
    deposit_wei: Wei
    killed: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        """Start everything, and wait until all are ready."""
        self.redis.start()
        for process in (*self.workers, *self.processes.values()):
            process.start()
        wait_until("the gateway answers", self.is_serving, _START_SECONDS)
        for name in ("miner", "fisherman"):
            begins = partial(self.processes[name].has_said, "started")
            wait_until(f"{name} begins", begins, _START_SECONDS)

    def kill_something(self, dice: random.Random) -> None:
        """Kill the gateway, a worker or Redis, and start it again, as systemd would."""
        kind = dice.choice(["gateway", "worker", "redis"])
        self.killed[kind] += 1
        if kind == "redis":
            self.lose_redis(dice.uniform(0, 1))
            return
        process = self.processes[kind] if kind == "gateway" else dice.choice(self.workers)
        process.kill()
        time.sleep(dice.uniform(0, 0.3))
        process.start()

    def lose_redis(self, seconds: float) -> None:
        """Kill the server, which forgets everything, and start it again after a while."""
        self.redis.process.kill()
        time.sleep(seconds)
        self.redis.start()

    def require_alive(self) -> None:
        """Fail if anything that runs has ended by itself."""
        for process in (*self.workers, *self.processes.values(), self.redis.process):
            assert process.is_alive(), f"{process.name} ended by itself\n{process.log[-3_000:]}"

    def is_serving(self) -> bool:
        """Return whether the gateway follows the chain."""
        self.require_alive()
        try:
            return httpx.get(f"{self.url}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def checked(self) -> int:
        """Return how many results the fisherman has re-executed, from its own file."""
        watcher = self.players["fisherman"]
        chain_id = self.town.contracts.chain.chain_id
        path = account_file(watcher.folder / "data", chain_id, watcher.address)
        database = open_database(path, readonly=True)
        try:
            return sum(coverage_of(database).values(), Coverage()).checked
        finally:
            database.close()

    def computed_locally(self) -> int:
        """Return how often a player said that it did a worker's work itself."""
        return sum(each.log.count("computed_locally") for each in self.processes.values())

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Return what the gateway answers."""
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = httpx.get(f"{self.url}{path}", params=query, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def stop(self) -> None:
        """End all processes."""
        for process in (*self.workers, *self.processes.values(), self.redis.process):
            process.kill()


@contextmanager
def site(
    anvil: Anvil, folder: Path, tasks: int, redis: RedisServer, workers: list[Process]
) -> Iterator[Site]:
    """Give a site whose miner can back so many tasks, and end it afterwards."""
    with company(anvil, folder, BRISK) as here:
        lines = f'[backend]\ntype = "queue"\n[queue]\nredis = "{redis.url}"\n'
        port = free_port()
        api = f"[api]\nport = {port}\ndeadline_seconds = {_DEADLINE_SECONDS}\n"
        players = {
            "gateway": here.hire("gateway", "api", api),
            "miner": here.hire("miner", "miner", lines, max_tasks=4),
            "fisherman": here.hire("fisherman", "fisherman", lines),
        }
        deposit = _back(here, players["miner"], tasks)
        anvil.fund(players["gateway"].address, 1_000)
        found = Site(
            here,
            f"http://127.0.0.1:{port}",
            new_key(players["gateway"]),
            players,
            {name: process_of(player) for name, player in players.items()},
            redis,
            workers,
            deposit,
        )
        try:
            yield found
        finally:
            found.stop()


def _back(here: Company, miner: Player, tasks: int) -> Wei:
    """Deposit a miner's stake for so many tasks at a time."""
    deposit = Wei(tasks * STAKE * ETHER)
    here.anvil.fund(miner.address, tasks * STAKE + 100)
    wallet = Wallet(here.anvil.connect(), KeySigner.of_key(miner.key))
    here.contracts.vault.deposit(wallet, deposit)
    return deposit


def new_key(gateway: Player) -> str:
    """Return the text of a new key of a gateway."""
    folder = gateway.folder / "data"
    folder.mkdir(mode=0o700, exist_ok=True)
    with changing(folder) as keys:
        return keys.create("tests", [Scope.TASKS_WRITE, Scope.TASKS_READ])[1]
