"""The sliding window that CONV and MAXPOOL share (twin: libraries/WindowLib.sol)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .base import MAX_COUNT, MAX_DIMENSION, require, require_range


@dataclass(frozen=True, slots=True)
class Window:
    """A sliding window over `[height, width, channels]`; taps outside the tensor are skipped."""

    height: int
    width: int
    channels: int
    out_height: int
    out_width: int
    kernel_height: int = 1
    kernel_width: int = 1
    stride_height: int = 1
    stride_width: int = 1
    pad_top: int = 0
    pad_left: int = 0
    dilation_height: int = 1
    dilation_width: int = 1

    def check(self) -> None:
        """Raise InvalidProgram if a field is out of range."""
        for name in self.__slots__:
            low = 0 if name.startswith("pad") else 1
            require_range(getattr(self, name), low, MAX_DIMENSION, name)
        require(self.in_count <= MAX_COUNT, "the input has too many elements")
        taps = self.kernel_height * self.kernel_width
        require(taps <= MAX_DIMENSION, "the kernel has too many taps")

    @property
    def in_count(self) -> int:
        """Return the number of input elements."""
        return self.height * self.width * self.channels

    def row(self, out_row: int, kernel_row: int) -> int:
        """Return the input row under a kernel row, which may lie outside."""
        return out_row * self.stride_height - self.pad_top + kernel_row * self.dilation_height

    def column(self, out_column: int, kernel_column: int) -> int:
        """Return the input column under a kernel column, which may lie outside."""
        shift = kernel_column * self.dilation_width
        return out_column * self.stride_width - self.pad_left + shift

    def taps(
        self, x: npt.NDArray[Any], fill: int, first_row: int = 0, last_row: int | None = None
    ) -> npt.NDArray[Any]:
        """Return `[taps, rows, out_width, channels]` of `x`, `fill` where outside.

        `rows`: the output rows `[first_row, last_row)`, by default all.
        """
        last_row = self.out_height if last_row is None else last_row
        taps = self.kernel_height * self.kernel_width
        result = np.empty((taps, last_row - first_row, self.out_width, self.channels), x.dtype)
        out_rows, out_columns = np.arange(first_row, last_row), np.arange(self.out_width)
        for tap in range(taps):
            kernel_row, kernel_column = divmod(tap, self.kernel_width)
            rows = out_rows * self.stride_height - self.pad_top
            rows = rows + kernel_row * self.dilation_height
            columns = out_columns * self.stride_width - self.pad_left
            columns = columns + kernel_column * self.dilation_width
            safe_rows = np.clip(rows, 0, self.height - 1)
            safe_columns = np.clip(columns, 0, self.width - 1)
            np.take(x[safe_rows], safe_columns, axis=1, out=result[tap])
            result[tap][rows != safe_rows] = fill
            result[tap][:, columns != safe_columns] = fill
        return result
