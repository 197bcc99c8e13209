"""A coherent liar, for tests and demonstrations: one false step, honest arithmetic around it.

Everything up to the chosen step is true. The step then stores another byte, or leaves another
accumulator, and whatever follows is computed faithfully from that, so the liar's states, proofs and
output fit together, and only an execution of the step itself shows the lie.

Some lies would vanish: a step that stores nothing, or a change that a later clamp absorbs. So that
the assertion is false all the same, a step that stores nothing leaves dirt in its slot that no
later step clears, and whoever would end with the true output changes a byte of it in END.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from interpreter import machine
from interpreter.machine import OneStepProof
from interpreter.memory import LiveMemory, Register
from interpreter.merkle import Hash, digest
from interpreter.operators import Begin, Copy, End, Free
from interpreter.program import Location, Program, Step
from interpreter.state import State, final_state, wrap_i64
from interpreter.tensors import TensorType

from .errors import TraceError
from .hashing import hash_bytes
from .states import States, root_of
from .trace import Trace

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Mutation:
    """What the false step does: `amount` is added to the accumulator, or to the stored byte.

    `byte` chooses among several stored bytes, or the byte of the output that END changes.
    """

    amount: int = 1
    byte: int = 0

    def __post_init__(self) -> None:
        if self.amount % 256 == 0:
            raise TraceError(f"a change by {self.amount} leaves a byte as it is: choose another")


class TamperedTrace:
    """The states of a run whose step `at` is false. Answers the same questions as a Trace."""

    def __init__(self, trace: Trace, at: Step, mutation: Mutation | None = None) -> None:
        if not 0 <= at < trace.steps:
            raise TraceError(f"step {at} is outside the run's {trace.steps} steps")
        self.honest, self.at, self.mutation = trace, at, mutation or Mutation()
        self.program: Program = trace.program
        self.iterations, self.steps = trace.iterations, trace.steps
        self.data = trace.data
        self._where = self.program.locate(at, self.iterations)
        self._instruction = trace.states.timeline.instructions[self._where.operator]
        states = _TamperedStates(self.program, trace.states.timeline, self.iterations, self._tensor)
        states.liar = self
        self._states = states

    @cached_property
    def output(self) -> bytes:
        """Return the false output."""
        output = self._honest_end.copy()
        if output.tobytes() == self.honest.output:
            self.change(output, self.mutation.byte % len(output))
        return output.tobytes()

    @property
    def final(self) -> State:
        """Return the state that the false output has."""
        root = hash_bytes(np.frombuffer(self.output, np.uint8)).root
        return final_state(self.program.header, root, self.steps, False)

    @property
    def states(self) -> States:
        """Return the liar's states, for those who tell what it claims."""
        return self._states

    @property
    def lies_again_in_end(self) -> bool:
        """Say whether the false step alone would not have changed the output."""
        return self._honest_end.tobytes() == self.honest.output

    def state(self, step: Step) -> State:
        """Return the state that the liar claims before `step`."""
        if step <= self.at:
            return self.honest.state(step)
        return self.final if step == self.steps else self._states.state(step)

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the claimed state hash before each step."""
        return [self.state(step).hash for step in steps]

    def one_step_proof(self, step: Step) -> OneStepProof:
        """Return a proof from the liar's own pre-state; the verifier computes what it computes."""
        return self.honest.one_step_proof(step) if step <= self.at else self._states.prove(step)

    def proof(self, step: Step) -> bytes:
        """Return that proof as the contract takes it."""
        return self.one_step_proof(step).encode()

    # The lie's consequences

    @property
    def is_accumulator_lie(self) -> bool:
        """Say whether the false step leaves an accumulator: it reduces."""
        following = self._where.index + 1
        return self._instruction.element_start(following) != following

    @property
    def dirty_slot(self) -> int | None:
        """Return the slot that is dirty for good, for a step that has nothing else to falsify."""
        instruction = self._instruction
        if isinstance(instruction, Begin | Free):
            return instruction.dst
        if isinstance(instruction, Copy) and not self._stored.size:
            return instruction.dst
        return None

    @cached_property
    def _stored(self) -> npt.NDArray[np.int64]:
        """Return which bytes of the destination the false step stores."""
        instruction, index = self._instruction, self._where.index
        if isinstance(instruction, Copy):
            _, target, count = instruction.span(index, self._where.iteration)
            size = instruction.dtype.size
            return np.arange(target * size, (target + count) * size)
        if instruction.destination is None or self.is_accumulator_lie:
            return np.arange(0)
        size = instruction.destination.kind.dtype.size
        first = instruction.elements_before(index) * size
        last = instruction.destination.kind.byte_count
        if index + 1 < instruction.steps:
            last = instruction.elements_before(index + 1) * size
        return np.arange(first, last)

    @cached_property
    def _tensors(self) -> dict[int, Bytes]:
        """Return the tensors from the false operator on, by writer."""
        found: dict[int, Bytes] = {}
        operator = self._where.operator
        if isinstance(self._instruction, Begin | Free | End) or self.dirty_slot is not None:
            return found
        destination = self._instruction.destination
        assert destination is not None
        found[operator] = self._false_tensor(destination.kind)
        timeline = self.honest.states.timeline
        slots: list[Register | None] = [
            None if v is None else Register(v.kind, self.honest.states.content(v).copy())
            for v in timeline.before[operator]
        ]
        slots[destination.slot] = Register(destination.kind, found[operator].copy())
        memory = LiveMemory(slots, self.program.constants, hash_bytes)
        for index in range(operator + 1, len(timeline.instructions)):
            machine.apply_whole(timeline.instructions[index], 0, memory)
            if target := timeline.instructions[index].destination:
                register = memory.slots[target.slot]
                assert register is not None
                found[index] = register.data.copy()
        return found

    def _false_tensor(self, kind: TensorType) -> Bytes:
        states, operator = self._states, self._where.operator
        if isinstance(self._instruction, Copy):
            return states.partial(Location(0, operator, self._instruction.steps))
        data = self.honest.tensor(operator).copy()
        if not self.is_accumulator_lie:
            stored = self._stored
            self.change(data, int(stored[self.mutation.byte % len(stored)]))
            return data
        memory = states.sources(operator)
        destination = self._instruction.destination
        assert destination is not None
        memory.slots[destination.slot] = Register(kind, data)
        index = self._where.index + 1
        accumulator = self._after_lie()
        while self._instruction.element_start(index) != index:
            accumulator = self._instruction.step(index, 0, memory, accumulator)
            index += 1
        return data

    def _after_lie(self) -> int:
        states = self.honest.states
        memory = states.sources(self._where.operator)
        accumulator = states.accumulator(self._where)
        accumulator = self._instruction.step(self._where.index, 0, memory, accumulator)
        return wrap_i64(accumulator + self.mutation.amount)

    def accumulator(self, where: Location) -> int | None:
        """Return the accumulator before a step of the false element, or None elsewhere."""
        if not self.is_accumulator_lie or where.operator != self._where.operator:
            return None
        start = self._instruction.element_start(self._where.index)
        if self._instruction.element_start(where.index) != start or where.index == start:
            return None
        accumulator = self._after_lie()
        memory = self.honest.states.sources(where.operator)
        for index in range(self._where.index + 1, where.index):
            accumulator = self._instruction.step(index, 0, memory, accumulator)
        return accumulator

    def moved_change(self, copy: Copy) -> tuple[int, int] | None:
        """Return `(position, byte)`: the element of a false COPY, and its byte, that is changed."""
        if not self._stored.size:
            return None
        start = copy.elements_before(self._where.index)
        position, byte = divmod(self.mutation.byte % len(self._stored), copy.dtype.size)
        return start + position, byte

    def change(self, values: npt.NDArray[np.generic], byte: int) -> None:
        """Apply the mutation to one byte of flat values."""
        data = values.view(np.uint8)
        data[byte] = (int(data[byte]) + self.mutation.amount) % 256

    @property
    def lying_operator(self) -> int:
        """Return the index of the false step's operator."""
        return self._where.operator

    @cached_property
    def _honest_end(self) -> Bytes:
        """Return the output that follows from the false step by honest arithmetic."""
        timeline = self.honest.states.timeline
        version = timeline.before[-1][self.program.header.output_slot]
        assert version is not None
        return self._states.content(version)

    def _tensor(self, writer: int) -> Bytes:
        if writer < self._where.operator or writer not in self._tensors:
            return self.honest.tensor(writer)
        return self._tensors[writer]


class _TamperedStates(States):
    """States after the lie: the same arithmetic on the liar's tensors."""

    liar: TamperedTrace

    def state(self, at: Step) -> State:
        state = super().state(at)
        slot = self.liar.dirty_slot
        if slot is None:
            return state
        where = self.program.locate(at, self.iterations)
        roots = self.roots(where)
        roots[slot] = digest(roots[slot] + b"dirt")
        return State(at, False, root_of(roots), state.accumulator)

    def accumulator(self, where: Location) -> int:
        found = self.liar.accumulator(where)
        return super().accumulator(where) if found is None else found

    def moved(
        self, operator: int, copy: Copy
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.generic]]:
        places, values = super().moved(operator, copy)
        if operator == self.liar.lying_operator and (change := self.liar.moved_change(copy)):
            position, byte = change
            self.liar.change(values, position * copy.dtype.size + byte)
        return places, values
