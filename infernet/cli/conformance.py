"""`infernet model conformance`: may this machine stake?"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from infernet.backend.conformance import run_conformance

from .console import Screen


def conformance(
    threads: Annotated[int, typer.Option(min=1, help="Threads of the engine.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run the published vectors on this machine; exits with 6 when a bit differs."""
    report = run_conformance(threads)
    if as_json:
        facts = {
            "exact": report.is_exact,
            "engine": report.engine,
            "hashing": report.hashing,
            "vectors": report.vectors,
            "by_reference": report.by_reference,
            "digest": f"0x{report.digest.hex()}",
            "expected_digest": f"0x{report.expected_digest.hex()}",
            "differences": [str(difference) for difference in report.differences],
        }
        typer.echo(json.dumps(facts))
    else:
        screen = Screen.open(to_stderr=False)
        screen.line(f"engine   {report.engine}")
        screen.line(f"hashing  {report.hashing}")
        screen.line(f"vectors  {report.vectors}, {report.by_reference} of them by the reference")
        screen.line(f"digest   0x{report.digest.hex()}")
    report.require_exact()
    if not as_json:
        screen.line("exact    every bit is right")
