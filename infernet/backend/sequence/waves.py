"""Waves: one pass over a program's operators, and so over its weights, for many positions.

A wave may hold several positions of one run, whose tokens its input gives, and positions of several
runs. Each run has its own input, its own kept tensors and its own positions, so that what it
computes does not depend on who else is in the wave.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from interpreter.program import Program

from ..errors import UnsupportedProgram
from .places import ALIGNMENT, Region
from .plan import Layout, Plan, plan_of

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]

# Positions that run at once at most, and bytes of their tensors.
MOST_POSITIONS = 128
MOST_ARENA_BYTES = 1 << 29
_WIDEST = 3


def _load() -> tuple[ModuleType | None, str]:
    try:
        module = import_module("infernet.backend.native._machine")
    except ImportError as error:
        return None, f"the compiled code of sequence programs is missing: {error}"
    return module, str(module.use(_WIDEST))


NATIVE, STATUS = _load()


class Progress(NamedTuple):
    """How far a run came: through so many positions, and where it halted.

    `halt`: the operator that ended it in the last position, if one did. `output`: once it is done.
    """

    positions: int = 0
    halt: int | None = None
    output: Bytes | None = None


@dataclass(slots=True, eq=False)
class Lane:
    """A run on its way. `known`: its input gives the tokens of so many of its positions."""

    data: Bytes
    iterations: int
    known: int
    kept: Bytes
    has_begun: bool = False
    progress: Progress = field(default_factory=Progress)

    @property
    def is_done(self) -> bool:
        """Say whether its output is there."""
        return self.progress.output is not None


@dataclass(slots=True)
class Waves:
    """Runs waves of one program. Threads may share it, but not a lane.

    Raises UnsupportedProgram for operators of images, or where the compiled code is missing.
    """

    program: Program
    plan: Plan = field(init=False)
    most_positions: int = field(init=False)
    _layouts: dict[int, Layout] = field(init=False, default_factory=dict, repr=False)
    _arenas: list[Bytes] = field(init=False, default_factory=list, repr=False)

    def __post_init__(self) -> None:
        if NATIVE is None:
            raise UnsupportedProgram(STATUS)
        self.plan = plan_of(self.program)
        self.most_positions = most_positions(self.layout(1))

    def start(self, data: Bytes, iterations: int) -> Lane:
        """Return a run that has not begun."""
        self.program.header.input_type.check(data, "input")
        data = np.ascontiguousarray(data)
        return Lane(
            data, iterations, min(self._known(data), iterations), zeros(self.plan.kept_bytes)
        )

    def advance(self, lanes: Sequence[Lane], threads: int) -> None:
        """Run a wave: a position of every lane, and more of those that may, the first ones first.

        At most `most_positions` lanes, none of them done. It may be asked again if it raises.
        """
        left, counts, places = self.most_positions - len(lanes), [], []
        for lane in lanes:
            start = self._begin(lane)
            more = min(lane.known - start - 1, left)
            count = 1 + more if more > 0 else 1
            left -= count - 1
            counts.append(count)
            places.append(np.arange(start, start + count))
        positions = np.concatenate(places) if len(lanes) > 1 else places[0]
        layout = self.layout(len(positions))
        arena = self._take(layout.arena_bytes)
        try:
            halts = self.run(layout, arena, positions, lanes, counts, threads)
            self._settle(layout, arena, positions, lanes, counts, halts)
        finally:
            self._arenas.append(arena)

    def run(
        self,
        layout: Layout,
        arena: Bytes,
        positions: Positions,
        lanes: Sequence[Lane],
        counts: Sequence[int],
        threads: int,
    ) -> list[int | None]:
        """Run a layout's table at some positions; return the operator that halts each lane.

        `counts`: how many of the positions, in order, are each lane's.
        """
        assert NATIVE is not None
        runs = [(lane.data, lane.kept, n) for lane, n in zip(lanes, counts, strict=True)]
        rows = NATIVE.wave(layout.table, self.program.constants, arena, positions, runs, threads)
        return [None if row < 0 else layout.operators[row] for row in rows]

    def _begin(self, lane: Lane) -> int:
        """Return a run's next position; a wave that is broken off there can be run again."""
        start = lane.progress.positions
        if start == 0:
            if lane.has_begun:
                lane.kept[:] = 0
            lane.has_begun = True
        elif self.plan.appends is None:
            # What it keeps may depend on what it finds, so it would begin again.
            lane.progress = Progress()
        return start

    def _settle(
        self,
        layout: Layout,
        arena: Bytes,
        positions: Positions,
        lanes: Sequence[Lane],
        counts: Sequence[int],
        halts: Sequence[int | None],
    ) -> None:
        """Note how far each run came."""
        last = -1
        for lane, count, halt in zip(lanes, counts, halts, strict=True):
            last += count
            reached, output = int(positions[last]) + 1, None
            if halt is not None or reached >= lane.iterations:
                region = lane.kept if layout.output.region is Region.KEPT else arena
                output = region[layout.find(layout.output, last)].copy()
            # At once: an exception from another thread may come between any two statements.
            lane.progress = Progress(reached, halt, output)

    def _known(self, data: Bytes) -> int:
        """Return how many positions may run in waves."""
        appends = self.plan.appends
        if appends is None:
            return 0
        words = data.view(self.program.header.input_type.dtype.numpy)
        known = appends.known(words)
        return self.program.header.max_iterations if known is None else known

    def layout(self, count: int) -> Layout:
        """Return the layout of waves of `count` positions, rounded up to a power of two."""
        capacity = 1 << (count - 1).bit_length()
        found = self._layouts.get(capacity)
        if found is None:
            found = self._layouts[capacity] = self.plan.layout(capacity)
        return found

    def _take(self, size: int) -> Bytes:
        """Return an arena that no other call uses."""
        try:
            arena = self._arenas.pop()
        except IndexError:
            return room(size)
        return arena if len(arena) >= size else room(size)


def most_positions(single: Layout) -> int:
    """Return how many positions a wave takes at most, given the layout of one."""
    found = max(1, min(MOST_POSITIONS, MOST_ARENA_BYTES // max(1, single.arena_bytes)))
    return 1 << (found.bit_length() - 1)


def room(size: int) -> Bytes:
    """Return bytes of any content."""
    return _aligned(np.empty, size)


def zeros(size: int) -> Bytes:
    """Return bytes that are zero."""
    return _aligned(np.zeros, size)


def _aligned(allocate: Callable[[int, type[np.uint8]], Bytes], size: int) -> Bytes:
    """Return bytes that begin with a line of the cache: vectors that cross lines cost twice."""
    data = allocate(size + ALIGNMENT, np.uint8)
    start = -data.ctypes.data % ALIGNMENT
    return data[start : start + size]
