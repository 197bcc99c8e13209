"""Faults around one player: key, money, file, ports. Each is caused for real and named."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infernet.chain.connection import connect
from infernet.cli import app
from infernet.config.tables import MetricsTable, QueueTable, WalletTable
from infernet.doctor.finding import Outcome
from infernet.store.checks import Checks, Finding, Result
from infernet.store.database import account_file, open_database
from infernet.store.journal import Journal
from tests.anvil import free_port

from .place import ADDRESS, Place, require


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


def test_the_command_s_exit_code_says_whether_something_failed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERNET_DATA_DIR", str(place.folder / "data"))
    settings = place.folder / "miner.toml"
    text = (
        '[infernet]\nenabled = true\nmodels = ["digits"]\nstake = 2\nmax_tasks = 4\n[network]\n'
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


def test_an_empty_wallet_is_named(place: Place) -> None:
    place.node.rpc("anvil_setBalance", ADDRESS, "0x1")
    require(place.findings()["balance"], Outcome.FAILURE, "of gas", f"send ether to {ADDRESS}")


def test_a_missing_stake_is_named(place: Place) -> None:
    table = replace(place.config.infernet, max_tasks=9)
    found = place.findings(replace(place.config, infernet=table))
    require(found["stake"], Outcome.WARNING, "4 ETH in the vault", "infernet miner register")


def test_a_passphrase_that_others_can_read_is_named(place: Place) -> None:
    path = place.folder / "told"
    path.write_text("right\n")
    path.chmod(0o640)
    wallet = replace(place.config.wallet, passphrase_file=path)
    found = place.findings(replace(place.config, wallet=wallet))
    require(found["keystore"], Outcome.FAILURE, f"chmod 600 {path}", "passphrase")


def test_a_bare_key_instead_of_a_keystore_is_named(place: Place) -> None:
    path = place.folder / "bare"
    path.touch(mode=0o600)
    path.write_text("0x" + "11" * 32)
    found = place.findings(
        replace(place.config, wallet=replace(place.config.wallet, keystore=path))
    )
    require(found["keystore"], Outcome.FAILURE, "not an encrypted keystore", "wallet.keystore")
    assert "1111" not in f"{found}"
    assert found["balance"].outcome is Outcome.SKIPPED


def test_a_journal_of_a_newer_version_is_named(place: Place) -> None:
    path = account_file(place.folder / "data", 31_337, ADDRESS)
    with closing(open_database(path)) as database:
        Journal(database, ADDRESS)
        database.execute("UPDATE parts SET version = 99")
    try:
        finding = place.findings()["journal"]
    finally:
        path.unlink()
    require(finding, Outcome.FAILURE, "newer version", "After a crash")


def test_a_damaged_page_inside_a_journal_is_named(place: Place) -> None:
    path = account_file(place.folder / "data", 31_337, ADDRESS)
    with closing(open_database(path)) as database:
        Journal(database, ADDRESS)
        results = (Result(bytes([i]) * 32, b"", b"", False, 0.0, 0, 0) for i in range(256))
        Checks(database).add((result, Finding.UNCHECKED) for result in results)
    content = path.read_bytes()
    # An entry of the table, but not the same one in its index.
    path.write_bytes(content.replace(b"\x7e" * 32, b"\x7f" * 32, 1))
    try:
        finding = place.findings()["journal"]
    finally:
        path.unlink()
    require(finding, Outcome.FAILURE, "is damaged", "backup")


def test_what_answers_in_place_of_redis_is_named(place: Place) -> None:
    # The node's port answers, in another language.
    queue = QueueTable(f"redis://127.0.0.1:{place.node.port}/0")
    finding = place.findings(replace(place.config, queue=queue))["redis"]
    require(finding, Outcome.FAILURE, "does not answer", "queue.redis")


_REDIS = shutil.which("valkey-server") or shutil.which("redis-server")


@pytest.mark.skipif(_REDIS is None, reason="neither valkey-server nor redis-server is on the PATH")
def test_a_redis_with_another_password_is_named(place: Place, tmp_path: Path) -> None:
    port = free_port()
    options = ["--port", str(port), "--requirepass", "right", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen([str(_REDIS), *options], stdout=subprocess.DEVNULL) as server:
        try:
            while not _listens(port):
                time.sleep(0.02)
            good = QueueTable(f"redis://:right@127.0.0.1:{port}/0")
            bad = QueueTable(f"redis://:hunter2@127.0.0.1:{port}/0")
            right = place.findings(replace(place.config, queue=good))["redis"]
            wrong = place.findings(replace(place.config, queue=bad))["redis"]
        finally:
            server.terminate()
    assert right.outcome is Outcome.OK
    require(wrong, Outcome.FAILURE, "another password", "queue.redis")
    assert "hunter2" not in f"{wrong}"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
