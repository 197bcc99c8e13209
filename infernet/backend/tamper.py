"""A coherent liar, for tests and demonstrations: one false step, honest arithmetic around it.

Everything up to the chosen step is true. The step then stores another byte, leaves another
accumulator, halts where it may not or goes on where it must halt. Whatever follows, later
iterations included, is computed faithfully from that, so the liar's states, proofs and output fit
together, and only an execution of the step itself shows the lie.

Some lies would vanish: a step that stores nothing, or a change that a later clamp absorbs. So that
the assertion is false all the same, a step that stores nothing leaves dirt in its slot that no
later step clears, and whoever would end as the true run does changes a byte of the output when the
run ends; a liar in the steps after the end does only that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from interpreter import machine
from interpreter.machine import OneStepProof, Outcome
from interpreter.memory import LiveMemory, Register
from interpreter.merkle import Hash, digest
from interpreter.operators import Begin, Copy, End, Free, Halt, Instruction, MatMul
from interpreter.program import Location, Program, Step
from interpreter.state import State, final_state, wrap_i64
from interpreter.tensors import TensorType

from .engine import kept_in
from .errors import TraceError
from .exposed import Exposed
from .hashing import hash_bytes
from .products import product
from .states import States, prove_halted, root_of
from .timeline import Version
from .trace import Trace

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Mutation:
    """What the false step does: `amount` is added to the accumulator, or to the stored byte.

    `byte` chooses among several stored bytes, or the byte of the output that changes at the end.
    """

    amount: int = 1
    byte: int = 0

    def __post_init__(self) -> None:
        if self.amount % 256 == 0:
            raise TraceError(f"a change by {self.amount} leaves a byte as it is: choose another")


class TamperedTrace:
    """The states of a run whose step `at` is false. Answers the same questions as a Trace.

    Holds all tensors from the false step to the end of the run.
    """

    def __init__(self, trace: Trace, at: Step, mutation: Mutation | None = None) -> None:
        if not 0 <= at < trace.steps:
            raise TraceError(f"step {at} is outside the run's {trace.steps} steps")
        self.honest, self.at, self.mutation = trace, at, mutation or Mutation()
        self.program: Program = trace.program
        self.iterations, self.steps = trace.iterations, trace.steps
        self.data = trace.data
        self.where = self.program.locate(at, self.iterations)
        timeline = trace.timeline(self.where.iteration)
        self._instruction = timeline.instructions[self.where.operator]
        self._insides: dict[int, States] = {}

    @cached_property
    def outcome(self) -> Outcome:
        """Return how the false run ends: otherwise than the true one."""
        found = self._course[1]
        if not self.lies_again_at_the_end:
            return found
        output = found.output.copy()
        self.change(output, self.mutation.byte % len(output))
        return Outcome(output, found.halted)

    @property
    def output(self) -> bytes:
        """Return the output that the liar claims."""
        return self.outcome.output.tobytes()

    @property
    def halted(self) -> bool:
        """Say whether the liar claims that HALT ends the run."""
        return self.outcome.halted

    @property
    def final(self) -> State:
        """Return the state that the false outcome has."""
        return self.ended(Step(self.steps))

    @property
    def lies_again_at_the_end(self) -> bool:
        """Say whether the false step alone would not have changed how the run ends."""
        found, true = self._course[1], self.honest.outcome
        return found.halted == true.halted and found.output.tobytes() == true.output.tobytes()

    @property
    def end(self) -> Step:
        """Return the step that ends the false run: the one that halts, or the last END."""
        iteration, exposed = self.where.iteration, self._course[0]
        if not exposed:
            return self.at
        last = iteration + len(exposed) - 1
        inside = self._inside(last)
        assert inside is not None
        operator = len(self.program.operators) - 1 if inside.halting is None else inside.halting
        first = self.program.operators[operator].first_step
        return Step(last * self.program.header.steps_per_iteration + first)

    def inside(self, iteration: int) -> States | None:
        """Return the liar's states of an iteration; None when its run has halted before it."""
        if iteration < self.where.iteration:
            return self.honest.inside(iteration)
        return self._inside(iteration)

    def ended(self, step: Step) -> State:
        """Return what the liar claims before a step that follows the end of its run."""
        root = hash_bytes(self.outcome.output).root
        return final_state(self.program.header, root, step, self.halted)

    def state(self, step: Step) -> State:
        """Return the state that the liar claims before `step`."""
        if step <= self.at:
            return self.honest.state(step)
        if step == self.steps:
            return self.final
        inside = self._inside(self.program.locate(step, self.iterations).iteration)
        return self.ended(step) if inside is None else inside.state(step)

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the claimed state hash before each step."""
        true = sorted({step for step in steps if step <= self.at})
        found = dict(zip(true, self.honest.state_hashes(true), strict=True))
        return [found[step] if step in found else self.state(step).hash for step in steps]

    def one_step_proof(self, step: Step) -> OneStepProof:
        """Return a proof from the liar's own pre-state; the verifier computes what it computes."""
        if step <= self.at:
            return self.honest.one_step_proof(step)
        inside = self._inside(self.program.locate(step, self.iterations).iteration)
        if inside is None:
            return prove_halted(self.program, self.iterations, step, self.outcome.output)
        return inside.prove(step)

    def proof(self, step: Step) -> bytes:
        """Return that proof as the contract takes it."""
        return self.one_step_proof(step).encode()

    # The lie's consequences

    @property
    def is_accumulator_lie(self) -> bool:
        """Say whether the false step leaves an accumulator: it reduces."""
        following = self.where.index + 1
        return self._instruction.element_start(following) != following

    @cached_property
    def dirty_slot(self) -> int | None:
        """Return the slot that is dirty for good, for a step that has nothing else to falsify."""
        instruction = self._instruction
        match instruction:
            case _ if self._true_inside is None:
                return None
            case Begin(dst=dst) | Free(dst=dst):
                return dst
            case Copy(dst=dst) if not self._stored.size:
                return dst
            case End() if self.where.iteration < self.iterations - 1:
                return self.program.header.output_slot
            case _:
                return None

    @cached_property
    def _true_inside(self) -> States | None:
        """Return the true states around the false step; None after the end of the run."""
        inside = self.honest.inside(self.where.iteration)
        return None if inside is None or inside.has_halted(self.where) else inside

    @property
    def _honest(self) -> States:
        assert self._true_inside is not None
        return self._true_inside

    @cached_property
    def _stored(self) -> npt.NDArray[np.int64]:
        """Return which bytes of the destination the false step stores."""
        instruction, where = self._instruction, self.where
        iteration, index = where.iteration, where.index
        if isinstance(instruction, Copy):
            _, target, count = instruction.span(index, iteration)
            size = instruction.dtype.size
            return np.arange(target * size, (target + count) * size)
        if instruction.destination is None or self.is_accumulator_lie:
            return np.arange(0)
        size = instruction.destination.kind.dtype.size
        first = instruction.elements_before(index, iteration) * size
        last = instruction.destination.kind.byte_count
        if index + 1 < instruction.steps:
            last = instruction.elements_before(index + 1, iteration) * size
        return np.arange(first, last)

    @cached_property
    def _course(self) -> tuple[list[Exposed], Outcome]:
        """Return the iterations from the false step's on, and how they end, by honest arithmetic.

        There are none for a step after the end of the run.
        """
        if self._true_inside is None:
            return [], self.honest.outcome
        exposed = []
        memory, halts = self._memory_before(), False
        for iteration in range(self.where.iteration, self.iterations):
            found, halts = self._run_on(iteration, memory)
            exposed.append(found)
            if halts:
                break
        register = memory.slots[self.program.header.output_slot]
        assert register is not None
        return exposed, Outcome(register.data, halts)

    def _memory_before(self) -> LiveMemory:
        """Return true memory before the false step's operator, to be written to."""
        states, operator = self._honest, self.where.operator
        slots = [
            None if v is None else Register(v.kind, states.content(v).copy())
            for v in states.timeline.before[operator]
        ]
        return LiveMemory(slots, self.program.constants, hash_bytes)

    def _run_on(self, iteration: int, memory: LiveMemory) -> tuple[Exposed, bool]:
        """Run an iteration, or what follows the lie in its own; say whether it halts."""
        first, found = 0, Exposed({}, kept_in(memory, self.program.header.input_slot))
        if iteration == self.where.iteration:
            first, true = self.where.operator, self._honest.exposed
            before = {i: tensor for i, tensor in true.tensors.items() if i < first}
            found = Exposed(before, true.kept)
        for index in range(first, len(self.program.operators)):
            instruction = self.honest.timeline(iteration).instructions[index]
            is_false = (iteration, index) == (self.where.iteration, self.where.operator)
            if isinstance(instruction, Halt) and instruction.fires(iteration, memory) != is_false:
                return found, True
            _apply(instruction, iteration, memory)
            if target := instruction.destination:
                register = memory.slots[target.slot]
                assert register is not None
                if is_false and self.dirty_slot is None:
                    register.data[:] = self._false_tensor(target.kind)
                found.tensors[index] = register.data.copy()
        return found, False

    def _false_tensor(self, kind: TensorType) -> Bytes:
        states, operator = self._honest, self.where.operator
        if isinstance(self._instruction, Copy):
            data = states.content(states.timeline.base(operator)).copy()
            places, values = states.moved(operator, self._instruction)
            self.falsify(self._instruction, values)
            data.view(self._instruction.dtype.numpy)[places] = values
            return data
        data = states.content(Version(operator, kind)).copy()
        if not self.is_accumulator_lie:
            stored = self._stored
            self.change(data, int(stored[self.mutation.byte % len(stored)]))
            return data
        memory = states.sources(operator)
        destination = self._instruction.destination
        assert destination is not None
        memory.slots[destination.slot] = Register(kind, data)
        index, accumulator = self.where.index + 1, self._after_lie()
        while self._instruction.element_start(index) != index:
            accumulator = self._instruction.step(index, self.where.iteration, memory, accumulator)
            index += 1
        return data

    def _after_lie(self) -> int:
        states, where = self._honest, self.where
        memory = states.sources(where.operator)
        accumulator = states.accumulator(where)
        accumulator = self._instruction.step(where.index, where.iteration, memory, accumulator)
        return wrap_i64(accumulator + self.mutation.amount)

    def accumulator(self, where: Location) -> int | None:
        """Return the accumulator before a step of the false element, or None elsewhere."""
        if not self.is_accumulator_lie or not self.is_of_false_operator(where):
            return None
        start = self._instruction.element_start(self.where.index)
        if self._instruction.element_start(where.index) != start or where.index == start:
            return None
        accumulator = self._after_lie()
        memory = self._honest.sources(where.operator)
        for index in range(self.where.index + 1, where.index):
            accumulator = self._instruction.step(index, where.iteration, memory, accumulator)
        return accumulator

    def is_of_false_operator(self, where: Location) -> bool:
        """Say whether a step is one of the false step's operator in its iteration."""
        false = self.where
        return (where.iteration, where.operator) == (false.iteration, false.operator)

    def falsify(self, copy: Copy, values: npt.NDArray[np.generic]) -> None:
        """Change a byte of what a false COPY moves, in the order of its steps."""
        if self._stored.size:
            start = copy.elements_before(self.where.index, self.where.iteration)
            byte = self.mutation.byte % len(self._stored)
            self.change(values, start * copy.dtype.size + byte)

    def change(self, values: npt.NDArray[np.generic], byte: int) -> None:
        """Apply the mutation to one byte of flat values."""
        data = values.view(np.uint8)
        data[byte] = (int(data[byte]) + self.mutation.amount) % 256

    def _inside(self, iteration: int) -> States | None:
        number, course = iteration - self.where.iteration, self._course[0]
        if number >= len(course):
            return None
        if iteration not in self._insides:
            timeline = self.honest.timeline(iteration)
            place = (timeline, self.iterations, iteration)
            states = _TamperedStates(self.program, *place, self.data, course[number])
            states.liar = self
            self._insides[iteration] = states
        return self._insides[iteration]


