"""Who wrote what: the content of each slot before each operator of an iteration, by its writer."""

from __future__ import annotations

from dataclasses import dataclass

from interpreter.operators import Begin, Free, Instruction, Keep, decode
from interpreter.program import Program
from interpreter.tensors import TensorType


@dataclass(frozen=True, slots=True)
class Version:
    """A slot's content and its type.

    `writer`: the operator that made it, or `before_in(slot)` if it lay there when the iteration
    began.
    """

    writer: int
    kind: TensorType


Contents = tuple[Version | None, ...]


def before_in(slot: int) -> int:
    """Return the writer of what a slot held before the iteration; its own inverse."""
    return -1 - slot


@dataclass(frozen=True, slots=True)
class Timeline:
    """`before[i]`: the slots before operator i; `instructions[i]`: operator i, decoded."""

    instructions: tuple[Instruction, ...]
    before: tuple[Contents, ...]

    def base(self, operator: int) -> Version:
        """Return what an operator's destination held before it."""
        destination = self.instructions[operator].destination
        assert destination is not None
        return self.version(operator, destination.slot)

    def version(self, operator: int, slot: int) -> Version:
        """Return what a slot that is not empty holds before an operator."""
        found = self.before[operator][slot]
        assert found is not None
        return found

    def is_zero(self, version: Version) -> bool:
        """Say whether a content is the zero tensor that a BEGIN or KEEP made."""
        return version.writer >= 0 and isinstance(self.instructions[version.writer], Begin)


def timeline_of(program: Program, *, is_first: bool) -> Timeline:
    """Return the timeline of a registrable program's first iteration, or of any later one."""
    header = program.header
    instructions = tuple(decode(operator) for operator in program.operators)
    slots: list[Version | None] = [None] * (1 << header.slot_depth)
    slots[header.input_slot] = Version(before_in(header.input_slot), header.input_type)
    if not is_first:
        for instruction in instructions:
            if isinstance(instruction, Keep):
                slots[instruction.dst] = Version(before_in(instruction.dst), instruction.kind)
    before = []
    for index, instruction in enumerate(instructions):
        before.append(tuple(slots))
        match instruction:
            case Keep() if not is_first:
                continue
            case Begin(dst=dst, kind=kind):
                slots[dst] = Version(index, kind)
            case Free(dst=dst):
                slots[dst] = None
            case _:
                if destination := instruction.destination:
                    slots[destination.slot] = Version(index, destination.kind)
    return Timeline(instructions, tuple(before))
