"""`infernet chain`: a chain of one's own, and the contracts on any."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from infernet.actors.daemon import stop_on_signals
from infernet.chain.deploy import PRODUCTION, TRIAL, deploy
from infernet.chain.local.anvil import anvil_command, find_anvil
from infernet.chain.local.node import LocalNode
from infernet.chain.local.server import serving
from infernet.chain.wallet import KeySigner, Signer, Wallet, faucet
from infernet.config import ConfigError, load

from .console import Screen
from .session import open_chain, open_signer

app = typer.Typer(help="Contracts on a chain.", no_args_is_help=True)


@app.command("deploy")
def deploy_contracts(
    rpc: Annotated[str | None, typer.Option(help="The node's URL.")] = None,
    keystore: Annotated[
        Path | None, typer.Option(help="Encrypted key file; default: the node's own account.")
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="Its passphrase is on the first line; default: asks.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write the addresses.")
    ] = None,
    trial: Annotated[
        bool, typer.Option("--trial", help="Minutes instead of hours; for a node of your own.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="Settings; default: ./miner.toml.")] = None,
) -> None:
    """Deploy all contracts and print their addresses as JSON.

    The parameters are production's, docs/spec/dispute.md, or those of a trial.
    """
    flags = {
        "network.rpc": rpc,
        "wallet.keystore": keystore and str(keystore),
        "wallet.passphrase_file": passphrase_file and str(passphrase_file),
    }
    settings = load(config, flags).config
    if output:
        require_writable(output)
    screen = Screen.open(to_stderr=True)
    chain = open_chain(settings)
    # Without a key of ours a development node signs, as its own first account.
    signer: Signer = KeySigner(open_signer(settings)) if settings.wallet.keystore else faucet(chain)
    wallet = Wallet(chain, signer, lambda sent: screen.line(f"{sent.kind}: {sent.gas_used:,} gas"))
    text = deploy(wallet, TRIAL if trial else PRODUCTION).deployment.to_json()
    if output:
        output.write_text(text, encoding="utf-8")
    typer.echo(text, nl=False)


class Engine(StrEnum):
    """What runs a chain."""

    AUTO = "auto"
    ANVIL = "anvil"
    PY_EVM = "py-evm"


@app.command("run")
def run(
    port: Annotated[int, typer.Option(help="On this machine alone; 0: any.")] = 8545,
    state: Annotated[
        Path | None, typer.Option(help="Folder that the chain lives in; default: memory.")
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="auto: anvil where it is installed, else py-evm.")
    ] = Engine.AUTO,
) -> None:
    """Run a chain of your own until a signal ends it; its money is worth nothing."""
    program = None if engine is Engine.PY_EVM else find_anvil()
    if engine is Engine.ANVIL and program is None:
        raise ConfigError("anvil is not installed; run `npm ci` in contracts/, or take py-evm")
    if state is not None:
        state.mkdir(parents=True, exist_ok=True)
    if program is not None:
        command = anvil_command(program, port, state and state / "anvil.json")
        os.execv(command[0], command)
    node = LocalNode(state and state / "chain.sqlite")
    with serving(node, port) as url:
        typer.echo(f"listening on {url}", err=True)
        stop = Event()
        stop_on_signals(stop)
        stop.wait()
    node.close()


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
