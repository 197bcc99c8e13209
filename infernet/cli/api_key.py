"""`infernet api key`: who may ask this gateway for what."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Annotated

import typer

from api.access.keys import Key, Scope, changing
from infernet.chain.records import Wei
from infernet.chain.wallet import in_ether
from infernet.config import ConfigError, values

from .console import Screen
from .options import AsJson, ConfigFile
from .session import data_dir_of

app = typer.Typer(help="Make, list and revoke API keys; the gateway may run.", no_args_is_help=True)

_SECONDS = {"h": 3_600, "d": 86_400}
_MOST_DAYS = 36_500
_MOST_NAME = 80


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Who uses it, for the list.")],
    scopes: Annotated[
        list[Scope] | None,
        typer.Option("--scope", help="What it allows; default: tasks:write and tasks:read."),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Most that its tasks may cost, in ether; default: no limit.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Requests per second; default: the gateway's.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="After so long, such as 12h or 90d; default: never.")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show it, once: only its hash is kept."""
    folder = data_dir_of(config)
    if rate is not None and not 0 < rate < 1e9:
        raise ConfigError(f"--rate is {rate:g}; give requests per second, above 0")
    if not 0 < len(name) <= _MOST_NAME or not name.isprintable():
        raise ConfigError(f"the name has to be 1 to {_MOST_NAME} printable characters")
    with changing(folder) as keys:
        key, text = keys.create(
            name,
            scopes or [Scope.TASKS_READ, Scope.TASKS_WRITE],
            budget_wei=_budget(budget),
            rate=rate,
            seconds=_seconds(expires),
        )
    if as_json:
        typer.echo(json.dumps({**_facts(key), "key": text}))
        return
    Screen.open(to_stderr=True).line(f"key {key.id}; it is shown this once and kept as a hash:")
    typer.echo(text)


@app.command("list")
def list_(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show all keys, without what opens anything."""
    with changing(data_dir_of(config)) as keys:
        found = keys.list()
    if as_json:
        typer.echo(json.dumps([_facts(key) for key in found]))
        return
    screen = Screen.open(to_stderr=False)
    for key in found:
        budget = "no limit" if key.budget_wei is None else f"up to {in_ether(key.budget_wei)}"
        rate = "the gateway's rate" if key.rate is None else f"{key.rate:g} a second"
        scopes = " ".join(sorted(key.scopes))
        screen.line(f"{key.id}  {key.name}, {_standing(key)}")
        screen.line(f"{'':12}  {scopes}; {budget}; {rate}")


@app.command("revoke")
def revoke(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The key's id, from the list.")],
    config: ConfigFile = None,
) -> None:
    """End a key at once and for good; tasks that were accepted go on."""
    with changing(data_dir_of(config)) as keys:
        key = keys.revoke(id_)
    Screen.open(to_stderr=True).line(f"key {key.id} ({key.name}) opens nothing any more")


def _budget(text: str | None) -> Wei | None:
    if text is None:
        return None
    try:
        return Wei(values.ether(text))
    except ValueError as error:
        raise ConfigError(f"--budget is '{text}'; give {error}") from None


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    form = re.fullmatch(r"([0-9]{1,6})([hd])", text)
    seconds = int(form[1]) * _SECONDS[form[2]] if form else 0
    if not 0 < seconds <= _MOST_DAYS * _SECONDS["d"]:
        raise ConfigError(f"--expires is '{text}'; give hours or days, such as 12h or 90d")
    return seconds


def _facts(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "budget_wei": None if key.budget_wei is None else str(key.budget_wei),
        "rate": key.rate,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }


def _standing(key: Key) -> str:
    if key.revoked_at is not None:
        return f"revoked {_date(key.revoked_at)}"
    if key.expires_at is None:
        return "good"
    now = datetime.now(UTC).timestamp()
    return f"{'good until' if key.is_live(now) else 'expired'} {_date(key.expires_at)}"


def _date(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M UTC")
