"""Each fault is caused for real, named with its fix, and hides none of the other findings."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from eth_account import Account
from typer.testing import CliRunner

from infernet.chain.connection import connect
from infernet.chain.deploy import TRIAL, deploy
from infernet.chain.records import Wei
from infernet.chain.wallet import KeySigner, Wallet
from infernet.cli import app
from infernet.config import Config
from infernet.config.tables import (
    BackendTable,
    DataTable,
    InfernetTable,
    MetricsTable,
    NetworkTable,
    QueueTable,
    WalletTable,
)
from infernet.doctor import machine
from infernet.doctor.checkup import examine, is_fit
from infernet.doctor.finding import Finding, Outcome
from infernet.models.store import load_model
from infernet.store.database import account_file, open_database
from infernet.store.journal import Journal
from tests.anvil import ETHER, Anvil, find_anvil, free_port, running

KEY = bytes(range(1, 33))
ADDRESS = KeySigner.of_key(KEY).address


def names_of(node: Anvil) -> tuple[str, ...]:
    """Return three URLs of one node, which a player takes for three nodes."""
    return (node.url, f"http://localhost:{node.port}", f"{node.url}/")


@dataclass(frozen=True)
class Place:
    """A healthy player's surroundings; tests spoil one thing each."""

    node: Anvil
    folder: Path
    config: Config

    def findings(self, config: Config | None = None) -> dict[str, Finding]:
        """Return all findings by check, and require that every kind of check was made."""
        config = config or self.config
        found = list(examine(config, self.folder / "data", None))
        made = {finding.check.split()[0] for finding in found}
        for check in ("python", "packages", "processor", "disk", "keystore", "node", "metrics"):
            assert check in made, f"{check} was not made"
        return {finding.check: finding for finding in found}


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if find_anvil() is None:
        pytest.skip("anvil is not installed: `npm ci` in contracts/ installs it, npm is missing")
    folder = tmp_path_factory.mktemp("doctor")
    with running() as node:
        deployer = node.wallet()
        contracts = deploy(deployer, TRIAL)
        contracts.registry.register(deployer, load_model("digits").program)
        (folder / "contracts.json").write_text(contracts.deployment.to_json())
        keystore = folder / "keystore.json"
        keystore.touch(mode=0o600)
        keystore.write_text(json.dumps(Account.encrypt(KEY, "right", "pbkdf2", 2)))
        (folder / "passphrase").touch(mode=0o600)
        (folder / "passphrase").write_text("right\n")
        node.fund(ADDRESS, 10)
        wallet = Wallet(node.connect(), KeySigner.of_key(KEY))
        contracts.vault.deposit(wallet, Wei(4 * ETHER))
        config = Config(
            infernet=InfernetTable(True, ("digits",), ETHER, 4),
            metrics=MetricsTable(port=free_port()),
            network=NetworkTable(names_of(node), contracts=folder / "contracts.json"),
            wallet=WalletTable(keystore, folder / "passphrase"),
            data=DataTable(folder / "data"),
        )
        yield Place(node, folder, config)


@pytest.fixture
def place(healthy: Place) -> Iterator[Place]:
    """Give the surroundings; what a test does to the chain is undone."""
    snapshot = healthy.node.rpc("evm_snapshot")
    yield healthy
    healthy.node.rpc("evm_revert", snapshot)


def require(finding: Finding, outcome: Outcome, detail: str, fix: str) -> None:
    assert finding.outcome is outcome, finding
    assert detail in finding.detail, finding
    assert fix in finding.fix, finding


def test_nothing_is_wrong_with_a_healthy_player(place: Place) -> None:
    found = place.findings()
    wrong = [f for f in found.values() if f.outcome not in (Outcome.OK, Outcome.WARNING)]
    assert not wrong
    assert is_fit(list(found.values()))
    for check in ("contracts", "clock", "balance", "stake", "journal", "model digits"):
        assert found[check].outcome is Outcome.OK


def test_a_dead_node_is_named_and_the_others_are_still_asked(place: Place) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    network = replace(place.config.network, rpc=(*place.config.network.rpc[:2], dead))
    found = place.findings(replace(place.config, network=network))
    require(found[f"node {dead}"], Outcome.FAILURE, "no chain answers", "network.rpc")
    assert found["contracts"].outcome is Outcome.OK


