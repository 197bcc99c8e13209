"""Tensor types: what a register may hold, and how its bytes are cut into leaves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from .errors import InvalidTensor

LEAF_BYTES = 256


class DType(IntEnum):
    """Element types, by their code in descriptors (spec: program.md, "Tensor types")."""

    U8 = 0
    I8 = 1
    I16 = 2
    I32 = 3
    I64 = 4

    @property
    def size(self) -> int:
        """Return the bytes of one element."""
        return (1, 1, 2, 4, 8)[self]

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """Return the little-endian numpy dtype."""
        return np.dtype(("u1", "i1", "<i2", "<i4", "<i8")[self])

    @property
    def minimum(self) -> int:
        """Return the smallest value."""
        return 0 if self is DType.U8 else -(1 << (8 * self.size - 1))

    @property
    def maximum(self) -> int:
        """Return the largest value."""
        return 255 if self is DType.U8 else (1 << (8 * self.size - 1)) - 1


def depth_of(leaves: int) -> int:
    """Return the least `d` with `2**d >= leaves`."""
    return (leaves - 1).bit_length()


@dataclass(frozen=True, slots=True)
class TensorType:
    """What a slot holds: shapes live in descriptors, so a reshape costs nothing."""

    dtype: DType
    count: int

    @property
    def byte_count(self) -> int:
        """Return the bytes of all elements, padding left out."""
        return self.count * self.dtype.size

    @property
    def leaf_count(self) -> int:
        """Return how many leaves of 256 bytes hold the tensor."""
        return -(-self.byte_count // LEAF_BYTES)

    @property
    def depth(self) -> int:
        """Return the depth of the tensor's tree."""
        return depth_of(self.leaf_count)

    def empty(self) -> npt.NDArray[np.uint8]:
        """Return the tensor's bytes, all zero."""
        return np.zeros(self.byte_count, np.uint8)

    def check(self, data: bytes | npt.NDArray[np.uint8], what: str) -> None:
        """Raise InvalidTensor unless `data` has exactly this type's length."""
        if len(data) != self.byte_count:
            raise InvalidTensor(
                f"{what}: {len(data)} bytes given, {self.byte_count} expected "
                f"({self.count} elements of {self.dtype.name.lower()})"
            )
