"""Talk to a gateway: `Client` waits, `AsyncClient` is awaited; both answer typed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .answers import (
    Accepted,
    AcceptedBatch,
    Dispute,
    Event,
    Finality,
    Guess,
    Model,
    Move,
    Output,
    Place,
    Proof,
    Receipt,
    Spoken,
    State,
    Story,
    Task,
    TaskId,
    Wei,
)
from .errors import (
    Answered,
    BadArgument,
    Busy,
    ClientError,
    GatewayFault,
    NoResultYet,
    NotAllowed,
    NotThere,
    Problem,
    Refused,
    TimedOut,
    TryLater,
    Unreachable,
    Unreadable,
    WithoutResult,
)
from .inputs import Raw, Text
from .talk import Patience

if TYPE_CHECKING:
    from .aio import AsyncClient
    from .sync import Client

# They import httpx, which takes longer than all the rest and which errors alone do not need.
_LATER = {"AsyncClient": ".aio", "Client": ".sync"}

__all__ = [
    "Accepted",
    "AcceptedBatch",
    "Answered",
    "AsyncClient",
    "BadArgument",
    "Busy",
    "Client",
    "ClientError",
    "Dispute",
    "Event",
    "Finality",
    "GatewayFault",
    "Guess",
    "Model",
    "Move",
    "NoResultYet",
    "NotAllowed",
    "NotThere",
    "Output",
    "Patience",
    "Place",
    "Problem",
    "Proof",
    "Raw",
    "Receipt",
    "Refused",
    "Spoken",
    "State",
    "Story",
    "Task",
    "TaskId",
    "Text",
    "TimedOut",
    "TryLater",
    "Unreachable",
    "Unreadable",
    "Wei",
    "WithoutResult",
]


def __getattr__(name: str) -> Any:
    """Import a client when it is asked for."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name], __name__), name)
