"""A run of a sequence program that stops before any operator wanted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..course import Course
from .places import Place, Region
from .waves import Lane, Waves, room

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Run:
    """How far a run came: what is kept after its positions, and where it halted.

    `halt`: the operator that ended it after the last position, if one did.
    """

    data: bytes
    kept: Bytes
    positions: int
    halt: int | None


class SequenceCourse(Course):
    """By the compiled code, a position at a time; `lane` has not begun.

    `done`: the same run at its end, where each position can be begun from what it kept.
    """

    def __init__(self, waves: Waves, lane: Lane, threads: int, done: Run | None) -> None:
        super().__init__(waves.program)
        self._waves, self._lane, self._threads, self._done = waves, lane, threads, done
        self._layout = waves.layout(1)
        self._arena = room(self._layout.arena_bytes)
        # Where slots lie that something was stored in.
        self._places: dict[int, Place] = dict(waves.plan.kept)

    def enter(self, iteration: int) -> bool:
        done, appends = self._done, self._waves.plan.appends
        if done is None or appends is None or self.iteration == iteration:
            return super().enter(iteration)
        if iteration >= done.positions:
            return False
        self._lane.kept = done.kept.copy()
        for slot, place in self._waves.plan.kept.items():
            kept = self._lane.kept[self._layout.find(place, 0)]
            appends.by_slot[slot].erase(kept, iteration, done.positions)
        self.iteration, self.operator = iteration, 0
        return True

    def apply(self, operators: range) -> bool:
        part = self._layout.part(operators)
        for index in operators:
            target = self._waves.plan.instructions[index].destination
            if target is not None:
                self._places[target.slot] = self._layout.stored[index]
        if not part.operators:
            return True
        positions = np.array([self.iteration], np.int64)
        run = positions, [self._lane], [1], self._threads
        return self._waves.run(part, self._arena, *run) == [None]

    def content(self, slot: int) -> Bytes:
        place = self._places[slot]
        region = self._lane.kept if place.region is Region.KEPT else self._arena
        return region[self._layout.find(place, 0)]
