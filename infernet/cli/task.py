"""`infernet task`: ask for runs of a model, and see what becomes of them."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from eth_utils.address import to_checksum_address

from executor.policy import MINIMUM_SECONDS
from infernet.audit.models import names_of_models
from infernet.audit.tasks import Progress, TaskState, find_task, progress_of, tasks_of
from infernet.audit.tasks import reclaim as take_back
from infernet.backend.hashing import hash_bytes
from infernet.chain.deployment import Contracts
from infernet.chain.market import MAX_INPUT_BYTES, Request
from infernet.chain.records import Address, ProgramRoot, Seconds, TaskId, Wei
from infernet.chain.wallet import KeySigner, Wallet, in_ether
from infernet.config import Config, ConfigError, load
from infernet.config.values import ether
from infernet.keys import address_of
from infernet.models.errors import InvalidInput
from infernet.models.images import read_input
from infernet.models.pipeline import Model
from infernet.models.store import load_model
from infernet.store.journal import Journal

from .console import Screen
from .demo_scene import choose_inputs
from .options import (
    AsJson,
    ConfigFile,
    ContractsFile,
    Keystore,
    PassphraseFile,
    Rpc,
    TaskName,
    seam_flags,
)
from .receipt import receipt, verify
from .session import (
    keystore_of,
    open_account_database,
    open_chain,
    open_contracts,
    open_signer,
    use_data_dir,
)
from .task_view import COLUMNS, as_object, change, page, row
from .times import read_duration

app = typer.Typer(help="Ask for runs and see what becomes of them.", no_args_is_help=True)

_POLL_SECONDS = 1.0
_LAST = (TaskState.FINAL, TaskState.REFUNDED)
# What a shell says of a program that was interrupted.
_INTERRUPTED = 130


@app.command("submit")
def submit(
    model: Annotated[str, typer.Argument(help="A model that is registered.")],
    inputs: Annotated[
        list[Path] | None, typer.Argument(help="Pictures or .npy; default: the model's samples.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="How many tasks, over the inputs in turn.")
    ] = None,
    fee: Annotated[str, typer.Option(help="Of each task, in ether.")] = "0.01",
    deadline: Annotated[
        str, typer.Option(help="Until an unfinished task can be taken back: 2h, 1h30m, 7200.")
    ] = "1h",
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all are final.")] = False,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    keystore: Keystore = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask for runs of a model; the inputs travel to the chain, the fees are locked there."""
    settings = load(config, seam_flags(rpc, contracts, keystore, passphrase_file)).config
    use_data_dir(settings)
    fee_wei, seconds = _fee(fee), _deadline(deadline)
    stored = load_model(model, hash_bytes)
    data = _inputs(model, stored, inputs or [])
    screen, wanted = Screen.open(to_stderr=True), count or len(data)
    found: list[TaskId] = []
    with _till(settings) as (board, wallet):
        until = Seconds(board.chain.next_timestamp() + seconds)
        root = ProgramRoot(stored.program.root)
        try:
            with screen.progress(f"requesting {wanted} runs of {model}", wanted) as advance:
                for number in range(wanted):
                    request = Request(root, fee_wei, until, secrets.randbits(63))
                    one, value = data[number % len(data)], _missing(board, wallet, fee_wei)
                    task_id, _ = board.market.request_with_input(wallet, request, one, value)
                    found.append(task_id)
                    advance(number + 1)
        finally:
            # What was paid for is named, whatever comes after it.
            ids = [f"0x{task_id.hex()}" for task_id in found]
            typer.echo(json.dumps(ids) if as_json else "\n".join(ids), nl=as_json or bool(ids))
        if wait:
            _wait(board, found, screen)


@app.command("list")
def list_(
    is_mine: Annotated[bool, typer.Option("--mine", help="Only the keystore's account's.")] = False,
    last: Annotated[int, typer.Option(min=1, help="At most so many, the latest.")] = 20,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    keystore: Keystore = None,
    as_json: AsJson = False,
) -> None:
    """List the latest tasks, oldest first; `*`: false results of it were slashed."""
    settings = load(config, seam_flags(rpc, contracts, keystore, None)).config
    use_data_dir(settings)
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
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    as_json: AsJson = False,
) -> None:
    """Say how a task stands; only "final" is a result that nobody can take back."""
    settings = load(config, seam_flags(rpc, contracts, None, None)).config
    use_data_dir(settings)
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
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    as_json: AsJson = False,
) -> None:
    """Print each change of a task until it is final or refunded; exit code 130 if interrupted."""
    board = _board(load(config, seam_flags(rpc, contracts, None, None)).config)

    def tell(found: Progress) -> None:
        now = board.chain.next_timestamp()
        typer.echo(json.dumps(as_object(found)) if as_json else change(found, now))

    try:
        _follow(board, find_task(board, task), tell)
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None


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
    with _till(settings) as (board, wallet):
        task_id = find_task(board, task)
        fee = take_back(board, wallet, task_id)
    if as_json:
        typer.echo(json.dumps({"task_id": f"0x{task_id.hex()}", "reclaimed_wei": str(fee)}))
    else:
        typer.echo(f"{in_ether(fee)} taken back to {wallet.address}")


app.command("receipt")(receipt)
app.command("verify")(verify)


@contextmanager
def _till(settings: Config) -> Iterator[tuple[Contracts, Wallet]]:
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


def _wait(board: Contracts, tasks: list[TaskId], screen: Screen) -> None:
    """Wait until all of some tasks are final or refunded."""
    try:
        with screen.progress("waiting until they are final", len(tasks)) as advance:
            for number, task_id in enumerate(tasks):
                _follow(board, task_id, lambda progress: None)
                advance(number + 1)
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None


def _follow(board: Contracts, task_id: TaskId, tell: Callable[[Progress], None]) -> None:
    """Tell each change of a task until it is final or refunded."""
    last = None
    while True:
        found = progress_of(board, task_id)
        if (found.state, found.slashed) != last:
            tell(found)
        last = (found.state, found.slashed)
        if found.state in _LAST:
            return
        time.sleep(_POLL_SECONDS)


def _board(settings: Config) -> Contracts:
    return open_contracts(settings, open_chain(settings))


def _requester(settings: Config) -> Address:
    # Keystores write addresses in lower case, the chain with its checksum.
    return Address(to_checksum_address(address_of(keystore_of(settings))))


def _inputs(name: str, model: Model, given: list[Path]) -> list[bytes]:
    size = model.program.header.input_type.byte_count
    if size > MAX_INPUT_BYTES:
        raise InvalidInput(
            f"model '{name}' takes {size} bytes; an input carried to the chain has at most "
            f"{MAX_INPUT_BYTES}"
        )
    paths = given or list(choose_inputs(name, model, None))
    return [read_input(model, path).tobytes() for path in paths]


def _missing(board: Contracts, wallet: Wallet, fee: Wei) -> Wei:
    return Wei(max(0, fee - board.vault.balance(wallet.address).free))


def _fee(text: str) -> Wei:
    try:
        return Wei(ether(text))
    except ValueError as error:
        raise ConfigError(f"--fee is '{text}'; it has to be {error}") from None


def _deadline(text: str) -> Seconds:
    found = read_duration(text, "--deadline")
    if found <= MINIMUM_SECONDS:
        raise ConfigError(
            f"--deadline is '{text}'; miners leave tasks alone that end within "
            f"{MINIMUM_SECONDS // 60} minutes, so give more"
        )
    return found
