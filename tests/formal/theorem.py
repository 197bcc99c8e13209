"""What a theorem about the shipped contracts is, how it is proven, and that it is not empty."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import z3

from .algebra import Algebra, Term
from .solidity import CONTRACTS, Node, compile_trees


@dataclass(frozen=True, slots=True)
class Goal:
    """A claim that follows from hypotheses; `about` says which part of its theorem it is."""

    about: str
    hypotheses: Sequence[Term]
    claim: Term


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault planted in the source, which some goal of the theorem must refute."""

    found: str
    planted: str


@dataclass(frozen=True, slots=True)
class Theorem:
    """A statement about one source file for all values of the given ranges.

    `goals` derives what has to be shown from the syntax tree of the file.
    """

    name: str
    says: str
    ranges: str
    source: str
    goals: Callable[[Node], Iterable[Goal]]
    mutants: tuple[Mutant, ...]

    @property
    def unit(self) -> str:
        """Return the name of the file as the compiler knows it."""
        return f"src/{self.source}"

    def mutant_unit(self, index: int) -> str:
        """Return the name under which a mutant is compiled, beside its original."""
        return self.unit.replace(".sol", f".{self.name}.{index}.sol")


class Outcome(Enum):
    """What the solver says of a goal."""

    PROVEN = "proven"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


def obligations(algebra: Algebra, hypotheses: Sequence[Term]) -> Goal:
    """Return the goal that a meaning was the EVM's: no overflow, no division by zero, no more turns
    of a loop than were run."""
    given = [*hypotheses, *algebra.axioms]
    return Goal("as the EVM computes", given, z3.And(*algebra.obligations))


def decide(goal: Goal, limit_seconds: float) -> Outcome:
    """Ask the solver whether a goal can fail."""
    solver = z3.Solver()
    solver.set("timeout", int(limit_seconds * 1000))
    solver.add(*goal.hypotheses, z3.Not(goal.claim))
    answer = solver.check()
    if answer == z3.unsat:
        return Outcome.PROVEN
    return Outcome.REFUTED if answer == z3.sat else Outcome.UNDECIDED


def trees_of(theorems: Sequence[Theorem]) -> dict[str, Node]:
    """Compile the sources and every mutant in one run; raise ValueError if a mutant is none."""
    sources: dict[str, str] = {}
    for theorem in theorems:
        _collect(theorem.unit, sources)
        for index, mutant in enumerate(theorem.mutants):
            text = sources[theorem.unit]
            if text.count(mutant.found) != 1:
                raise ValueError(f"{theorem.name}: {mutant.found!r} is not once in {theorem.unit}")
            changed = text.replace(mutant.found, mutant.planted)
            sources[theorem.mutant_unit(index)] = changed
    return compile_trees(sources)


def _collect(unit: str, sources: dict[str, str]) -> None:
    """Add a file and all that it imports."""
    if unit in sources:
        return
    path = CONTRACTS / unit
    sources[unit] = path.read_text()
    for imported in re.findall(r'from "(\./[^"]+|\.\./[^"]+)";', sources[unit]):
        _collect((path.parent / imported).resolve().relative_to(CONTRACTS).as_posix(), sources)


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one goal."""

    goal: Goal
    outcome: Outcome
    seconds: float


def prove(theorem: Theorem, tree: Node, limit_seconds: float = 60) -> list[Finding]:
    """Decide every goal of a theorem."""
    findings = []
    for goal in theorem.goals(tree):
        begun = time.monotonic()
        outcome = decide(goal, limit_seconds)
        findings.append(Finding(goal, outcome, time.monotonic() - begun))
    return findings


def is_refuted(theorem: Theorem, tree: Node, limit_seconds: float = 60) -> bool:
    """Say whether some goal of a theorem fails on a mutant."""
    goals = theorem.goals(tree)
    return any(decide(goal, limit_seconds) is Outcome.REFUTED for goal in goals)
