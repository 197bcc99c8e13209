"""A program decoded once into the table that the compiled code runs.

A row is an operator: codes, dtypes, the descriptor's fields, and where its operands lie. Tensors
lie in three regions: the input, the kept tensors, and an arena for all others, which holds one copy
of each for every position of a wave. BEGIN, FREE, KEEP and END leave no row but where zeros are
read.

The compiled code is exact and total for every valid program: sums wrap as the machine's do, and no
product's sums can pass 64 bits. So there are no ranges to prove, as there are for ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from interpreter.errors import InvalidProgram
from interpreter.operators import Begin, Copy, Free, Halt, Instruction, Keep, decode
from interpreter.program import FIELD_COUNT, Opcode, Operator, Program
from interpreter.validate import validate

from ..errors import UnsupportedProgram
from .appends import Appends, Limit, appends_of
from .places import Arena, Place, Region, aligned

Table = npt.NDArray[np.int64]

# The columns of a row (native/machine.c has the same): code and dtypes, fields, then for
# destination and sources each the place, the region and the step from position to position.
_FIELDS, _PLACES, _REGIONS, _STEPS, _LIMIT, _WIDTH = 4, 32, 35, 38, 41, 48
# Not the machine's: copy a tensor before something changes a part of it.
CLONE = 0x7F

_OF_IMAGES = (Opcode.CONV, Opcode.MAXPOOL, Opcode.ADD, Opcode.CLIP, Opcode.TABLE)


@dataclass(frozen=True, slots=True)
class Layout:
    """A table for waves of up to `capacity` positions.

    `arena_bytes`: of the whole arena. `operators`: by row. `stored`: by operator, the place of what
    it stored; if the layout is exposed, one in the arena that nothing else is stored in.
    """

    table: Table
    capacity: int
    arena_bytes: int
    operators: tuple[int, ...]
    output: Place
    stored: dict[int, Place]

    def without_halts(self) -> Layout:
        """Return the layout of a wave that goes on where one of its positions halts."""
        return replace(self, table=self.table[self.table[:, 0] != Opcode.HALT])

    def part(self, operators: range) -> Layout:
        """Return the layout of some operators that follow each other."""
        rows = slice(*np.searchsorted(self.operators, (operators.start, operators.stop)))
        return replace(self, table=self.table[rows], operators=self.operators[rows])

    def find(self, place: Place, index: int) -> slice:
        """Return where in the arena, or in another region, a position of a wave has a tensor."""
        stretch = self.capacity if place.region is Region.ARENA else 1
        start = place.offset * stretch + index * place.step
        return slice(start, start + place.kind.byte_count)


@dataclass(frozen=True, slots=True)
class Plan:
    """A valid program, decoded. `kept`: the places of kept tensors by slot.

    `appends`: how positions share a wave; none if they run one by one.
    """

    program: Program
    instructions: tuple[Instruction, ...]
    kept: dict[int, Place]
    kept_bytes: int
    appends: Appends | None

    def layout(self, capacity: int, *, is_exposed: bool = False) -> Layout:
        """Return the table for waves of up to `capacity` positions.

        If it is exposed, what each operator stores has a place of its own.
        """
        return _Writer(self, capacity, is_exposed).write()


def plan_of(program: Program) -> Plan:
    """Return the plan of a program, or raise UnsupportedProgram."""
    try:
        validate(program)
    except InvalidProgram as error:
        raise UnsupportedProgram(f"the program is not valid: {error}") from None
    if not is_of_sequences(program):
        raise UnsupportedProgram("the program has operators of images")
    instructions = tuple(decode(operator) for operator in program.operators)
    kept: dict[int, Place] = {}
    size = 0
    for instruction in instructions:
        if isinstance(instruction, Keep):
            kept[instruction.dst] = Place(Region.KEPT, size, instruction.kind)
            size += aligned(instruction.kind.byte_count)
    has_halt = any(isinstance(instruction, Halt) for instruction in instructions)
    if has_halt and program.header.output_slot not in kept:
        raise UnsupportedProgram("a run that may halt needs an output that is kept")
    return Plan(program, instructions, kept, size, appends_of(program, instructions))


def is_of_sequences(program: Program) -> bool:
    """Say whether a program has operators of sequence models alone."""
    return not any(operator.opcode in _OF_IMAGES for operator in program.operators)


class _Writer:
    """Writes a table row by row; knows what each slot holds at this point of an iteration."""

    def __init__(self, plan: Plan, capacity: int, is_exposed: bool) -> None:
        header = plan.program.header
        self.plan, self.capacity, self.is_exposed = plan, capacity, is_exposed
        self.arena = Arena(not is_exposed)
        self.places = {header.input_slot: Place(Region.INPUT, 0, header.input_type), **plan.kept}
        # Slots whose zeros have not been needed so far.
        self.blank: set[int] = set()
        self.rows: list[list[int]] = []
        self.operators: list[int] = []
        self.index = 0
        self.stored: dict[int, Place] = {}
        # Places that nothing else may be stored in.
        self.closed: set[Place] = set()

    def write(self) -> Layout:
        for index, instruction in enumerate(self.plan.instructions):
            self.index = index
            match instruction:
                case Keep():
                    pass
                case Begin(dst=dst, kind=kind):
                    self.places[dst] = self.arena.take(kind)
                    self.blank.add(dst)
                case Free(dst=dst):
                    self.arena.give(self.places.pop(dst))
                    self.blank.discard(dst)
                case _:
                    self._operator(instruction)
        output = self.plan.program.header.output_slot
        self._fill(output)
        table = np.array(self.rows, np.int64).reshape(-1, _WIDTH)
        size = self.arena.size * self.capacity
        operators = tuple(self.operators)
        return Layout(table, self.capacity, size, operators, self.places[output], self.stored)

    def _operator(self, instruction: Instruction) -> None:
        if not isinstance(instruction, Halt) and instruction.destination is None:
            return
        for operand in instruction.sources:
            self._fill(operand.slot)
        target = instruction.destination
        if target is not None:
            self._open(target.slot, instruction)
        operator = self.plan.program.operators[self.index]
        places = self._operands(operator, instruction)
        limits = self.plan.appends.limits if self.plan.appends else {}
        self._row(operator, places, limits.get(self.index, Limit.NONE))
        if target is not None:
            self.stored[self.index] = self._keep(target.slot)

    def _open(self, slot: int, writer: Instruction) -> None:
        """Make a destination ready: what its writer leaves of it must be there."""
        is_whole = not isinstance(writer, Copy) or _covers(writer)
        if is_whole:
            self.blank.discard(slot)
        self._fill(slot)
        if not self.is_exposed or self.places[slot].region is not Region.ARENA:
            return
        before = self.places[slot]
        if before in self.closed:
            self.places[slot] = self.arena.take(before.kind)
            if not is_whole:
                self._clone(self.places[slot], before)

    def _keep(self, slot: int) -> Place:
        """Return the place of what has just been stored in a slot."""
        place = self.places[slot]
        if not self.is_exposed:
            return place
        if place.region is Region.KEPT:
            kept, place = place, self.arena.take(place.kind)
            self._clone(place, kept)
        self.closed.add(place)
        return place

    def _fill(self, slot: int) -> None:
        """Write the zeros of a slot that nothing has been stored in."""
        if slot in self.blank:
            self.blank.discard(slot)
            self._fixed(Opcode.BEGIN, self.places[slot], None)

    def _clone(self, to: Place, source: Place) -> None:
        self._fixed(CLONE, to, source)

    def _fixed(self, code: int, to: Place, source: Place | None) -> None:
        row = [0] * _WIDTH
        row[0], row[1], row[_FIELDS] = code, to.kind.dtype, to.kind.count
        self._put(row, (to, source, None))

    def _row(self, operator: Operator, places: Sequence[Place | None], limit: Limit) -> None:
        dtypes = (operator.dst_dtype, operator.a_dtype, operator.b_dtype)
        row = [operator.opcode, *dtypes, *operator.padded_fields()]
        row += [0] * (_WIDTH - len(row))
        row[_LIMIT] = limit
        self._put(row, places)

    def _put(self, row: list[int], places: Sequence[Place | None]) -> None:
        for i, place in enumerate(places):
            row[_REGIONS + i] = place.region if place else Region.NONE
            if place:
                stretch = self.capacity if place.region is Region.ARENA else 1
                row[_PLACES + i] = place.offset * stretch
                row[_STEPS + i] = place.step
        self.rows.append(row)
        self.operators.append(self.index)

    def _operands(
        self, operator: Operator, instruction: Instruction
    ) -> tuple[Place | None, Place | None, Place | None]:
        """Return the places of destination, `a` and `b`."""
        target, count = instruction.destination, len(instruction.sources)
        return (
            self.places[target.slot] if target else None,
            self.places[operator.a] if count else None,
            self.places[operator.b] if count == 2 else None,
        )


def _covers(copy: Copy) -> bool:
    """Say whether a COPY writes all of its destination."""
    reach = 1
    for stride, size in sorted(zip(copy.dst_strides, copy.sizes, strict=True)):
        if size > 1:
            if stride != reach:
                return False
            reach *= size
    return copy.dst_offset == 0 == copy.dst_step and reach == copy.dst_count


assert _FIELDS + FIELD_COUNT == _PLACES
