"""Who wrote what: the content of every slot before every operator, by its writer."""

from __future__ import annotations

from dataclasses import dataclass

from interpreter.operators import Begin, Free, Instruction, decode
from interpreter.program import Program
from interpreter.tensors import TensorType

INPUT = -1


@dataclass(frozen=True, slots=True)
class Version:
    """A slot's content: the operator that made it (INPUT for the input) and its type."""

    writer: int
    kind: TensorType


Contents = tuple[Version | None, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """`before[i]`: the slots before operator i; `instructions[i]`: operator i, decoded."""

    instructions: tuple[Instruction, ...]
    before: tuple[Contents, ...]

    def base(self, operator: int) -> Version:
        """Return what an operator's destination held before it."""
        destination = self.instructions[operator].destination
        assert destination is not None
        version = self.before[operator][destination.slot]
        assert version is not None
        return version

    def is_zero(self, version: Version) -> bool:
        """Say whether a content is the zero tensor that a BEGIN made."""
        return version.writer != INPUT and isinstance(self.instructions[version.writer], Begin)


def timeline_of(program: Program) -> Timeline:
    """Return the timeline of a registrable program's first iteration."""
    header = program.header
    slots: list[Version | None] = [None] * (1 << header.slot_depth)
    slots[header.input_slot] = Version(INPUT, header.input_type)
    instructions = tuple(decode(operator) for operator in program.operators)
    before = []
    for index, instruction in enumerate(instructions):
        before.append(tuple(slots))
        match instruction:
            case Begin(dst=dst, kind=kind):
                slots[dst] = Version(index, kind)
            case Free(dst=dst):
                slots[dst] = None
            case _:
                if destination := instruction.destination:
                    slots[destination.slot] = Version(index, destination.kind)
    return Timeline(instructions, tuple(before))
