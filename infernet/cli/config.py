"""`infernet config`: which settings are in force, and where they come from."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from infernet.chain.deployment import Deployment
from infernet.config import load
from infernet.config.show import lines
from infernet.keys import address_of
from infernet.models.store import load_manifest

from . import fisherman, miner
from .console import Screen
from .options import AsJson, ConfigFile
from .session import use_data_dir

app = typer.Typer(help="Settings: what they are and where they come from.", no_args_is_help=True)


@app.command("show")
def show(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Print every setting with its value and origin; secrets are hidden."""
    loaded = load(config)
    found = lines(loaded)
    if as_json:
        typer.echo(json.dumps({line.name: asdict(line) for line in found}, indent=2))
        return
    screen = Screen.open(to_stderr=False)
    screen.line(f"file: {loaded.file or 'none'}")
    rows = []
    for line in found:
        value = "—" if line.value is None else json.dumps(line.value)
        unit = f" {line.unit}" if line.unit and line.value is not None else ""
        rows.append((line.name, f"{value}{unit}", line.origin))
    screen.texts(("setting", "value", "from"), rows)
    screen.line("--json adds what each is for, and its name in the environment")


@app.command("check")
def check(config: ConfigFile = None) -> None:
    """Check the settings and the files that they name; nothing is connected to or opened."""
    loaded = load(config)
    settings = loaded.config
    use_data_dir(settings)
    for name in settings.infernet.models:
        load_manifest(name)
    if settings.network.contracts:
        Deployment.from_file(settings.network.contracts)
    if settings.wallet.keystore:
        address_of(settings.wallet.keystore)
    fisherman.policy_of(settings)
    if settings.infernet.enabled:
        miner.policy_of(settings)
    Screen.open(to_stderr=False).line(f"{loaded.file or 'the defaults'}: good")
