"""A node with contracts and models, and the processes of everybody who plays on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from eth_account import Account

from infernet.chain.deploy import TRIAL, deploy
from infernet.chain.deployment import Contracts
from infernet.chain.records import Address
from infernet.chain.wallet import KeySigner, Wallet
from infernet.models.pipeline import Model
from tests.anvil import ETHER, Anvil, free_port

from .health import Health
from .lies import Plan, write
from .models import NAMES, make_models

MINERS, LIARS = 3, 2
# In ether. Everybody begins with the same in the wallet and in the vault; a liar loses a stake for
# each lie.
STAKE, BACKING, WALLET = 2, 1_200, 2_000
_START_SECONDS, _STOP_SECONDS = 120, 60
# Clocks run in real time, with room for a machine that does more than this.
_CONSTANTS = replace(
    TRIAL,
    market=replace(TRIAL.market, window_seconds=90),
    game=replace(TRIAL.game, open_seconds=60, clock_seconds=90, grace_seconds=30),
)


@dataclass(frozen=True, slots=True)
class Player:
    """One process, its account, and what was measured of it."""

    name: str
    is_honest: bool
    address: Address
    folder: Path
    process: subprocess.Popen[bytes]
    health: Health = field(default_factory=Health)

    @property
    def log(self) -> str:
        """Return what it wrote so far."""
        return (self.folder / "log").read_text(encoding="utf-8")

    def await_start(self) -> None:
        """Wait until the player is at work, or raise RuntimeError."""
        end = time.monotonic() + _START_SECONDS
        while '"started"' not in self.log:
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.name} did not start: {self.log[-2_000:]}")
            time.sleep(0.2)


@dataclass(slots=True)
class Ground:
    """Everything that takes part."""

    anvil: Anvil
    contracts: Contracts
    folder: Path
    models: Mapping[str, Model]
    requester: Wallet
    players: list[Player] = field(default_factory=list)

    def start(self, name: str, *command: str, is_honest: bool = True, table: str = "") -> None:
        """Start a process with a key, settings and money of its own."""
        folder = self.folder / name
        folder.mkdir()
        key = os.urandom(32)
        keystore = Account.encrypt(key, "soak", kdf="pbkdf2", iterations=2)
        (folder / "keystore.json").write_text(json.dumps(keystore))
        (folder / "passphrase").touch(mode=0o600)
        (folder / "passphrase").write_text("soak\n")
        (folder / "miner.toml").write_text(self._settings(table))
        address = KeySigner.of_key(key).address
        self.anvil.fund(address, WALLET)
        around = {
            **os.environ,
            "INFERNET_CONFIG": str(folder / "miner.toml"),
            "INFERNET_DATA_DIR": str(self.folder / "data"),
        }
        vault = self.contracts.vault
        vault.send(self.requester, "depositFor", address, value=BACKING * ETHER)
        whole = [sys.executable, "-m", *command]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(whole, env=around, stdout=log, stderr=log)
        self.players.append(Player(name, is_honest, address, folder, process))

    def require_alive(self) -> None:
        """Raise RuntimeError if a process has ended."""
        for player in self.players:
            if player.process.poll() is not None:
                raise RuntimeError(f"{player.name} ended: {player.log[-2_000:]}")

    def stop(self) -> list[str]:
        """Ask all processes to end; return the names of those that did not end in order."""
        for player in self.players:
            player.process.send_signal(signal.SIGTERM)
        disorderly = []
        for player in self.players:
            try:
                code = player.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                player.process.kill()
                code = player.process.wait()
            disorderly += [player.name] if code else []
        return disorderly

    def _settings(self, table: str) -> str:
        return (
            f"[infernet]\nenabled = true\nmodels = {json.dumps(NAMES)}\nstake = {STAKE}\n"
            f'max_tasks = 4\n[network]\nrpc = ["{self.anvil.url}"]\n'
            f'contracts = "{self.folder}/contracts.json"\npoll_seconds = 0.5\n'
            '[wallet]\nkeystore = "keystore.json"\npassphrase_file = "passphrase"\n'
            f"[metrics]\nenabled = false\n{table}"
        )


@contextmanager
def peopled(folder: Path, plan: Plan, slanders: float, seed: int) -> Iterator[Ground]:
    """Give a node with contracts, registered models and everybody running.

    `slanders`: the share of results that the slanderer challenges.
    """
    anvil = Anvil(free_port())
    anvil.start()
    ground = None
    try:
        deployer = anvil.wallet(WALLET)
        contracts = deploy(deployer, _CONSTANTS)
        (folder / "contracts.json").write_text(contracts.deployment.to_json())
        models = make_models(folder / "data" / "models", seed)
        for model in models.values():
            contracts.registry.register(deployer, model.program)
        ground = Ground(anvil, contracts, folder, models, anvil.wallet(20 * WALLET))
        for number in range(MINERS):
            ground.start(f"miner-{number}", "infernet", "miner", "run", "--yes")
        for number, told in enumerate(plan.told):
            path = folder / f"plan-{number}.json"
            write(path, told)
            command = ("benchmarks.soak.liar", str(path))
            ground.start(f"liar-{number}", *command, is_honest=False)
        watch = ("infernet", "fisherman", "run")
        ground.start("fisherman-full", *watch)
        ground.start("fisherman-half", *watch, table="[fisherman]\nsample = 0.5\n")
        sample = f"[fisherman]\nsample = {slanders}\n"
        ground.start("slanderer", "benchmarks.soak.slanderer", is_honest=False, table=sample)
        for player in ground.players:
            player.await_start()
        yield ground
    finally:
        for player in ground.players if ground else ():
            if player.process.poll() is None:
                player.process.kill()
                player.process.wait()
        anvil.stop()
