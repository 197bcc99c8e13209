"""From a task's events to where it stands: a pure fold, so that every index can be rebuilt."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from infernet.chain.records import Address, AssertionId, Seconds

from .records import Standing, TaskState


class Happened(Protocol):
    """An event on chain, however it is kept."""

    @property
    def kind(self) -> str:
        """Return the contract's name of it, in snake case."""

    @property
    def data(self) -> dict[str, Any]:
        """Return its arguments in JSON types."""

    @property
    def block(self) -> int:
        """Return the number of its block."""

    @property
    def transaction(self) -> bytes:
        """Return the hash of its transaction."""


@dataclass(slots=True)
class _Fold:
    """What one task's events amount to so far. `games`: the open ones over the last result."""

    now: Standing = field(default_factory=Standing)
    games: set[str] = field(default_factory=set)
    is_void: bool = False

    def result_is(self, data: dict[str, Any]) -> bool:
        """Return whether an event is about the result that the task rests on."""
        current = self.now.assertion_id
        return current is not None and data["assertionId"] == f"0x{current.hex()}"

    def judge(self) -> None:
        """Let the games over a pending result decide how it is called."""
        if self.is_void:
            state = TaskState.SLASHED
        else:
            state = TaskState.DISPUTED if self.games else TaskState.ASSERTED
        self.now = replace(self.now, state=state)


def standings(events: Iterable[Happened]) -> Iterator[Standing]:
    """Yield where a task stood after each of its events, which are given in the chain's order."""
    fold = _Fold()
    for event in events:
        if handle := _HANDLERS.get(event.kind):
            handle(fold, event)
        yield fold.now


def standing_of(events: Iterable[Happened]) -> Standing:
    """Return where a task stands after all of its events."""
    return next(iter(deque(standings(events), maxlen=1)), Standing())


def _requested(fold: _Fold, event: Happened) -> None:
    fold.now = Standing(requested_block=event.block, requested_tx=event.transaction)


def _claimed(fold: _Fold, event: Happened) -> None:
    fold.now = replace(
        fold.now,
        state=TaskState.RUNNING,
        attempt=int(event.data["attempt"]),
        executor=Address(event.data["executor"]),
        claim_deadline=Seconds(event.data["claimDeadline"]),
    )


def _reopened(fold: _Fold, event: Happened) -> None:
    """Open a task again. What was said of its last result says nothing of the next."""
    fold.games, fold.is_void = set(), False
    fold.now = Standing(
        attempt=fold.now.attempt,
        slashed=fold.now.slashed + (event.kind == "slashed"),
        requested_block=fold.now.requested_block,
        requested_tx=fold.now.requested_tx,
    )


def _asserted(fold: _Fold, event: Happened) -> None:
    fold.games, fold.is_void = set(), False
    fold.now = replace(
        fold.now,
        state=TaskState.ASSERTED,
        executor=Address(event.data["executor"]),
        assertion_id=AssertionId(_bytes(event.data["assertionId"])),
        output=_bytes(event.data["output"]),
        claim_deadline=None,
        window_end=Seconds(event.data["windowEnd"]),
        asserted_block=event.block,
        asserted_tx=event.transaction,
    )


def _revealed(fold: _Fold, event: Happened) -> None:
    if fold.result_is(event.data):
        fold.now = replace(fold.now, window_end=Seconds(event.data["windowEnd"]))


def _challenged(fold: _Fold, event: Happened) -> None:
    if fold.result_is(event.data):
        fold.games.add(event.data["gameId"])
        fold.judge()


def _game_over(fold: _Fold, event: Happened) -> None:
    if event.data["gameId"] in fold.games:
        fold.games.discard(event.data["gameId"])
        fold.judge()


def _voided(fold: _Fold, event: Happened) -> None:
    if fold.result_is(event.data):
        fold.is_void = True
        fold.judge()


def _closed(fold: _Fold, event: Happened) -> None:
    state = TaskState.FINAL if event.kind == "finalised" else TaskState.REFUNDED
    fold.now = replace(
        fold.now,
        state=state,
        claim_deadline=None,
        closed_block=event.block,
        closed_tx=event.transaction,
    )


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


_HANDLERS: dict[str, Callable[[_Fold, Happened], None]] = {
    "requested": _requested,
    "claimed": _claimed,
    "claim_expired": _reopened,
    "asserted": _asserted,
    "revealed": _revealed,
    "challenge_committed": _challenged,
    "game_lost": _game_over,
    "assertion_voided": _voided,
    "slashed": _reopened,
    "finalised": _closed,
    "fee_reclaimed": _closed,
}
