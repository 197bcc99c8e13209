"""Errors of the gateway, split by consequence.

GatewayError
├── InvalidTask       a request that no repetition makes acceptable; `field` says what is wrong
│   ├── UnknownModel  it names a model that this gateway does not serve
│   ├── PromptTooLong a prompt and what is to follow it pass what the model can hold
│   └── InvalidMember a member of a request in OpenAI's protocol is wrong; `code` says how
├── UnknownTask       no task of that id is known here or on chain
├── KeyReused         an idempotency key came again with another request; nothing was accepted
├── BudgetExceeded    the account may not spend so much; nothing was accepted
├── NoRoom            disk quota or queue is full; nothing was accepted, later it may be
├── MalformedBody     a body is not what its Content-Type says
├── UnsupportedType   a body is of a type that nothing here reads
├── BadChallenge      a miner's signature is not over a challenge of this gateway that is unused
├── DepositTooSmall   a miner's deposit covers no task; it joins nothing
├── NotAMember        a session of the pool is over, or never was
├── NotOffered        a miner asks for a task that is not offered to it
├── NoProof           no one-step proof decided a dispute
├── Unanswered        a task was accepted, and what was waited for is not there
│   ├── StillOpen     its result takes longer than the client waits; it goes on
│   ├── EndedWithout  it ended without a result; its fee came back
│   └── ResultVoid    its result was told already and is proven false
├── Stopping          the gateway is ending, or has not begun; nothing was accepted
└── BlobDamaged       a stored input is not what its name says
"""

from __future__ import annotations

from typing import ClassVar


class GatewayError(Exception):
    """Root of everything that the gateway raises itself. `exit_code`: of the command line."""

    exit_code: ClassVar[int] = 9


class InvalidTask(GatewayError):
    """A request is wrong in itself. `field`: the part of it that has to change."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class UnknownModel(InvalidTask):
    """A request names a model that is not served."""


class PromptTooLong(InvalidTask):
    """More tokens than the model has positions."""


class InvalidMember(InvalidTask):
    """A member of a request in OpenAI's protocol. `code`: that of its error."""

    def __init__(self, field: str, message: str, code: str) -> None:
        super().__init__(field, message)
        self.code = code


class UnknownTask(GatewayError):
    """An id names no task."""


class KeyReused(GatewayError):
    """One idempotency key, two requests."""


class BudgetExceeded(GatewayError):
    """An account's tasks would cost more than it may spend."""


class NoRoom(GatewayError):
    """The gateway holds as much as it may."""


class MalformedBody(GatewayError):
    """A body cannot be read."""


class UnsupportedType(GatewayError):
    """A body's Content-Type is none that tasks come in."""


class BadChallenge(GatewayError):
    """What a miner signed lets nobody in."""


class DepositTooSmall(GatewayError):
    """A miner could not lock the stake of one task."""


class NotAMember(GatewayError):
    """Nobody of the pool asks. `headers`: that the answer carries."""

    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Bearer realm="infernet pool"'}


class NotOffered(GatewayError):
    """A task is offered to another miner."""


class NoProof(GatewayError):
    """A dispute ended, or stands, without a proven step."""


class Unanswered(GatewayError):
    """A task was accepted, and the result that was waited for is not there. `task_id`: in hex."""

    # A client that repeats the request would pay for another task.
    headers: ClassVar[dict[str, str]] = {"x-should-retry": "false"}

    def __init__(self, task_id: str, message: str) -> None:
        super().__init__(f"task {task_id} {message}")
        self.task_id = task_id


class StillOpen(Unanswered):
    """A task's result takes longer than the client waits."""


class EndedWithout(Unanswered):
    """A task is refunded or failed."""


class ResultVoid(Unanswered):
    """A result was told and is false."""


class Stopping(GatewayError):
    """The gateway accepts nothing now."""


class BlobDamaged(GatewayError):
    """A stored file does not hash to its name."""
