"""`infernet task`: ask for runs of a model, and see what becomes of them."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from infernet.audit.certify import contradictions, receipt_of
from infernet.audit.errors import InvalidReceipt, WrongVerdict
from infernet.audit.ids import find_id
from infernet.audit.models import model_of
from infernet.audit.receipt import Receipt, read_receipt
from infernet.audit.replay import replay, trace_of
from infernet.audit.tasks import Progress, TaskState, progress_of
from infernet.backend.hashing import hash_bytes
from infernet.chain.deployment import Contracts
from infernet.chain.market import MAX_INPUT_BYTES, Request
from infernet.chain.records import ProgramRoot, Seconds, TaskId, Wei
from infernet.chain.wallet import KeySigner, Wallet, in_ether
from infernet.config import Config, ConfigError, load
from infernet.config.values import ether
from infernet.models.errors import InvalidInput
from infernet.models.images import read_input
from infernet.models.pipeline import Model
from infernet.models.store import load_model
from infernet.store.journal import Journal

from .console import Screen
from .demo_scene import choose_inputs
from .options import AsJson, ConfigFile, ContractsFile, Keystore, PassphraseFile, Rpc, seam_flags
from .session import (
    keystore_of,
    open_account_database,
    open_chain,
    open_contracts,
    open_signer,
    use_data_dir,
)

app = typer.Typer(help="Ask for runs and see what becomes of them.", no_args_is_help=True)

TaskName = Annotated[str, typer.Argument(help="The task's id, 0x and 64 digits.")]

_POLL_SECONDS = 1.0
_LAST = (TaskState.FINAL, TaskState.REFUNDED)


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
        int, typer.Option(min=1, help="Seconds until an unfinished task can be taken back.")
    ] = 3_600,
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
    fee_wei = _fee(fee)
    stored = load_model(model, hash_bytes)
    data = _inputs(model, stored, inputs or [])
    chain = open_chain(settings)
    keystore_of(settings)
    signer = KeySigner(open_signer(settings))
    database = open_account_database(settings, chain, signer.address)
    try:
        board = open_contracts(settings, chain, database)
        wallet = Wallet(chain, signer, journal=Journal(database, signer.address))
        wallet.recover()
        root = ProgramRoot(stored.program.root)
        until = Seconds(chain.next_timestamp() + deadline)
        screen, wanted = Screen.open(to_stderr=True), count or len(data)
        found = []
        with screen.progress(f"requesting {wanted} runs of {model}", wanted) as advance:
            for number in range(wanted):
                request = Request(root, fee_wei, until, secrets.randbits(63))
                value = _missing(board, wallet, fee_wei)
                one = data[number % len(data)]
                task_id, _ = board.market.request_with_input(wallet, request, one, value)
                found.append(task_id)
                advance(number + 1)
        if wait:
            with screen.progress("waiting until they are final", wanted) as advance:
                for number, task_id in enumerate(found):
                    _follow(board, task_id, lambda progress: None)
                    advance(number + 1)
    finally:
        database.close()
    if as_json:
        typer.echo(json.dumps([f"0x{task_id.hex()}" for task_id in found]))
    else:
        for task_id in found:
            typer.echo(f"0x{task_id.hex()}")


@app.command("show")
def show(
    task: TaskName,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    as_json: AsJson = False,
) -> None:
    """Say how a task stands; only "final" is a result that nobody can take back."""
    board = _board(load(config, seam_flags(rpc, contracts, None, None)).config)
    found = progress_of(board, parse_id(task))
    typer.echo(json.dumps(as_object(found), indent=2) if as_json else _sentence(found))


@app.command("watch")
def watch(
    task: TaskName, config: ConfigFile = None, rpc: Rpc = None, contracts: ContractsFile = None
) -> None:
    """Print each change of a task until it is final or refunded."""
    board = _board(load(config, seam_flags(rpc, contracts, None, None)).config)
    _follow(board, parse_id(task), lambda found: typer.echo(_sentence(found)))


@app.command("reclaim")
def reclaim(
    task: TaskName,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    keystore: Keystore = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Take the fee of an unfinished task back after its deadline."""
    settings = load(config, seam_flags(rpc, contracts, keystore, passphrase_file)).config
    chain = open_chain(settings)
    signer = KeySigner(open_signer(settings))
    database = open_account_database(settings, chain, signer.address)
    try:
        board = open_contracts(settings, chain, database)
        wallet = Wallet(chain, signer, journal=Journal(database, signer.address))
        wallet.recover()
        board.market.reclaim_fee(wallet, parse_id(task))
        free = board.vault.balance(wallet.address).free
        board.vault.withdraw(wallet, free)
    finally:
        database.close()
    Screen.open(to_stderr=True).line(f"{in_ether(free)} taken back")


