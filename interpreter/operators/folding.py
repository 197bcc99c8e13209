"""Operators that fold runs into the accumulator and then finish an element (spec: operators.md)."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..memory import Memory
from .base import Operand, encode_signed


class Folding(ABC):
    """Each element of the destination takes `runs` reduce steps and one finish step."""

    __slots__ = ()

    @property
    @abstractmethod
    def runs(self) -> int:
        """Return the reduce steps of one element."""

    @property
    @abstractmethod
    def destination(self) -> Operand:
        """Return the operand whose elements are finished, the first to the last."""

    @property
    def steps(self) -> int:
        return self.destination.kind.count * (self.runs + 1)

    def elements_before(self, index: int, iteration: int = 0) -> int:
        return index // (self.runs + 1)

    def element_start(self, index: int) -> int:
        return index - index % (self.runs + 1)

    def store(self, element: int, memory: Memory, value: int) -> None:
        """Write one element, clamped to the destination's dtype."""
        slot, kind = self.destination.slot, self.destination.kind
        clamped = min(max(value, kind.dtype.minimum), kind.dtype.maximum)
        data = encode_signed(clamped, kind.dtype)
        memory.store(slot, kind, element * kind.dtype.size, data)
