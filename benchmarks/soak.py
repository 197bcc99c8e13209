"""A soak: 1,000 results by honest miners and liars, two fishermen, everybody a process of its own.

Honest players are the commands that users run: `infernet miner run`, `infernet fisherman run`. The
liars' is the same program with lies put in. Needs anvil: `npm ci` in contracts/ installs it.
`python -m benchmarks.soak [TASKS]` plays another number of tasks.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from eth_account import Account

from infernet.backend.engine import open_engine
from infernet.backend.trace import Trace
from infernet.chain.deploy import TRIAL, deploy
from infernet.chain.deployment import Contracts
from infernet.chain.market import Request
from infernet.chain.records import Address, ProgramRoot, Seconds, TaskId, TaskStatus, Wei
from infernet.chain.wallet import KeySigner, in_ether
from infernet.models.images import read_input
from infernet.models.store import load_model, shipped_dir
from infernet.store.checks import Coverage, coverage_of
from infernet.store.database import open_database
from tests.anvil import Anvil, find_anvil, free_port

TASKS = 1_000
HONEST, LIARS = 3, 1
# Of a liar's own results; about a quarter of all is its own.
LIE_SHARE = 0.12
STAKE, BACKING, WALLET = 1, 600, 1_000
FEE = Wei(10**16)
# Tasks that wait or are in work at a time; more would only lengthen the queue.
_OPEN_AT_ONCE = 60
_SAMPLE_SECONDS = 5.0
_START_SECONDS, _PATIENCE_SECONDS = 120, 3_600
_ETHER = 10**18
_MODEL = "digits"
# From the second quarter to the last one; caches are full by then.
_LARGEST_GROWTH = 1.10
_WINDOW = replace(
    TRIAL,
    market=replace(TRIAL.market, window_seconds=90),
    game=replace(TRIAL.game, open_seconds=60, clock_seconds=90, grace_seconds=30),
)


@dataclass
class Soldier:
    """One process and what was measured of it."""

    name: str
    address: Address
    folder: Path
    process: subprocess.Popen[bytes]
    memory: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def await_start(self) -> None:
        """Wait until the player is at work, or raise RuntimeError."""
        end = time.monotonic() + _START_SECONDS
        while b'"started"' not in (self.folder / "log").read_bytes():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.name} did not start: {self.folder / 'log'}")
            time.sleep(0.2)

    def measure(self) -> None:
        """Note memory and open files of the process."""
        proc = Path(f"/proc/{self.process.pid}")
        try:
            pages = int((proc / "statm").read_text().split()[1])
            handles = len(list((proc / "fd").iterdir()))
        except OSError:
            return
        self.memory.append(pages * os.sysconf("SC_PAGE_SIZE"))
        self.files.append(handles)


@dataclass
class Field:
    """Everything that takes part."""

    anvil: Anvil
    contracts: Contracts
    folder: Path
    soldiers: list[Soldier] = field(default_factory=list)

    def enlist(self, name: str, table: str, *command: str) -> Soldier:
        """Start a process with a key, settings and money of its own."""
        folder = self.folder / name
        folder.mkdir()
        key = os.urandom(32)
        keystore = Account.encrypt(key, "soak", kdf="pbkdf2", iterations=2)
        (folder / "keystore.json").write_text(json.dumps(keystore))
        passphrase = folder / "passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text("soak\n")
        (folder / "miner.toml").write_text(self._settings(table))
        address = KeySigner.of_key(key).address
        self.anvil.fund(address, WALLET)
        log = (folder / "log").open("wb")
        around = {**os.environ, "INFERNET_CONFIG": str(folder / "miner.toml")}
        if "miner" in name or "liar" in name:
            backing = [sys.executable, "-m", "infernet", "miner", "register", "--yes"]
            backing += ["--backing", str(BACKING)]
            subprocess.run(backing, env=around, check=True, stdout=log, stderr=log)
        process = subprocess.Popen(
            [sys.executable, "-m", *command], env=around, stdout=log, stderr=log
        )
        soldier = Soldier(name, address, folder, process)
        self.soldiers.append(soldier)
        return soldier

    def _settings(self, table: str) -> str:
        return (
            f'[infernet]\nenabled = true\nmodels = ["{_MODEL}"]\nstake = {STAKE}\nmax_tasks = 4\n'
            f'[network]\nrpc = ["{self.anvil.url}"]\ncontracts = "{self.folder}/contracts.json"\n'
            'poll_seconds = 0.5\n[wallet]\nkeystore = "keystore.json"\n'
            'passphrase_file = "passphrase"\n[metrics]\nenabled = false\n'
            f'[data]\ndir = "data"\n{table}'
        )


@contextmanager
def battlefield() -> Iterator[Field]:
    """Give a node with contracts, a registered model and everybody running."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        anvil = Anvil(free_port())
        anvil.start()
        found = None
        try:
            deployer = anvil.wallet(WALLET)
            contracts = deploy(deployer, _WINDOW)
            (folder / "contracts.json").write_text(contracts.deployment.to_json())
            contracts.registry.register(deployer, load_model(_MODEL).program)
            found = Field(anvil, contracts, folder)
            for number in range(HONEST):
                found.enlist(f"miner-{number}", "", "infernet", "miner", "run", "--yes")
            for number in range(LIARS):
                found.enlist(f"liar-{number}", "", "benchmarks.soak_liar", str(LIE_SHARE))
            watch = ("infernet", "fisherman", "run")
            found.enlist("fisherman-full", "", *watch)
            found.enlist("fisherman-half", "[fisherman]\nsample = 0.5\n", *watch)
            for soldier in found.soldiers:
                soldier.await_start()
            yield found
        finally:
            for soldier in found.soldiers if found else ():
                soldier.process.send_signal(signal.SIGTERM)
            for soldier in found.soldiers if found else ():
                soldier.process.wait(30)
            anvil.stop()


