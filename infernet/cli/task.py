"""`infernet task`: ask for runs of a model, and see what becomes of them."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from eth_utils.address import to_checksum_address

from infernet.audit.models import names_of_models
from infernet.audit.tasks import Progress, find_task, progress_of, tasks_of
from infernet.audit.tasks import reclaim as take_back
from infernet.chain.deployment import Contracts
from infernet.chain.records import Address
from infernet.chain.wallet import in_ether
from infernet.config import Config, load
from infernet.keys import address_of

from . import task_gateway
from .console import Screen
from .options import (
    AsJson,
    ConfigFile,
    ContractsFile,
    GatewayUrl,
    Keystore,
    PassphraseFile,
    Rpc,
    TaskName,
    seam_flags,
)
from .receipt import receipt, verify
from .session import (
    keystore_of,
    open_chain,
    open_contracts,
    open_till,
    use_data_dir,
)
from .task_follow import INTERRUPTED, follow
from .task_gateway import gateway_of
from .task_submit import submit
from .task_view import COLUMNS, as_object, change, page, row

app = typer.Typer(help="Ask for runs and see what becomes of them.", no_args_is_help=True)


app.command("submit")(submit)


@app.command("list")
def list_(
    is_mine: Annotated[
        bool, typer.Option("--mine", help="Only the keystore's, or the API key's.")
    ] = False,
    last: Annotated[int, typer.Option(min=1, help="At most so many, the latest.")] = 20,
    gateway: GatewayUrl = None,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    keystore: Keystore = None,
    as_json: AsJson = False,
) -> None:
    """List the latest tasks, oldest first; `*`: false results of it were slashed."""
    settings = load(config, seam_flags(rpc, contracts, keystore, None, gateway)).config
    use_data_dir(settings)
    if url := gateway_of(settings, gateway, rpc, contracts, keystore):
        task_gateway.list_(url, last, is_mine=is_mine, as_json=as_json)
        return
    board = _board(settings)
    requester = _requester(settings) if is_mine else None
    found = tasks_of(board, requester, last)
    if as_json:
        typer.echo(json.dumps([as_object(each) for each in found], indent=2))
    elif not found:
        typer.echo("no tasks")
    else:
        names, now = names_of_models(), board.chain.next_timestamp()
        rows = [row(each, names, now) for each in found]
        Screen.open(to_stderr=False).texts(COLUMNS, rows)


@app.command("show")
def show(
    task: TaskName,
    gateway: GatewayUrl = None,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    as_json: AsJson = False,
) -> None:
    """Say how a task stands; only "final" is a result that nobody can take back."""
    settings = load(config, seam_flags(rpc, contracts, None, None, gateway)).config
    use_data_dir(settings)
    if url := gateway_of(settings, gateway, rpc, contracts):
        task_gateway.show(url, task, as_json=as_json)
        return
    board = _board(settings)
    found = progress_of(board, find_task(board, task))
    if as_json:
        typer.echo(json.dumps(as_object(found), indent=2))
        return
    for line in page(found, names_of_models(), board.chain.next_timestamp()):
        typer.echo(line)


@app.command("watch")
def watch(
    task: TaskName,
    gateway: GatewayUrl = None,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    as_json: AsJson = False,
) -> None:
    """Print each change of a task until it ends; exit code 130 if interrupted, and 5 if a gateway
    says that there is no result."""
    settings = load(config, seam_flags(rpc, contracts, None, None, gateway)).config
    if url := gateway_of(settings, gateway, rpc, contracts):
        task_gateway.watch(url, task, as_json=as_json)
        return
    board = _board(settings)

    def tell(found: Progress) -> None:
        now = board.chain.next_timestamp()
        typer.echo(json.dumps(as_object(found)) if as_json else change(found, now))

    try:
        follow(board, find_task(board, task), tell)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


@app.command("reclaim")
def reclaim(
    task: TaskName,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    keystore: Keystore = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Take the fee of an unfinished task back after its deadline."""
    settings = load(config, seam_flags(rpc, contracts, keystore, passphrase_file)).config
    with open_till(settings) as (board, wallet):
        task_id = find_task(board, task)
        fee = take_back(board, wallet, task_id)
    if as_json:
        typer.echo(json.dumps({"task_id": f"0x{task_id.hex()}", "reclaimed_wei": str(fee)}))
    else:
        typer.echo(f"{in_ether(fee)} taken back to {wallet.address}")


app.command("receipt")(receipt)
app.command("verify")(verify)


def _board(settings: Config) -> Contracts:
    return open_contracts(settings, open_chain(settings))


def _requester(settings: Config) -> Address:
    # Keystores write addresses in lower case, the chain with its checksum.
    return Address(to_checksum_address(address_of(keystore_of(settings))))
