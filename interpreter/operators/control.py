"""BEGIN, FREE and END: one step each, no arithmetic (spec: operators.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..memory import Memory
from ..program import Opcode, Operator
from ..tensors import DType, TensorType
from .base import Bytes, Operand, StepNote, Tensor, require_count


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

    def whole(self, constants: Bytes, sources: Sequence[Tensor], destination: Tensor) -> None:
        """Do nothing: control steps move no elements."""

    def elements_before(self, index: int) -> int:
        return 0

    def element_start(self, index: int) -> int:
        return index

    def check(self, constants_bytes: int) -> None:
        """Accept: there are no fields to check."""


@dataclass(frozen=True, slots=True)
class Begin(_OneStep):
    """Make a slot the zero tensor of a type."""

    dst: int
    kind: TensorType

    @classmethod
    def decode(cls, operator: Operator) -> Begin:
        return cls(operator.dst, TensorType(operator.dst_dtype, operator.padded_fields()[0]))

    def encode(self) -> Operator:
        return Operator(
            Opcode.BEGIN, dst=self.dst, dst_dtype=self.kind.dtype, fields=(self.kind.count,)
        )

    def check(self, constants_bytes: int) -> None:
        require_count(self.kind.count, self.kind.dtype, "count")

    def step(self, index: int, memory: Memory, accumulator: int) -> int:
        memory.begin(self.dst, self.kind)
        return accumulator

    def note(self, index: int) -> StepNote:
        return StepNote("begin", -1, f"slot {self.dst} := {self.kind.count} zeros")


@dataclass(frozen=True, slots=True)
class Free(_OneStep):
    """Make a slot empty."""

    dst: int

    @classmethod
    def decode(cls, operator: Operator) -> Free:
        return cls(operator.dst)

    def encode(self) -> Operator:
        return Operator(Opcode.FREE, dst=self.dst, dst_dtype=DType.U8)

    def step(self, index: int, memory: Memory, accumulator: int) -> int:
        memory.free(self.dst)
        return accumulator

    def note(self, index: int) -> StepNote:
        return StepNote("free", -1, f"slot {self.dst} := empty")


@dataclass(frozen=True, slots=True)
class End(_OneStep):
    """Close an iteration; the machine keeps only the output after the last one."""

    @classmethod
    def decode(cls, operator: Operator) -> End:
        return cls()

    def encode(self) -> Operator:
        return Operator(Opcode.END)

    def step(self, index: int, memory: Memory, accumulator: int) -> int:
        return accumulator

    def note(self, index: int) -> StepNote:
        return StepNote("end", -1, "keep only the output")