@app.command("receipt")
def receipt(
    task: TaskName,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file; default: the terminal.")
    ] = None,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
) -> None:
    """Write what anyone needs to check a result, as the chain tells it."""
    settings = load(config, seam_flags(rpc, contracts, None, None)).config
    use_data_dir(settings)
    board = _board(settings)
    found = find_id(task, (each.task_id for each in board.market.requests()), "task")
    task_id = TaskId(found)
    model = model_of(board.market.task(task_id).program_root)
    written = receipt_of(board, task_id, model.program.header.encode(), model.manifest.name)
    if output is None:
        typer.echo(written.to_json(), nl=False)
        return
    try:
        output.write_text(written.to_json(), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror}") from None
    screen = Screen.open(to_stderr=True)
    screen.line(f"{output}: the result is {written.finality.status}")


@app.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(help="A receipt.")],
    is_reference: Annotated[
        bool, typer.Option("--reference", help="Run by the interpreter itself; slow.")
    ] = False,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
) -> None:
    """Run a receipt's task again; with --rpc and --contracts, ask the chain as well."""
    settings = load(config, seam_flags(rpc, contracts, None, None)).config
    use_data_dir(settings)
    held = open_receipt(file)
    program = model_of(held.task.program_root).program
    trace = trace_of(program, held.run.input, held.task.iterations, is_reference=is_reference)
    found = replay(held, trace)
    if found.first_difference is not None:
        raise WrongVerdict(
            f"the result is false: output byte {found.first_difference} differs from what "
            f"{found.engine} computes"
        )
    typer.echo(f"the output is right: {found.engine} computes the same {len(found.output)} bytes")
    if not rpc:
        typer.echo(f"the receipt says: {held.finality.status}; give --rpc to ask the chain")
        return
    board = _board(settings)
    if wrong := contradictions(board, held):
        raise WrongVerdict(f"{board.chain.name} says otherwise of {', '.join(wrong)}")
    typer.echo(f"{board.chain.name} confirms all of the receipt")


def open_receipt(file: Path) -> Receipt:
    """Return the receipt in a file, or raise InvalidReceipt."""
    try:
        return read_receipt(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidReceipt(f"{file} cannot be read: {error}") from None
    except InvalidReceipt as error:
        raise InvalidReceipt(f"{file}: {error}") from None


def parse_id(text: str) -> TaskId:
    """Return the id in an argument, or raise ConfigError."""
    digits = text.removeprefix("0x")
    try:
        found = bytes.fromhex(digits)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise ConfigError(f"'{text}' is not an id; give 0x and 64 hexadecimal digits")
    return TaskId(found)


def as_object(found: Progress) -> dict[str, object]:
    """Return how a task stands as JSON: bytes as hexadecimal digits, wei as text."""
    shown: dict[str, object] = {}
    for name, value in asdict(found).items():
        if isinstance(value, bytes):
            value = f"0x{value.hex()}"
        shown[name] = str(value) if name.endswith("_wei") else value
    return shown


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


def _sentence(found: Progress) -> str:
    parts = [f"task 0x{found.task_id.hex()}: {found.state}"]
    if found.executor:
        parts.append(f"by {found.executor}")
    if found.state is TaskState.ASSERTED and found.window_end:
        when = time.strftime("%H:%M:%S UTC", time.gmtime(found.window_end))
        parts.append(f"open to challenges until {when}")
    if found.slashed:
        parts.append(f"{found.slashed} false result(s) slashed before")
    return ", ".join(parts)


def _board(settings: Config) -> Contracts:
    return open_contracts(settings, open_chain(settings))


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
