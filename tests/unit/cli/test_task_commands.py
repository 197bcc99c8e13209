"""Requesters' commands on a real node: what is refused beforehand, and what becomes of money."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from eth_account import Account
from PIL import Image

from infernet.backend.hashing import hash_bytes
from infernet.chain.deploy import TRIAL, deploy
from infernet.chain.deployment import Contracts
from infernet.chain.records import TaskId
from infernet.chain.wallet import KeySigner, Wallet
from infernet.cli import run
from infernet.cli.times import distance, moment, read_duration
from infernet.config import ConfigError
from infernet.models.store import load_model
from tests.anvil import ETHER, Anvil, find_anvil, running

HOUR = 3_600
_PASSPHRASE = "correct horse"
_WAIT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Counter:
    """A requester's folder, with a node on which `digits` is registered."""

    folder: Path
    anvil: Anvil
    contracts: Contracts
    requester: Wallet
    options: tuple[str, ...]

    @property
    def seam(self) -> tuple[str, ...]:
        """Return the options of commands that need no key."""
        return self.options[:4]

    def free(self) -> int:
        """Return what lies unlocked in the vault."""
        return self.contracts.vault.balance(self.requester.address).free


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    if find_anvil() is None:
        pytest.skip("anvil is not installed: `npm ci` in contracts/ installs it")
    folder = tmp_path_factory.mktemp("counter")
    (folder / "passphrase").touch(mode=0o600)
    (folder / "passphrase").write_text(f"{_PASSPHRASE}\n")
    with running() as anvil:
        deployer = anvil.wallet()
        contracts = deploy(deployer, TRIAL)
        bare = deploy(deployer, TRIAL)
        contracts.registry.register(deployer, load_model("digits", hash_bytes).program)
        for name, made in (("contracts", contracts), ("bare", bare)):
            (folder / f"{name}.json").write_text(made.deployment.to_json())
        requester = new_requester(folder / "key.json", anvil)
        seam = ("--rpc", anvil.url, "--contracts", str(folder / "contracts.json"))
        key = ("--keystore", str(folder / "key.json"))
        key += ("--passphrase-file", str(folder / "passphrase"))
        yield Counter(folder, anvil, contracts, requester, (*seam, *key))


def new_requester(keystore: Path, anvil: Anvil) -> Wallet:
    """Write the keystore of a funded account."""
    account = Account.create()
    # Fast to open: how slow real ones are is the keys' own test.
    content = Account.encrypt(account.key, _PASSPHRASE, kdf="pbkdf2", iterations=2)
    keystore.touch(mode=0o600)
    keystore.write_text(json.dumps(content))
    signer = KeySigner.of_key(bytes(account.key))
    anvil.fund(signer.address)
    return Wallet(anvil.connect(), signer)


@pytest.fixture
def counter(opened: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter]:
    for name in [name for name in os.environ if name.startswith("INFERNET_")]:
        monkeypatch.delenv(name)
    # A file of its own for each test: the chain's history is undone after it.
    monkeypatch.setenv("INFERNET_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    snapshot = opened.anvil.rpc("evm_snapshot")
    yield Counter(
        opened.folder,
        opened.anvil,
        Contracts(opened.anvil.connect(), opened.contracts.deployment),
        opened.requester,
        opened.options,
    )
    assert opened.anvil.rpc("evm_revert", snapshot)


Told = pytest.CaptureFixture[str]


def answer(capfd: Told, *command: str) -> str:
    """Return what a command prints; it has to succeed."""
    capfd.readouterr()
    assert run(command) == 0, capfd.readouterr().err
    return capfd.readouterr().out


def refusal(capfd: Told, code: int, *command: str) -> str:
    """Return why a command refuses; it prints nothing else."""
    capfd.readouterr()
    assert run(command) == code
    told = capfd.readouterr()
    assert "error: " in told.err and "Traceback" not in told.err
    return told.err


def submit(counter: Counter, capfd: Told, *more: str) -> TaskId:
    (text,) = json.loads(
        answer(capfd, "task", "submit", "digits", *more, "--count", "1", "--json", *counter.options)
    )
    return TaskId(bytes.fromhex(text[2:]))


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("digits", "note.png"), 3, "note.png is not a picture"),
        (("digits", "none.png"), 3, "none.png: No such file"),
        (("digits", "wide.npy"), 3, "has shape (1, 28, 29); the model takes"),
        (("digits", "text.npy"), 3, "text.npy is not a readable .npy array"),
        (("digit",), 3, "no model 'digit'"),
        (("digits", "--fee", "-1"), 2, "--fee is '-1'; it has to be an amount of ether, 0 or more"),
        (("digits", "--fee", "0.0000000000000000001"), 2, "at most 18 decimals"),
        (("digits", "--fee", "much"), 2, "such as 100 or 1.5"),
        (("digits", "--fee", "1000"), 4, "holds"),
        (("digits", "--deadline", "10m"), 2, "miners leave tasks alone that end within 10 minutes"),
        (("digits", "--deadline", "tomorrow"), 2, "such as 2h, 1h30m, 2d or 7200"),
        (("digits", "--deadline", "400d"), 2, "at most a year"),
    ],
)
def test_what_cannot_be_served_is_refused_and_nothing_paid(
    counter: Counter, capfd: Told, arguments: tuple[str, ...], code: int, told: str
) -> None:
    Path("note.png").write_text("no picture")
    Path("text.npy").write_text("no array")
    np.save("wide.npy", np.zeros((1, 28, 29), np.float32))
    before = counter.requester.balance
    capfd.readouterr()
    assert run(("task", "submit", *arguments, "--count", "1", *counter.options)) == code
    found = capfd.readouterr()
    assert told in found.err and "0x" not in found.out
    assert counter.requester.balance == before


