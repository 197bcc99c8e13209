"""False steps: one in a run, with honest arithmetic after it, or dirt from one step on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from infernet.backend.hashing import hash_bytes
from infernet.backend.states import root_of
from infernet.backend.tamper import Mutation, TamperedTrace
from infernet.backend.trace import Trace
from interpreter.merkle import Hash
from interpreter.operators import Instruction
from interpreter.program import Step
from interpreter.state import State
from tests.e2e.disputes_arena import Claim
from tests.e2e.disputes_liars import TraceClaim

from .claims import CHANGES, Ended
from .networks import Network


class Place(StrEnum):
    """Which step of an operator."""

    FIRST = "first step"
    LAST = "last step"
    REDUCE = "a step that reduces"
    FINISH = "a step that finishes"
    MIDDLE = "a step in the middle"


@dataclass(frozen=True, slots=True)
class At:
    """One false step of the nth operator of an opcode, and honest arithmetic after it."""

    opcode: str
    place: Place
    nth: int = 0
    iteration: int = 0

    def claim(self, network: Network) -> Claim:
        """Return the claim."""
        told = network.told(str(self))
        operators = network.program.operators
        named = [i for i, each in enumerate(operators) if each.opcode.name == self.opcode]
        operator = named[self.nth]
        index = _index(told.instructions[operator], self.place)
        iteration = range(told.reached)[self.iteration]
        return false_from(network.truth, told.step(iteration, operator, index))


def _index(instruction: Instruction, place: Place) -> int:
    last, middle = instruction.steps - 1, instruction.steps // 2
    around = [*range(middle, last + 1), *range(middle)]

    def reduces(index: int) -> bool:
        return index < last and instruction.element_start(index + 1) != index + 1

    match place:
        case Place.FIRST:
            return 0
        case Place.LAST:
            return last
        case Place.MIDDLE:
            return middle
        case Place.REDUCE:
            return next(index for index in around if reduces(index))
        case Place.FINISH:
            return next(index for index in around if not reduces(index))


def false_from(truth: Trace, at: Step, mutation: Mutation | None = None) -> TraceClaim:
    """Return the claim of a run with a false step; dirty to its end where the lie would vanish."""
    tampered = TamperedTrace(truth, at, mutation or Mutation(77))
    return TraceClaim(tampered, at if tampered.lies_again_at_the_end else None)


@dataclass(frozen=True, slots=True)
class Kind:
    """A lie of a kind of decoders, drawn by its name."""

    name: str

    def claim(self, network: Network) -> Claim:
        """Return the claim."""
        return network.told(self.name).lie(self.name)


@dataclass(frozen=True, slots=True)
class FirstStep:
    """The very first step of the run, or the very last."""

    is_last: bool = False

    def claim(self, network: Network) -> Claim:
        """Return the claim."""
        return false_from(network.truth, Step(network.truth.steps - 1 if self.is_last else 0))


@dataclass(frozen=True, slots=True)
class Padding:
    """A byte behind the end of a tensor, in its last leaf, from one step on."""

    is_input: bool

    def claim(self, network: Network) -> Claim:
        """Return the claim."""
        return _Padded(network.truth, self.is_input)


class _Padded:
    """A run in whose states a slot holds dirt behind its tensor; its output differs as well."""

    def __init__(self, truth: Trace, is_input: bool) -> None:
        header, operators = truth.program.header, truth.program.operators
        output = np.frombuffer(truth.output, np.uint8).copy()
        CHANGES["last byte"](output)
        self.ended = Ended(truth, output, truth.halted)
        self.output, self.halted, self.final = output, truth.halted, self.ended.final
        self.truth, data = truth, truth.data
        self.slot, first = header.input_slot, operators[len(operators) // 2].first_step
        if not is_input:
            writers = [op for op in operators if op.dst == header.output_slot]
            self.slot, data = header.output_slot, np.frombuffer(truth.output, np.uint8)
            first = operators[operators.index(writers[-1]) + 1].first_step
        self.begins = Step(first)
        assert len(data) % 32, "the tensor fills its last leaf"
        self.root = hash_bytes(np.append(data, np.uint8(1))).root

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the state hash before each step."""
        found = self.ended.state_hashes(steps)
        pairs = zip(steps, found, strict=True)
        return [self._dirty(step) if self._is_dirty(step) else value for step, value in pairs]

    def _is_dirty(self, step: Step) -> bool:
        return self.begins <= step < self.truth.steps and not self.truth.state(step).halted

    def _dirty(self, step: Step) -> Hash:
        where = self.truth.program.locate(step, self.truth.iterations)
        inside = self.truth.inside(where.iteration)
        assert inside is not None
        roots = inside.roots(where)
        roots[self.slot] = self.root
        return State(step, False, root_of(roots), inside.accumulator(where)).hash

    def proof(self, step: Step) -> bytes:
        """Return the true run's proof: none shows dirt."""
        return self.truth.proof(step)
