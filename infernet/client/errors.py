"""Errors of the client, split by consequence.

ClientError
├── BadArgument      what the caller gave cannot be sent: change it
├── TryLater         the same may succeed later, and was tried several times already
│   ├── Unreachable  nobody answered, or the answer broke off
│   └── Busy         the gateway asks for patience (429, 502, 503, 504)
├── Refused          the gateway will not do it (4xx): change the request
│   ├── NotAllowed   the key is missing, wrong, or may not, or its budget is spent (401, 402, 403)
│   ├── NotThere     nothing has that id or name (404)
│   └── NoResultYet  the task has no result to certify (409)
├── GatewayFault     the gateway made a mistake (5xx): tell its operator
├── Unreadable       the answer is not what a gateway answers: check the address
├── TimedOut         a wait took longer than its caller allowed; the task goes on
└── WithoutResult    the task ended as refunded or failed
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """What a gateway says is wrong (RFC 9457). `field`: the part of the request, if one is."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None

    @property
    def name(self) -> str:
        """Return the last part of `type`, as docs/api.md lists it."""
        return self.type.rpartition("/")[2]


class ClientError(Exception):
    """Root of everything that the client raises. `exit_code`: of the command line."""

    exit_code: ClassVar[int] = 9


class BadArgument(ClientError):
    """What the caller gave cannot be sent."""

    exit_code = 2


class Answered(ClientError):
    """The gateway answered with a problem."""

    def __init__(self, problem: Problem) -> None:
        place = f" ({problem.field})" if problem.field else ""
        super().__init__(f"the gateway answers {problem.status}: {problem.detail}{place}")
        self.problem = problem


class TryLater(ClientError):
    """The same may succeed later. `retry_after_seconds`: not before that, if the gateway says."""

    retry_after_seconds: float = 0.0


class Unreachable(TryLater):
    """Nobody answered, or the answer broke off."""


class Busy(Answered, TryLater):
    """The gateway asks for patience."""

    def __init__(self, problem: Problem, retry_after_seconds: float) -> None:
        super().__init__(problem)
        self.retry_after_seconds = retry_after_seconds


class Refused(Answered):
    """The gateway will not do it."""

    exit_code = 3


class NotAllowed(Refused):
    """The key is missing, wrong, or may not, or its budget is spent."""


class NotThere(Refused):
    """Nothing has that id or name."""


class NoResultYet(Refused):
    """The task has no result to certify."""

    exit_code = 4


class GatewayFault(Answered):
    """The gateway made a mistake."""


class Unreadable(ClientError):
    """The answer is not what a gateway answers."""


class TimedOut(ClientError):
    """A wait took longer than its caller allowed; the task goes on."""

    exit_code = 4


class WithoutResult(ClientError):
    """The task ended as refunded or failed."""

    exit_code = 5
