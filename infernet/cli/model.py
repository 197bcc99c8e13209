"""`infernet model …`: import, build, inspect, list and compare models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from infernet.backend.hashing import hash_bytes
from infernet.models import accuracy, build, store
from infernet.models.describe import describe, operator_rows
from infernet.models.errors import CorruptModel, InvalidCalibration, InvalidOption
from infernet.models.inputs import read_inputs
from infernet.models.manifest import Coding, Pixels
from infernet.models.pipeline import Model, Notice, Options, import_source
from infernet.models.source import Source, read_model, read_onnx

from .conformance import conformance
from .register import register

app = typer.Typer(no_args_is_help=True, help="Import, build and inspect models.")
app.command("conformance")(conformance)
app.command("register")(register)

_out = Console()
_err = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Name = Annotated[str, typer.Option(help="Name under which the model is stored.")]
Replace = Annotated[bool, typer.Option("--replace", help="Overwrite a model of that name.")]
Mean = Annotated[str, typer.Option(help="Pixel mean (0 to 255), one number or one per channel.")]
Deviation = Annotated[str, typer.Option(help="Pixel divisor, one number or one per channel.")]
Invert = Annotated[bool, typer.Option("--invert", help="Use 255 minus the pixel.")]
Inputs = Annotated[Path, typer.Argument(help="A picture, a folder of them, an .npy or an .npz.")]

_CALIBRATION_IMAGES = 8
_BUILT = re.compile(r"built: (?P<topology>\w+), seed (?P<seed>\d+)")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="An ONNX file: float, QDQ or QOperator.")],
    name: Name = "",
    calibration: Annotated[
        Path | None, typer.Option(help="Inputs for a float model: a folder or an .npz.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Class names, one a line.")] = None,
    mean: Mean = "",
    deviation: Deviation = "",
    invert: Invert = False,
    keep_weights: Annotated[
        bool, typer.Option("--keep-weights", help="Refuse rather than change integer weights.")
    ] = False,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Import an ONNX file as a program that anyone can check."""
    with _progress("importing") as notice:
        started = perf_counter()
        chosen = store.check_name(name or _name_of(file))
        pixels = _pixels(mean, deviation, invert)
        source = read_onnx(file)
        _require_reals(source, pixels)
        options = Options(chosen, file.name, _labels(labels), pixels, keep_weights, hash_bytes)
        inputs = None
        if calibration is not None:
            if not calibration.exists():
                raise InvalidCalibration(
                    f"{calibration}: there is no such file or folder; name another"
                )
            coding = _source_coding(source)
            given = pixels or _default_pixels(source, coding)
            inputs = (data for _, data in read_inputs(calibration, coding, given))
        model = import_source(source, options, inputs, notice)
        notice("saving")
        folder = store.save_model(model, replace=replace)
        seconds = perf_counter() - started
    if calibration is not None and model.manifest.source_kind != "float":
        _err.print("note: the source has scales of its own, so --calibration was not used")
    _show_saved(model, folder, seconds, as_json)


@app.command("build")
def build_(
    topology: Annotated[str, typer.Argument(help="mobilenetv2 or resnet50.")],
    seed: Annotated[int, typer.Option(help="Seed of the weights.", min=0)] = 0,
    name: Name = "",
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Make a well-known network with seeded weights: true sizes, no training."""
    with _progress("building") as notice:
        started = perf_counter()
        chosen = store.check_name(name or topology)
        notice("drawing weights")
        source = read_model(build.topology(topology, seed), "")
        origin = f"built: {topology}, seed {seed}"
        options = Options(chosen, origin, pixels=build.IMAGENET, hash_bytes=hash_bytes)
        images = build.synthetic_images(_CALIBRATION_IMAGES, seed)
        model = import_source(source, options, images, notice)
        notice("saving")
        folder = store.save_model(model, replace=replace)
        seconds = perf_counter() - started
    _show_saved(model, folder, seconds, as_json)


@app.command()
def inspect(
    model: Annotated[str, typer.Argument(help="A model's name or folder.")],
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
    _out.print(table)
    if operators:
        rows = Table("index", "operator", "layer", "first step", "steps", "slots")
        for row in facts["operator_list"]:
            rows.add_row(*(str(value) for value in row.values()))
        _out.print(rows)


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
    _out.print(table)


@app.command("accuracy")
def accuracy_(
    model: Annotated[str, typer.Argument(help="A model's name or folder.")],
    inputs: Inputs,
    source: Annotated[Path | None, typer.Option(help="The ONNX file it came from.")] = None,
    limit: Annotated[int | None, typer.Option(help="Use at most this many.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Compare a model with its source on the same inputs: top-1 and cosine."""
    with _progress("comparing") as notice:
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
    _out.print(table)
    _out.print(
        f"same top-1 on {report.agreement:.1%} of {len(comparisons)} inputs; "
        f"cosine {report.mean_cosine:.4f} mean, {report.worst_cosine:.4f} worst"
    )


@contextmanager
def _progress(title: str) -> Iterator[Notice]:
    with _err.status(title) as status:
        yield lambda message: status.update(f"{title}: {message}")


def _show_saved(model: Model, folder: Path, seconds: float, as_json: bool) -> None:
    facts = {**describe(model), "folder": str(folder), "seconds": round(seconds, 3)}
    if as_json:
        typer.echo(json.dumps(facts))
        return
    header = model.program.header
    _out.print(f"[bold]{model.manifest.name}[/bold]")
    _out.print(f"program root 0x{model.program.root.hex()}", soft_wrap=True)
    _out.print(
        f"{header.operator_count} operators, {header.steps_per_iteration:,} steps, "
        f"{1 << header.slot_depth} registers, {header.constants_bytes:,} bytes of constants"
    )
    for note in model.manifest.notes:
        _out.print(f"note: {escape(note)}")
    _out.print(f"stored in {escape(str(folder))} after {seconds:.1f} s", soft_wrap=True)


def _name_of(file: Path) -> str:
    stem = file.name.removesuffix(".onnx").lower()
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in stem)[:64]


def _labels(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        return tuple(path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidOption(f"--labels {path}: {error}; give a text file") from None


def _pixels(mean: str, deviation: str, invert: bool) -> Pixels | None:
    if not mean and not deviation and not invert:
        return None
    return Pixels(
        False, _numbers(mean or "0", "--mean"), _numbers(deviation or "255", "--deviation"), invert
    )


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    is_usable = len(numbers) in (1, 3) and np.isfinite(numbers).all()
    if not is_usable or (option == "--deviation" and 0 in numbers):
        raise InvalidOption(f"{option} {text}: give one number or three, separated by commas")
    return numbers


def _source_coding(source: Source) -> Coding:
    """Return the source's side of its input, before a scale is known."""
    return Coding(1.0, 0, source.input_shape, source.input_dtype.name, source.input_layout)


def _default_pixels(source: Source, coding: Coding) -> Pixels:
    return Pixels(plain=source.input_dtype != np.float32, deviation=(255.0,))


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


def _require_reals(source: Source, pixels: Pixels | None) -> None:
    if pixels is not None and source.input_dtype != np.float32:
        raise InvalidOption(
            f"--mean, --deviation and --invert are for sources of reals; this one takes "
            f"{source.input_dtype.name}, and pixels as they are"
        )


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
