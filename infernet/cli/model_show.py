"""What the commands of models share: options, progress, and a stored model's summary."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from infernet.models.describe import describe
from infernet.models.pipeline import Model, Notice
from infernet.models.sequence.growth import Progress as LayerProgress

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Name = Annotated[str, typer.Option(help="Name under which the model is stored.")]
Replace = Annotated[bool, typer.Option("--replace", help="Overwrite a model of that name.")]
Positions = Annotated[
    int | None,
    typer.Option("--positions", "--context", help="Tokens at most, a multiple of 32.", min=32),
]
TokenizerPath = Annotated[
    Path | None,
    typer.Option(help="tokenizer.json, its folder, or a tokenizer of llama2.c or Llama 3."),
]
ModelName = Annotated[str, typer.Argument(help="A model's name or folder.")]

out = Console()
err = Console(stderr=True)


@contextmanager
def progress(title: str) -> Iterator[Notice]:
    """Show what is being done."""
    with err.status(title) as status:
        yield lambda message: status.update(f"{title}: {message}")


@contextmanager
def layer_bar(title: str) -> Iterator[LayerProgress]:
    """Show the layers that are done, and the time that the others will take."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[layers]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err) as bar:
        task = bar.add_task(title, total=None, layers="")

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, layers=f"{done} of {total} layers")

        yield tell


def show_saved(model: Model, folder: Path, seconds: float, *, as_json: bool) -> None:
    """Print what was stored and where."""
    facts = {**describe(model), "folder": str(folder), "seconds": round(seconds, 3)}
    if as_json:
        typer.echo(json.dumps(facts))
        return
    header = model.program.header
    out.print(f"[bold]{model.manifest.name}[/bold]")
    out.print(f"program root 0x{model.program.root.hex()}", soft_wrap=True)
    out.print(
        f"{header.operator_count} operators, {header.steps_per_iteration:,} steps, "
        f"{1 << header.slot_depth} registers, {header.constants_bytes:,} bytes of constants"
    )
    if header.max_iterations > 1:
        out.print(f"{header.max_iterations} positions at most, the steps are those of one")
    for note in model.manifest.notes:
        out.print(f"note: {escape(note)}")
    out.print(f"stored in {escape(str(folder))} after {seconds:.1f} s", soft_wrap=True)