def test_a_model_that_is_not_registered_is_named(counter: Counter, capfd: Told) -> None:
    bare = ("--contracts", str(counter.folder / "bare.json"))
    told = refusal_of_submit(counter, capfd, bare)
    assert "UnknownModel" in told and "Register the model first" in told


def refusal_of_submit(counter: Counter, capfd: Told, seam: tuple[str, ...]) -> str:
    capfd.readouterr()
    options = (*counter.options[:2], *seam, *counter.options[4:])
    assert run(("task", "submit", "digits", "--count", "1", *options)) == 4
    return capfd.readouterr().err


def test_a_task_is_found_by_its_first_digits(counter: Counter, capfd: Told) -> None:
    Image.new("L", (50, 40)).save("seven.png")
    task = submit(counter, capfd, "seven.png", "--fee", "0.5", "--deadline", "2h")
    found = counter.contracts.market.task(task)
    assert found.fee == ETHER // 2
    assert abs(found.deadline - counter.anvil.now() - 2 * HOUR) < 60
    short = f"0x{task.hex()[:6]}"
    shown = answer(capfd, "task", "show", short, *counter.seam)
    for text in (f"0x{task.hex()}", "queued: waits for a miner", "digits", "0.5 ETH"):
        assert text in shown
    listed = answer(capfd, "task", "list", *counter.seam)
    for text in (short, "queued", "digits", "0.5 ETH"):
        assert text in listed
    for text in (shown, listed):
        assert re.search(r" in (2:00:00|1:59:)", text)
    assert max(map(len, (shown + listed).splitlines())) <= 80
    told = refusal(capfd, 3, "task", "show", "0x000000", *counter.seam)
    assert "no task 0x000000; the latest: " in told and short in told


def test_mine_are_those_of_the_keystore(counter: Counter, capfd: Told) -> None:
    assert answer(capfd, "task", "list", *counter.seam) == "no tasks\n"
    task = submit(counter, capfd)
    options = (*counter.seam, "--keystore", counter.options[5], "--json")
    (mine,) = json.loads(answer(capfd, "task", "list", "--mine", *options))
    assert mine["task_id"] == f"0x{task.hex()}" and mine["requester"] == counter.requester.address
    new_requester(Path("other.json"), counter.anvil)
    options = (*counter.seam, "--keystore", "other.json", "--json")
    assert json.loads(answer(capfd, "task", "list", "--mine", *options)) == []
    assert len(json.loads(answer(capfd, "task", "list", *options))) == 1
    assert "no keystore is named" in refusal(capfd, 2, "task", "list", "--mine", *counter.seam)


