"""`infernet model digest`: does this machine compute what every other one does?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from infernet.backend.conformance import run_conformance
from infernet.backend.engine import open_engine
from infernet.backend.errors import ConformanceError
from infernet.backend.hashing import hash_bytes
from infernet.backend.host import describe_host
from infernet.models.exactness import digest_of
from infernet.models.published import published_digests, published_programs
from infernet.models.store import load_model
from interpreter.program import Program

from .console import Screen
from .model_show import AsJson

Models = Annotated[
    list[str] | None,
    typer.Argument(help="Names or folders of models beside those that ship.", show_default=False),
]
Threads = Annotated[
    list[int] | None,
    typer.Option(min=1, help="Threads of the engine; may be repeated.  [default: 1 and 2]"),
]
Row = dict[str, Any]


def digest(models: Models = None, threads: Threads = None, as_json: AsJson = False) -> None:
    """Print one digest over every tensor of each model; exits with 6 when a published one differs.

    With --json it prints one object a line for each count of threads: a row to compare machines by.
    """
    programs = list(published_programs().items())
    for name in models or ():
        found = load_model(name, hash_bytes)
        programs.append((found.manifest.name, found.program))
    wrong: list[str] = []
    for count in threads or (1, 2):
        row = row_of(programs, count)
        typer.echo(json.dumps(row)) if as_json else _show(row)
        wrong += _differences(row)
    if wrong:
        raise ConformanceError(
            f"{'; '.join(wrong)}. Do not stake on this machine, and report these rows"
        )
    if not as_json:
        Screen.open(to_stderr=False).line("exact      every published digest is right")


def row_of(programs: Sequence[tuple[str, Program]], threads: int) -> Row:
    """Return what computes here and the digests of the vectors and of each program."""
    report, expected = run_conformance(threads), published_digests()
    entries = []
    for name, program in programs:
        engine = open_engine(program, threads)
        entries.append(
            {
                "name": name,
                "program_root": program.root.hex(),
                "engine": engine.name,
                "digest": digest_of(engine),
                "expected_digest": expected.get(program.root.hex()),
            }
        )
    return {
        **asdict(describe_host()),
        "threads": threads,
        "conformance": report.digest.hex(),
        "expected_conformance": report.expected_digest.hex(),
        "models": entries,
    }


def _differences(row: Row) -> Iterator[str]:
    where = f"with {row['threads']} thread(s) on {row['processor']}"
    if row["conformance"] != row["expected_conformance"]:
        yield f"the vectors have another digest {where}: run 'infernet model conformance'"
    for entry in row["models"]:
        if entry["expected_digest"] not in (None, entry["digest"]):
            yield f"the model '{entry['name']}' has another digest {where}"


def _show(row: Row) -> None:
    screen = Screen.open(to_stderr=False)
    screen.line(f"processor  {row['processor']}, {row['architecture']}, {row['system']}")
    libraries = (f"{name} {row[name]}" for name in ("python", "numpy", "onnxruntime"))
    screen.line(f"libraries  {', '.join(libraries)}")
    screen.line(f"products   {row['products']}")
    screen.line(f"sequences  {row['sequences']}")
    screen.line(f"hashing    {row['hashing']}")
    screen.line(f"threads    {row['threads']}")
    screen.line(f"vectors    {row['conformance']}")
    for entry in row["models"]:
        screen.line(f"{entry['name']}: {entry['digest']}")
    screen.line("")
