"""A run that answers for any of its states (spec: state.md).

The first question about the inside of a run costs one pass over the model with every tensor
exposed. What follows costs the hashing of what is asked for, and what was hashed is kept, so each
narrower dissection is nearly free.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from interpreter.machine import OneStepProof
from interpreter.merkle import Hash
from interpreter.program import Opcode, Program, Step
from interpreter.state import State, final_state, initial_state

from .engine import Engine
from .errors import TraceError
from .hashing import hash_bytes
from .states import States
from .timeline import INPUT, timeline_of

Bytes = npt.NDArray[np.uint8]


class Trace:
    """The states of `program` on `data`, computed by `engine`.

    `data` is not copied and must not change. Holds each tensor of the program at most once, and its
    tree (a quarter more), until `forget`.
    """

    def __init__(
        self, program: Program, data: bytes | Bytes, engine: Engine, iterations: int = 1
    ) -> None:
        header = program.header
        if engine.program is not program and engine.program.root != program.root:
            raise TraceError("the engine runs another program than the trace is of")
        if not 1 <= iterations <= header.max_iterations:
            raise TraceError(f"{iterations} iterations: the program allows {header.max_iterations}")
        has_halt = any(operator.opcode == Opcode.HALT for operator in program.operators)
        if iterations > 1 or has_halt:
            raise TraceError("runs of several iterations or with HALT have no trace")
        header.input_type.check(data, "input")
        self.program, self.engine, self.iterations = program, engine, iterations
        # A view, not a copy: a fresh copy of a picture costs a tenth of a small network's run.
        self.data = np.frombuffer(data, np.uint8)
        self.steps = header.steps_per_iteration * iterations
        self._output: Bytes | None = None
        self._tensors: dict[int, Bytes] | None = None

    @property
    def output(self) -> bytes:
        """Return the output bytes."""
        if self._output is None and self._tensors is None:
            self._output = self.engine.run(self.data)
        elif self._output is None:
            # Once every tensor is there, the output is among them.
            version = self.states.timeline.before[-1][self.program.header.output_slot]
            assert version is not None
            self._output = self.states.content(version)
        return self._output.tobytes()

    @property
    def final(self) -> State:
        """Return the state after the last step; it needs the output alone."""
        output = np.frombuffer(self.output, np.uint8)
        return final_state(self.program.header, hash_bytes(output).root, self.steps, False)

    def state(self, step: Step) -> State:
        """Return the state before `step`, or the final one; raise TraceError outside the run."""
        if not 0 <= step <= self.steps:
            raise TraceError(f"step {step} is outside the run's {self.steps} steps")
        if step == 0:
            return initial_state(self.program.header, hash_bytes(self.data).root)
        return self.final if step == self.steps else self.states.state(step)

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the state hash before each step, in the order given."""
        # Inner steps come first: they expose every tensor, and the output with them.
        found = {step: self.state(step).hash for step in sorted(set(steps))}
        return [found[step] for step in steps]

    def one_step_proof(self, step: Step) -> OneStepProof:
        """Return the proof of a step from its true pre-state."""
        if not 0 <= step < self.steps:
            raise TraceError(f"step {step} is outside the run's {self.steps} steps")
        return self.states.prove(step)

    def proof(self, step: Step) -> bytes:
        """Return the proof of a step as the contract takes it."""
        return self.one_step_proof(step).encode()

    def tensor(self, writer: int) -> Bytes:
        """Return the bytes that an operator left in its destination, or the input."""
        if writer == INPUT:
            return self.data
        if self._tensors is None:
            self._tensors = self.engine.run_exposed(self.data)
        return self._tensors[writer]

    @cached_property
    def states(self) -> States:
        """Return the run's states, for those who build on them."""
        return States(self.program, timeline_of(self.program), self.iterations, self.tensor)

    def forget(self) -> None:
        """Drop tensors and trees, keep the output; they are computed again when asked for."""
        self._tensors = None
        self.states.forget()
