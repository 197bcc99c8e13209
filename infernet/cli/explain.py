"""A disputed instruction in words: operator, layer, element, what was claimed, what is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from infernet.backend.states import States
from interpreter.operators import Instruction, decode
from interpreter.program import Location, Program, Step
from interpreter.state import State


class Teller(Protocol):
    """A trace whose values can be looked at: the true one, or a liar's."""

    @property
    def iterations(self) -> int:
        """Return how many iterations the run has."""

    @property
    def steps(self) -> int:
        """Return how many steps they have."""

    def inside(self, iteration: int) -> States | None:
        """Return the states of an iteration; None when the run has halted before it."""

    @property
    def output(self) -> bytes:
        """Return the output bytes."""

    def state(self, step: Step) -> State:
        """Return the state before a step."""


@dataclass(frozen=True, slots=True)
class Disputed:
    """One instruction about which two runs differ. `element`: flat index, None where none is."""

    step: int
    operator_index: int
    operator: str
    layer: str
    kind: str
    detail: str
    element: int | None
    what: str
    claimed: str
    true: str

    @property
    def sentence(self) -> str:
        """Return the whole in one sentence."""
        return (
            f"Step {self.step:,} ({self.kind}) belongs to operator {self.operator_index} "
            f"({self.operator}, layer {self.layer}): {self.detail}. The executor claimed "
            f"{_grouped(self.claimed)} as {self.what}; the true one is {_grouped(self.true)}."
        )


def _grouped(value: str) -> str:
    return f"{int(value):,}" if value.removeprefix("-").isdecimal() else value


def explain(
    program: Program, names: tuple[str, ...], truth: Teller, lie: Teller, step: Step
) -> Disputed:
    """Return what `lie` says of `step` and what is true. `names`: of the layers, by operator."""
    where = program.locate(step, truth.iterations)
    instruction = decode(program.operators[where.operator])
    note = instruction.note(where.index, where.iteration)
    what, claimed, true, element = _difference(truth, lie, instruction, where, step)
    is_named = where.operator < len(names) and names[where.operator]
    return Disputed(
        step,
        where.operator,
        program.operators[where.operator].opcode.name,
        names[where.operator] if is_named else f"#{where.operator}",
        note.kind,
        note.detail,
        element if element is not None else (note.element if note.element >= 0 else None),
        what,
        claimed,
        true,
    )


def _difference(
    truth: Teller, lie: Teller, instruction: Instruction, where: Location, step: Step
) -> tuple[str, str, str, int | None]:
    after = Step(step + 1)
    true_state, false_state = truth.state(after), lie.state(after)
    if true_state.accumulator != false_state.accumulator:
        pair = (str(false_state.accumulator), str(true_state.accumulator))
        return "the accumulator", *pair, None
    if true_state.halted != false_state.halted:
        return "the halted flag", str(false_state.halted), str(true_state.halted), None
    target = instruction.destination
    if target is not None and not true_state.halted:
        following = Location(where.iteration, where.operator, where.index + 1)
        dtype = target.kind.dtype.numpy
        true_data, false_data = (_partial(each, following).view(dtype) for each in (truth, lie))
        different = np.flatnonzero(true_data != false_data)
        if different.size:
            element = int(different[0])
            pair = (str(false_data[element]), str(true_data[element]))
            return f"element {element}", *pair, element
    elif truth.output != lie.output and (true_state.halted or after == truth.steps):
        pairs = enumerate(zip(lie.output, truth.output, strict=True))
        byte = next(i for i, (false, true) in pairs if false != true)
        return f"output byte {byte}", str(lie.output[byte]), str(truth.output[byte]), byte
    roots = (false_state.memory_root.hex(), true_state.memory_root.hex())
    return "the memory root", f"0x{roots[0][:16]}…", f"0x{roots[1][:16]}…", None


def _partial(teller: Teller, where: Location) -> npt.NDArray[np.uint8]:
    inside = teller.inside(where.iteration)
    assert inside is not None
    return inside.partial(where)
