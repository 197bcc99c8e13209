"""What commands open before they can work, and what they ask whoever sits at the terminal."""

from __future__ import annotations

import sys

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
from infernet.config import Config, ConfigError

__all__ = (
    "ask_passphrase",
    "confirm_cost",
    "keystore_of",
    "open_account_database",
    "open_chain",
    "open_contracts",
    "open_signer",
    "use_data_dir",
)


def open_signer(config: Config) -> LocalAccount:
    """Return the account in the keystore; asks for the passphrase where nothing else says it."""
    return unlock(config, ask_passphrase if sys.stdin.isatty() else None)


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
