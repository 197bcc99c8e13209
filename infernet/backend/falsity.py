"""One false step: what it changes in its own operator (see tamper.py)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from interpreter.memory import Register
from interpreter.operators import Begin, Copy, End, Free
from interpreter.program import Location
from interpreter.state import wrap_i64
from interpreter.tensors import TensorType

from .errors import TraceError
from .moves import blocks
from .states import States
from .timeline import Version

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Mutation:
    """What the false step does: `amount` is added to the accumulator, or to the stored byte.

    `byte` chooses among several stored bytes, or the byte of the output that changes at the end.
    """

    amount: int = 1
    byte: int = 0

    def __post_init__(self) -> None:
        if self.amount % 256 == 0:
            raise TraceError(f"a change by {self.amount} leaves a byte as it is: choose another")

    def change(self, values: npt.NDArray[np.generic], byte: int) -> None:
        """Change one byte of flat values."""
        data = values.view(np.uint8)
        data[byte] = (int(data[byte]) + self.amount) % 256


class FalseStep:
    """A step that is executed falsely, with the true states of its iteration around it."""

    def __init__(self, honest: States, where: Location, mutation: Mutation) -> None:
        self.honest, self.where, self.mutation = honest, where, mutation
        self._instruction = honest.timeline.instructions[where.operator]

    def is_in(self, iteration: int, operator: int) -> bool:
        """Say whether the step is one of an operator in an iteration."""
        return (iteration, operator) == (self.where.iteration, self.where.operator)

    @cached_property
    def dirty_slot(self) -> int | None:
        """Return the slot that is dirty for good, for a step that has nothing else to falsify."""
        match self._instruction:
            case Begin(dst=dst) | Free(dst=dst):
                return dst
            case Copy(dst=dst) if not self._stored.size:
                return dst
            case End() if self.where.iteration < self.honest.iterations - 1:
                return self.honest.program.header.output_slot
            case _:
                return None

    def tensor(self, kind: TensorType) -> Bytes:
        """Return the destination after the operator."""
        states, operator = self.honest, self.where.operator
        if isinstance(self._instruction, Copy):
            data = states.content(states.timeline.base(operator)).copy()
            for block in blocks(self._instruction.elements):
                places, values = states.moved(operator, self._instruction, block)
                self.falsify(self._instruction, values, block)
                data.view(self._instruction.dtype.numpy)[places] = values
            return data
        data = states.content(Version(operator, kind)).copy()
        if not self._is_accumulator_lie:
            stored = self._stored
            self.mutation.change(data, int(stored[self.mutation.byte % len(stored)]))
            return data
        memory = states.sources(operator)
        destination = self._instruction.destination
        assert destination is not None
        memory.slots[destination.slot] = Register(kind, data)
        index, accumulator = self.where.index + 1, self._after
        while self._instruction.element_start(index) != index:
            accumulator = self._instruction.step(index, self.where.iteration, memory, accumulator)
            index += 1
        return data

    def accumulator(self, where: Location) -> int | None:
        """Return the accumulator before a step of the false element, or None elsewhere."""
        if not self._is_accumulator_lie or not self.is_in(where.iteration, where.operator):
            return None
        start = self._instruction.element_start(self.where.index)
        if self._instruction.element_start(where.index) != start or where.index == start:
            return None
        accumulator, memory = self._after, self.honest.sources(where.operator)
        for index in range(self.where.index + 1, where.index):
            accumulator = self._instruction.step(index, where.iteration, memory, accumulator)
        return accumulator

    def falsify(self, copy: Copy, values: npt.NDArray[np.generic], block: range) -> None:
        """Change a byte of what a false COPY moves, if it is in a block of its elements."""
        if self._stored.size:
            first = copy.elements_before(self.where.index, self.where.iteration) - block.start
            byte = first * copy.dtype.size + self.mutation.byte % len(self._stored)
            if 0 <= byte < values.nbytes:
                self.mutation.change(values, byte)

    @property
    def _is_accumulator_lie(self) -> bool:
        """Say whether the step leaves an accumulator: it reduces."""
        following = self.where.index + 1
        return self._instruction.element_start(following) != following

    @cached_property
    def _after(self) -> int:
        """Return the accumulator after the step."""
        states, where = self.honest, self.where
        memory, accumulator = states.sources(where.operator), states.accumulator(where)
        accumulator = self._instruction.step(where.index, where.iteration, memory, accumulator)
        return wrap_i64(accumulator + self.mutation.amount)

    @cached_property
    def _stored(self) -> npt.NDArray[np.int64]:
        """Return which bytes of the destination the step stores."""
        instruction, where = self._instruction, self.where
        iteration, index = where.iteration, where.index
        if isinstance(instruction, Copy):
            _, target, count = instruction.span(index, iteration)
            size = instruction.dtype.size
            return np.arange(target * size, (target + count) * size)
        if instruction.destination is None or self._is_accumulator_lie:
            return np.arange(0)
        size = instruction.destination.kind.dtype.size
        first = instruction.elements_before(index, iteration) * size
        last = instruction.destination.kind.byte_count
        if index + 1 < instruction.steps:
            last = instruction.elements_before(index + 1, iteration) * size
        return np.arange(first, last)
