"""A run that answers for any of its states (spec: state.md).

The first question about the inside of a run costs one pass over the model, in which every iteration
that is asked about shows its tensors. What follows costs the hashing of what is asked for. The
iterations asked about last are kept with all that was hashed, so a dissection within them is nearly
free.

Where that would take far more memory than a run, each question costs a pass that stops at the
operators asked about, and nothing is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby

import numpy as np
import numpy.typing as npt

from interpreter.machine import OneStepProof, Outcome
from interpreter.merkle import Hash
from interpreter.program import Program, Step
from interpreter.state import State, final_state, initial_state

from .engine import Engine, course_of
from .errors import TraceError
from .hashing import hash_bytes
from .pauses import most_shown, pauses
from .states import States, prove_halted
from .timeline import Timeline, timeline_of

Bytes = npt.NDArray[np.uint8]


class Trace:
    """The states of `program` on `data`, computed by `engine`.

    `data` is not copied and must not change. Holds each tensor of a few iterations at most once,
    and its tree (a quarter more), until `forget`.
    """

    def __init__(
        self, program: Program, data: bytes | Bytes, engine: Engine, iterations: int = 1
    ) -> None:
        header = program.header
        if engine.program is not program and engine.program.root != program.root:
            raise TraceError("the engine runs another program than the trace is of")
        if not 1 <= iterations <= header.max_iterations:
            raise TraceError(f"{iterations} iterations: the program allows {header.max_iterations}")
        header.input_type.check(data, "input")
        self.program, self.engine = program, engine
        self.iterations: int = iterations
        # A view, not a copy: a fresh copy of a picture costs a tenth of a small network's run.
        self.data = np.frombuffer(data, np.uint8)
        self.steps: int = header.steps_per_iteration * iterations
        self._outcome: Outcome | None = None
        self._kept: OrderedDict[int, States | None] = OrderedDict()

    @property
    def outcome(self) -> Outcome:
        """Return what the run leaves; an iteration in which it ends, once seen, tells as well."""
        if self._outcome is None:
            self._outcome = self.engine.run(self.data, self.iterations)
        return self._outcome

    @property
    def output(self) -> bytes:
        """Return the output bytes."""
        return self.outcome.output.tobytes()

    @property
    def halted(self) -> bool:
        """Say whether HALT ends the run."""
        return self.outcome.halted

    @property
    def final(self) -> State:
        """Return the state after the last step; it needs the outcome alone."""
        return self._ended(Step(self.steps))

    def state(self, step: Step) -> State:
        """Return the state before `step`, or the final one; raise TraceError outside the run."""
        return self._states([step])[step]

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the state hash before each step, in the order given."""
        found = self._states(steps)
        return [found[step].hash for step in steps]

    def one_step_proof(self, step: Step) -> OneStepProof:
        """Return the proof of a step from its true pre-state."""
        if not 0 <= step < self.steps:
            raise self._outside(step)
        inside = self.around(step)
        if inside is None:
            return prove_halted(self.program, self.iterations, step, self.outcome.output)
        return inside.prove(step)

    def proof(self, step: Step) -> bytes:
        """Return the proof of a step as the contract takes it."""
        return self.one_step_proof(step).encode()

    def inside(self, iteration: int) -> States | None:
        """Return the states of an iteration; None when the run has halted before it."""
        ((_, inside),) = self._insides([iteration])
        return inside

    def around(self, step: Step) -> States | None:
        """Return states that tell of a step and its operator; None when the run halts before it.

        Of a large run they are those of the operator alone (see pauses.py).
        """
        where = self.program.locate(step, self.iterations)
        if self.is_small:
            return self.inside(where.iteration)
        return next((states for _, states in self._paused([step])), None)

    @property
    def is_small(self) -> bool:
        """Say whether iterations are shown whole."""
        return self._most_kept > 0

    def timeline(self, iteration: int) -> Timeline:
        """Return who writes what in an iteration."""
        return self._later if iteration else self._first

    def forget(self) -> None:
        """Drop tensors and trees, keep the outcome; they are computed again when asked for."""
        self._kept.clear()

    @cached_property
    def _most_kept(self) -> int:
        return most_shown(self._first)

    @cached_property
    def _first(self) -> Timeline:
        return timeline_of(self.program, is_first=True)

    @cached_property
    def _later(self) -> Timeline:
        return timeline_of(self.program, is_first=False)

    def _states(self, steps: Sequence[Step]) -> dict[Step, State]:
        """Return the states before some steps, each iteration looked into once."""
        found: dict[Step, State] = {}
        inner: dict[int, list[Step]] = {}
        for step in sorted(set(steps)):
            if not 0 <= step <= self.steps:
                raise self._outside(step)
            if step == 0:
                root = hash_bytes(self.data).root
                found[step] = initial_state(self.program.header, root)
            elif step < self.steps:
                where = self.program.locate(step, self.iterations)
                inner.setdefault(where.iteration, []).append(step)
        if self.steps in steps and (self.iterations - 1 not in inner or not self.is_small):
            # Engines show the inside of the run that they have just made, without another one.
            self.outcome  # noqa: B018
        if inner and not self.is_small:
            paused = self._paused([step for each in inner.values() for step in each])
            found |= {step: inside.state(step) for step, inside in paused}
            inner = {}
        for iteration, inside in self._insides(sorted(inner)):
            if inside is not None:
                found |= {step: inside.state(step) for step in inner[iteration]}
        return found | {step: self._ended(step) for step in steps if step not in found}

    def _insides(self, wanted: Sequence[int]) -> Iterator[tuple[int, States | None]]:
        """Yield the inside of each wanted iteration, those already known first."""
        missing = [iteration for iteration in wanted if iteration not in self._kept]
        for iteration in wanted:
            if iteration in self._kept:
                self._kept.move_to_end(iteration)
                yield iteration, self._kept[iteration]
        if not missing:
            return
        shown = iter(self.engine.expose(self.data, self.iterations, missing))
        for iteration in missing:
            exposed, inside = next(shown, None), None
            if exposed is not None:
                where = (self.timeline(iteration), self.iterations, iteration)
                inside = States(self.program, *where, self.data, exposed)
                self._outcome = self._outcome or inside.outcome
            elif not self.outcome.halted:
                raise TraceError(
                    f"{self.engine.name} does not show iteration {iteration} of a run that does "
                    "not halt: mend the backend, or run with the reference"
                )
            self._kept[iteration] = inside
            while len(self._kept) > max(1, self._most_kept):
                self._kept.popitem(last=False)
            yield iteration, inside

    def _paused(self, steps: Sequence[Step]) -> Iterator[tuple[Step, States]]:
        """Yield steps, which ascend, with states that last until the next is taken.

        Those that follow a halt are left out.
        """
        groups = [(stop, list(group)) for stop, group in groupby(steps, self._stop)]
        course = course_of(self.engine, self.data, self.iterations)
        stops, shown = [stop for stop, _ in groups], 0
        for inside in pauses(course, self.timeline, self.iterations, self.data, stops):
            yield from ((step, inside) for step in groups[shown][1])
            shown += 1
        if shown < len(stops) and not self.outcome.halted:
            raise TraceError(f"{self.engine.name} does not halt at iteration {stops[shown][0]}")

    def _stop(self, step: Step) -> tuple[int, int]:
        where = self.program.locate(step, self.iterations)
        return where.iteration, where.operator

    def _ended(self, step: Step) -> State:
        """Return the state before a step that follows the run's end."""
        root = hash_bytes(self.outcome.output).root
        return final_state(self.program.header, root, step, self.outcome.halted)

    def _outside(self, step: Step) -> TraceError:
        return TraceError(f"step {step} is outside the run's {self.steps} steps")
