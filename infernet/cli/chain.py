"""`infernet chain`: put the contracts on a chain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from infernet.chain.connection import connect
from infernet.chain.deploy import PRODUCTION, deploy
from infernet.chain.wallet import KeySigner, Signer, Wallet, faucet
from infernet.config import ConfigError, Settings, read_password, reason_of

from .console import Screen

app = typer.Typer(help="Contracts on a chain.", no_args_is_help=True)


@app.command("deploy")
def deploy_contracts(
    rpc: Annotated[str | None, typer.Option(help="The node's URL.")] = None,
    keystore: Annotated[
        Path | None, typer.Option(help="Encrypted key file; default: the node's own account.")
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(help="Its password is on the first line; default: asks.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write the addresses.")
    ] = None,
) -> None:
    """Deploy all contracts with production's parameters and print their addresses as JSON."""
    settings = Settings.load()
    url = settings.rpc_url if rpc is None else rpc
    if url is None:
        raise typer.BadParameter("name a node, or set INFERNET_RPC_URL", param_hint="--rpc")
    if output:
        require_writable(output)
    screen = Screen.open(to_stderr=True)
    chain = connect(url)
    signer: Signer = (
        open_keystore(keystore, password_file or settings.password_file)
        if keystore
        else faucet(chain)
    )
    wallet = Wallet(chain, signer, lambda sent: screen.line(f"{sent.kind}: {sent.gas_used:,} gas"))
    text = deploy(wallet, PRODUCTION).deployment.to_json()
    if output:
        output.write_text(text, encoding="utf-8")
    typer.echo(text, nl=False)


def require_writable(path: Path) -> None:
    """Raise ConfigError if a file cannot be written, before anything is paid for.

    Leave no empty file behind.
    """
    try:
        is_new = not path.exists()
        with path.open("a", encoding="utf-8"):
            pass
        if is_new:
            path.unlink()
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}; name another") from None


def open_keystore(path: Path, password_file: Path | None) -> KeySigner:
    """Return the signer in a keystore, or raise ConfigError."""
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the keystore {path} cannot be read: {reason_of(error)}; name another"
        ) from None
    if password_file:
        password = read_password(password_file)
    else:
        password = typer.prompt(f"Password of {path.name}", hide_input=True, err=True)
    try:
        return KeySigner.of_keystore(content, password)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # Files that are no JSON or no keystore end here too, as does a wrong password.
        is_wrong = isinstance(error, ValueError) and not isinstance(error, json.JSONDecodeError)
        reason = str(error) if is_wrong else "it is not a keystore"
        raise ConfigError(
            f"the keystore {path} does not open: {reason}; check the file and its password"
        ) from None
