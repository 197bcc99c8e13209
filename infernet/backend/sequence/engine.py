"""The engine of sequence programs: many positions at once where a prompt gives their tokens."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from interpreter.machine import Outcome
from interpreter.program import Program

from ..exposed import Exposed
from .course import Run, SequenceCourse
from .joint import Joint
from .plan import Layout
from .waves import STATUS, Lane, Waves, most_positions, room

Bytes = npt.NDArray[np.uint8]

# Runs that share waves at most, and bytes that they keep.
_MOST_LANES = 16
_MOST_KEPT_BYTES = 1 << 31
# Weights that fit a processor's cache are not worth sharing: runs then go on side by side.
_LEAST_SHARED_BYTES = 16 << 20


def sequences_status() -> str:
    """Return which loops run sequence programs, or why the compiled code is missing."""
    return STATUS


@dataclass(slots=True)
class SequenceEngine:
    """Compiled code for the operators of sequence models. Threads may share it.

    Runs at the same time, up to `lanes` of them, share each pass over the weights; 0: as many as
    pay. They put their threads together, up to `most_threads`; 0: as many as there are processors.

    The last run's kept tensors stay, so that its positions can be shown without a second run.
    Raises UnsupportedProgram for other operators, or where the compiled code is missing.
    """

    program: Program
    threads: int = 1
    lanes: int = 0
    most_threads: int = 0
    _waves: Waves = field(init=False, repr=False)
    _joint: Joint = field(init=False, repr=False)
    _last: Run | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        self._waves = Waves(self.program)
        self.lanes = self.lanes or _lanes_of(self._waves)
        self.most_threads = self.most_threads or os.cpu_count() or 1
        self._joint = Joint(self._waves, self.lanes, self.threads, self.most_threads)

    @property
    def name(self) -> str:
        return f"compiled, {STATUS}, {self.threads} thread(s)"

    @property
    def reasons(self) -> tuple[str, ...]:
        return ()

    def run(self, data: Bytes, iterations: int = 1) -> Outcome:
        output, done = self._complete(data, iterations)
        return Outcome(output, done.halt is not None)

    def expose(self, data: Bytes, iterations: int, wanted: Sequence[int]) -> Iterator[Exposed]:
        self.program.header.input_type.check(data, "input")
        if self._shares_waves(data):
            yield from self._expose_waves(data, iterations, wanted)
        else:
            yield from self._expose_each(data, wanted)

    def course(self, data: Bytes, iterations: int) -> SequenceCourse:
        """Return a run that can stop before any operator."""
        lane = self._waves.start(data, iterations)
        done = self._run_of(data, iterations, iterations) if self._shares_waves(data) else None
        return SequenceCourse(self._waves, lane, self.threads, done)

    def _complete(self, data: Bytes, iterations: int) -> tuple[Bytes, Run]:
        """Return the output of a run and what it leaves."""
        lane = self._waves.start(data, iterations)
        if self.lanes > 1:
            self._joint.complete(lane)
        while not lane.is_done:
            self._waves.advance([lane], self.threads)
        progress = lane.progress
        assert progress.output is not None
        self._last = Run(data.tobytes(), lane.kept, progress.positions, progress.halt)
        return progress.output, self._last

    # The inside of a run

    def _shares_waves(self, data: Bytes) -> bool:
        """Say whether positions can be shown from what is kept after the run."""
        appends = self._waves.plan.appends
        if appends is None:
            return False
        words = data.view(self.program.header.input_type.dtype.numpy)
        # A first position that takes a made token reads the place of its own, which is zero then.
        return all(int(words[place]) > 0 for place in appends.lengths)

    def _expose_waves(
        self, data: Bytes, iterations: int, wanted: Sequence[int]
    ) -> Iterator[Exposed]:
        done = self._run_of(data, max(wanted, default=-1) + 1, iterations)
        plan = self._waves.plan
        most = most_positions(plan.layout(1, is_exposed=True))
        reached = [position for position in wanted if position < done.positions]
        for first in range(0, len(reached), most):
            positions = np.array(reached[first : first + most], np.int64)
            layout = plan.layout(len(positions), is_exposed=True)
            arena, count = room(layout.arena_bytes), len(positions)
            lane = Lane(data, iterations, 0, done.kept.copy())
            everything = layout.without_halts()
            self._waves.run(everything, arena, positions, [lane], [count], self.threads)
            for index, position in enumerate(positions.tolist()):
                yield self._shown(layout, arena, done, index, position)

    def _run_of(self, data: Bytes, positions: int, iterations: int) -> Run:
        """Return the last run if it came far enough, else a new one."""
        last = self._last
        is_last = last is not None and last.data == data.tobytes()
        if last and is_last and (last.positions >= positions or last.halt is not None):
            return last
        if not self._waves.plan.kept:
            return Run(data.tobytes(), np.zeros(0, np.uint8), iterations, None)
        return self._complete(data, iterations)[1]

    def _shown(self, layout: Layout, arena: Bytes, done: Run, index: int, position: int) -> Exposed:
        appends = self._waves.plan.appends
        assert appends is not None
        is_last = done.halt is not None and position == done.positions - 1
        tensors = {}
        for operator in layout.stored:
            if is_last and done.halt is not None and operator > done.halt:
                continue
            tensor = arena[layout.find(layout.stored[operator], index)]
            instruction = self._waves.plan.instructions[operator]
            assert instruction.destination is not None
            if (append := appends.by_slot.get(instruction.destination.slot)) is not None:
                append.erase(tensor, position + 1, done.positions)
            tensors[operator] = tensor
        kept = {}
        for slot, place in self._waves.plan.kept.items() if position else ():
            kept[slot] = done.kept[layout.find(place, index)].copy()
            appends.by_slot[slot].erase(kept[slot], position, done.positions)
        return Exposed(tensors, kept)

    def _expose_each(self, data: Bytes, wanted: Sequence[int]) -> Iterator[Exposed]:
        """Run from the first position on, one by one, and show those wanted."""
        plan, lane = self._waves.plan, self._waves.start(data, 1)
        plain, shown = self._waves.layout(1), plan.layout(1, is_exposed=True)
        for position in range(max(wanted, default=-1) + 1):
            layout = shown if position in wanted else plain
            arena = room(layout.arena_bytes)
            before = {
                slot: lane.kept[layout.find(place, 0)].copy()
                for slot, place in (plan.kept.items() if position and layout is shown else ())
            }
            positions = np.array([position], np.int64)
            (halt,) = self._waves.run(layout, arena, positions, [lane], [1], self.threads)
            if layout is shown:
                tensors = {
                    operator: arena[layout.find(layout.stored[operator], 0)]
                    for operator in layout.stored
                    if halt is None or operator < halt
                }
                yield Exposed(tensors, before)
            if halt is not None:
                return


def _lanes_of(waves: Waves) -> int:
    """Return how many runs of a program share waves."""
    program, kept_bytes = waves.program, max(1, waves.plan.kept_bytes)
    if program.header.max_iterations == 1 or len(program.constants) < _LEAST_SHARED_BYTES:
        return 1
    return max(1, min(_MOST_LANES, waves.most_positions, _MOST_KEPT_BYTES // kept_bytes))
