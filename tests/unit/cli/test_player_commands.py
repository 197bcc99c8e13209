"""Each mistake of an operator ends in one message that says what, where and what to do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infernet.chain.deploy import TRIAL, deploy
from infernet.chain.records import Address
from infernet.cli import run
from tests.anvil import Anvil, find_anvil, free_port, running

_SECONDS = 120


@dataclass(frozen=True)
class Desk:
    """An operator's folder on a node with the contracts on it."""

    folder: Path
    anvil: Anvil
    address: Address

    def change(self, old: str, new: str) -> None:
        path = self.folder / "miner.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def balance(self) -> int:
        return self.anvil.balance(self.address)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Anvil, str]]:
    if find_anvil() is None:
        pytest.skip("anvil is not installed: `npm ci` in contracts/ installs it")
    with running() as anvil:
        yield anvil, deploy(anvil.wallet(), TRIAL).deployment.to_json()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one keystore for all tests: making one is slow on purpose."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "passphrase").touch(mode=0o600)
    (folder / "passphrase").write_text("correct horse\n")
    assert run(["miner", "init", str(folder), "--passphrase-file", str(folder / "passphrase")]) == 0
    return folder


@pytest.fixture
def desk(
    node: tuple[Anvil, str], made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Desk:
    anvil, contracts = node
    for name in [name for name in os.environ if name.startswith("INFERNET_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("INFERNET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    for name in ("keystore.json", "passphrase", "miner.toml"):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text((made / name).read_text())
    (tmp_path / "contracts.json").write_text(contracts)
    address = Address(f"0x{json.loads((made / 'keystore.json').read_text())['address']}")
    desk = Desk(tmp_path, anvil, address)
    desk.change(f'"{made}/passphrase"', '"passphrase"')
    desk.change("http://127.0.0.1:8545", anvil.url)
    desk.change("port = 9090", f"port = {free_port()}")
    anvil.fund(address, 100)
    return desk


def fails(capfd: pytest.CaptureFixture[str], command: str, code: int, *told: str) -> None:
    """Require that a command ends with a code, and says so much without a traceback."""
    capfd.readouterr()
    assert run(command.split()) == code
    said = capfd.readouterr().err
    for text in ("error: ", *told):
        assert text in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("old", "new", "code", "told"),
    [
        ("max_tasks", "max_task", 2, ("infernet.max_task is not known", "did you mean max_tasks?")),
        ('["digits"]', "[]", 2, ("no model is named", "infernet model list")),
        ('["digits"]', '["digit"]', 3, ("no model 'digit'", "digits")),
        ("keystore.json", "none.json", 2, ("none.json cannot be read", "name another")),
        ("contracts.json", "none.json", 4, ("none.json",)),
        ('contracts = "contracts.json"', "", 2, ("no contracts are named", "--contracts")),
        ("[network]", "[network]\nchain_id = 5", 2, ("is chain 31337", "network.chain_id says 5")),
    ],
)
def test_wrong_settings_are_named(
    desk: Desk,
    capfd: pytest.CaptureFixture[str],
    old: str,
    new: str,
    code: int,
    told: tuple[str, ...],
) -> None:
    desk.change(old, new)
    fails(capfd, "miner run --yes", code, *told)


def test_a_wrong_passphrase_is_not_repeated(desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    (desk.folder / "passphrase").write_text("wrong battery\n")
    capfd.readouterr()
    assert run(["miner", "register", "--yes"]) == 2
    told = capfd.readouterr().err
    assert "does not open: the passphrase is wrong" in told
    assert "battery" not in told


def test_a_miner_that_is_not_enabled_says_so(desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    desk.change("enabled = true\nmodels", "enabled = false\nmodels")
    fails(capfd, "miner run --yes", 2, "infernet.enabled is false", "set it to true")


def test_cost_is_said_and_nothing_sent_without_enough_money(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    # Enough to register, not enough to stake: nothing may be paid in vain.
    desk.anvil.fund(desk.address, 1)
    for command in ("miner register --yes", "miner run --yes"):
        fails(capfd, command, 4, "registration of model digits", "holds 1 ETH", "Nothing was sent")
    assert desk.balance() == 10**18


def test_nothing_is_sent_without_consent(desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    before = desk.balance()
    fails(capfd, "miner register", 2, "together, at most", "infernet miner register --yes")
    assert desk.balance() == before


def test_a_fisherman_does_not_hold_what_nobody_registered(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    fails(capfd, "fisherman run", 3, "register this model")


@pytest.mark.parametrize("told", ["flag", "environment", "file", "default"])
def test_the_chain_is_named_by_flag_environment_file_default(
    desk: Desk, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    ports = {name: f"http://127.0.0.1:{free_port()}" for name in ("flag", "environment", "file")}
    desk.change(f'rpc = ["{desk.anvil.url}"]', f'rpc = ["{ports["file"]}"]')
    order = ["flag", "environment", "file", "default"]
    flags = ["--rpc", ports["flag"]] if told == "flag" else []
    if order.index(told) <= 1:
        monkeypatch.setenv("INFERNET_RPC_URL", ports["environment"])
    if told == "default":
        desk.change(f'rpc = ["{ports["file"]}"]', "")
    expected = ports.get(told, "no node is named")
    code = 2 if told == "default" else 4
    fails(capfd, " ".join(["miner register --yes", *flags]), code, expected)


def test_settings_are_shown_with_origins_and_without_secrets(
    desk: Desk, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERNET_RPC_URL", "https://node.example/v3/hunter2")
    monkeypatch.setenv("COLUMNS", "80")
    capfd.readouterr()
    assert run(["config", "show"]) == 0
    shown = capfd.readouterr().out
    assert "hunter2" not in shown and "https://node.example/***" in shown
    rows = {words[0]: words[-1] for words in map(str.split, shown.splitlines()) if words}
    assert rows["network.rpc"] == "environment"
    assert rows["infernet.stake"] == "file"
    assert rows["network.confirmations"] == "default"
    assert max(map(len, shown.splitlines())) <= 80


def test_one_account_has_one_player_and_it_ends_in_order(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    log = desk.folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "infernet", "miner", "run", "--yes"], stdout=file, stderr=file
        )
    try:
        end = time.monotonic() + _SECONDS
        while '"started"' not in log.read_text():
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        for command in ("miner run --yes", "fisherman run", "miner withdraw"):
            fails(capfd, command, 7, f"in use by process {process.pid}", "a key of its own")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert run(["miner", "withdraw"]) == 0
    assert "8 ETH taken out; 0 ETH stay locked" in capfd.readouterr().err


def test_nobody_else_reads_the_settings(made: Path) -> None:
    """They may hold the password of a node, also when they replace a file open to all."""
    settings = made / "miner.toml"
    settings.chmod(0o644)
    command = ["miner", "init", str(made), "--passphrase-file", str(made / "passphrase")]
    assert run([*command, "--force"]) == 0
    assert settings.stat().st_mode & 0o777 == 0o600
