"""Events of the contracts in sentences, each with who did it and what it is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from infernet.chain.logs import Event
from infernet.chain.records import Address, AssertionId, GameId, Seconds, TaskId, Wei
from infernet.chain.wallet import in_ether

from .records import Entry, Side

_R, _E, _C, _A = Side.REQUESTER, Side.EXECUTOR, Side.CHALLENGER, Side.ANYONE

# Event: whose doing it was, the argument that names an account, and the sentence: it follows the
# account, or leads to it where it was anyone's doing. `{x}` is an argument, `{x:wei}` one in ether,
# `{x:n}` a number in groups of three digits.
_TABLE: dict[str, tuple[Side, str, str]] = {
    "Requested": (_R, "requester", "asks for a run and locks a fee of {fee:wei}"),
    "Claimed": (_E, "executor", "claims the task, attempt {attempt}, under {stake:wei} of stake"),
    "ClaimExpired": (_E, "executor", "gave no result in time and loses {penalty:wei}"),
    "Asserted": (_E, "executor", "asserts a result"),
    "Finalised": (_A, "executor", "the result is final; {fee:wei} are earned by"),
    "Slashed": (
        _A,
        "executor",
        "the result was false: {burned:wei} burn, {reward:wei} go to the winner, from the stake of",
    ),
    "FeeReclaimed": (_R, "requester", "takes back the fee of {fee:wei}"),
    "RevealDemanded": (_A, "demander", "the input has to be shown: a demand of"),
    "Revealed": (_A, "revealer", "the challenge window begins anew: the input is shown by"),
    "RevealTimedOut": (
        _A,
        "demander",
        "the input was never shown: the stake is lost to",
    ),
    "ChallengeCommitted": (_C, "challenger", "commits to a challenge under a bond of {bond:wei}"),
    "GameOpened": (_C, "challenger", "opens the dispute"),
    "Dissected": (_A, "", "cuts {length:n} steps from step {start:n} on"),
    "StepProved": (_A, "", "proves step {step:n}: the contract executes it"),
    "TimedOut": (_A, "", "let the deadline pass"),
    "CommitForfeited": (_C, "", "never opened the challenge"),
    "GameLost": (_A, "", "the challenger has lost"),
    "AssertionVoided": (_A, "", "the executor has lost: its result is void"),
    "GameSettled": (
        _A,
        "",
        "the bond is settled: {refunded:wei} back, {paidToExecutor:wei} to the executor, "
        "{burned:wei} burned",
    ),
    "PriorityClaimed": (_C, "", "claims to have been earlier"),
    "Rewarded": (_C, "challenger", "is rewarded with {reward:wei}"),
    "ModelRegistered": (
        _A,
        "registrant",
        "stake floor {minimumStake:wei}: a program of",
    ),
    "Deposited": (_A, "account", "{amount:wei} come to the vault, for"),
    "Withdrawn": (_A, "account", "{amount:wei} leave the vault, to"),
}
TOLD = frozenset(_TABLE)


class _Shown:
    """An argument that a sentence formats."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __format__(self, spec: str) -> str:
        if spec == "wei":
            return in_ether(Wei(self._value))
        return f"{self._value:,}" if spec == "n" else str(self._value)


def entry_of(event: Event, time: Seconds) -> Entry:
    """Return an event in words; it is one of TOLD."""
    by, name, words = _TABLE[event.name]
    if "byChallenger" in event.arguments:
        by = _C if event["byChallenger"] else _E
    shown = {key: _Shown(value) for key, value in event.arguments.items()}
    return Entry(
        event.name,
        by,
        Address(event[name]) if name else None,
        words.format(**shown),
        event.block_number,
        event.log_index,
        time,
        event.transaction,
        _id(event, "taskId", TaskId),
        _id(event, "assertionId", AssertionId),
        _id(event, "gameId", GameId),
    )


def _id(event: Event, name: str, kind: Callable[[bytes], Any]) -> Any:
    """Return an id that an event names; one of zeros names nothing."""
    value = bytes(event.arguments.get(name, b""))
    return kind(value) if any(value) else None
