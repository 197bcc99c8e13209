"""Commands that are imported when they are asked for: the help needs none of their libraries."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group


@dataclass(frozen=True, slots=True)
class Later:
    """Where a command is: `attribute` of `module`. `help`: the first line of its help."""

    module: str
    attribute: str
    help: str


COMMANDS = {
    "demo": Later(
        ".demo",
        "demo",
        "Serve one task honestly and one with a lie, and see both end as they must.",
    ),
    "up": Later(
        ".up",
        "up",
        "Run chain, queue, gateway, worker, miner and fisherman until a signal ends it; keep "
        "the data.",
    ),
    "doctor": Later(
        ".doctor",
        "doctor",
        "Check machine, settings, key, chain and money; name each fault and its fix.",
    ),
    "status": Later(
        ".status",
        "status",
        "Show tasks, money and disputes of the account in the keystore; needs no passphrase.",
    ),
    "replay": Later(
        ".replay",
        "replay",
        "Run a receipt's task again, or show one step with its operands, proof and states.",
    ),
    "worker": Later(
        ".worker", "worker", "Compute until a signal ends it; holds no key and no stake."
    ),
    "model": Later(".model", "app", "Import, build, inspect and run models."),
    "chain": Later(".chain", "app", "Contracts on a chain."),
    "api": Later(".api", "app", "Take tasks over REST and send them to the chain."),
    "miner": Later(".miner", "app", "Serve tasks and earn their fees."),
    "fisherman": Later(".fisherman", "app", "Watch results and challenge false ones."),
    "task": Later(".task", "app", "Ask for runs and see what becomes of them."),
    "dispute": Later(".dispute", "app", "Look at disputes and repeat them."),
    "config": Later(".config", "app", "Settings: what they are and where they come from."),
}


class LazyGroup(TyperGroup):
    """The group of all commands; until one is called it is known by name and help alone."""

    def __init__(self, **options: Any) -> None:
        options["commands"] = {
            name: TyperCommand(name, help=later.help) for name, later in COMMANDS.items()
        }
        super().__init__(**options)

    def resolve_command(self, context: Any, arguments: list[str]) -> Any:
        """Return name, command and the arguments left, as the parent does, but import it."""
        name, command, left = super().resolve_command(context, arguments)
        return name, load_command(name) if name in COMMANDS else command, left


def load_command(name: str) -> Any:
    """Import a command and return it, ready to be called."""
    later = COMMANDS[name]
    found = getattr(import_module(later.module, __package__), later.attribute)
    if isinstance(found, typer.Typer):
        command: Any = get_group(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        command = get_command(alone)
    command.name = name
    return command
