"""A vector before its output is known, and a way to write those of sequence operators."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from interpreter.operators import Copy, Embed, Instruction
from interpreter.program import Program
from interpreter.tensors import DType, TensorType
from tests.builder import ProgramBuilder

Array = npt.NDArray[np.generic]
SLOT_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Case:
    """A vector before its output is known."""

    name: str
    operator: str
    program: Program
    data: npt.NDArray[np.uint8]
    iterations: int = 1


def dtype_of(values: Array) -> DType:
    """Return the dtype whose elements an array holds."""
    return next(dtype for dtype in DType if dtype.numpy == values.dtype)


def array(dtype: DType, values: object) -> Array:
    """Return flat elements of a dtype; values outside its range are an error."""
    found = np.asarray(values, object).ravel()
    assert all(dtype.minimum <= value <= dtype.maximum for value in found)
    return found.astype(dtype.numpy)


@dataclass
class Sheet:
    """A program that grows around its input; what an iteration began it frees at its end."""

    data: Array
    iterations: int = 1
    builder: ProgramBuilder = field(init=False)
    begun: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        kind = TensorType(dtype_of(self.data), len(self.data))
        self.builder = ProgramBuilder(kind, slot_depth=SLOT_DEPTH)

    def begin(self, dtype: DType, count: int) -> int:
        """Return the slot of a new tensor."""
        self.begun.append(self.builder.begin(TensorType(dtype, count)))
        return self.begun[-1]

    def keep(self, dtype: DType, count: int) -> int:
        """Return the slot of a tensor that stays from iteration to iteration."""
        return self.builder.keep(TensorType(dtype, count))

    def place(self, values: Array, alignment: int = 8) -> int:
        """Put values into the constants and return their offset."""
        return self.builder.place(values.tobytes(), alignment)

    def source(self, values: Array) -> int:
        """Return a slot that holds values of the constants."""
        dtype, count = dtype_of(values), len(values)
        slot = self.begin(dtype, count)
        table = self.place(values)
        self.add(Embed(slot, dtype, 1, count, 0, DType.U8, 0, 0, 1, table, 1))
        return slot

    def add(self, instruction: Instruction) -> None:
        """Append an operator."""
        self.builder.add(instruction)

    def close(
        self, name: str, operator: str, output: int, after: Instruction | None = None
    ) -> Case:
        """Return the vector; the output is kept, or holds the results of each iteration.

        `after`: what comes once they are stored, a HALT.
        """
        kind = self.builder.table[output]
        if self.iterations > 1 and output in self.begun:
            total = kind.count * self.iterations
            results = self.keep(kind.dtype, total)
            one = (1, 1, 1, kind.count)
            places = (0, (0, 0, 0, 1), 0, (0, 0, 0, 1), 0, kind.count)
            self.add(Copy(results, output, kind.dtype, kind.count, total, one, *places))
            output = results
        if after is not None:
            self.add(after)
        for slot in self.begun:
            if slot != output:
                self.builder.free(slot)
        program = self.builder.finish(output, self.iterations)
        data = np.frombuffer(self.data.tobytes(), np.uint8)
        return Case(name, operator, program, data, self.iterations)
