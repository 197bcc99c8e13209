"""Places: where tensors lie while a table runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from interpreter.tensors import TensorType

ALIGNMENT = 64


class Region(IntEnum):
    """Where a tensor lies."""

    INPUT = 0
    KEPT = 1
    ARENA = 2
    NONE = 3


@dataclass(frozen=True, slots=True)
class Place:
    """A tensor's first byte in its region; in the arena before it is stretched for a wave."""

    region: Region
    offset: int
    kind: TensorType

    @property
    def step(self) -> int:
        """Return the bytes from one position's copy to the next one's; 0: there is one."""
        return aligned(self.kind.byte_count) if self.region is Region.ARENA else 0


def aligned(size: int) -> int:
    """Return a number of bytes, rounded up so that what follows is aligned."""
    return -(-size // ALIGNMENT) * ALIGNMENT


@dataclass(slots=True)
class Arena:
    """Gives out bytes, from the first gap that is wide enough; gaps are there if it is reused."""

    is_reused: bool
    size: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)

    def take(self, kind: TensorType) -> Place:
        wanted = aligned(kind.byte_count)
        for index, (first, last) in enumerate(self.gaps):
            if last - first >= wanted:
                self.gaps[index] = (first + wanted, last)
                return Place(Region.ARENA, first, kind)
        self.size += wanted
        return Place(Region.ARENA, self.size - wanted, kind)

    def give(self, place: Place) -> None:
        if not self.is_reused:
            return
        gaps = sorted([*self.gaps, (place.offset, place.offset + aligned(place.kind.byte_count))])
        self.gaps = []
        for first, last in gaps:
            if self.gaps and self.gaps[-1][1] == first:
                self.gaps[-1] = (self.gaps[-1][0], last)
            elif first < last:
                self.gaps.append((first, last))
