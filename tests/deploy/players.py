"""Miners and fishermen as an operator runs them: settings, keystore, command, metrics port."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import requests
from eth_account import Account

from infernet.chain.deploy import Constants, deploy
from infernet.chain.market import Request
from infernet.chain.records import Address, ProgramRoot, Seconds, TaskId, Wei
from infernet.chain.wallet import KeySigner
from infernet.models.store import load_model
from tests.anvil import ETHER, Anvil, free_port

MODEL = "digits"
FEE = Wei(ETHER // 100)
# In ether, of a miner for each task.
STAKE = 2
_START_SECONDS = 60


@dataclass
class Player:
    """One process, the folder that it works in, and where it serves its metrics."""

    name: str
    role: str
    folder: Path
    key: bytes = field(repr=False)
    port: int
    around: dict[str, str] = field(repr=False)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> Address:
        return KeySigner.of_key(self.key).address

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(self) -> None:
        """Start the process, and wait until it serves its metrics or has ended."""
        words = [self.role, "run", "--config", str(self.folder / "miner.toml")]
        words += ["--yes"] if self.role == "miner" else []
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "infernet", *words], env=self.around, stdout=log, stderr=log
            )
        wait_until(f"{self.name} serves", lambda: self.has_ended() or self.scraped() is not None)

    def has_ended(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None

    def scraped(self) -> str | None:
        """Return the metrics, None while nothing answers."""
        try:
            return requests.get(f"{self.url}/metrics", timeout=5).text
        except requests.RequestException:
            return None

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """End the process as a power cut would."""
        if self.process:
            self.process.kill()
            self.process.wait()


class Company:
    """Players around contracts on one node; `folder` holds a folder for each."""

    def __init__(self, anvil: Anvil, folder: Path, constants: Constants) -> None:
        self.anvil, self.folder = anvil, folder
        self.program = load_model(MODEL).program
        wallet = anvil.wallet()
        self.contracts = deploy(wallet, constants)
        self.contracts.registry.register(wallet, self.program)
        (folder / "contracts.json").write_text(self.contracts.deployment.to_json())
        self.players: list[Player] = []
        self._requester, self._nonce = anvil.wallet(1_000), 0

    def hire(
        self,
        name: str,
        role: str,
        lines: str = "",
        urls: tuple[str, ...] = (),
        around: dict[str, str] | None = None,
        key: bytes | None = None,
        data: Path | None = None,
        max_tasks: int = 2,
    ) -> Player:
        """Return a player with a funded account and settings; `lines` are added to the latter."""
        folder = self.folder / name
        folder.mkdir()
        key, port = key or os.urandom(32), free_port()
        for path, content in (
            ("keystore.json", json.dumps(Account.encrypt(key, "right", "pbkdf2", 2))),
            ("passphrase", "right\n"),
        ):
            (folder / path).touch(mode=0o600)
            (folder / path).write_text(content)
        (folder / "miner.toml").write_text(
            f'[infernet]\nenabled = true\nmodels = ["{MODEL}"]\nstake = {STAKE}\n'
            f"max_tasks = {max_tasks}\n"
            f"[network]\nrpc = {json.dumps(urls or (self.anvil.url,))}\n"
            'contracts = "../contracts.json"\npoll_seconds = 0.2\n'
            '[wallet]\nkeystore = "keystore.json"\npassphrase_file = "passphrase"\n'
            f"[metrics]\nport = {port}\n{lines}"
        )
        clean = {name: v for name, v in os.environ.items() if not name.startswith("INFERNET_")}
        clean["INFERNET_DATA_DIR"] = str(data or folder / "data")
        player = Player(name, role, folder, key, port, {**clean, **(around or {})})
        self.anvil.fund(player.address)
        self.players.append(player)
        return player

    def request(self) -> TaskId:
        """Ask for a run on random pixels."""
        self._nonce += 1
        size = self.program.header.input_type.byte_count
        data = np.random.default_rng(self._nonce).integers(0, 256, size, np.uint8).tobytes()
        deadline = Seconds(self.anvil.now() + 10**6)
        request = Request(ProgramRoot(self.program.root), FEE, deadline, self._nonce)
        return self.contracts.market.request_with_input(self._requester, request, data, FEE)[0]


@contextmanager
def company(anvil: Anvil, folder: Path, constants: Constants) -> Iterator[Company]:
    """Give a company, and end its processes afterwards."""
    found = Company(anvil, folder, constants)
    try:
        yield found
    finally:
        for player in found.players:
            player.kill()


def wait_until(what: str, happened: Callable[[], object], seconds: float = _START_SECONDS) -> None:
    """Return when something is so; raise AssertionError if it is not within so many seconds."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)
