"""Room for a program: the constants blob and the registers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from interpreter.tensors import LEAF_BYTES

from .graph import TensorId

INPUT_SLOT = 0


class Constants:
    """The constants blob while it grows."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0
        self._tables: dict[bytes, int] = {}

    def add(self, data: bytes, alignment: int) -> int:
        """Append bytes and return their offset."""
        padding = -self._size % alignment
        offset = self._size + padding
        self._chunks += [bytes(padding), data]
        self._size = offset + len(data)
        return offset

    def add_table(self, data: bytes) -> int:
        """Return the offset of a table, stored once."""
        if data not in self._tables:
            self._tables[data] = self.add(data, LEAF_BYTES)
        return self._tables[data]

    def array(self) -> npt.NDArray[np.uint8]:
        """Return the blob, a positive multiple of a leaf long."""
        self.add(bytes(LEAF_BYTES if not self._size else -self._size % LEAF_BYTES), 1)
        return np.frombuffer(b"".join(self._chunks), np.uint8)


@dataclass(slots=True)
class Slots:
    """Registers by liveness: the lowest free one is taken."""

    of: dict[TensorId, int]
    peak: int = 2
    _used: set[int] = field(default_factory=lambda: {INPUT_SLOT})

    def take(self) -> int:
        """Return a free register, now in use."""
        slot = next(i for i in range(len(self._used) + 1) if i not in self._used)
        self._used.add(slot)
        self.peak = max(self.peak, slot + 1)
        return slot

    def release(self, slot: int) -> None:
        """Say that nothing reads the register any more."""
        self._used.discard(slot)