def _apply(instruction: Instruction, iteration: int, memory: LiveMemory) -> None:
    """Execute an operator as the machine does, products compiled: large models have many."""
    if not isinstance(instruction, MatMul):
        machine.apply_whole(instruction, iteration, memory)
        return
    registers = [
        memory.slots[operand.slot] for operand in (*instruction.sources, instruction.destination)
    ]
    tensors = [each.data.view(each.kind.dtype.numpy) for each in registers if each is not None]
    a, b = instruction.matrices(memory.constants, tensors[:-1])
    out = tensors[-1].reshape(instruction.batches, instruction.rows, instruction.cols)
    zeros = instruction.a_walk.zero, instruction.b_walk.zero
    for batch in range(instruction.batches):
        product(a[batch], b[batch // instruction.group], *zeros, out[batch])


class _TamperedStates(States):
    """States after the lie: the same arithmetic on the liar's tensors."""

    liar: TamperedTrace

    def state(self, at: Step) -> State:
        state, slot = super().state(at), self.liar.dirty_slot
        if slot is None or state.halted:
            return state
        roots = self.roots(self.program.locate(at, self.iterations))
        roots[slot] = digest(roots[slot] + b"dirt")
        return State(at, False, root_of(roots), state.accumulator)

    @property
    def ending(self) -> Bytes:
        return self.liar.outcome.output

    def fires(self, operator: int, halt: Halt) -> bool:
        is_false = self.liar.is_of_false_operator(Location(self.iteration, operator, 0))
        return super().fires(operator, halt) != is_false

    def accumulator(self, where: Location) -> int:
        found = self.liar.accumulator(where)
        return super().accumulator(where) if found is None else found

    def moved(
        self, operator: int, copy: Copy
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.generic]]:
        places, values = super().moved(operator, copy)
        if self.liar.is_of_false_operator(Location(self.iteration, operator, 0)):
            self.liar.falsify(copy, values)
        return places, values
