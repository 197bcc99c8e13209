"""`infernet status` on a real node: with and without a file of the account, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infernet.chain.deploy import PRODUCTION, deploy
from infernet.chain.deployment import Contracts
from infernet.chain.records import Address, Wei
from infernet.chain.wallet import KeySigner, Wallet
from infernet.cli import run
from infernet.keystore import create_keystore, open_keystore
from infernet.monitor.process import holder_of, memory_bytes
from infernet.store.database import account_file, open_database
from infernet.store.journal import Journal
from tests.anvil import ETHER, Anvil


def test_status_needs_neither_passphrase_nor_lock_nor_file(
    anvil: Anvil,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INFERNET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("INFERNET_RPC_URL", anvil.url)
    monkeypatch.setenv("COLUMNS", "80")
    contracts = deploy(anvil.wallet(), PRODUCTION)
    Path("contracts.json").write_text(contracts.deployment.to_json())
    Path("passphrase").write_text("a passphrase\n")
    Path("passphrase").chmod(0o600)
    address = Address(create_keystore(Path("keystore.json"), "a passphrase"))
    anvil.fund(address, 3)
    command = ["status", "--contracts", "contracts.json", "--keystore", "keystore.json"]

    assert run(command) == 0
    text = capsys.readouterr().out
    assert "NOT RUNNING" in text and "no record on this machine" in text
    assert "wallet 3.000000" in text

    path = account_file(tmp_path / "data", contracts.chain.chain_id, address)
    database = open_database(path)
    signer = KeySigner(open_keystore(Path("keystore.json"), Path("passphrase"), None))
    chain = anvil.connect()
    view = Contracts(chain, contracts.deployment, database)
    view.vault.deposit(Wallet(chain, signer, journal=Journal(database, address)), Wei(ETHER))
    assert view.market.requests() == []

    assert run([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["process"]["number"] == holder_of(path.with_name(f"{path.name}.lock"))
    assert found["money"]["free_wei"] == ETHER
    spent = found["money"]["gas_wei"]
    assert found["money"]["wallet_wei"] == 2 * ETHER - spent and spent > 0
    assert found["transactions"]["included"] == 1
    database.close()
    assert holder_of(path.with_name(f"{path.name}.lock")) is None


def test_the_memory_of_this_process_is_known_and_that_of_none_is_not() -> None:
    used = memory_bytes()
    assert used is not None and used > 10_000_000
    assert memory_bytes(2**22 + 1) is None
