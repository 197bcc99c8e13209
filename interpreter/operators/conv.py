"""CONV: convolution, depthwise and grouped convolution, fully connected layers, average pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..float32 import rescale, rescale_array
from ..memory import Memory
from ..program import Opcode, Operator
from ..state import wrap_i64
from ..tensors import LEAF_BYTES, DType, TensorType
from .base import (
    MAX_COUNT,
    MAX_DIMENSION,
    Bytes,
    Operand,
    StepNote,
    Tensor,
    require,
    require_byte_dtype,
    require_clamp,
    require_range,
)
from .folding import Folding
from .window import Window

PARAMETER_BYTES = 8
# `whole` multiplies parts of the first size and requantises parts of the second, which the inner
# cache holds.
BLOCK_ELEMENTS = 1 << 18
CACHED_ELEMENTS = 1 << 13


@dataclass(frozen=True, slots=True)
class Conv(Folding):
    """Convolve and requantise.

    `a: u8|i8[height, width, channels]`, `dst: u8|i8[out_height, out_width, out_channels]`,
    weights `i8[out_channels, kernel_height, kernel_width, channels / groups]` at byte `weights`,
    `(bias i32, scale f32)[out_channels]` at byte `params` of the constants.
    """

    dst: int
    a: int
    dst_dtype: DType
    a_dtype: DType
    window: Window
    out_channels: int
    groups: int
    a_zero: int
    dst_zero: int
    low: int
    high: int
    weights: int
    params: int

    @classmethod
    def decode(cls, operator: Operator) -> Conv:
        f = operator.padded_fields()
        window = Window(*f[0:5], *f[6:14])
        head = (operator.dst, operator.a, operator.dst_dtype, operator.a_dtype)
        return cls(*head, window, f[5], *f[14:21])

    def encode(self) -> Operator:
        w = astuple(self.window)
        fields = (*w[:5], self.out_channels, *w[5:], self.groups, self.a_zero, self.dst_zero)
        return Operator(
            Opcode.CONV,
            dst=self.dst,
            a=self.a,
            dst_dtype=self.dst_dtype,
            a_dtype=self.a_dtype,
            fields=(*fields, self.low, self.high, self.weights, self.params),
        )

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        require_byte_dtype(self.a_dtype, "the input")
        require_byte_dtype(self.dst_dtype, "the output")
        self.window.check()
        require_range(self.out_channels, 1, MAX_DIMENSION, "out_channels")
        require_range(self.groups, 1, MAX_DIMENSION, "groups")
        require(self.window.channels % self.groups == 0, "groups does not divide channels")
        require(self.out_channels % self.groups == 0, "groups does not divide out_channels")
        require(self.out_count <= MAX_COUNT, "the output has too many elements")
        require(self.kernel_size <= MAX_DIMENSION, "the kernel has too many elements")
        require_range(self.a_zero, self.a_dtype.minimum, self.a_dtype.maximum, "a_zero")
        require_range(self.dst_zero, self.dst_dtype.minimum, self.dst_dtype.maximum, "dst_zero")
        require_clamp(self.low, self.high, self.dst_dtype)
        end = self.out_channels * self.kernel_size
        require_range(self.weights, 0, constants_bytes - end, "weights")
        require(self.params % PARAMETER_BYTES == 0, "params is not a multiple of 8")
        end = self.out_channels * PARAMETER_BYTES
        require_range(self.params, 0, constants_bytes - end, "params")

    @property
    def out_count(self) -> int:
        """Return the number of output elements."""
        return self.window.out_height * self.window.out_width * self.out_channels

    @property
    def is_dense(self) -> bool:
        """Say whether a kernel row is one contiguous run of the input."""
        return self.groups == 1 and self.window.dilation_width == 1

    @property
    def rows(self) -> int:
        """Return the rows that a kernel is cut into."""
        w = self.window
        return w.kernel_height * (1 if self.is_dense else w.kernel_width)

    @property
    def row_length(self) -> int:
        """Return the elements of one row."""
        w = self.window
        return w.kernel_width * w.channels if self.is_dense else w.channels // self.groups

    @property
    def kernel_size(self) -> int:
        """Return the weights of one output channel."""
        return self.rows * self.row_length

    @property
    def runs(self) -> int:
        """Return the reduce steps of one element."""
        return self.rows * -(-self.row_length // LEAF_BYTES)

    @property
    def sources(self) -> tuple[Operand, ...]:
        return (Operand(self.a, TensorType(self.a_dtype, self.window.in_count)),)

    @property
    def destination(self) -> Operand:
        return Operand(self.dst, TensorType(self.dst_dtype, self.out_count))

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        element, phase = divmod(index, self.runs + 1)
        if phase < self.runs:
            return self._reduce(element, phase, memory, accumulator if phase else 0)
        return self._finish(element, memory, accumulator)

    def _reduce(self, element: int, phase: int, memory: Memory, accumulator: int) -> int:
        position, channel = divmod(element, self.out_channels)
        chunks = self.runs // self.rows
        row, chunk = divmod(phase, chunks)
        first = chunk * LEAF_BYTES
        last = min(first + LEAF_BYTES, self.row_length)
        base, first, last = self._clip(position, channel, row, first, last)
        if first >= last:
            return accumulator
        kind = self.sources[0].kind
        data = memory.read(self.a, kind, base + first, base + last)
        start = self.weights + channel * self.kernel_size + row * self.row_length
        weights = memory.read_constant(start + first, start + last)
        x = np.frombuffer(data, self.a_dtype.numpy).astype(np.int64) - self.a_zero
        w = np.frombuffer(weights, np.int8).astype(np.int64)
        return wrap_i64(accumulator + int(x @ w))

    def _clip(
        self, position: int, channel: int, row: int, first: int, last: int
    ) -> tuple[int, int, int]:
        """Return `(base, first, last)`: element j of the row is input element `base + j`."""
        w = self.window
        out_row, out_column = divmod(position, w.out_width)
        if self.is_dense:
            in_row = w.row(out_row, row)
            start = w.column(out_column, 0) * w.channels
            width = w.width * w.channels
            first, last = max(first, -start), min(last, width - start)
            inside = 0 <= in_row < w.height
            base = in_row * width + start
        else:
            kernel_row, kernel_column = divmod(row, w.kernel_width)
            in_row = w.row(out_row, kernel_row)
            in_column = w.column(out_column, kernel_column)
            inside = 0 <= in_row < w.height and 0 <= in_column < w.width
            group = channel // (self.out_channels // self.groups)
            base = (in_row * w.width + in_column) * w.channels + group * self.row_length
        return (base, first, last) if inside else (0, 0, 0)

    def _finish(self, element: int, memory: Memory, accumulator: int) -> int:
        start = self.params + PARAMETER_BYTES * (element % self.out_channels)
        parameters = memory.read_constant(start, start + PARAMETER_BYTES)
        bias = int.from_bytes(parameters[:4], "little", signed=True)
        scale = int.from_bytes(parameters[4:], "little")
        value = rescale(wrap_i64(accumulator + bias), scale) + self.dst_zero
        self.store(element, memory, min(max(value, self.low), self.high))
        return 0

    def whole(
        self, iteration: int, constants: Bytes, sources: Sequence[Tensor], destination: Tensor
    ) -> None:
        count, w = self.out_channels, self.window
        region = constants[self.weights : self.weights + count * self.kernel_size]
        weights = region.view(np.int8).reshape(count, -1)
        end = self.params + PARAMETER_BYTES * count
        parameters = constants[self.params : end].view("<u4").reshape(count, 2)
        bias, scale_bits = parameters[:, 0].view("<i4"), parameters[:, 1]
        exact = self._exact_dtype(weights)
        x = sources[0].reshape(w.height, w.width, w.channels).astype(exact)
        np.subtract(x, self.a_zero, out=x)
        kernel = self._kernel(weights.astype(exact))
        positions = destination.reshape(-1, count)
        rows = max(1, BLOCK_ELEMENTS // (w.out_width * max(count, w.channels * self.taps)))
        for first in range(0, w.out_height, rows):
            last = min(first + rows, w.out_height)
            sums = self._sums(w.taps(x, 0, first, last), kernel)
            part = positions[first * w.out_width : last * w.out_width]
            step = max(1, CACHED_ELEMENTS // count)
            for at in range(0, len(part), step):
                values = rescale_array(sums[at : at + step].astype(np.int64) + bias, scale_bits)
                np.add(values, self.dst_zero, out=values)
                part[at : at + step] = np.clip(values, self.low, self.high, out=values)

    def _exact_dtype(self, weights: npt.NDArray[np.int8]) -> type[np.float32 | np.float64]:
        """Return a float type in which every partial sum is an exact integer.

        BLAS adds such floats exactly, in any order; that is a way to add integers fast, not
        floating-point arithmetic. No sum reaches 2**24 · 255 · 128, far below 2**53.
        """
        range_ = (self.a_dtype.minimum - self.a_zero, self.a_dtype.maximum - self.a_zero)
        largest = max(map(abs, range_)) * int(np.abs(weights, dtype=np.int64).sum(axis=1).max())
        return np.float32 if largest < 1 << 24 else np.float64

    def _kernel(self, weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the weights as `_sums` takes them."""
        shape = (self.groups, self.out_channels // self.groups, self.taps, self.row_channels)
        kernel = weights.reshape(shape)
        if self.row_channels == 1:
            return kernel[..., 0]
        return kernel.reshape(*shape[:2], -1).transpose(0, 2, 1)

    def _sums(self, taps: npt.NDArray[Any], kernel: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the exact sums `[positions, out_channels]` of some output rows."""
        taps = taps.reshape(self.taps, -1, self.groups, self.row_channels)
        if self.row_channels == 1:
            sums = np.einsum("tpg,gmt->pgm", taps[..., 0], kernel)
        else:
            columns = taps.transpose(2, 1, 0, 3).reshape(self.groups, taps.shape[1], -1)
            sums = (columns @ kernel).transpose(1, 0, 2)
        return sums.reshape(-1, self.out_channels)  # type: ignore[no-any-return]

    @property
    def taps(self) -> int:
        """Return the positions of the kernel."""
        return self.window.kernel_height * self.window.kernel_width

    @property
    def row_channels(self) -> int:
        """Return the input channels that one output channel sees."""
        return self.window.channels // self.groups

    def note(self, index: int, iteration: int = 0) -> StepNote:
        element, phase = divmod(index, self.runs + 1)
        position, channel = divmod(element, self.out_channels)
        row, column = divmod(position, self.window.out_width)
        where = f"output row {row}, column {column}, channel {channel}"
        if phase == self.runs:
            return StepNote("finish", element, f"requantise and store {where}")
        return StepNote("reduce", element, f"run {phase + 1} of {self.runs} for {where}")
