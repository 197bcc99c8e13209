"""`infernet task receipt` and `verify`: what anyone needs to check a result, and the check."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from infernet.audit.certify import contradictions, receipt_of
from infernet.audit.errors import InvalidReceipt, WrongVerdict
from infernet.audit.models import model_of
from infernet.audit.receipt import Receipt, read_receipt
from infernet.audit.replay import Replay, replay, trace_of
from infernet.audit.tasks import find_task
from infernet.chain.deployment import Contracts
from infernet.config import ConfigError, load

from .console import Screen
from .options import AsJson, ConfigFile, ContractsFile, GatewayUrl, Rpc, TaskName, seam_flags
from .session import open_chain, open_contracts, use_data_dir
from .task_gateway import gateway_of, receipt_text

# The parts of a receipt that only the chain can confirm.
_STATED = ("history", "finality")


def receipt(
    task: TaskName,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file; default: the terminal.")
    ] = None,
    gateway: GatewayUrl = None,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
) -> None:
    """Write what anyone needs to check a result, as the chain or a gateway tells it."""
    settings = load(config, seam_flags(rpc, contracts, None, None, gateway)).config
    use_data_dir(settings)
    if url := gateway_of(settings, gateway, rpc, contracts):
        written = read_receipt(receipt_text(url, task))
    else:
        written = _from_chain(open_contracts(settings, open_chain(settings)), task)
    if output is None:
        typer.echo(written.to_json(), nl=False)
        return
    try:
        output.write_text(written.to_json(), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror}") from None
    screen = Screen.open(to_stderr=True)
    screen.line(f"{output}: the result is {written.finality.status}")


def _from_chain(board: Contracts, task: str) -> Receipt:
    task_id = find_task(board, task)
    model = model_of(board.market.task(task_id).program_root)
    return receipt_of(board, task_id, model.program.header.encode(), model.manifest.name)


def verify(
    file: Annotated[Path, typer.Argument(help="A receipt.")],
    is_reference: Annotated[
        bool, typer.Option("--reference", help="Run by the interpreter itself; slow.")
    ] = False,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    as_json: AsJson = False,
) -> None:
    """Run a receipt's task again, offline; with --rpc and --contracts, ask the chain as well.

    Inclusion and finality are as the receipt states them unless the chain is asked.
    """
    settings = load(config, seam_flags(rpc, contracts, None, None)).config
    use_data_dir(settings)
    held = open_receipt(file)
    program = model_of(held.task.program_root).program
    trace = trace_of(program, held.run.input, held.task.iterations, is_reference=is_reference)
    found = replay(held, trace)
    chain, wrong = None, list[str]()
    if rpc and found.is_equal:
        board = open_contracts(settings, open_chain(settings))
        chain, wrong = board.chain.name, contradictions(board, held)
    if as_json:
        facts = {
            "status": held.finality.status,
            "equal": found.is_equal,
            "engine": found.engine,
            "first_difference": found.first_difference,
            "halted": found.halted,
            "chain": chain,
            "contradicted": wrong,
            "only_stated": [] if chain else list(_STATED),
        }
        typer.echo(json.dumps(facts, indent=2))
    elif found.is_equal:
        _tell("checked here, offline", _computed(held, found))
    require_equal(found)
    if wrong:
        raise WrongVerdict(f"{chain} says otherwise of {', '.join(wrong)}")
    if not as_json:
        title = "as the receipt states, unchecked; give --rpc to ask the chain"
        _tell(f"{chain} confirms all of the receipt" if chain else title, _stated(held))


def _tell(title: str, facts: Iterator[tuple[str, str]]) -> None:
    typer.echo(title)
    for name, fact in facts:
        typer.echo(f"  {name:<13} {fact}")


def _computed(held: Receipt, found: Replay) -> Iterator[tuple[str, str]]:
    """Yield what was recomputed: hashes bind each of these to the task's and the result's id."""
    count = len(found.output)
    yield "output", f"the output is right: {found.engine} computes the same {count} bytes"
    if held.task.iterations > 1:
        yield "iterations", f"{held.task.iterations}" + (", halted" if found.halted else "")
    yield "output root", f"0x{held.assertion.output_root.hex()}"
    yield "input root", f"0x{held.task.input_root.hex()}, of {len(held.run.input)} bytes"
    yield "program root", f"0x{held.task.program_root.hex()}, of a model in the store"
    yield "task", f"0x{held.task.id.hex()}"
    yield "result", f"0x{held.assertion.id.hex()}"


def _stated(held: Receipt) -> Iterator[tuple[str, str]]:
    """Yield what only the chain can confirm."""
    told, history = held.finality, held.history
    yield "chain", f"{held.chain.chain_id}, market {held.chain.market}"
    yield "requested", _place(history.requested_block, history.requested_transaction)
    yield "asserted", _place(history.asserted_block, history.asserted_transaction)
    if history.finalised_block:
        yield "finalised", _place(history.finalised_block, history.finalised_transaction)
    yield "finality", f"{told.status}, {_place(told.block, told.block_hash)}"


def _place(block: int, hash_: bytes) -> str:
    return f"block {block}, 0x{hash_.hex()}"


def require_equal(found: Replay) -> None:
    """Raise WrongVerdict if a result differs from what an engine computes."""
    if found.first_difference is not None:
        raise WrongVerdict(
            f"the result is false: output byte {found.first_difference} differs from what "
            f"{found.engine} computes"
        )
    if not found.is_halted_true:
        halts = "halts" if found.halted else "does not halt"
        raise WrongVerdict(f"the result is false: the run of {found.engine} {halts}")


def open_receipt(file: Path) -> Receipt:
    """Return the receipt in a file, or raise InvalidReceipt."""
    try:
        return read_receipt(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidReceipt(f"{file} cannot be read: {error}") from None
    except InvalidReceipt as error:
        raise InvalidReceipt(f"{file}: {error}") from None
