"""A miner's process takes work from gateways' processes, and outlives them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from web3 import Web3

from api.access.keys import Scope, changing
from infernet.keystore import create_keystore
from infernet.models.store import shipped_dir
from tests.anvil import Anvil, needs_anvil, running
from tests.api.explorer.scene import digits, town_of

from .club import free_port

pytestmark = [needs_anvil, pytest.mark.slow]
PICTURE = (shipped_dir() / "digits" / "digit-7.png").read_bytes()
_WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """A funded key in a folder of its own; `settings`: of the processes that use it."""

    folder: Path
    address: str
    settings: dict[str, str]


def account(node: Anvil, folder: Path, contracts: Path) -> Account:
    folder.mkdir()
    passphrase = folder / "passphrase"
    passphrase.write_text("for tests\n", encoding="utf-8")
    passphrase.chmod(0o600)
    address = create_keystore(folder / "keystore.json", "for tests")
    node.fund(address, 100)
    settings = {
        "INFERNET_RPC_URL": node.url,
        "INFERNET_NETWORK_CONTRACTS": str(contracts),
        "INFERNET_NETWORK_CONFIRMATIONS": "2",
        "INFERNET_NETWORK_POLL_SECONDS": "0.2",
        "INFERNET_WALLET_KEYSTORE": str(folder / "keystore.json"),
        "INFERNET_PASSPHRASE_FILE": str(passphrase),
        "INFERNET_DATA_DIR": str(folder),
        "INFERNET_MODELS": "digits",
        "INFERNET_METRICS_ENABLED": "false",
    }
    return Account(folder, address, settings)


@contextmanager
def process(who: Account, *command: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command until the end of the block, at the latest."""
    around = {**os.environ, **who.settings, **settings}
    with (who.folder / "log").open("ab") as log:
        found = subprocess.Popen(
            [sys.executable, "-m", "infernet", *command], env=around, stdout=log, stderr=log
        )
        try:
            yield found
        finally:
            found.kill()
            found.wait()


@contextmanager
def gateway(who: Account, port: int) -> Iterator[subprocess.Popen[bytes]]:
    with process(who, "api", "run", "--port", str(port)) as found:
        until(lambda: asked(port, "/health") is not None, "a gateway's start", who)
        yield found


def asked(port: int, path: str) -> Any:
    """Return what a gateway answers, None if it does not."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}{path}")
    except httpx.TransportError:
        return None
    return answer.json() if answer.status_code == 200 else None


def members(port: int) -> list[str]:
    found = asked(port, "/v1/pool")
    return [each["address"] for each in found["members"]] if found else []


def until(is_so: Callable[[], bool], what: str, who: Account) -> None:
    end = time.monotonic() + _WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < end, f"{what} did not happen:\n{(who.folder / 'log').read_text()}"
        time.sleep(0.1)


def submit(port: int, key: str) -> str:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "image/png"}
    url = f"http://127.0.0.1:{port}"
    answer = httpx.post(f"{url}/v1/tasks?model=digits", content=PICTURE, headers=headers)
    assert answer.status_code == 202, answer.text
    return url + str(answer.json()["href"])


def test_a_killed_gateway_costs_a_miner_nothing(tmp_path: Path) -> None:
    with running() as node:
        town = town_of(node, digits())
        contracts = tmp_path / "contracts.json"
        contracts.write_text(town.contracts.deployment.to_json(), encoding="utf-8")
        one, two, worker = (account(node, tmp_path / n, contracts) for n in ("one", "two", "miner"))
        keys = {}
        for each in (one, two):
            with changing(each.folder) as file:
                keys[each] = file.create("tests", [Scope.TASKS_READ, Scope.TASKS_WRITE])[1]
        ports = {one: free_port(), two: free_port()}
        urls = ",".join(f"http://127.0.0.1:{port}" for port in ports.values())
        stake = town.contracts.registry.floor(town.program)
        wanted = {
            "INFERNET_POOL_GATEWAYS": urls,
            "INFERNET_ENABLED": "true",
            "INFERNET_STAKE": str(Web3.from_wei(stake, "ether")),
        }

        def serve(which: Account) -> None:
            """Have a task asserted by way of a gateway."""
            place = submit(ports[which], keys[which])
            headers = {"Authorization": f"Bearer {keys[which]}"}

            def is_asserted() -> bool:
                found = httpx.get(place, headers=headers).json()
                return bool(found["state"] == "asserted" and found["executor"] == worker.address)

            until(is_asserted, "a result", worker)

        with (
            gateway(two, ports[two]),
            gateway(one, ports[one]) as first,
            process(worker, "miner", "run", "--yes", **wanted) as miner,
        ):
            until(lambda: members(ports[one]) == [worker.address], "joining", worker)
            serve(one)
            first.kill()
            first.wait()
            began = time.monotonic()
            until(lambda: members(ports[two]) == [worker.address], "falling over", worker)
            print(f"fell over within {time.monotonic() - began:.1f} s of SIGKILL")
            serve(two)
            with gateway(one, ports[one]):
                until(lambda: members(ports[one]) == [worker.address], "coming back", worker)
                until(lambda: members(ports[two]) == [], "leaving the second", worker)
                serve(one)
                miner.send_signal(signal.SIGTERM)
                assert miner.wait(_WAIT_SECONDS) == 0
                assert members(ports[one]) == []
