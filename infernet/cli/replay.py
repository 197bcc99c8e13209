"""`infernet replay`: repeat a result, or a single step of it, without any chain."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from textwrap import wrap
from typing import Annotated

import typer

from infernet.audit.models import model_of
from infernet.audit.replay import CONSTANTS, Access, ShownStep, show_step, trace_of
from infernet.audit.replay import replay as run_again
from interpreter.program import Step

from .options import AsJson
from .receipt import open_receipt, require_equal

# Of the part of a line that is right of the names.
_WIDTH = 66


def replay(
    file: Annotated[Path, typer.Argument(metavar="RECEIPT", help="A receipt.")],
    step: Annotated[int | None, typer.Option(min=0, help="Show this step alone.")] = None,
    is_reference: Annotated[
        bool, typer.Option("--reference", help="Run by the interpreter itself; slow.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a receipt's task again, or show one step with its operands, proof and states."""
    held = open_receipt(file)
    model = model_of(held.task.program_root)
    trace = trace_of(model.program, held.run.input, held.task.iterations, is_reference=is_reference)
    if step is not None:
        shown = show_step(trace, Step(step), model.manifest.operator_names)
        typer.echo(json.dumps(step_object(shown), indent=2) if as_json else step_text(shown))
        return
    found = run_again(held, trace)
    if as_json:
        fields = {"engine": found.engine, "equal": found.is_equal, "halted": found.halted}
        typer.echo(json.dumps({**fields, "first_difference": found.first_difference}))
    elif found.is_equal:
        typer.echo(f"equal: {found.engine} computes the same {len(found.output)} bytes")
    require_equal(found)


def step_object(shown: ShownStep) -> dict[str, object]:
    """Return a step as JSON: bytes as hexadecimal digits."""
    return {name: _plain(value) for name, value in asdict(shown).items()}


def step_text(shown: ShownStep) -> str:
    """Return a step in lines for people."""
    lines = [
        f"step {shown.step:,}: iteration {shown.iteration}, operator {shown.operator_index} "
        f"({shown.operator}, layer {shown.layer}), its step {shown.index:,}",
        f"  {shown.kind}: {shown.detail}",
        *map(_access_text, shown.accesses),
        f"  accumulator {shown.accumulator_before:,} -> {shown.accumulator_after:,}",
        f"  pre-state   0x{shown.pre_hash.hex()}",
        f"  post-state  0x{shown.post_hash.hex()}",
        f"  both follow from the one-step proof alone ({shown.proof_bytes:,} bytes)",
    ]
    return "\n".join(lines)


def _access_text(access: Access) -> str:
    where = "constants" if access.slot == CONSTANTS else f"slot {access.slot}"
    if not access.data:
        return f"  {access.kind:<11} {where}"
    value = ", ".join(map(str, access.numbers)) or " ".join(wrap(access.data.hex(), 8))
    leaves = ", ".join(f"{index} (0x{hash_.hex()[:16]}…)" for index, hash_ in access.leaves)
    lines = wrap(f"{where}, byte {access.start:,}; leaf {leaves}", _WIDTH) + wrap(value, _WIDTH)
    return f"  {access.kind:<11} " + f"\n{'':14}".join(lines)


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
