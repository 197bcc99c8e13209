"""A gateway with its pool over HTTP, and miners that take their work from it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import uvicorn

from api.access.guard import Scope
from api.access.keys import changing
from api.app import create_app
from api.opening import Office
from api.service.gateway import Gateway
from api.service.pool import PoolSettings
from executor.actor import Executor
from executor.inputs import Inputs
from executor.policy import Policy
from executor.pool import Pool, PoolPace
from executor.registration import carry_out, plan
from infernet.actors.crew import Crew
from infernet.actors.daemon import Pace, run
from infernet.actors.holdings import hold
from infernet.actors.report import Report
from infernet.backend.adapters import load_adapter, runner
from infernet.chain.connection import connect
from infernet.chain.deployment import Contracts
from infernet.chain.records import Address, TaskId, Wei
from infernet.chain.wallet import KeySigner, Wallet
from infernet.config import Config
from infernet.config.tables import DataTable
from infernet.store.database import Database, open_database
from tests.survival.town import Town

from ..office import SETTINGS, funded_key, input_for, model_of, open_gateway, until

POOL = PoolSettings(head_start_seconds=3.0, lapse_seconds=30.0)
PACE = PoolPace(wait=5.0, look=0.05, first_pause=0.1, longest_pause=0.5, unknown=1.0)
_START_SECONDS = 20.0


@dataclass
class House:
    """A gateway as clients see it. `key`: may do all."""

    url: str
    gateway: Gateway
    client: httpx.Client
    town: Town

    def submit(self, number: int) -> TaskId:
        """Have a task accepted and return its id."""
        data = input_for(self.town.program, number)
        kind = {"Content-Type": "application/octet-stream"}
        answer = self.client.post("/v1/tasks?model=plain", content=data, headers=kind)
        assert answer.status_code == 202, answer.text
        return TaskId(bytes.fromhex(answer.json()["id"][2:]))

    def members(self) -> list[str]:
        """Return the accounts that mine here."""
        return [each["address"] for each in httpx.get(f"{self.url}/v1/pool").json()["members"]]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def housed(
    town: Town,
    folder: Path,
    port: int | None = None,
    pool: PoolSettings = POOL,
    **changes: Any,
) -> Iterator[House]:
    """Serve a gateway with uvicorn, at a port of its choice or ours, with changed settings."""
    folder.mkdir(exist_ok=True)
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    with changing(folder) as keys:
        _, key = keys.create("all", list(Scope), rate=100_000.0)
    secret = funded_key(town.anvil)
    held: list[Gateway] = []
    settings = replace(SETTINGS, public_url=url, pool=pool, top_up_wei=Wei(10**18), **changes)

    @contextmanager
    def opener(config: Config) -> Iterator[Office]:
        gateway = open_gateway(
            town.anvil.url, town.contracts, town.program, folder, secret, settings
        )
        held.append(gateway)
        with closing(gateway):
            yield Office(gateway, [model_of(town.program)])
        gateway.contracts.feed.index._database.close()

    app = create_app(Config(data=DataTable(dir=folder)), opener)
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=1)
    )
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, "the server's start", _START_SECONDS)
    try:
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=url, headers=headers, timeout=20) as client:
            yield House(url, held[0], client, town)
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the server did not end"


@dataclass
class Miner:
    """A miner at work on threads of its own; `reports`: what it told."""

    wallet: Wallet
    pool: Pool | None
    database: Database
    reports: list[Report] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    @property
    def address(self) -> Address:
        return self.wallet.address

    def on_report(self, report: Report) -> None:
        self.reports.append(report)

    def on_error(self, error: Exception) -> None:
        self.errors.append(error)

    def on_tick(self, duration_seconds: float) -> None:
        """Nothing is made of it."""

    def claimed(self) -> list[TaskId]:
        """Return the tasks that it claimed, in order."""
        found = [each for each in self.reports if each.event == "task_claimed"]
        return [each.task_id for each in found if each.task_id]


@contextmanager
def mining(
    town: Town,
    urls: Sequence[str],
    tasks: int = 4,
    *,
    stakes: int = 4,
    pace: PoolPace = PACE,
    max_tasks: int | None = None,
    earlier: Miner | None = None,
) -> Iterator[Miner]:
    """Let a miner work whose deposit backs so many stakes. `urls`: of gateways, none: no pool.

    `earlier`: whose key and memory it goes on with.
    """
    chain = connect(town.anvil.url)
    signer, database = KeySigner.create(), open_database(None)
    if earlier:
        assert isinstance(earlier.wallet.signer, KeySigner)
        signer, database = earlier.wallet.signer, earlier.database
    town.anvil.fund(signer.address, 1_000)
    wallet = Wallet(chain, signer)
    contracts = Contracts(chain, town.contracts.deployment, database)
    stake = contracts.registry.floor(town.program)
    policy = Policy(stake, max_tasks or tasks, minimum_fee_wei=Wei(0), minimum_seconds=60)
    programs = {"plain": town.program}
    wanted = plan(contracts, wallet, policy, programs, Wei(stakes * stake))
    carry_out(contracts, wallet, wanted, programs)
    held = hold(contracts, town.program, runner(load_adapter("onnxruntime"), town.program))
    sizes = {town.root: town.program.header.input_type.byte_count}
    inputs = Inputs(contracts.market, database)
    pool = Pool(urls, contracts, signer, sizes, inputs, pace) if urls else None
    miner = Miner(wallet, pool, database)
    actor = Executor(
        contracts,
        wallet,
        held,
        policy,
        town.conformance,
        "miner",
        miner.on_report,
        database,
        Crew(2),
        pool=pool,
    )
    stop = Event()
    arguments = (actor, wallet, stop, miner, Pace(poll_seconds=0.05, grace_seconds=5))
    thread = threading.Thread(target=run, args=arguments, daemon=True)
    if pool:
        pool.start()
    thread.start()
    try:
        yield miner
    finally:
        stop.set()
        thread.join(20)
        if pool:
            pool.close()
        assert not thread.is_alive(), "the miner did not end"
