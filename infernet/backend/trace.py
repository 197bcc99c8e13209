"""A run that answers for any of its states (spec: state.md).

The first question about the inside of a run costs one pass over the model, in which every iteration
that is asked about shows its tensors. What follows costs the hashing of what is asked for. The
iterations asked about last are kept with all that was hashed, so a dissection within them is nearly
free.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from interpreter.machine import OneStepProof, Outcome
from interpreter.merkle import Hash
from interpreter.program import Program, Step
from interpreter.state import State, final_state, initial_state

from .engine import Engine
from .errors import TraceError
from .hashing import hash_bytes
from .states import States, prove_halted
from .timeline import Timeline, timeline_of

Bytes = npt.NDArray[np.uint8]

# Two neighbouring cuts of a dissection lie in one iteration or in two.
_MOST_KEPT = 4


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
        inside = self.inside(self.program.locate(step, self.iterations).iteration)
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

    def timeline(self, iteration: int) -> Timeline:
        """Return who writes what in an iteration."""
        return self._later if iteration else self._first

    def forget(self) -> None:
        """Drop tensors and trees, keep the outcome; they are computed again when asked for."""
        self._kept.clear()

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
        if self.steps in steps and self.iterations - 1 not in inner:
            # Engines show the inside of the run that they have just made, without another one.
            self.outcome  # noqa: B018
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
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
            yield iteration, inside

    def _ended(self, step: Step) -> State:
        """Return the state before a step that follows the run's end."""
        root = hash_bytes(self.outcome.output).root
        return final_state(self.program.header, root, step, self.outcome.halted)

    def _outside(self, step: Step) -> TraceError:
        return TraceError(f"step {step} is outside the run's {self.steps} steps")
