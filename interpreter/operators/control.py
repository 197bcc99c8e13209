"""BEGIN, KEEP, FREE, HALT and END: one step each, no arithmetic (spec: operators.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from ..memory import Memory
from ..program import Opcode, Operator
from ..tensors import DType, TensorType
from .base import (
    Bytes,
    Operand,
    StepNote,
    Tensor,
    decode_elements,
    require,
    require_count,
    require_range,
    require_within,
)

MAX_END_TOKENS = 16


@dataclass(frozen=True, slots=True)
class _OneStep:
    @property
    def steps(self) -> int:
        return 1

    @property
    def sources(self) -> tuple[Operand, ...]:
        return ()

    @property
    def destination(self) -> Operand | None:
        return None

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        """Change nothing: the machine itself closes iterations and runs."""
        return accumulator

    def whole(
        self, iteration: int, constants: Bytes, sources: Sequence[Tensor], destination: Tensor
    ) -> None:
        """Do nothing: control steps move no elements."""

    def elements_before(self, index: int, iteration: int = 0) -> int:
        return 0

    def element_start(self, index: int) -> int:
        return index

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        """Accept: there are no fields to check."""


@dataclass(frozen=True, slots=True)
class Begin(_OneStep):
    """Make a slot the zero tensor of a type."""

    dst: int
    kind: TensorType

    @classmethod
    def decode(cls, operator: Operator) -> Self:
        return cls(operator.dst, TensorType(operator.dst_dtype, operator.padded_fields()[0]))

    def encode(self) -> Operator:
        return self._descriptor(Opcode.BEGIN)

    def _descriptor(self, opcode: Opcode) -> Operator:
        return Operator(opcode, dst=self.dst, dst_dtype=self.kind.dtype, fields=(self.kind.count,))

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        require_count(self.kind.count, self.kind.dtype, "count")

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        memory.begin(self.dst, self.kind)
        return accumulator

    def note(self, index: int, iteration: int = 0) -> StepNote:
        return StepNote("begin", -1, f"slot {self.dst} := {self.kind.count} zeros")


@dataclass(frozen=True, slots=True)
class Keep(Begin):
    """Make a slot the zero tensor of a type in iteration 0; later leave it as it is."""

    def encode(self) -> Operator:
        return self._descriptor(Opcode.KEEP)

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        if iteration == 0:
            memory.begin(self.dst, self.kind)
        return accumulator

    def note(self, index: int, iteration: int = 0) -> StepNote:
        if iteration:
            return StepNote("keep", -1, f"slot {self.dst} stays as it is")
        return StepNote("keep", -1, f"slot {self.dst} := {self.kind.count} zeros, for good")


@dataclass(frozen=True, slots=True)
class Free(_OneStep):
    """Make a slot empty."""

    dst: int

    @classmethod
    def decode(cls, operator: Operator) -> Free:
        return cls(operator.dst)

    def encode(self) -> Operator:
        return Operator(Opcode.FREE, dst=self.dst, dst_dtype=DType.U8)

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        memory.free(self.dst)
        return accumulator

    def note(self, index: int, iteration: int = 0) -> StepNote:
        return StepNote("free", -1, f"slot {self.dst} := empty")


@dataclass(frozen=True, slots=True)
class Halt(_OneStep):
    """End the run early once the prompt is read and the new token is an end token.

    `a: i32[1]`, the new token; `b: i32[b_count]`, which holds the prompt's length at `length`.
    """

    a: int
    b: int
    b_count: int
    length: int
    tokens: tuple[int, ...]

    @classmethod
    def decode(cls, operator: Operator) -> Halt:
        f = operator.padded_fields()
        return cls(operator.a, operator.b, f[0], f[1], f[3 : 3 + min(max(f[2], 0), MAX_END_TOKENS)])

    def encode(self) -> Operator:
        return Operator(
            Opcode.HALT,
            a=self.a,
            b=self.b,
            a_dtype=DType.I32,
            b_dtype=DType.I32,
            fields=(self.b_count, self.length, len(self.tokens), *self.tokens),
        )

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        require_within(self.length, 1, self.b_count, "length")
        require(len(self.tokens) > 0, "there is no end token")
        for token in self.tokens:
            require_range(token, DType.I32.minimum, DType.I32.maximum, "an end token")

    @property
    def sources(self) -> tuple[Operand, ...]:
        return (
            Operand(self.a, TensorType(DType.I32, 1)),
            Operand(self.b, TensorType(DType.I32, self.b_count)),
        )

    def fires(self, iteration: int, memory: Memory) -> bool:
        """Say whether the run ends here; reads both operands."""
        a, b = self.sources
        token = decode_elements(memory.read(a.slot, a.kind, 0, 4), DType.I32)[0]
        start = 4 * self.length
        length = decode_elements(memory.read(b.slot, b.kind, start, start + 4), DType.I32)[0]
        return iteration >= length - 1 and token in self.tokens

    def note(self, index: int, iteration: int = 0) -> StepNote:
        return StepNote("halt", -1, "keep only the output if the new token ends the run")


@dataclass(frozen=True, slots=True)
class End(_OneStep):
    """Close an iteration; the machine keeps only the output after the last one."""

    @classmethod
    def decode(cls, operator: Operator) -> End:
        return cls()

    def encode(self) -> Operator:
        return Operator(Opcode.END)

    def note(self, index: int, iteration: int = 0) -> StepNote:
        return StepNote("end", -1, "keep only the output")
