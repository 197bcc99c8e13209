"""A gateway of the digits model over HTTP, on a node of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from api.access.guard import Scope
from api.access.keys import changing
from api.app import create_app, send_away
from api.opening import Office
from api.service.gateway import Gateway
from infernet.chain.connection import connect
from infernet.chain.deployment import Contracts
from infernet.chain.outbox import SendPolicy
from infernet.chain.records import Wei
from infernet.chain.wallet import KeySigner, Wallet
from infernet.config import Config
from infernet.config.tables import DataTable
from infernet.store.database import account_file, open_database
from infernet.store.journal import Journal
from tests.anvil import find_anvil, running
from tests.api.explorer.scene import Scene, digits, scene_on, served
from tests.api.office import SETTINGS, funded_key

RATE = 100_000.0


@dataclass(frozen=True, slots=True)
class Counter:
    """The gateway as a client sees it. `key`: may do all; `reader`: may read alone."""

    url: str
    scene: Scene
    gateway: Gateway
    key: str
    reader: str
    client: httpx.Client
    app: FastAPI


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    if find_anvil() is None:
        pytest.skip("anvil is not installed: `npm ci` in contracts/ installs it, npm is missing")
    with running() as node:
        scene = scene_on(node, digits())
        folder = tmp_path_factory.mktemp("gateway")
        with over_http(scene, folder, funded_key(node)) as found:
            yield found


@contextmanager
def over_http(scene: Scene, folder: Path, secret: bytes) -> Iterator[Counter]:
    """Serve a gateway with uvicorn and give it with two keys."""
    with changing(folder) as keys:
        _, key = keys.create("all", list(Scope), rate=RATE)
        _, reader = keys.create("reader", [Scope.TASKS_READ], rate=RATE)
    held: list[Gateway] = []

    @contextmanager
    def opener(config: Config) -> Iterator[Office]:
        chain = connect(scene.town.anvil.url)
        signer = KeySigner.of_key(secret)
        with closing(
            open_database(account_file(folder, chain.chain_id, signer.address))
        ) as database:
            journal = Journal(database, signer.address)
            wallet = Wallet(chain, signer, journal=journal, policy=SendPolicy(confirmations=2))
            contracts = Contracts(chain, scene.town.contracts.deployment, database)
            settings = replace(SETTINGS, top_up_wei=Wei(10**18))
            gateway = Gateway.open(contracts, wallet, folder, [scene.model], settings)
            held.append(gateway)
            with closing(gateway):
                yield Office(gateway, [scene.model])

    config = Config(data=DataTable(dir=folder))
    headers = {"Authorization": f"Bearer {key}"}
    app = create_app(config, opener)
    with (
        served(app, lambda: send_away(app)) as url,
        httpx.Client(base_url=url, headers=headers, timeout=20) as client,
    ):
        yield Counter(url, scene, held[0], key, reader, client, app)
