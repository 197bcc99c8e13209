"""What every process opens before it can work: chain, contracts, key, the account's file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from eth_account.signers.local import LocalAccount

from infernet.chain.connection import Chain, connect
from infernet.chain.deployment import Contracts, Deployment
from infernet.config import Config, ConfigError
from infernet.keystore import open_keystore
from infernet.logs import redactor
from infernet.models.store import data_dir
from infernet.store.database import Database, account_file, open_database


def open_chain(config: Config) -> Chain:
    """Return the connection that the settings ask for, or raise ConfigError or ChainError."""
    network = config.network
    if not network.rpc:
        raise ConfigError(
            "no node is named: give --rpc, set INFERNET_RPC_URL, or write rpc = "
            '["http://127.0.0.1:8545"] under [network] in miner.toml'
        )
    chain = connect(network.rpc, network.quorum)
    if network.chain_id is not None and chain.chain_id != network.chain_id:
        raise ConfigError(
            f"{chain.name} is chain {chain.chain_id}, but network.chain_id says "
            f"{network.chain_id}; connect to that chain, or correct the setting"
        )
    return chain


def open_contracts(config: Config, chain: Chain, database: Database | None = None) -> Contracts:
    """Return the contracts that the settings name, or raise ConfigError or DeploymentError."""
    place = config.network.contracts
    if place is None:
        raise ConfigError(
            "no contracts are named: give --contracts, or write contracts = "
            '"contracts.json" under [network] in miner.toml; `infernet chain deploy` writes it'
        )
    return Contracts(chain, Deployment.from_file(place), database)


def keystore_of(config: Config) -> Path:
    """Return the keystore that the settings name, or raise ConfigError."""
    if config.wallet.keystore is None:
        raise ConfigError(
            "no keystore is named: give --keystore, or write keystore under [wallet] in "
            "miner.toml; `infernet miner init` makes both"
        )
    return config.wallet.keystore


def unlock(config: Config, ask: Callable[[str], str] | None = None) -> LocalAccount:
    """Return the account in the keystore. `ask`: for its passphrase where nothing else says it."""
    account = open_keystore(keystore_of(config), config.wallet.passphrase_file, ask)
    redactor.learn(bytes(account.key).hex())
    return account


def use_data_dir(config: Config) -> Path:
    """Return the folder for data, and let the store of models use the same."""
    if config.data.dir is not None:
        os.environ["INFERNET_DATA_DIR"] = str(config.data.dir)
    return data_dir()


def open_account_database(
    config: Config, chain: Chain, address: str, *, readonly: bool = False
) -> Database:
    """Return the file of an account on a chain, or raise StoreError."""
    return open_database(account_file(use_data_dir(config), chain.chain_id, address), readonly)
