"""What every operator offers: the same beats in the same order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from ..errors import InvalidProgram
from ..memory import Memory
from ..program import Operator
from ..tensors import DType, TensorType

MAX_DIMENSION = (1 << 24) - 1
MAX_COUNT = 1 << 32
# Of a tensor of an operator of sequences: SCALE reads three of them and the constants in one step,
# and its proof has to fit into a move.
MAX_ELEMENTS = 1 << 29
MAP_ELEMENTS = 32
MAX_SHIFT = 62

Bytes = npt.NDArray[np.uint8]
Tensor = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Operand:
    """A slot together with the type that the operator expects in it."""

    slot: int
    kind: TensorType


@dataclass(frozen=True, slots=True)
class StepNote:
    """A step in words: what kind it is and which output element it works on.

    `element`: flat index into the destination, or -1 where there is none.
    """

    kind: str
    element: int
    detail: str


class Instruction(Protocol):
    """A decoded operator.

    `step` is written once against the memory interface; `whole` does the same for the complete
    tensor; a property test folds the one and compares it with the other.
    """

    @classmethod
    def decode(cls, operator: Operator) -> Self:
        """Return the typed view of a descriptor."""

    def encode(self) -> Operator:
        """Return the descriptor, its first step not yet set."""

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        """Raise InvalidProgram if a field is out of its range."""

    @property
    def steps(self) -> int:
        """Return how many steps the operator expands to."""

    @property
    def sources(self) -> tuple[Operand, ...]:
        """Return the operands that are read, in witness order."""

    @property
    def destination(self) -> Operand | None:
        """Return the operand that is stored to, if any."""

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        """Execute one step and return the new accumulator."""

    def whole(
        self, iteration: int, constants: Bytes, sources: Sequence[Tensor], destination: Tensor
    ) -> None:
        """Execute all steps at once. Flat typed arrays; `destination` is written in place."""

    def elements_before(self, index: int, iteration: int = 0) -> int:
        """Return how many elements, in the operator's own order, are stored before a step."""

    def element_start(self, index: int) -> int:
        """Return the step with which the element of step `index` begins (accumulator 0)."""

    def note(self, index: int, iteration: int = 0) -> StepNote:
        """Return a step in words."""


def require(condition: bool, message: str) -> None:
    """Raise InvalidProgram with `message` unless `condition` holds."""
    if not condition:
        raise InvalidProgram(message)


def require_range(value: int, low: int, high: int, name: str) -> None:
    """Raise InvalidProgram unless `low <= value <= high`."""
    require(low <= value <= high, f"{name} = {value} is outside [{low}, {high}]")


def require_byte_dtype(dtype: DType, name: str) -> None:
    """Raise InvalidProgram unless the dtype is u8 or i8."""
    require(dtype in (DType.U8, DType.I8), f"{name} must be u8 or i8, not {dtype.name.lower()}")


def require_count(count: int, dtype: DType, name: str) -> None:
    """Raise InvalidProgram unless a tensor of that many elements may exist."""
    require_range(count, 1, MAX_COUNT, name)


def require_elements(count: int, name: str) -> None:
    """Raise InvalidProgram unless an operator of sequences takes that many elements."""
    require_range(count, 1, MAX_ELEMENTS, name)


def require_shift(shift: int) -> None:
    """Raise InvalidProgram unless an i64 may be shifted by so many bits."""
    require_range(shift, 0, MAX_SHIFT, "shift")


def require_dtype(dtype: DType, allowed: Sequence[DType], name: str) -> None:
    """Raise InvalidProgram unless the dtype is one of those allowed."""
    names = ", ".join(one.name.lower() for one in allowed)
    require(dtype in allowed, f"{name} must be one of {names}, not {dtype.name.lower()}")


def require_within(offset: int, needed: int, count: int, name: str) -> None:
    """Raise InvalidProgram unless `needed` elements at `offset` lie inside `count` ones."""
    require_elements(count, f"{name}'s tensor")
    require_range(offset, 0, count - needed, name)


def require_clamp(low: int, high: int, dtype: DType) -> None:
    """Raise InvalidProgram unless `low <= high` lie in the dtype's range."""
    require(dtype.minimum <= low <= high <= dtype.maximum, f"clamp [{low}, {high}] is not valid")


def encode_signed(value: int, dtype: DType) -> bytes:
    """Return one little-endian element."""
    return value.to_bytes(dtype.size, "little", signed=dtype is not DType.U8)


def decode_elements(data: bytes, dtype: DType) -> list[int]:
    """Return the elements of a little-endian byte string as Python integers."""
    values: list[int] = np.frombuffer(data, dtype.numpy).tolist()
    return values