def test_without_any_node_the_rest_is_still_checked(place: Place) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    network = replace(place.config.network, rpc=(dead,))
    found = place.findings(replace(place.config, network=network))
    assert found["contracts"].outcome is Outcome.SKIPPED
    assert found["keystore"].outcome is Outcome.OK
    require(found["quorum"], Outcome.WARNING, "one node", "three nodes")


def test_a_node_of_another_chain_is_named(place: Place) -> None:
    network = replace(place.config.network, chain_id=1)
    found = place.findings(replace(place.config, network=network))
    require(found[f"node {place.node.url}"], Outcome.FAILURE, "chain 31337", "network.chain_id")


def test_nodes_of_different_chains_are_named(place: Place) -> None:
    with running("--chain-id", "4242") as other:
        rpc = (*names_of(place.node)[:2], other.url)
        network = replace(place.config.network, rpc=rpc)
        found = place.findings(replace(place.config, network=network))
    require(found["nodes agree"], Outcome.FAILURE, "4242", "one chain")


def test_other_code_at_an_address_is_named(place: Place) -> None:
    market = json.loads((place.folder / "contracts.json").read_text())["market"]
    place.node.rpc("anvil_setCode", market, "0x6001600155")
    found = place.findings()
    require(found["contracts"], Outcome.FAILURE, f"market at {market}", "network.contracts")
    assert found["stake"].outcome is Outcome.SKIPPED


def test_no_code_at_an_address_is_named(place: Place) -> None:
    vault = json.loads((place.folder / "contracts.json").read_text())["vault"]
    place.node.rpc("anvil_setCode", vault, "0x")
    require(place.findings()["contracts"], Outcome.FAILURE, "is missing", "network.contracts")


def test_an_absent_deployment_file_is_named(place: Place) -> None:
    network = replace(place.config.network, contracts=place.folder / "none.json")
    found = place.findings(replace(place.config, network=network))
    require(found["contracts"], Outcome.FAILURE, "none.json", "network.contracts")


def test_a_skewed_clock_is_named(place: Place) -> None:
    place.node.skip(7_200)
    require(place.findings()["clock"], Outcome.FAILURE, "behind the chain", "NTP")


def test_an_empty_wallet_is_named(place: Place) -> None:
    place.node.rpc("anvil_setBalance", ADDRESS, "0x1")
    require(place.findings()["balance"], Outcome.FAILURE, "of gas", f"send ether to {ADDRESS}")


def test_a_missing_stake_is_named(place: Place) -> None:
    table = replace(place.config.infernet, max_tasks=9)
    found = place.findings(replace(place.config, infernet=table))
    require(found["stake"], Outcome.WARNING, "4 ETH in the vault", "infernet miner register")


def test_an_unknown_model_is_named(place: Place) -> None:
    table = replace(place.config.infernet, models=("digits", "nonesuch"))
    found = place.findings(replace(place.config, infernet=table))
    require(found["model nonesuch"], Outcome.FAILURE, "no model 'nonesuch'", "infernet.models")
    assert found["model digits"].outcome is Outcome.OK


def test_an_unregistered_model_is_named(place: Place) -> None:
    wallet = place.node.wallet()
    other = deploy(wallet, TRIAL)
    path = place.folder / "others.json"
    path.write_text(other.deployment.to_json())
    network = replace(place.config.network, contracts=path)
    found = place.findings(replace(place.config, network=network))
    require(found["model digits"], Outcome.WARNING, "not registered", "infernet miner register")


def test_a_wrong_passphrase_is_named(place: Place) -> None:
    path = place.folder / "wrong"
    path.touch(mode=0o600)
    path.write_text("wrong\n")
    wallet = replace(place.config.wallet, passphrase_file=path)
    found = place.findings(replace(place.config, wallet=wallet))
    require(found["keystore"], Outcome.FAILURE, "passphrase is wrong", "wallet.keystore")
    # The keystore says its address, so the money is still looked at.
    assert found["balance"].outcome is Outcome.OK


def test_a_keystore_that_others_can_read_is_named(place: Place) -> None:
    path = place.folder / "open.json"
    path.write_text((place.folder / "keystore.json").read_text())
    path.chmod(0o644)
    wallet = replace(place.config.wallet, keystore=path)
    found = place.findings(replace(place.config, wallet=wallet))
    require(found["keystore"], Outcome.FAILURE, "other users can read", "chmod 600")


