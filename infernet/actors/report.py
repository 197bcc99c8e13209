"""What an actor tells whoever watches it; nothing on chain depends on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from infernet.chain.records import Address, AssertionId, GameId, Seconds, TaskId
from infernet.chain.wallet import Sent


@dataclass(frozen=True, slots=True)
class Position:
    """A game after a move: the interval in dispute, clocks in seconds and the next deadline."""

    game_id: GameId
    start: int
    length: int
    executor_clock: Seconds
    challenger_clock: Seconds
    deadline: Seconds


@dataclass(frozen=True, slots=True)
class Report:
    """Something an actor did (`sent`) or found out (no transaction).

    `event`: the constant name of what happened, in snake case; `what` says it to people.
    """

    actor: str
    address: Address
    event: str
    what: str
    sent: Sent | None = None
    task_id: TaskId | None = None
    assertion_id: AssertionId | None = None
    position: Position | None = None


Tell = Callable[[Report], None]


def tell_nobody(report: Report) -> None:
    """Ignore a report."""
