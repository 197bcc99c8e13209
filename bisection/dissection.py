"""Where a range of steps is cut, and what a dissection says (spec: dispute.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from interpreter.merkle import HASH_BYTES, Hash
from interpreter.program import Step

from .errors import InvalidDissection
from .keccak import keccak256

EMPTY_LEAF = bytes(HASH_BYTES)


def part_count(length: int, k: int) -> int:
    """Return how many parts a dissection of `length` > 1 steps has: `min(k, length)`."""
    if length < 1 or k < 2:
        raise InvalidDissection(f"{length} steps cannot be cut {k}-fold; need length ≥ 1, k ≥ 2")
    return min(k, length)


def cuts(start: Step, end: Step, k: int) -> tuple[Step, ...]:
    """Return the steps `start + floor(n·j/p)` for j in 0 … p: from `start` to `end`."""
    length = end - start
    parts = part_count(length, k)
    return tuple(Step(start + length * j // parts) for j in range(parts + 1))


def worst_dissections(steps: int, k: int) -> int:
    """Return the most dissections a game over `steps` can have: `ceil(log_k steps)`."""
    count = 0
    while steps > 1:
        steps = -(-steps // k)
        count += 1
    return count


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a dissection: its start is agreed by naming it, its end is disputed."""

    index: int
    start: Step
    end: Step
    start_hash: Hash
    end_hash: Hash

    @property
    def length(self) -> int:
        """Return the number of steps in the segment, at least 1."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Dissection:
    """State hashes at the cuts of `[start, end]`, the inherited one at `start` included.

    An assertion is the dissection with one part: initial state, asserted final state.
    """

    start: Step
    end: Step
    hashes: tuple[Hash, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.parts <= self.end - self.start:
            raise InvalidDissection(
                f"{self.parts} parts do not fit {self.end - self.start} steps from {self.start}"
            )
        for position, value in enumerate(self.hashes):
            if len(value) != HASH_BYTES:
                raise InvalidDissection(f"hash {position} has {len(value)} bytes, need 32")

    @property
    def parts(self) -> int:
        """Return the number of segments."""
        return len(self.hashes) - 1

    @property
    def length(self) -> int:
        """Return the number of steps from start to end."""
        return self.end - self.start

    def cut(self, position: int) -> Step:
        """Return the step at cut `position`, 0 … parts."""
        if not 0 <= position <= self.parts:
            raise InvalidDissection(f"cut {position} is not in 0 … {self.parts}")
        return Step(self.start + self.length * position // self.parts)

    def segment(self, index: int) -> Segment:
        """Return segment `index`, 0 … parts − 1."""
        if not 0 <= index < self.parts:
            raise InvalidDissection(f"segment {index} is not in 0 … {self.parts - 1}")
        start, end = self.cut(index), self.cut(index + 1)
        return Segment(index, start, end, self.hashes[index], self.hashes[index + 1])

    def segments(self) -> Iterator[Segment]:
        """Yield the segments in order."""
        return (self.segment(index) for index in range(self.parts))

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return the steps at all cuts."""
        return tuple(self.cut(position) for position in range(self.parts + 1))

    @property
    def commitment(self) -> bytes:
        """Return the root that the contract keeps: Keccak-256, one leaf per segment."""
        return _levels(self.hashes)[-1][0]

    def siblings(self, index: int) -> tuple[bytes, ...]:
        """Return the path that proves segment `index`, leaf upwards."""
        segment = self.segment(index)
        levels = _levels(self.hashes)[:-1]
        return tuple(level[segment.index >> height ^ 1] for height, level in enumerate(levels))


# Rebuilding a game reads the same dissection again and again, and its tree costs 25 ms.
@lru_cache(maxsize=256)
def _levels(hashes: tuple[Hash, ...]) -> tuple[tuple[bytes, ...], ...]:
    """Return the commitment's tree, leaves first, the root alone last."""
    level = [keccak256(start + end) for start, end in pairwise(hashes)]
    level += [EMPTY_LEAF] * ((1 << (len(level) - 1).bit_length()) - len(level))
    levels = [tuple(level)]
    while len(level) > 1:
        level = [keccak256(level[i] + level[i + 1]) for i in range(0, len(level), 2)]
        levels.append(tuple(level))
    return tuple(levels)


def segment_root(segment: Segment, siblings: Sequence[bytes]) -> bytes:
    """Return the commitment that a segment has under a path of siblings."""
    node = keccak256(segment.start_hash + segment.end_hash)
    for height, sibling in enumerate(siblings):
        is_right = segment.index >> height & 1
        node = keccak256(sibling + node if is_right else node + sibling)
    return node
