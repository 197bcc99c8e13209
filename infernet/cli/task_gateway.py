"""What `infernet task` does through a gateway: no node, no keystore, a key of the gateway's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import typer
from rich.live import Live

from infernet.audit.ids import find_id
from infernet.backend.hashing import hash_bytes
from infernet.client import (
    Client,
    Event,
    Patience,
    State,
    TaskId,
    Text,
    Wei,
    WithoutResult,
)
from infernet.config import Config, ConfigError
from infernet.models.store import load_model

from . import gateway_view as view
from .console import Screen
from .demo_scene import choose_inputs
from .task_follow import INTERRUPTED

# A minute and a half: a gateway may be started anew meanwhile.
_PATIENCE = Patience((0.2, 0.5, 1.0, 2.0, *([4.0] * 21)))
# Among so many, the latest, an id is found by its first digits.
_SEARCHED = 1_000
_ID_CHARACTERS = 66


def gateway_of(settings: Config, flag: str | None, *chain_flags: str | None) -> str | None:
    """Return the gateway to ask, None for the chain: flags decide, then the settings.

    Raises ConfigError for flags of both.
    """
    is_chain = any(each is not None for each in chain_flags)
    if flag and is_chain:
        raise ConfigError(
            "--gateway excludes --rpc, --contracts, --keystore and --passphrase-file: the gateway "
            "has its own; leave out one or the other"
        )
    return None if is_chain else settings.gateway.url


def submit(
    url: str,
    model: str,
    inputs: Sequence[Path | Text],
    count: int | None,
    *,
    iterations: int,
    fee_wei: int | None,
    deadline_seconds: int | None,
    is_awaited: bool,
    as_json: bool,
) -> None:
    """Have tasks accepted, print their ids, and wait until all are final if that is wanted."""
    given = inputs or choose_inputs(model, load_model(model, hash_bytes), None)
    screen, wanted, found = Screen.open(to_stderr=True), count or len(given), list[TaskId]()
    with _client(url) as client:
        try:
            with screen.progress(f"submitting {wanted} runs of {model}", wanted) as advance:
                for number in range(wanted):
                    accepted = client.submit(
                        model,
                        given[number % len(given)],
                        fee_wei=None if fee_wei is None else Wei(fee_wei),
                        deadline_seconds=deadline_seconds,
                        iterations=iterations,
                    )
                    found.append(accepted.id)
                    advance(number + 1)
        finally:
            # What will be paid for is named, whatever comes after it.
            typer.echo(json.dumps(found) if as_json else "\n".join(found), nl=bool(found))
        if is_awaited:
            with screen.progress("waiting until they are final", len(found)) as advance:
                for number, task_id in enumerate(found):
                    client.wait(task_id)
                    advance(number + 1)


def list_(url: str, last: int, *, is_mine: bool, as_json: bool) -> None:
    """Print the latest tasks, oldest first."""
    with _client(url) as client:
        found = list(islice(client.tasks(is_mine=is_mine), last))[::-1]
    if as_json:
        typer.echo(json.dumps([view.task_object(each) for each in found], indent=2))
    elif not found:
        typer.echo("no tasks")
    else:
        Screen.open(to_stderr=False).texts(view.COLUMNS, [view.row(each) for each in found])


def show(url: str, name: str, *, as_json: bool) -> None:
    """Print how a task stands."""
    with _client(url) as client:
        found = client.task(_find(client, name))
    if as_json:
        typer.echo(json.dumps(view.task_object(found), indent=2))
        return
    for line in view.page(found):
        typer.echo(line)


def watch(url: str, name: str, *, as_json: bool) -> None:
    """Print a task's events until it ends, and its result; raise WithoutResult if it has none."""
    with _client(url) as client:
        task_id = _find(client, name)
        for event in _drawn(client.events(task_id), is_drawn=not as_json):
            if as_json:
                typer.echo(json.dumps(view.event_object(event)))
        found = client.task(task_id)
    if found.state is not State.FINAL:
        raise WithoutResult(f"task {task_id} is {found.state}: it has no result")
    if not as_json:
        typer.echo(f"result: {view.result(found)}")


def receipt_text(url: str, name: str) -> str:
    """Return a task's receipt as the gateway writes it, unchecked."""
    with _client(url) as client:
        return client.receipt(_find(client, name)).text


@contextmanager
def _client(url: str) -> Iterator[Client]:
    """Give a client whose key is INFERNET_API_KEY; an interruption ends with its exit code."""
    try:
        with Client(url, patience=_PATIENCE) as client:
            yield client
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _find(client: Client, text: str) -> str:
    """Return the one task whose id begins so; a whole id is not looked for."""
    if len(text) == _ID_CHARACTERS:
        return text.lower()
    latest = [bytes.fromhex(each.id[2:]) for each in islice(client.tasks(), _SEARCHED)]
    return f"0x{find_id(text, latest[::-1], 'task').hex()}"


def _drawn(events: Iterator[Event], *, is_drawn: bool) -> Iterator[Event]:
    """Yield events, and tell them: as a drawing where a person looks on, else line by line."""
    screen, told = Screen.open(to_stderr=False), list[Event]()
    if not is_drawn:
        yield from events
    elif not screen.console.is_terminal:
        for event in events:
            typer.echo(view.line(event))
            yield event
    else:
        with Live(view.drawing(told), console=screen.console) as live:
            for event in events:
                told.append(event)
                live.update(view.drawing(told), refresh=True)
                yield event
