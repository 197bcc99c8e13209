"""One healthy place for all tests of a module; what a test does to its chain is undone."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from eth_account import Account

from infernet.chain.deploy import TRIAL, deploy
from infernet.chain.records import Wei
from infernet.chain.wallet import KeySigner, Wallet
from infernet.config import Config
from infernet.config.tables import (
    DataTable,
    InfernetTable,
    MetricsTable,
    NetworkTable,
    WalletTable,
)
from infernet.models.store import load_model
from tests.anvil import ETHER, find_anvil, free_port, running

from .place import ADDRESS, KEY, Place, names_of


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
