"""From a settings file and a keystore to served tasks and withdrawn money, by commands alone.

These are the commands of docs/operating.md, each a process of its own, on a fresh node.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infernet.chain.deployment import Contracts, Deployment
from infernet.chain.records import Address
from infernet.store.checks import Coverage, coverage_of
from infernet.store.database import open_database
from tests.anvil import ETHER, Anvil

MODELS = ("digits", "mobilenetv2", "resnet50")
STAKE = 2
# Of each wait: a start of both players, and of each task its share on a machine that is busy.
_START_SECONDS, _TASK_SECONDS = 180, 6


class Town:
    """A folder for each account, one data folder, and the command line."""

    def __init__(self, anvil: Anvil, folder: Path) -> None:
        self.anvil, self.folder = anvil, folder
        (folder / "passphrase").touch(mode=0o600)
        (folder / "passphrase").write_text("correct horse\n")
        self.around = {
            **os.environ,
            "INFERNET_DATA_DIR": str(folder / "data"),
            "INFERNET_RPC_URL": anvil.url,
        }

    def run(self, *arguments: str, account: str | None = None) -> str:
        """Run a command to its end and return what it printed."""
        done = subprocess.run(
            self._command(arguments), env=self._around(account), capture_output=True, text=True
        )
        assert done.returncode == 0, f"infernet {' '.join(arguments)}:\n{done.stderr}"
        return done.stdout

    def init(self, account: str, **replaced: str) -> Address:
        """Make keystore and settings of an account and return its address, funded."""
        folder = self.folder / account
        folder.mkdir()
        self.run("miner", "init", str(folder), "--passphrase-file", str(self.folder / "passphrase"))
        text = (folder / "miner.toml").read_text()
        text = text.replace('"contracts.json"', '"../contracts.json"')
        for old, new in replaced.items():
            start = text.index(f"{old} = ") + len(f"{old} = ")
            text = text[:start] + new + text[text.index("\n", start) :]
        (folder / "miner.toml").write_text(text)
        address = f"0x{json.loads((folder / 'keystore.json').read_text())['address']}"
        self.anvil.fund(Address(address), 10_000)
        return Address(self.anvil.connect().web3.to_checksum_address(address))

    @contextmanager
    def running(self, account: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a player meanwhile; it must end in order when it is asked to."""
        with (self.folder / account / "log").open("wb") as log:
            process = subprocess.Popen(
                self._command(arguments), env=self._around(account), stdout=log, stderr=log
            )
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, (self.folder / account / "log").read_text()[-2000:]
        finally:
            process.kill()
            process.wait()

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "infernet", *arguments]

    def _around(self, account: str | None) -> dict[str, str]:
        if account is None:
            return self.around
        return {**self.around, "INFERNET_CONFIG": str(self.folder / account / "miner.toml")}


def wait_until(what: str, happened: Callable[[], bool], seconds: float = _START_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.3)


def prepare(town: Town, tasks: int) -> tuple[Address, Address]:
    """Deploy, build the models, make the accounts, and register the miner.

    Return the miner and the fisherman.
    """
    pixels = np.random.default_rng(1).integers(0, 256, (224, 224, 3), np.uint8)
    Image.fromarray(pixels).save(town.folder / "noise.png")
    names = json.dumps(MODELS)
    # None of these needs another: their time is that of processors, which there are two of.
    with ThreadPoolExecutor(2) as side_by_side:
        builds = [
            side_by_side.submit(town.run, "model", "build", model, "--seed", "1")
            for model in reversed(MODELS[1:])
        ]
        deployed = side_by_side.submit(town.run, "chain", "deploy", "--trial")
        miner = side_by_side.submit(
            town.init, "miner", models=names, stake=str(STAKE), port="19090"
        )
        watcher = side_by_side.submit(town.init, "fisherman", models=names, port="19091")
        requester = side_by_side.submit(town.init, "requester")
        (town.folder / "contracts.json").write_text(deployed.result())
        for build in builds:
            build.result()
        requester.result()
    backing = str(STAKE * max(tasks, 4))
    town.run("miner", "register", "--backing", backing, "--yes", account="miner")
    return miner.result(), watcher.result()


def submit(town: Town, tasks: int) -> None:
    for number, model in enumerate(MODELS):
        count = (tasks - number + len(MODELS) - 1) // len(MODELS)
        inputs = [] if model == "digits" else [str(town.folder / "noise.png")]
        command = ("task", "submit", model, *inputs, "--count", str(count), "--json")
        assert len(json.loads(town.run(*command, account="requester"))) == count


def serve(anvil: Anvil, folder: Path, tasks: int) -> None:
    """Serve tasks of three models, and require that all of them end as they must."""
    began = time.monotonic()
    town = Town(anvil, folder)
    miner, watcher = prepare(town, tasks)
    contracts = Contracts(anvil.connect(), Deployment.from_file(folder / "contracts.json"))
    market, vault = contracts.market, contracts.vault
    assert vault.balance(miner).free == STAKE * max(tasks, 4) * ETHER
    seconds = _START_SECONDS + _TASK_SECONDS * tasks
    prepared = time.monotonic()
    with (
        town.running("miner", "miner", "run", "--yes"),
        town.running("fisherman", "fisherman", "run"),
    ):
        submit(town, tasks)
        wait_until("all are asserted", lambda: len(market.events("Asserted")) == tasks, seconds)
        asserted = time.monotonic()
        wait_until("all are checked", lambda: checked(folder, watcher) == tasks, seconds)
        anvil.skip(contracts.market_constants.window_seconds + 1)
        wait_until("all are final", lambda: len(market.events("Finalised")) == tasks, seconds)
        assert not contracts.games.events("ChallengeCommitted")
    served = time.monotonic()
    town.run("miner", "withdraw", account="miner")
    left = vault.balance(miner)
    assert (left.free, left.locked) == (0, 0)
    fees = sum(event["fee"] for event in market.events("Finalised", executor=miner))
    assert fees == tasks * ETHER // 100
    print(
        f"\n{tasks} tasks of {len(MODELS)} models: prepared {prepared - began:.0f} s, "
        f"asserted {asserted - prepared:.0f} s, checked and final {served - asserted:.0f} s; "
        f"earned {fees / ETHER} ether, withdrew all; {time.monotonic() - began:.0f} s in all"
    )


def checked(folder: Path, watcher: Address) -> int:
    """Return how many results the fisherman has re-executed, from its own status."""
    (path,) = (folder / "data").glob(f"*{watcher.lower()}.sqlite")
    database = open_database(path, readonly=True)
    try:
        return sum(coverage_of(database).values(), Coverage()).checked
    finally:
        database.close()


def test_three_models_are_served_from_settings_and_keystore(anvil: Anvil, tmp_path: Path) -> None:
    serve(anvil, tmp_path, tasks=6)


@pytest.mark.slow
def test_two_hundred_tasks_of_three_models(anvil: Anvil, tmp_path: Path) -> None:
    serve(anvil, tmp_path, tasks=200)
