"""Lies in one call, which the chain must refuse at whatever stage of a task it comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .case import Case
from .courses import Challenge, Course, Stage, defeated, doubted, lie_of
from .demands import dirty, hidden, shown
from .ground import Party
from .lie import Lie

ALSO_LIES: dict[Course, set[Party]] = {
    defeated: {Party.EXECUTOR},
    doubted: {Party.CHALLENGER},
    hidden: {Party.EXECUTOR, Party.REQUESTER},
    dirty: {Party.EXECUTOR, Party.REQUESTER},
    shown: {Party.CHALLENGER},
}

Argument = Callable[[Case], Any] | str | int | bytes
Arguments = Callable[[Case], Sequence[Any]] | tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A call of one of the ground's contracts, `contract.function`.

    Among its arguments a text names what the case knows, a function finds it.
    """

    name: str
    arguments: Arguments
    value: int = 0

    def attempt(self, case: Case, party: Party) -> None:
        """Send it, which must fail."""
        contract, _, function = self.name.partition(".")
        given = self.arguments
        found = given(case) if callable(given) else [_value(each, case) for each in given]
        case.attempt(party, getattr(case.ground, contract), function, *found, value=self.value)


def _value(argument: Argument, case: Case) -> Any:
    if callable(argument):
        return argument(case)
    return getattr(case, argument) if isinstance(argument, str) else argument


def call(name: str, *arguments: Argument, value: int = 0) -> Call:
    """Return a call of `contract.function`."""
    return Call(name, arguments, value)


@dataclass(frozen=True, slots=True)
class Tries:
    """One call that must fail; before and after it comes what would come without it."""

    course: Course
    stage: Stage
    party: Party
    call: Call

    def __call__(self, case: Case) -> None:
        """Play it."""
        is_tried = False
        for stage in self.course(case):
            if stage is self.stage:
                self.call.attempt(case, self.party)
                is_tried = True
        if not is_tried:
            case.faults.append("the call was never tried")


def tries(
    name: str,
    course: Course,
    stage: Stage,
    party: Party,
    what: str,
    call: Call,
    network: str = "digits",
) -> Lie:
    """Return a lie in one call."""
    liars = frozenset({party} | ALSO_LIES.get(course, set()))
    return Lie(name, network, liars, stage.value, what, Tries(course, stage, party, call))


# Arguments


def address(party: Party) -> Argument:
    """Return a party's address."""
    return lambda case: case.ground.address[party]


def result(output: Callable[[Case], bytes], attempt: int = 1) -> Call:
    """Return a result of the case's task."""
    return call("market.assertResult", "task_id", attempt, output, False)


def true_output(case: Case) -> bytes:
    """Return the true output."""
    return case.truth.output


def false_output(case: Case) -> bytes:
    """Return a false one."""
    return np.asarray(lie_of(case).output).tobytes()


def short_output(case: Case) -> bytes:
    """Return the true output without its last byte."""
    return true_output(case)[:-1]


def long_output(case: Case) -> bytes:
    """Return the true output and a byte more."""
    return true_output(case) + b"\0"


def commitment(case: Case) -> bytes:
    """Return what the challenger commits to in the course of a doubted result."""
    return Challenge(case, Party.CHALLENGER, lie_of(case)).commitment


def opening(case: Case) -> Sequence[Any]:
    """Return that challenger's opening."""
    false = Challenge(case, Party.CHALLENGER, lie_of(case))
    return case.game_id, false.salt, false.hashes


def any_move(case: Case) -> Sequence[Any]:
    """Return a dissection of whatever comes first."""
    return case.game_id, 0, bytes(32), bytes(32), [], []


def after_window(case: Case) -> bytes:
    """Return the result's id, once its window is closed."""
    case.ground.pass_until(case.window_end)
    return case.assertion_id


def asked(**changes: Any) -> Arguments:
    """Return the arguments of the case's request, changed, under a nonce of their own."""
    names = "root", "data", "iterations", "fee", "deadline", "nonce"

    def arguments(case: Case) -> Sequence[Any]:
        given = dict(zip(names, case.ground.posted, strict=True))
        for name, change in ({"nonce": 1000} | changes).items():
            given[name] = change(given[name]) if callable(change) else change
        return list(given.values())

    return arguments
