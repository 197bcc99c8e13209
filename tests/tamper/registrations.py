"""Lies of whoever registers a program: what does not fit is refused, whoever pays for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from interpreter.program import Header, Program
from tests.e2e.disputes_chain import DEPOSIT_WEI

from .case import Case
from .courses import Stage, accepted
from .ground import Party
from .lie import Lie
from .networks import Constant, Number
from .tries import Call, tries

REVISION = Constant("CONV", "weights")
OTHER = Number("CONV", "a_zero", 1)


def _descriptors(program: Program) -> list[bytes]:
    return [operator.encode() for operator in program.operators]


def _revised(
    change: Callable[[list[bytes]], list[bytes]] = list,
    header: Callable[[Header], Header] = lambda header: header,
) -> Callable[[Case], Sequence[Any]]:
    """Return what registers a revision of the case's program, changed."""

    def arguments(case: Case) -> Sequence[Any]:
        revised = REVISION.apply(case.network.program)
        found = change(_descriptors(revised))
        return header(revised.header).encode(), "", b"".join(found)

    return arguments


def _same(case: Case) -> Sequence[Any]:
    program = case.network.program
    return program.header.encode(), "", b"".join(_descriptors(program))


def _other_descriptors(case: Case) -> Sequence[Any]:
    header, _, _ = _revised()(case)
    return header, "", b"".join(_descriptors(OTHER.apply(case.network.program)))


def _extension(case: Case) -> Sequence[Any]:
    header, _, descriptors = _revised()(case)
    return header, descriptors


def _bent(descriptors: list[bytes]) -> list[bytes]:
    return [b"\xff" + descriptors[0][1:], *descriptors[1:]]


def _late(descriptors: list[bytes]) -> list[bytes]:
    return [descriptors[1], descriptors[0], *descriptors[2:]]


def _endless(descriptors: list[bytes]) -> list[bytes]:
    return [*descriptors[:-1], descriptors[0]]


def _registers(
    name: str, what: str, arguments: Callable[[Case], Sequence[Any]], value: int = DEPOSIT_WEI
) -> Lie:
    sends = Call("registry.register", arguments, value)
    return tries(name, accepted, Stage.POSTED, Party.FRIEND, what, sends)


REGISTRATIONS = (
    _registers("registers again", "a program that is registered", _same),
    _registers("registers for nothing", "no deposit", _revised(), 0),
    _registers("registers for half", "half of the deposit", _revised(), DEPOSIT_WEI // 2),
    _registers("bends a descriptor", "an operator that there is not", _revised(_bent)),
    _registers("swaps descriptors", "the second before the first", _revised(_late)),
    _registers("leaves the end out", "another operator in its place", _revised(_endless)),
    _registers("adds a descriptor", "behind the end", _revised(lambda found: [*found, found[0]])),
    _registers(
        "cuts a descriptor",
        "half of the last",
        _revised(lambda found: [*found[:-1], found[-1][:9]]),
    ),
    _registers("registers other operators", "not of the header's root", _other_descriptors),
    _registers(
        "understates its steps",
        "one less, for a lower stake",
        _revised(
            header=lambda each: replace(each, steps_per_iteration=each.steps_per_iteration - 1)
        ),
    ),
    _registers(
        "registers endless steps",
        "2⁶³ of them, beyond any game",
        _revised(
            header=lambda each: replace(each, max_iterations=2**24, steps_per_iteration=2**39)
        ),
    ),
    tries(
        "extends what it did not begin",
        accepted,
        Stage.POSTED,
        Party.FRIEND,
        "another's registration",
        Call("registry.extend", _extension),
    ),
)
