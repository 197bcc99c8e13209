"""A node with the shipped small model, and the processes that are measured on it."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from api.access.keys import Scope, changing
from infernet.backend.hashing import hash_bytes
from infernet.chain.deploy import TRIAL, deploy
from infernet.chain.deployment import Contracts
from infernet.chain.records import Address
from infernet.keystore import create_keystore
from infernet.models.store import load_model
from tests.anvil import Anvil, free_port

MODEL = "digits"
WINDOW_SECONDS = 5
_CONSTANTS = replace(TRIAL, market=replace(TRIAL.market, window_seconds=WINDOW_SECONDS))
_ETHER_EACH = 100_000
_START_SECONDS, _STOP_SECONDS = 60.0, 20.0
_PASSPHRASE = "benchmark"


@dataclass(frozen=True, slots=True)
class Ground:
    """What everybody shares: the node, the contracts and a folder."""

    anvil: Anvil
    contracts: Contracts
    folder: Path

    def settings(self, name: str) -> dict[str, str]:
        """Return the settings of a process with an account and a data folder of its own."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        passphrase = folder / "passphrase"
        if not passphrase.exists():
            passphrase.touch(mode=0o600)
            passphrase.write_text(_PASSPHRASE, encoding="utf-8")
            address = create_keystore(folder / "keystore.json", _PASSPHRASE)
            self.anvil.fund(Address(address), _ETHER_EACH)
        return {
            **os.environ,
            "INFERNET_RPC_URL": self.anvil.url,
            "INFERNET_NETWORK_CONTRACTS": str(self.folder / "contracts.json"),
            "INFERNET_WALLET_KEYSTORE": str(folder / "keystore.json"),
            "INFERNET_PASSPHRASE_FILE": str(passphrase),
            "INFERNET_DATA_DIR": str(folder),
            "INFERNET_MODELS": MODEL,
        }

    def key(self, name: str) -> str:
        """Return a key of a gateway whose rate no load reaches."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        with changing(folder) as keys:
            return keys.create("load", [Scope.TASKS_READ, Scope.TASKS_WRITE], rate=1e6)[1]

    @contextmanager
    def gateway(self, name: str, **more: str) -> Iterator[Service]:
        """Run `infernet api run`; `more`: settings by their names in the environment."""
        port = free_port()
        command = ("-m", "infernet", "api", "run", "--port", str(port), "--log-level", "warning")
        settings = {**self.settings(name), "INFERNET_API_MOST_WAITING": "1000000", **more}
        with running(self.folder / f"{name}.log", command, settings) as process:
            service = Service(process, port, self.key(name))
            service.await_answer("/health")
            yield service

    @contextmanager
    def bare(self) -> Iterator[Service]:
        """Run the rival."""
        port = free_port()
        command = ("-m", "benchmarks.gateway.bare", str(port), str(self.folder / "bare.sqlite"))
        with running(self.folder / "bare.log", command, dict(os.environ)) as process:
            service = Service(process, port, self.key("bare"))
            service.await_answer("/openapi.json")
            yield service


@dataclass(frozen=True, slots=True)
class Service:
    """A process that answers on a port."""

    process: subprocess.Popen[bytes]
    port: int
    key: str

    def await_answer(self, path: str) -> None:
        """Wait until it answers 200, or raise RuntimeError."""
        end = time.monotonic() + _START_SECONDS
        while not self._is_well(path):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.process.args!r} does not answer; see its log")
            time.sleep(0.1)

    def _is_well(self, path: str) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


@contextmanager
def running(
    log: Path, arguments: tuple[str, ...], environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run this Python with arguments, and end it afterwards."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, *arguments], env=environment, stdout=file, stderr=file
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """Give a fresh node with contracts and the model."""
    anvil = Anvil(free_port())
    anvil.start()
    try:
        deployer = anvil.wallet()
        contracts = deploy(deployer, _CONSTANTS)
        contracts.registry.register(deployer, load_model(MODEL, hash_bytes).program)
        path = folder / "contracts.json"
        path.write_text(contracts.deployment.to_json(), encoding="utf-8")
        yield Ground(anvil, contracts, folder)
    finally:
        anvil.kill()