def main(tasks: int = TASKS) -> int:
    """Print the figures; return how many promises were broken."""
    if find_anvil() is None:
        print("left out: anvil is not installed; run `npm ci` in contracts/")
        return 0
    began = time.monotonic()
    with battlefield() as ground:
        before = {s.name: owned(ground, s.address) for s in ground.soldiers}
        first_block = ground.contracts.chain.block_number() + 1
        stop = threading.Event()
        watch = threading.Thread(target=_measure, args=(ground, stop))
        watch.start()
        try:
            found = request_all(ground, tasks)
            wait_for_all(ground, found)
        finally:
            stop.set()
            watch.join()
        seconds = time.monotonic() - began
        for soldier in ground.soldiers:
            soldier.process.send_signal(signal.SIGTERM)
        for soldier in ground.soldiers:
            soldier.process.wait(60)
        return report(ground, found, before, first_block, seconds)


def request_all(ground: Field, count: int) -> list[TaskId]:
    """Request tasks so that a bounded number waits, and return their ids."""
    model = load_model(_MODEL)
    pictures = sorted((shipped_dir() / _MODEL).glob("*.png"))
    inputs = [read_input(model, picture).tobytes() for picture in pictures]
    wallet, market = ground.anvil.wallet(WALLET), ground.contracts.market
    root, found = ProgramRoot(model.program.root), []
    until = Seconds(ground.contracts.chain.next_timestamp() + 100_000)
    for number in range(count):
        while number % 20 == 0 and number - _assertions(ground) > _OPEN_AT_ONCE:
            time.sleep(0.2)
        request = Request(root, FEE, until, number)
        data = inputs[number % len(inputs)]
        found.append(market.request_with_input(wallet, request, data, FEE)[0])
    return found


def wait_for_all(ground: Field, tasks: list[TaskId]) -> None:
    """Wait until every task is final and every dispute is settled, or raise RuntimeError."""
    end, market = time.monotonic() + _PATIENCE_SECONDS, ground.contracts.market
    waiting = list(tasks)
    while waiting or _unsettled(ground):
        if time.monotonic() > end:
            raise RuntimeError(f"{len(waiting)} tasks are still open; see {ground.folder}")
        for soldier in ground.soldiers:
            if soldier.process.poll() is not None:
                log = (soldier.folder / "log").read_text()[-2_000:]
                raise RuntimeError(f"{soldier.name} ended: {log}")
        time.sleep(1)
        waiting = [t for t in waiting if market.task(t).status is not TaskStatus.FINAL]


def report(
    ground: Field, tasks: list[TaskId], before: dict[str, Wei], first_block: int, seconds: float
) -> int:
    """Print what happened, promise by promise; return how many were broken."""
    market, games = ground.contracts.market, ground.contracts.games
    asserted, slashed = market.events("Asserted"), market.events("Slashed")
    lies = false_results(ground)
    slashed_ids = {bytes(event["assertionId"]) for event in slashed}
    challenges = Counter(event["challenger"] for event in games.events("ChallengeCommitted"))
    print(f"{len(asserted)} results of {len(tasks)} tasks in {seconds:.0f} s, {len(lies)} of them")
    print(f"  false ({100 * len(lies) / len(asserted):.1f} %); {len(slashed)} results slashed")
    coverage = {s.name: _coverage(s) for s in ground.soldiers if "fisherman" in s.name}
    for name, (seen, checked) in coverage.items():
        print(f"  {name}: checked {checked} of {seen} results")
    broken = _money(ground, before, gas_paid(ground, first_block))
    broken += _resources(ground)
    seen, checked = coverage["fisherman-full"]
    promises = {
        "every task is final": True,
        "the full fisherman checked every result": checked == seen == len(asserted),
        "every false result is slashed": {bytes(i) for i in lies} == slashed_ids,
        "there were lies to find": bool(lies),
        "no honest miner challenged": all(
            s.address not in challenges for s in ground.soldiers if "miner" in s.name
        ),
    }
    for text, is_kept in promises.items():
        print(f"  {'kept  ' if is_kept else 'BROKEN'} {text}")
    return broken + sum(not is_kept for is_kept in promises.values())