def test_a_fee_comes_back_once_and_not_before_the_deadline(counter: Counter, capfd: Told) -> None:
    command = ("task", "reclaim", f"0x{submit(counter, capfd, '--fee', '3').hex()[:8]}")
    told = refusal(capfd, 4, *command, *counter.options)
    assert "seconds left in which a miner may serve it" in told
    counter.anvil.skip(HOUR + 1)
    other = new_requester(Path("other.json"), counter.anvil)
    theirs = (*counter.seam, "--keystore", "other.json", *counter.options[6:])
    assert f"not by {other.address}" in refusal(capfd, 4, *command, *theirs)
    before = counter.requester.balance
    assert "too late; `infernet task reclaim`" in answer(
        capfd, "task", "show", command[2], *counter.seam
    )
    assert answer(capfd, *command, *counter.options) == (
        f"3 ETH taken back to {counter.requester.address}\n"
    )
    assert 0 < before + 3 * ETHER - counter.requester.balance < ETHER // 100 and not counter.free()
    assert "taken back before" in refusal(capfd, 4, *command, *counter.options)
    watched = answer(capfd, "task", "watch", command[2], "--json", *counter.seam)
    assert json.loads(watched)["state"] == "refunded"


def test_a_crash_between_release_and_withdrawal_loses_no_fee(counter: Counter, capfd: Told) -> None:
    task = submit(counter, capfd, "--fee", "3")
    counter.anvil.skip(HOUR + 1)
    counter.contracts.market.reclaim_fee(counter.requester, task)
    assert counter.free() == 3 * ETHER
    command = ("task", "reclaim", f"0x{task.hex()}", "--json", *counter.options)
    assert json.loads(answer(capfd, *command))["reclaimed_wei"] == str(3 * ETHER)
    assert not counter.free()


def test_a_miner_that_claims_and_vanishes_keeps_no_fee(counter: Counter, capfd: Told) -> None:
    task = submit(counter, capfd, "--fee", "3")
    market, miner = counter.contracts.market, counter.anvil.wallet()
    stake = counter.contracts.registry.info(market.task(task).program_root).minimum_stake
    market.claim(miner, task, stake, stake)
    command = ("task", "reclaim", f"0x{task.hex()}", *counter.options)
    assert "seconds left" in refusal(capfd, 4, *command)
    assert "running: a result is due in " in answer(
        capfd, "task", "show", f"0x{task.hex()}", *counter.seam
    )
    counter.anvil.skip(HOUR + market.constants().assert_seconds + 1)
    assert "3 ETH taken back" in answer(capfd, *command)


def test_a_free_task_has_nothing_to_reclaim(counter: Counter, capfd: Told) -> None:
    task = submit(counter, capfd, "--fee", "0")
    counter.anvil.skip(HOUR + 1)
    told = refusal(capfd, 4, "task", "reclaim", f"0x{task.hex()}", *counter.options)
    assert "without a fee" in told


@pytest.mark.parametrize("command", ["watch", "submit"])
def test_who_stops_waiting_knows_the_task_and_that_it_is_not_final(
    counter: Counter, capfd: Told, command: str
) -> None:
    if command == "watch":
        task = submit(counter, capfd)
        arguments = ["watch", f"0x{task.hex()}", *counter.seam]
    else:
        arguments = ["submit", "digits", "--count", "2", "--wait", *counter.options]
    with Path("told").open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "infernet", "task", *arguments], stdout=file
        )
        try:
            end = time.monotonic() + _WAIT_SECONDS
            while not Path("told").read_text():
                assert process.poll() is None and time.monotonic() < end
                time.sleep(0.1)
            time.sleep(1.5)
            process.send_signal(signal.SIGINT)
            assert process.wait(_WAIT_SECONDS) == 130
        finally:
            process.kill()
            process.wait()
    told = Path("told").read_text()
    known = {f"0x{each.task_id.hex()}" for each in counter.contracts.market.requests()}
    if command == "watch":
        assert "queued: waits for a miner" in told
    else:
        assert set(told.split()) == known and len(known) == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7200", 7_200), ("2h", 7_200), ("1h30m", 5_400), ("2d", 172_800), ("1d1h1m1s", 90_061)],
)
def test_durations_are_read(text: str, seconds: int) -> None:
    assert read_duration(text, "--deadline") == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "h", "1m1h", "1.5h", "2 h", "366d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--deadline"):
        read_duration(text, "--deadline")


def test_times_are_told_absolute_and_relative() -> None:
    assert moment(7_200, 3_599) == "1970-01-01 02:00:00 UTC, in 1:00:01"
    assert (distance(5, 5), distance(4, 5)) == ("in 0:00:00", "0:00:01 ago")
