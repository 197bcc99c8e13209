"""`infernet doctor`: what keeps a player from working here, and how to mend it."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from api.access.keys import changing
from infernet.config import load
from infernet.doctor.checkup import examine, is_fit
from infernet.doctor.finding import Finding, Outcome

from .console import Screen
from .options import (
    AsJson,
    ConfigFile,
    ContractsFile,
    Keystore,
    PassphraseFile,
    Rpc,
    seam_flags,
)
from .session import ask_passphrase, use_data_dir

_MARKS = {
    Outcome.OK: "[green]ok     [/green]",
    Outcome.WARNING: "[yellow]warning[/yellow]",
    Outcome.FAILURE: "[bold red]FAILURE[/bold red]",
    Outcome.SKIPPED: "[dim]skipped[/dim]",
}


class Role(StrEnum):
    """Who is to run here."""

    PLAYER = "player"
    GATEWAY = "gateway"


def doctor(
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    keystore: Keystore = None,
    passphrase_file: PassphraseFile = None,
    role: Annotated[Role, typer.Option(help="Whom to examine.")] = Role.PLAYER,
    as_json: AsJson = False,
) -> None:
    """Check machine, settings, key, chain and money; name each fault and its fix.

    Exits with 1 if anything failed. Warnings are for you to judge.
    """
    settings = load(config, seam_flags(rpc, contracts, keystore, passphrase_file)).config
    screen = Screen.open(to_stderr=as_json)
    found = []
    prompt = ask_passphrase if sys.stdin.isatty() else None
    folder = use_data_dir(settings)
    keys = good_keys(folder) if role is Role.GATEWAY else None
    for finding in examine(settings, folder, prompt, keys):
        found.append(finding)
        if not as_json:
            _show(screen, finding)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found], indent=2))
    if not is_fit(found):
        raise typer.Exit(1)


def good_keys(folder: Path) -> int:
    """Return how many API keys of a data folder are neither revoked nor expired."""
    with changing(folder) as keys:
        return sum(key.is_live(time.time()) for key in keys.list())


def _show(screen: Screen, finding: Finding) -> None:
    screen.console.print(f"  {_MARKS[finding.outcome]} {finding.check}: {escape(finding.detail)}")
    if finding.fix:
        screen.console.print(f"          → {escape(finding.fix)}")
