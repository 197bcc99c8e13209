"""`infernet task receipt` and `verify`: what anyone needs to check a result, and the check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from infernet.audit.certify import contradictions, receipt_of
from infernet.audit.errors import InvalidReceipt, WrongVerdict
from infernet.audit.models import model_of
from infernet.audit.receipt import Receipt, read_receipt
from infernet.audit.replay import replay, trace_of
from infernet.audit.tasks import find_task
from infernet.config import ConfigError, load

from .console import Screen
from .options import AsJson, ConfigFile, ContractsFile, Rpc, TaskName, seam_flags
from .session import open_chain, open_contracts, use_data_dir


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
    board = open_contracts(settings, open_chain(settings))
    task_id = find_task(board, task)
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
    """Run a receipt's task again; with --rpc and --contracts, ask the chain as well."""
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
        fields = {"engine": found.engine, "first_difference": found.first_difference}
        facts = {"status": held.finality.status, "equal": found.is_equal, **fields}
        typer.echo(json.dumps({**facts, "chain": chain, "contradicted": wrong}, indent=2))
    elif found.is_equal:
        typer.echo(
            f"the output is right: {found.engine} computes the same {len(found.output)} bytes"
        )
    require_equal(found.first_difference, found.engine)
    if wrong:
        raise WrongVerdict(f"{chain} says otherwise of {', '.join(wrong)}")
    if not as_json and chain:
        typer.echo(f"{chain} confirms all of the receipt")
    elif not as_json:
        typer.echo(f"the receipt says: {held.finality.status}; give --rpc to ask the chain")


def require_equal(first_difference: int | None, engine: str) -> None:
    """Raise WrongVerdict if a result differs from what an engine computes."""
    if first_difference is not None:
        raise WrongVerdict(
            f"the result is false: output byte {first_difference} differs from what {engine} "
            "computes"
        )


def open_receipt(file: Path) -> Receipt:
    """Return the receipt in a file, or raise InvalidReceipt."""
    try:
        return read_receipt(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidReceipt(f"{file} cannot be read: {error}") from None
    except InvalidReceipt as error:
        raise InvalidReceipt(f"{file}: {error}") from None
