"""COPY: move elements under an affine map: transpose, slice, one source of a concatenation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..memory import Memory
from ..program import Opcode, Operator
from ..tensors import LEAF_BYTES, DType, TensorType
from .base import (
    MAX_COUNT,
    MAX_DIMENSION,
    Bytes,
    Operand,
    StepNote,
    Tensor,
    require,
    require_count,
    require_range,
)

Four = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Copy:
    """`dst[dst_offset + Σ i·dst_strides] = a[a_offset + Σ i·a_strides]` over `sizes`.

    All in elements; iteration `p` adds `p·a_step` and `p·dst_step`. `dst_strides[3]` is 1. A
    contiguous source (`a_strides[3] = 1`) moves in runs cut at destination leaves, any other
    element by element.
    """

    dst: int
    a: int
    dtype: DType
    a_count: int
    dst_count: int
    sizes: Four
    a_offset: int
    a_strides: Four
    dst_offset: int
    dst_strides: Four
    a_step: int = 0
    dst_step: int = 0

    @classmethod
    def decode(cls, operator: Operator) -> Copy:
        o, f = operator, operator.padded_fields()
        head = (o.dst, o.a, o.dst_dtype, f[0], f[1])
        strides = ((f[7], f[8], f[9], f[10]), f[11], (f[12], f[13], f[14], 1))
        steps = f[15], f[16]
        return cls(*head, (f[2], f[3], f[4], f[5]), f[6], *strides, *steps)

    def encode(self) -> Operator:
        fields = (self.a_count, self.dst_count, *self.sizes, self.a_offset, *self.a_strides)
        return Operator(
            Opcode.COPY,
            dst=self.dst,
            a=self.a,
            dst_dtype=self.dtype,
            a_dtype=self.dtype,
            fields=(*fields, self.dst_offset, *self.dst_strides[:3], self.a_step, self.dst_step),
        )

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        require_count(self.a_count, self.dtype, "a_count")
        require_count(self.dst_count, self.dtype, "dst_count")
        for size in self.sizes:
            require_range(size, 1, MAX_DIMENSION, "size")
        require(self.elements <= MAX_COUNT, "too many elements are copied")
        strides = (*self.a_strides, *self.dst_strides, self.a_step, self.dst_step)
        for value in (self.a_offset, self.dst_offset, *strides):
            require_range(value, 0, MAX_COUNT, "offset or stride")
        require(self.dst_strides[3] == 1, "the last destination stride must be 1")
        for offset, step, axes, count, name in (
            (self.a_offset, self.a_step, self.a_strides, self.a_count, "source"),
            (self.dst_offset, self.dst_step, self.dst_strides, self.dst_count, "destination"),
        ):
            spans = zip(self.sizes, axes, strict=True)
            last = offset + sum((size - 1) * stride for size, stride in spans)
            last += (max_iterations - 1) * step
            require(last < count, f"the {name} index {last} is outside {count} elements")

    @property
    def elements(self) -> int:
        """Return how many elements are moved."""
        n0, n1, n2, n3 = self.sizes
        return n0 * n1 * n2 * n3

    @property
    def is_contiguous(self) -> bool:
        """Say whether whole runs are moved."""
        return self.a_strides[3] == 1

    @property
    def chunks(self) -> int:
        """Return the steps of one row: the most leaves that a row may touch."""
        return (self.sizes[3] * self.dtype.size + 254) // LEAF_BYTES + 1

    @property
    def steps(self) -> int:
        if self.is_contiguous:
            return self.elements // self.sizes[3] * self.chunks
        return self.elements

    @property
    def sources(self) -> tuple[Operand, ...]:
        return (Operand(self.a, TensorType(self.dtype, self.a_count)),)

    @property
    def destination(self) -> Operand:
        return Operand(self.dst, TensorType(self.dtype, self.dst_count))

    def span(self, index: int, iteration: int) -> tuple[int, int, int]:
        """Return `(source, destination, count)` of a step, in elements; count may be 0."""
        if not self.is_contiguous:
            return self._source(index, iteration), self._target(index, iteration), 1
        row, chunk = divmod(index, self.chunks)
        start = row * self.sizes[3]
        source, target = self._source(start, iteration), self._target(start, iteration)
        per_leaf = LEAF_BYTES // self.dtype.size
        leaf = target // per_leaf + chunk
        first = max(0, leaf * per_leaf - target)
        last = min(self.sizes[3], (leaf + 1) * per_leaf - target)
        return source + first, target + first, max(0, last - first)

    def elements_before(self, index: int, iteration: int = 0) -> int:
        if not self.is_contiguous or index == self.steps:
            return min(index, self.elements) if not self.is_contiguous else self.elements
        row, chunk = divmod(index, self.chunks)
        per_leaf = LEAF_BYTES // self.dtype.size
        target = self._target(row * self.sizes[3], iteration)
        done = (target // per_leaf + chunk) * per_leaf - target
        return row * self.sizes[3] + min(max(done, 0), self.sizes[3])

    def element_start(self, index: int) -> int:
        return index

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        source, target, count = self.span(index, iteration)
        if count:
            size = self.dtype.size
            kind = self.sources[0].kind
            data = memory.read(self.a, kind, source * size, (source + count) * size)
            memory.store(self.dst, self.destination.kind, target * size, data)
        return accumulator

    def whole(
        self, iteration: int, constants: Bytes, sources: Sequence[Tensor], destination: Tensor
    ) -> None:
        places, origins = self.places(iteration), self.origins(iteration)
        destination[places] = sources[0][origins]

    def places(self, iteration: int) -> npt.NDArray[np.int64]:
        """Return where elements go, `i64[elements]`, in the order in which they are moved."""
        return self._indices(self.dst_offset + iteration * self.dst_step, self.dst_strides)

    def origins(self, iteration: int) -> npt.NDArray[np.int64]:
        """Return where elements come from, `i64[elements]`, in the same order."""
        return self._indices(self.a_offset + iteration * self.a_step, self.a_strides)

    def _indices(self, offset: int, strides: Four) -> npt.NDArray[np.int64]:
        result = np.full((1, 1, 1, 1), offset, np.int64)
        for axis, (size, stride) in enumerate(zip(self.sizes, strides, strict=True)):
            shape = [1, 1, 1, 1]
            shape[axis] = size
            result = result + (np.arange(size, dtype=np.int64) * stride).reshape(shape)
        return result.ravel()

    def note(self, index: int, iteration: int = 0) -> StepNote:
        source, target, count = self.span(index, iteration)
        return StepNote("copy", target, f"{count} elements from {source} to {target}")

    def _source(self, element: int, iteration: int) -> int:
        return self._at(element, self.a_offset + iteration * self.a_step, self.a_strides)

    def _target(self, element: int, iteration: int) -> int:
        return self._at(element, self.dst_offset + iteration * self.dst_step, self.dst_strides)

    def _at(self, element: int, offset: int, strides: Four) -> int:
        for size, stride in zip(reversed(self.sizes), reversed(strides), strict=True):
            element, i = divmod(element, size)
            offset += i * stride
        return offset
