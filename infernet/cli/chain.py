"""`infernet chain`: put the contracts on a chain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infernet.chain.deploy import PRODUCTION, TRIAL, deploy
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
