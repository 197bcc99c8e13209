"""What commands open before they can work, and what they ask whoever sits at the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from eth_account.signers.local import LocalAccount

from infernet.actors.opening import (
    keystore_of,
    open_account_database,
    open_chain,
    open_contracts,
    unlock,
    use_data_dir,
)
from infernet.chain.deployment import Contracts
from infernet.chain.wallet import KeySigner, Wallet
from infernet.config import Config, ConfigError, load
from infernet.store.journal import Journal

from .console import Screen

__all__ = (
    "ask_passphrase",
    "confirm_cost",
    "data_dir_of",
    "keystore_of",
    "open_account_database",
    "open_chain",
    "open_contracts",
    "open_signer",
    "open_till",
    "use_data_dir",
)


def data_dir_of(file: Path | None) -> Path:
    """Return the folder for data, and tell whoever names settings that lie elsewhere.

    `file`: of the settings, as `load` takes it.
    """
    loaded = load(file)
    around = {name: value for name, value in os.environ.items() if name != "INFERNET_DATA_DIR"}
    named = load(loaded.file, environment=around).config.data.dir if loaded.file else None
    folder = use_data_dir(loaded.config)
    if named is not None and named.resolve() != folder.resolve():
        Screen.open(to_stderr=True).prose(
            f"INFERNET_DATA_DIR is set, so this is about {folder}, not about {named}, which "
            f"{loaded.file} names; unset it if you mean that."
        )
    return folder


def open_signer(config: Config) -> LocalAccount:
    """Return the account in the keystore; asks for the passphrase where nothing else says it."""
    return unlock(config, ask_passphrase if sys.stdin.isatty() else None)


@contextmanager
def open_till(settings: Config) -> Iterator[tuple[Contracts, Wallet]]:
    """Give contracts and a wallet whose earlier transactions are finished."""
    chain = open_chain(settings)
    signer = KeySigner(open_signer(settings))
    database = open_account_database(settings, chain, signer.address)
    try:
        board = open_contracts(settings, chain, database)
        wallet = Wallet(chain, signer, journal=Journal(database, signer.address))
        wallet.recover()
        yield board, wallet
    finally:
        database.close()


def confirm_cost(question: str, *, is_agreed: bool, repeat: str) -> None:
    """Go on only with consent; `repeat`: the command that gives it where nobody can be asked."""
    if is_agreed:
        return
    if not sys.stdin.isatty():
        raise ConfigError(f"nobody is here to agree; run `{repeat}` to agree beforehand")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)


def ask_passphrase(text: str) -> str:
    """Ask whoever sits at the terminal; what is typed is not shown."""
    return str(typer.prompt(text, hide_input=True, err=True))
