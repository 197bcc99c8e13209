"""A program of a sequence model while it grows: instructions, constants and registers."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from interpreter.errors import InvalidProgram
from interpreter.merkle import HashBytes, tree_of_bytes
from interpreter.operators import Begin, End, Free, Instruction, Keep
from interpreter.program import Program, assemble
from interpreter.tensors import LEAF_BYTES, DType, TensorType
from interpreter.validate import MAX_SLOT_DEPTH, validate

from ..errors import InvalidSource
from ..space import INPUT_SLOT, Constants, Slots
from .arithmetic import Array

Shape = tuple[int, int, int, int]

_WORD = 8


@dataclass(frozen=True, slots=True)
class Tensor:
    """A matrix in a register."""

    slot: int
    dtype: DType
    rows: int
    cols: int

    @property
    def count(self) -> int:
        """Return the number of elements."""
        return self.rows * self.cols

    @property
    def kind(self) -> TensorType:
        """Return what the register holds."""
        return TensorType(self.dtype, self.count)

    def reshaped(self, rows: int, cols: int) -> Tensor:
        """Return the same elements as another matrix."""
        assert rows * cols == self.count
        return Tensor(self.slot, self.dtype, rows, cols)


class Draft:
    """Collects what a program is made of; registers are used again once they are freed."""

    def __init__(self, dtype: DType, shape: Shape) -> None:
        self.input = Tensor(INPUT_SLOT, dtype, 1, prod(shape))
        self.names: list[str] = []
        self.layer = ""
        self._shape = shape
        self._instructions: list[Instruction] = []
        self._constants = Constants()
        self._slots = Slots({})

    def put(self, instruction: Instruction) -> None:
        """Append an instruction; `names` notes the layer that it belongs to."""
        self._instructions.append(instruction)
        self.names.append(self.layer)

    def begin(self, dtype: DType, rows: int, cols: int) -> Tensor:
        """Return a new tensor of zeros."""
        tensor = Tensor(self._slots.take(), dtype, rows, cols)
        self.put(Begin(tensor.slot, tensor.kind))
        return tensor

    def keep(self, dtype: DType, rows: int, cols: int) -> Tensor:
        """Return a tensor that stays from one iteration to the next."""
        tensor = Tensor(self._slots.take(), dtype, rows, cols)
        self.put(Keep(tensor.slot, tensor.kind))
        return tensor

    def free(self, *tensors: Tensor) -> None:
        """Give registers back."""
        for tensor in tensors:
            self.put(Free(tensor.slot))
            self._slots.release(tensor.slot)

    def bytes_of(self, values: Array) -> int:
        """Store weights or a table in the constants and return their offset."""
        return self._constants.add(np.ascontiguousarray(values).tobytes(), _WORD)

    def leaves_of(self, values: Array) -> int:
        """Store parameters from the start of a leaf on and return their offset."""
        return self._constants.add(np.ascontiguousarray(values).tobytes(), LEAF_BYTES)

    def table_of(self, values: Array) -> int:
        """Store a table once, however often it is used, and return its offset."""
        return self._constants.add_table(np.ascontiguousarray(values).tobytes())

    def finish(
        self,
        output: Tensor,
        shape: Shape,
        *,
        max_iterations: int = 1,
        hash_bytes: HashBytes = tree_of_bytes,
    ) -> Program:
        """Return the valid program whose output is `output`, or raise InvalidSource."""
        self.layer = "end"
        self.put(End())
        depth = max(1, (self._slots.peak - 1).bit_length())
        if depth > MAX_SLOT_DEPTH:
            raise InvalidSource(
                f"{self._slots.peak} tensors live at once; a program holds {1 << MAX_SLOT_DEPTH}"
            )
        program = assemble(
            [instruction.encode() for instruction in self._instructions],
            [instruction.steps for instruction in self._instructions],
            self._constants.array(),
            slot_depth=depth,
            input_slot=INPUT_SLOT,
            output_slot=output.slot,
            input_dtype=self.input.dtype,
            output_dtype=output.dtype,
            input_shape=self._shape,
            output_shape=shape,
            max_iterations=max_iterations,
            hash_bytes=hash_bytes,
        )
        try:
            validate(program)
        except InvalidProgram as error:
            raise InvalidSource(f"the model cannot be registered: {error}") from None
        return program
