"""Follow tasks on chain until they end."""

from __future__ import annotations

import time
from collections.abc import Callable

import typer

from infernet.audit.tasks import Progress, TaskState, progress_of
from infernet.chain.deployment import Contracts
from infernet.chain.records import TaskId

from .console import Screen

# What a shell says of a program that was interrupted.
INTERRUPTED = 130

_POLL_SECONDS = 1.0
_LAST = (TaskState.FINAL, TaskState.REFUNDED)


def await_final(board: Contracts, tasks: list[TaskId], screen: Screen) -> None:
    """Wait until all of some tasks are final or refunded."""
    try:
        with screen.progress("waiting until they are final", len(tasks)) as advance:
            for number, task_id in enumerate(tasks):
                follow(board, task_id, lambda progress: None)
                advance(number + 1)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def follow(board: Contracts, task_id: TaskId, tell: Callable[[Progress], None]) -> None:
    """Tell each change of a task until it is final or refunded."""
    last = None
    while True:
        found = progress_of(board, task_id)
        if (found.state, found.slashed) != last:
            tell(found)
        last = (found.state, found.slashed)
        if found.state in _LAST:
            return
        time.sleep(_POLL_SECONDS)
