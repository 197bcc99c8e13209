"""Which event of the contracts opens a matter, and which ones close it."""

from __future__ import annotations

from infernet.store.events import Mark, Pairing

from .artifacts import load
from .logs import kinds_of


def _mark(contract: str, event: str, argument: str) -> Mark:
    kind = kinds_of(load(contract))[event]
    return Mark(kind.topic0, kind.topic_of(argument))


# A matter is called by the event that opens it.
PAIRINGS = (
    Pairing(
        "Requested",
        _mark("TaskMarket", "Requested", "taskId"),
        (
            _mark("TaskMarket", "Finalised", "taskId"),
            _mark("TaskMarket", "FeeReclaimed", "taskId"),
        ),
        # Inputs are as large as all else together a hundred times.
        bulk=_mark("TaskMarket", "InputCarried", "taskId"),
    ),
    Pairing(
        "Asserted",
        _mark("TaskMarket", "Asserted", "assertionId"),
        (
            _mark("TaskMarket", "Finalised", "assertionId"),
            _mark("TaskMarket", "Slashed", "assertionId"),
        ),
    ),
    Pairing(
        "ChallengeCommitted",
        _mark("DisputeGame", "ChallengeCommitted", "gameId"),
        (_mark("DisputeGame", "GameSettled", "gameId"),),
    ),
)
