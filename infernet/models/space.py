"""Room for a program: the constants blob and the registers."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from interpreter.tensors import LEAF_BYTES

from .graph import TensorId

Buffer = bytes | memoryview

INPUT_SLOT = 0


class Constants:
    """The constants blob while it grows, in memory or in a file.

    `path`: a file that exists keeps what it holds until it is written over or `cut`.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._file: BinaryIO = io.BytesIO()
        if path is not None:
            self._file = path.open("r+b" if path.exists() else "w+b")
        self.size = 0
        # Where each table lies, by its digest.
        self.tables: dict[str, int] = {}

    def add(self, data: Buffer, alignment: int) -> int:
        """Append bytes and return their offset."""
        return self.add_all([data], alignment)

    def add_all(self, parts: Iterable[Buffer], alignment: int) -> int:
        """Append bytes that come in parts and return their offset."""
        offset = self.size + -self.size % alignment
        self._write(bytes(offset - self.size))
        for part in parts:
            self._write(part)
        return offset

    def add_table(self, data: bytes) -> int:
        """Return the offset of a table, stored once."""
        name = sha256(data).hexdigest()
        if name not in self.tables:
            self.tables[name] = self.add(data, LEAF_BYTES)
        return self.tables[name]

    def array(self) -> npt.NDArray[np.uint8]:
        """Return the blob, a positive multiple of a leaf long; a file is mapped, and complete."""
        self.add(bytes(LEAF_BYTES if not self.size else -self.size % LEAF_BYTES), 1)
        if self._path is None:
            assert isinstance(self._file, io.BytesIO)
            return np.frombuffer(self._file.getvalue(), np.uint8)
        self._file.truncate(self.size)
        self.sync()
        return np.memmap(self._path, np.uint8, mode="r").view(np.ndarray)

    def sync(self) -> None:
        """Return once all bytes of a file have reached the disk."""
        self._file.flush()
        if self._path is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of the file, which nothing is added to any more."""
        self._file.close()

    def cut(self, size: int, tables: dict[str, int]) -> None:
        """Go on after the first `size` bytes, which hold these tables."""
        self._file.seek(size)
        self.size, self.tables = size, dict(tables)

    def _write(self, data: Buffer) -> None:
        self.size += self._file.write(data)


@dataclass(slots=True)
class Slots:
    """Registers by liveness: the lowest free one is taken."""

    of: dict[TensorId, int]
    peak: int = 2
    _used: set[int] = field(default_factory=lambda: {INPUT_SLOT})

    @property
    def used(self) -> set[int]:
        """Return the registers in use."""
        return set(self._used)

    def set_used(self, used: Iterable[int], peak: int) -> None:
        """Go on with these registers in use."""
        self._used, self.peak = set(used), peak

    def take(self) -> int:
        """Return a free register, now in use."""
        slot = next(i for i in range(len(self._used) + 1) if i not in self._used)
        self._used.add(slot)
        self.peak = max(self.peak, slot + 1)
        return slot

    def release(self, slot: int) -> None:
        """Say that nothing reads the register any more."""
        self._used.discard(slot)
