"""MAXPOOL (spec: operators.md). Average pools are CONV with all-one weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from ..memory import Memory
from ..program import Opcode, Operator
from ..tensors import DType, TensorType
from .base import (
    MAX_COUNT,
    Bytes,
    Operand,
    StepNote,
    Tensor,
    require,
    require_byte_dtype,
)
from .folding import Folding
from .grid import read_elements
from .window import Window

IDENTITY = -(1 << 63)


@dataclass(frozen=True, slots=True)
class MaxPool(Folding):
    """Take the largest tap of each channel; an all-outside window gives the dtype's minimum."""

    dst: int
    a: int
    dtype: DType
    window: Window

    @classmethod
    def decode(cls, operator: Operator) -> MaxPool:
        f = operator.padded_fields()
        return cls(operator.dst, operator.a, operator.dst_dtype, Window(*f[0:5], *f[6:14]))

    def encode(self) -> Operator:
        w = astuple(self.window)
        return Operator(
            Opcode.MAXPOOL,
            dst=self.dst,
            a=self.a,
            dst_dtype=self.dtype,
            a_dtype=self.dtype,
            fields=(*w[:5], 0, *w[5:]),
        )

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        require_byte_dtype(self.dtype, "the tensor")
        self.window.check()
        require(self.out_count <= MAX_COUNT, "the output has too many elements")

    @property
    def out_count(self) -> int:
        """Return the number of output elements."""
        return self.window.out_height * self.window.out_width * self.window.channels

    @property
    def runs(self) -> int:
        """Return the reduce steps of one element."""
        return self.window.kernel_height * self.window.kernel_width

    @property
    def sources(self) -> tuple[Operand, ...]:
        return (Operand(self.a, TensorType(self.dtype, self.window.in_count)),)

    @property
    def destination(self) -> Operand:
        return Operand(self.dst, TensorType(self.dtype, self.out_count))

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        element, tap = divmod(index, self.runs + 1)
        if tap == self.runs:
            self.store(element, memory, accumulator)
            return 0
        accumulator = accumulator if tap else IDENTITY
        w = self.window
        position, channel = divmod(element, w.channels)
        out_row, out_column = divmod(position, w.out_width)
        kernel_row, kernel_column = divmod(tap, w.kernel_width)
        row, column = w.row(out_row, kernel_row), w.column(out_column, kernel_column)
        if not (0 <= row < w.height and 0 <= column < w.width):
            return accumulator
        at = (row * w.width + column) * w.channels + channel
        return max(accumulator, read_elements(memory, self.sources[0], at, at + 1)[0])

    def whole(
        self, iteration: int, constants: Bytes, sources: Sequence[Tensor], destination: Tensor
    ) -> None:
        w = self.window
        x = sources[0].reshape(w.height, w.width, w.channels)
        destination[:] = w.taps(x, self.dtype.minimum).max(axis=0).ravel()

    def note(self, index: int, iteration: int = 0) -> StepNote:
        element, tap = divmod(index, self.runs + 1)
        position, channel = divmod(element, self.window.channels)
        row, column = divmod(position, self.window.out_width)
        where = f"output row {row}, column {column}, channel {channel}"
        if tap == self.runs:
            return StepNote("finish", element, f"store the maximum of {where}")
        return StepNote("reduce", element, f"tap {tap + 1} of {self.runs} for {where}")
