"""The engine of sequence programs: many positions at once where a prompt gives their tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType

import numpy as np
import numpy.typing as npt

from interpreter.machine import Outcome
from interpreter.program import Program

from ..errors import UnsupportedProgram
from ..exposed import Exposed
from .plan import ALIGNMENT, Layout, Plan, Region, plan_of

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]

# Positions that run at once at most, and bytes of their tensors.
_MOST_POSITIONS = 128
_MOST_ARENA_BYTES = 1 << 29
_WIDEST = 3


def _load() -> tuple[ModuleType | None, str]:
    try:
        module = import_module("infernet.backend.native._machine")
    except ImportError as error:
        return None, f"the compiled code of sequence programs is missing: {error}"
    return module, str(module.use(_WIDEST))


_NATIVE, _STATUS = _load()


def sequences_status() -> str:
    """Return which loops run sequence programs, or why the compiled code is missing."""
    return _STATUS


@dataclass(frozen=True, slots=True)
class _Run:
    """How far a run came: what is kept after its positions, and where it halted.

    `halt`: the operator that ended it after the last position, if one did.
    """

    data: bytes
    kept: Bytes
    positions: int
    halt: int | None


@dataclass(slots=True)
class SequenceEngine:
    """Compiled code for the operators of sequence models. Threads may share it.

    The last run's kept tensors stay, so that its positions can be shown without a second run.
    Raises UnsupportedProgram for other operators, or where the compiled code is missing.
    """

    program: Program
    threads: int = 1
    _plan: Plan = field(init=False, repr=False)
    _layouts: dict[int, Layout] = field(init=False, default_factory=dict, repr=False)
    _arenas: list[Bytes] = field(init=False, default_factory=list, repr=False)
    _last: _Run | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        if _NATIVE is None:
            raise UnsupportedProgram(_STATUS)
        self._plan = plan_of(self.program)

    @property
    def name(self) -> str:
        return f"compiled, {_STATUS}, {self.threads} thread(s)"

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

    # A run

    def _complete(self, data: Bytes, iterations: int) -> tuple[Bytes, _Run]:
        """Return the output of a run and what it leaves."""
        self.program.header.input_type.check(data, "input")
        output = self._layout(1).output
        arena = self._take(self._waves(iterations))
        try:
            done = self._execute(data, iterations, arena)
            region = done.kept if output.region is Region.KEPT else arena
            found = region[output.offset : output.offset + output.kind.byte_count].copy()
        finally:
            self._arenas.append(arena)
        self._last = done
        return found, done

    def _execute(self, data: Bytes, iterations: int, arena: Bytes) -> _Run:
        """Run from the first position on; positions whose tokens the prompt gives in waves."""
        kept = _aligned(np.zeros, self._plan.kept_bytes)
        known, position = min(self._known(data), iterations), 0
        halt = None
        while position < iterations and halt is None:
            layout = self._layout(1)
            if known - position > 1:
                layout = self._waves(iterations)
            count = min(layout.capacity, max(known - position, 1))
            positions = np.arange(position, position + count)
            halt = self._wave(layout, layout.table, data, kept, arena, positions)
            position += count
        return _Run(data.tobytes(), kept, position, halt)

    def _wave(
        self,
        layout: Layout,
        table: npt.NDArray[np.int64],
        data: Bytes,
        kept: Bytes,
        arena: Bytes,
        positions: Positions,
    ) -> int | None:
        """Run a table at all positions; return the operator that halts the last, if one does."""
        assert _NATIVE is not None
        constants = self.program.constants
        row = _NATIVE.wave(table, constants, data, kept, arena, positions, self.threads)
        return None if row < 0 else layout.operators[row]

    def _known(self, data: Bytes) -> int:
        """Return how many positions may run in waves."""
        appends = self._plan.appends
        if appends is None:
            return 0
        words = data.view(self.program.header.input_type.dtype.numpy)
        known = appends.known(words)
        return self.program.header.max_iterations if known is None else known

    def _waves(self, iterations: int) -> Layout:
        """Return the layout of waves as wide as a run may need and memory allows."""
        if self._plan.appends is None or iterations == 1:
            return self._layout(1)
        each = max(1, self._layout(1).arena_bytes)
        widest = min(_MOST_POSITIONS, self.program.header.max_iterations)
        return self._layout(max(1, min(widest, _MOST_ARENA_BYTES // each)))

    def _layout(self, capacity: int) -> Layout:
        found = self._layouts.get(capacity)
        if found is None:
            found = self._layouts[capacity] = self._plan.layout(capacity)
        return found

    def _take(self, layout: Layout) -> Bytes:
        """Return an arena that no other call uses."""
        size = max(layout.arena_bytes, self._layout(1).arena_bytes)
        try:
            arena = self._arenas.pop()
        except IndexError:
            return _aligned(np.empty, size)
        return arena if len(arena) >= size else _aligned(np.empty, size)

    # The inside of a run

    def _shares_waves(self, data: Bytes) -> bool:
        """Say whether positions can be shown from what is kept after the run."""
        appends = self._plan.appends
        if appends is None:
            return False
        words = data.view(self.program.header.input_type.dtype.numpy)
        # A first position that takes a made token reads the place of its own, which is zero then.
        return all(int(words[place]) > 0 for place in appends.lengths)

    def _expose_waves(
        self, data: Bytes, iterations: int, wanted: Sequence[int]
    ) -> Iterator[Exposed]:
        done = self._run_of(data, max(wanted, default=-1) + 1, iterations)
        each = max(1, self._plan.layout(1, is_exposed=True).arena_bytes)
        most = max(1, min(_MOST_POSITIONS, _MOST_ARENA_BYTES // each))
        reached = [position for position in wanted if position < done.positions]
        for first in range(0, len(reached), most):
            positions = np.array(reached[first : first + most], np.int64)
            layout = self._plan.layout(len(positions), is_exposed=True)
            arena = _aligned(np.empty, layout.arena_bytes)
            kept = done.kept.copy()
            self._wave(layout, layout.without_halts(), data, kept, arena, positions)
            for index, position in enumerate(positions.tolist()):
                yield self._shown(layout, arena, done, index, position)

    def _run_of(self, data: Bytes, positions: int, iterations: int) -> _Run:
        """Return the last run if it came far enough, else a new one."""
        last = self._last
        is_last = last is not None and last.data == data.tobytes()
        if last and is_last and (last.positions >= positions or last.halt is not None):
            return last
        if not self._plan.kept:
            return _Run(data.tobytes(), np.zeros(0, np.uint8), iterations, None)
        return self._complete(data, iterations)[1]

    def _shown(
        self, layout: Layout, arena: Bytes, done: _Run, index: int, position: int
    ) -> Exposed:
        appends = self._plan.appends
        assert appends is not None
        is_last = done.halt is not None and position == done.positions - 1
        tensors = {}
        for operator in layout.exposed:
            if is_last and done.halt is not None and operator > done.halt:
                continue
            tensor = _copy_of(layout, arena, operator, index)
            instruction = self._plan.instructions[operator]
            assert instruction.destination is not None
            if (append := appends.by_slot.get(instruction.destination.slot)) is not None:
                append.erase(tensor, position + 1, done.positions)
            tensors[operator] = tensor
        kept = {}
        for slot, place in self._plan.kept.items() if position else ():
            kept[slot] = done.kept[place.offset : place.offset + place.kind.byte_count].copy()
            appends.by_slot[slot].erase(kept[slot], position, done.positions)
        return Exposed(tensors, kept)

    def _expose_each(self, data: Bytes, wanted: Sequence[int]) -> Iterator[Exposed]:
        """Run from the first position on, one by one, and show those wanted."""
        plain, shown = self._layout(1), self._plan.layout(1, is_exposed=True)
        kept = _aligned(np.zeros, self._plan.kept_bytes)
        for position in range(max(wanted, default=-1) + 1):
            layout = shown if position in wanted else plain
            arena = _aligned(np.empty, layout.arena_bytes)
            before = {
                slot: kept[place.offset : place.offset + place.kind.byte_count].copy()
                for slot, place in (self._plan.kept.items() if position and layout is shown else ())
            }
            positions = np.array([position], np.int64)
            halt = self._wave(layout, layout.table, data, kept, arena, positions)
            if layout is shown:
                tensors = {
                    operator: _copy_of(layout, arena, operator, 0)
                    for operator in layout.exposed
                    if halt is None or operator < halt
                }
                yield Exposed(tensors, before)
            if halt is not None:
                return


def _aligned(allocate: Callable[[int, type[np.uint8]], Bytes], size: int) -> Bytes:
    """Return bytes that begin with a line of the cache: vectors that cross lines cost twice."""
    data = allocate(size + ALIGNMENT, np.uint8)
    start = -data.ctypes.data % ALIGNMENT
    return data[start : start + size]


def _copy_of(layout: Layout, arena: Bytes, operator: int, index: int) -> Bytes:
    """Return, as a view, what an operator stored at one position of a wave."""
    place = layout.exposed[operator]
    start = place.offset * layout.capacity + index * place.step
    return arena[start : start + place.kind.byte_count]
