"""The command line: one place where errors become one clear message and an exit code.

0 done · 2 usage · 3 bad input or model · 4 chain or balance · 5 a verdict against expectation ·
6 this machine's bits differ · 7 the player's own file · 8 the queue · 9 the gateway ·
10 a process of a local network
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from api.errors import GatewayError
from bisection.errors import GameError
from executor.errors import ExecutorError
from fisherman.errors import FishermanError
from infernet.actors.errors import ActorError
from infernet.audit.errors import AuditError
from infernet.backend.errors import BackendError, ConformanceError
from infernet.chain.errors import ChainError
from infernet.client.errors import ClientError
from infernet.config import ConfigError
from infernet.keys import KeyStoreError
from infernet.local.errors import LocalError
from infernet.models.errors import ModelError
from infernet.monitor.errors import MonitorError
from infernet.queue.errors import QueueError
from infernet.store.errors import StoreError
from interpreter.errors import InterpreterError

from .errors import DemoFailed
from .lazy import LazyGroup

KNOWN = (
    ModelError,
    ActorError,
    AuditError,
    ChainError,
    ConfigError,
    KeyStoreError,
    StoreError,
    MonitorError,
    QueueError,
    ExecutorError,
    FishermanError,
    GatewayError,
    ClientError,
    LocalError,
    DemoFailed,
    BackendError,
    InterpreterError,
    GameError,
)
_BAD_INPUT = 3
_NOT_CONFORMING = 6

app = typer.Typer(
    cls=LazyGroup,
    help="INT8 inference that anyone can check.",
    no_args_is_help=True,
    add_completion=False,
    # A traceback with local variables could show a key.
    pretty_exceptions_enable=False,
)


def print_version(wanted: bool) -> None:
    """Print the version and stop, if it is wanted."""
    if wanted:
        typer.echo(f"infernet {version('infernet')}")
        raise typer.Exit


@app.callback()
def root(
    wanted: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """INT8 inference that anyone can check."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the code of what happened."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; known errors become one message."""
    command = typer.main.get_command(app)
    try:
        command.main(args=arguments, prog_name="infernet")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except KNOWN as error:
        return _complain(str(error), exit_code_of(error))
    return 0


def exit_code_of(error: Exception) -> int:
    """Return the exit code of a known error."""
    if isinstance(error, ConformanceError):
        return _NOT_CONFORMING
    return int(getattr(error, "exit_code", _BAD_INPUT))


def _complain(message: str, code: int) -> int:
    Console(stderr=True, soft_wrap=True, highlight=False).print(
        f"[bold red]error:[/bold red] {escape(message)}"
    )
    return code
