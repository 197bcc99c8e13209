"""`infernet model …`: import, build, inspect, list, compare, check and run models."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from infernet.backend.hashing import hash_bytes
from infernet.models import accuracy, build, store
from infernet.models.describe import describe, operator_rows
from infernet.models.errors import CorruptModel, InvalidOption
from infernet.models.inputs import read_inputs
from infernet.models.pipeline import Model
from infernet.models.source import Source, read_model, read_onnx

from .conformance import conformance
from .digest import digest
from .model_import import build_, import_
from .model_show import AsJson, ModelName, out, progress
from .model_text import classify, embed, generate
from .register import register

app = typer.Typer(no_args_is_help=True, help="Import, build, inspect and run models.")
app.command("import")(import_)
app.command("build")(build_)
app.command("generate")(generate)
app.command("embed")(embed)
app.command("classify")(classify)
app.command("conformance")(conformance)
app.command("digest")(digest)
app.command("register")(register)

Inputs = Annotated[Path, typer.Argument(help="A picture, a folder of them, an .npy or an .npz.")]

_BUILT = re.compile(r"built: (?P<topology>\w+), seed (?P<seed>\d+)")


@app.command()
def inspect(
    model: ModelName,
    operators: Annotated[bool, typer.Option("--operators", help="List every operator.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a model's operators, steps, registers and bytes."""
    found = store.load_model(model, hash_bytes)
    facts = describe(found)
    if operators:
        facts["operator_list"] = operator_rows(found)
    if as_json:
        typer.echo(json.dumps(facts))
        return
    table = Table(title=found.manifest.name, show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for key, value in facts.items():
        if key != "operator_list":
            table.add_row(key.replace("_", " "), escape(_cell(value)))
    out.print(table)
    if operators:
        rows = Table("index", "operator", "layer", "first step", "steps", "slots")
        for row in facts["operator_list"]:
            rows.add_row(*(str(value) for value in row.values()))
        out.print(rows)


@app.command()
def verify(model: ModelName, as_json: AsJson = False) -> None:
    """Hash every byte of a model and compare it with its root."""
    started = perf_counter()
    found = store.verify_model(model, hash_bytes)
    seconds = perf_counter() - started
    root, size = found.program.root.hex(), found.program.header.constants_bytes
    if as_json:
        facts = {"name": found.manifest.name, "program_root": root, "constants_bytes": size}
        typer.echo(json.dumps({**facts, "seconds": round(seconds, 3)}))
        return
    out.print(f"{found.manifest.name} is what its root 0x{root} says", soft_wrap=True)
    out.print(f"{size:,} bytes of constants were hashed in {seconds:.1f} s")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the stored models and those that ship with the program."""
    rows: list[dict[str, Any]] = []
    for entry in store.list_models():
        root, origin = _origin_of(entry)
        rows.append(
            {
                "name": entry.name,
                "program_root": root,
                "source": origin,
                "shipped": entry.is_shipped,
                "folder": str(entry.folder),
            }
        )
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table()
    for title in ("name", "program root", "source"):
        table.add_column(title, overflow="fold")
    for row in rows:
        source = f"{row['source'] or 'damaged: import it again'}"
        root = f"{row['program_root'][:12]}…" if row["program_root"] else ""
        table.add_row(row["name"], root, source + (" (shipped)" if row["shipped"] else ""))
    out.print(table)


@app.command("accuracy")
def accuracy_(
    model: ModelName,
    inputs: Inputs,
    source: Annotated[Path | None, typer.Option(help="The ONNX file it came from.")] = None,
    limit: Annotated[int | None, typer.Option(help="Use at most this many.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Compare a model with its source on the same inputs: top-1 and cosine."""
    with progress("comparing") as notice:
        found = store.load_model(model, hash_bytes)
        origin = _origin(found, source)
        given = read_inputs(inputs, found.manifest.input, found.manifest.pixels, limit)
        comparisons = []
        for comparison in accuracy.compare(origin, found, given):
            comparisons.append(comparison)
            notice(f"input {len(comparisons)}: {comparison.name}")
    report = accuracy.Report(tuple(comparisons))
    summary = {
        "model": found.manifest.name,
        "inputs": len(comparisons),
        "top1_agreement": report.agreement,
        "mean_cosine": report.mean_cosine,
        "worst_cosine": report.worst_cosine,
    }
    if as_json:
        typer.echo(json.dumps({**summary, "comparisons": [asdict(c) for c in comparisons]}))
        return
    table = Table("input", "source", "model", "cosine")
    for comparison in comparisons:
        tops = (_label(found, top) for top in (comparison.source_top, comparison.model_top))
        table.add_row(comparison.name, *tops, f"{comparison.cosine:.4f}")
    out.print(table)
    out.print(
        f"same top-1 on {report.agreement:.1%} of {len(comparisons)} inputs; "
        f"cosine {report.mean_cosine:.4f} mean, {report.worst_cosine:.4f} worst"
    )


def _origin(model: Model, path: Path | None) -> Source:
    if path is not None:
        return read_onnx(path)
    built = _BUILT.fullmatch(model.manifest.source_file)
    if built is None or built["topology"] not in build.TOPOLOGIES:
        raise InvalidOption(f"--source is needed: the file behind '{model.manifest.source_file}'")
    return read_model(build.topology(built["topology"], int(built["seed"])), "")


def _origin_of(entry: store.Entry) -> tuple[str | None, str | None]:
    """Return a stored model's root and source; None for both where its manifest is damaged."""
    try:
        manifest = store.load_manifest(entry.folder)
    except CorruptModel:
        return None, None
    return manifest.program_root, manifest.source_file


def _cell(value: Any) -> str:
    """Return a fact as people read it."""
    match value:
        case dict():
            return ", ".join(f"{key.replace('_', ' ')} {_cell(one)}" for key, one in value.items())
        case list():
            return "; ".join(map(_cell, value))
        case int():
            return f"{value:,}"
        case _:
            return str(value)


def _label(model: Model, index: int) -> str:
    labels = model.manifest.labels
    return f"{index} {labels[index]}" if index < len(labels) else str(index)