def false_results(ground: Field) -> list[bytes]:
    """Return the assertions whose output is not the model's, by running it anew on each input."""
    program = load_model(_MODEL).program
    engine, market = open_engine(program), ground.contracts.market
    truths: dict[bytes, bytes] = {}
    lies = []
    for found in market.assertions():
        data = market.carried_input(found.task_id)
        assert data is not None
        if data not in truths:
            truths[data] = Trace(program, data, engine).output
        if found.output != truths[data]:
            lies.append(bytes(found.assertion_id))
    return lies


def owned(ground: Field, address: Address) -> Wei:
    """Return what an account holds in wallet and vault together."""
    contracts = ground.contracts
    return Wei(contracts.chain.balance(address) + contracts.vault.balance(address).total)


def gas_paid(ground: Field, first_block: int) -> Counter[str]:
    """Return what each account paid for gas, from every receipt since a block."""
    paid: Counter[str] = Counter()
    for number in range(first_block, ground.contracts.chain.block_number() + 1):
        for receipt in ground.anvil.rpc("eth_getBlockReceipts", hex(number)):
            price = int(receipt["effectiveGasPrice"], 16)
            paid[receipt["from"].lower()] += int(receipt["gasUsed"], 16) * price
    return paid


def _money(ground: Field, before: dict[str, Wei], paid: Counter[str]) -> int:
    broken = 0
    earned: Counter[str] = Counter()
    for event in ground.contracts.market.events("Finalised"):
        earned[event["executor"]] += event["fee"]
    print("  account          before gas and fees to the wei: change, gas, fees, rest")
    for soldier in ground.soldiers:
        change = owned(ground, soldier.address) - before[soldier.name]
        gas, fees = paid[soldier.address.lower()], earned[soldier.address]
        rest = Wei(change + gas - fees)
        shown = ", ".join(in_ether(Wei(value)) for value in (change, -gas, fees, rest))
        is_honest = "liar" not in soldier.name
        is_kept = rest >= 0 if is_honest else rest < 0
        broken += not is_kept
        print(f"  {'kept  ' if is_kept else 'BROKEN'} {soldier.name:<15} {shown}")
    return broken


def _resources(ground: Field) -> int:
    broken = 0
    for soldier in ground.soldiers:
        quarter = len(soldier.memory) // 4
        if not quarter:
            continue
        early, late = soldier.memory[quarter : 2 * quarter], soldier.memory[-quarter:]
        growth = statistics.median(late) / statistics.median(early)
        files = (min(soldier.files[quarter:]), max(soldier.files[quarter:]))
        is_kept = growth <= _LARGEST_GROWTH and files[1] - files[0] <= 16
        broken += not is_kept
        print(
            f"  {'kept  ' if is_kept else 'BROKEN'} {soldier.name:<15} "
            f"{statistics.median(late) / 2**20:.0f} MiB, {growth - 1:+.1%}; "
            f"{files[0]} to {files[1]} open files"
        )
    return broken


def _coverage(soldier: Soldier) -> tuple[int, int]:
    """Return how many results a fisherman saw and checked, from its own file."""
    (path,) = (soldier.folder / "data").glob("*.sqlite")
    database = open_database(path, readonly=True)
    total = sum(coverage_of(database).values(), Coverage())
    database.close()
    return total.seen, total.checked


def _assertions(ground: Field) -> int:
    return len(ground.contracts.market.events("Finalised")) + len(
        ground.contracts.market.open_assertions()
    )


def _unsettled(ground: Field) -> int:
    return len(ground.contracts.games.open_challenges())


def _measure(ground: Field, stop: threading.Event) -> None:
    while not stop.wait(_SAMPLE_SECONDS):
        for soldier in ground.soldiers:
            soldier.measure()


if __name__ == "__main__":
    sys.exit(main(*(int(text) for text in sys.argv[1:])))
