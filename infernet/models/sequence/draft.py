"""A program of a sequence model while it grows: instructions, constants and registers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from interpreter.errors import InvalidProgram
from interpreter.merkle import tree_of_bytes
from interpreter.operators import Begin, End, Free, Instruction, Keep, decode
from interpreter.program import DESCRIPTOR_BYTES, HashConstants, Operator, Program, assemble
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

    def __init__(self, dtype: DType, shape: Shape, constants: Constants | None = None) -> None:
        self.input = Tensor(INPUT_SLOT, dtype, 1, prod(shape))
        self.names: list[str] = []
        self.layer = ""
        self.constants = Constants() if constants is None else constants
        self._shape = shape
        self._operators: list[Operator] = []
        self._slots = Slots({})

    def put(self, instruction: Instruction) -> None:
        """Append an instruction; `names` notes the layer that it belongs to."""
        self._operators.append(instruction.encode())
        self.names.append(self.layer)

    def state(self) -> dict[str, Any]:
        """Return all but the constants' bytes, as JSON can say it."""
        return {
            "operators": b"".join(operator.encode() for operator in self._operators).hex(),
            "names": list(self.names),
            "constants_bytes": self.constants.size,
            "tables": dict(self.constants.tables),
            "slots": sorted(self._slots.used),
            "peak": self._slots.peak,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a state; the constants still hold the bytes that they held then."""
        data = bytes.fromhex(state["operators"])
        cuts = range(0, len(data), DESCRIPTOR_BYTES)
        self._operators = [Operator.decode(data[i : i + DESCRIPTOR_BYTES]) for i in cuts]
        self.names = list(state["names"])
        self.constants.cut(state["constants_bytes"], state["tables"])
        self._slots.set_used(state["slots"], state["peak"])

    def begin(self, dtype: DType, rows: int, cols: int) -> Tensor:
        """Return a new tensor of zeros."""
        tensor = Tensor(self._take(), dtype, rows, cols)
        self.put(Begin(tensor.slot, tensor.kind))
        return tensor

    def keep(self, dtype: DType, rows: int, cols: int) -> Tensor:
        """Return a tensor that stays from one iteration to the next."""
        tensor = Tensor(self._take(), dtype, rows, cols)
        self.put(Keep(tensor.slot, tensor.kind))
        return tensor

    def free(self, *tensors: Tensor) -> None:
        """Give registers back."""
        for tensor in tensors:
            self.put(Free(tensor.slot))
            self._slots.release(tensor.slot)

    def bytes_of(self, values: Array) -> int:
        """Store weights or a table in the constants and return their offset."""
        return self.rows_of([values])

    def rows_of(self, blocks: Iterable[Array]) -> int:
        """Store a matrix that comes a few rows at a time and return its offset."""
        return self.constants.add_all((np.ascontiguousarray(block).data for block in blocks), _WORD)

    def leaves_of(self, values: Array) -> int:
        """Store parameters from the start of a leaf on and return their offset."""
        return self.constants.add(np.ascontiguousarray(values).tobytes(), LEAF_BYTES)

    def table_of(self, values: Array) -> int:
        """Store a table once, however often it is used, and return its offset."""
        return self.constants.add_table(np.ascontiguousarray(values).tobytes())

    def finish(
        self,
        output: Tensor,
        shape: Shape,
        *,
        max_iterations: int = 1,
        hash_bytes: HashConstants = tree_of_bytes,
    ) -> Program:
        """Return the valid program whose output is `output`, or raise InvalidSource."""
        self.layer = "end"
        self.put(End())
        depth = max(1, (self._slots.peak - 1).bit_length())
        program = assemble(
            self._operators,
            [decode(operator).steps for operator in self._operators],
            self.constants.array(),
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

    def _take(self) -> int:
        slot = self._slots.take()
        if slot >= 1 << MAX_SLOT_DEPTH:
            raise InvalidSource(
                f"the model needs more than the {1 << MAX_SLOT_DEPTH} tensors that a program holds"
            )
        return slot