def test_an_absent_keystore_is_named(place: Place) -> None:
    found = place.findings(replace(place.config, wallet=WalletTable()))
    require(found["keystore"], Outcome.FAILURE, "no keystore", "infernet miner init")


def test_an_unknown_backend_is_named(place: Place) -> None:
    found = place.findings(replace(place.config, backend=BackendTable("mlx")))
    require(found["conformance"], Outcome.FAILURE, "mlx", "backend.type")


def test_a_taken_metrics_port_is_named(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        metrics = MetricsTable(port=server.getsockname()[1])
        found = place.findings(replace(place.config, metrics=metrics))
    require(found["metrics"], Outcome.FAILURE, "in use", "metrics.port")


def test_a_dead_redis_is_named_without_its_password(place: Place) -> None:
    queue = QueueTable(f"redis://:hunter2@127.0.0.1:{free_port()}/0")
    finding = place.findings(replace(place.config, queue=queue))["redis"]
    require(finding, Outcome.FAILURE, "does not answer", "queue.redis")
    assert "hunter2" not in f"{finding}"


def test_an_unwritable_data_folder_is_named(place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = list(examine(place.config, tmp_path / "file" / "data", None))
    (finding,) = [f for f in found if f.check == "data folder"]
    require(finding, Outcome.FAILURE, "cannot be written", "data.dir")


def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = machine.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: usage._replace(free=10**6))
    require(machine.disk(tmp_path), Outcome.FAILURE, "0.0 GB free", "make room")


def test_a_damaged_journal_is_named(place: Place) -> None:
    path = account_file(place.folder / "data", 31_337, ADDRESS)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5_000)
    try:
        finding = place.findings()["journal"]
    finally:
        path.unlink()
    require(finding, Outcome.FAILURE, "damaged", "After a crash")


def test_a_running_player_is_seen_by_the_lock_it_holds(place: Place) -> None:
    path = account_file(place.folder / "data", 31_337, ADDRESS)
    database = open_database(path)
    Journal(database, ADDRESS)
    try:
        assert f"held by process {os.getpid()}" in place.findings()["journal"].detail
    finally:
        database.close()
    assert "no player runs" in place.findings()["journal"].detail


def test_a_package_from_elsewhere_is_named(tmp_path: Path) -> None:
    for name in ("executor", "interpreter"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    script = (
        "from infernet.doctor import machine; import json, dataclasses, sys;"
        f"sys.path.insert(0, {str(tmp_path)!r});"
        "[sys.modules.pop(n) for n in list(sys.modules) if n.split('.')[0] == 'executor'];"
        "print(json.dumps(dataclasses.asdict(machine.packages())))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found["outcome"] == "failure"
    assert f"executor from {tmp_path}" in found["detail"]
    assert "environment of its own" in found["fix"]


def test_a_dependency_of_another_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    true = machine.version
    monkeypatch.setattr(machine, "version", lambda n: "1.0" if n == "numpy" else true(n))
    require(machine.dependencies(), Outcome.FAILURE, "numpy is 1.0, not ==", "install infernet")


def test_an_old_interpreter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.sys, "version_info", (3, 10, 0))
    require(machine.python(), Outcome.FAILURE, "Python", "3.11")


def test_the_command_s_exit_code_says_whether_something_failed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERNET_DATA_DIR", str(place.folder / "data"))
    settings = place.folder / "miner.toml"
    text = (
        '[infernet]\nenabled = true\nmodels = ["digits"]\nstake = 1\nmax_tasks = 4\n[network]\n'
        f'rpc = ["{place.node.url}"]\ncontracts = "contracts.json"\n[wallet]\n'
        'keystore = "keystore.json"\npassphrase_file = "passphrase"\n'
        f"[metrics]\nport = {free_port()}\n"
    )
    settings.write_text(text)
    good = CliRunner().invoke(app, ["doctor", "--config", str(settings), "--json"])
    assert good.exit_code == 0, good.output
    listed = json.loads(good.stdout)
    assert {"check", "outcome", "detail", "fix"} == set(listed[0])
    settings.write_text(text.replace('"digits"', '"nonesuch"'))
    bad = CliRunner().invoke(app, ["doctor", "--config", str(settings), "--json"])
    assert bad.exit_code == 1
    assert connect(place.node.url).chain_id == 31_337
