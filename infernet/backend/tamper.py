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
from functools import cached_property

import numpy as np
import numpy.typing as npt

from interpreter import machine
from interpreter.machine import OneStepProof, Outcome
from interpreter.memory import LiveMemory, Register
from interpreter.merkle import Hash, digest
from interpreter.operators import Copy, Halt, Instruction, MatMul
from interpreter.program import Location, Program, Step
from interpreter.state import State, final_state

from .engine import kept_in
from .errors import TraceError
from .exposed import Exposed
from .falsity import FalseStep
from .falsity import Mutation as Mutation
from .hashing import hash_bytes
from .products import product
from .states import States, prove_halted, root_of
from .trace import Trace

Bytes = npt.NDArray[np.uint8]


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
        self._where = self.program.locate(at, self.iterations)
        self._insides: dict[int, States] = {}

    @cached_property
    def false(self) -> FalseStep | None:
        """Return the false step; None if it follows the end of the run, where nothing happens."""
        inside = self.honest.inside(self._where.iteration)
        if inside is None or inside.has_halted(self._where):
            return None
        return FalseStep(inside, self._where, self.mutation)

    @property
    def dirty_slot(self) -> int | None:
        """Return the slot that is dirty for good, for a step that has nothing else to falsify."""
        return None if self.false is None else self.false.dirty_slot

    @cached_property
    def outcome(self) -> Outcome:
        """Return how the false run ends: otherwise than the true one."""
        found = self._course[1]
        if not self.lies_again_at_the_end:
            return found
        output = found.output.copy()
        self.mutation.change(output, self.mutation.byte % len(output))
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
        iteration, exposed = self._where.iteration, self._course[0]
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
        if iteration < self._where.iteration:
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

    @cached_property
    def _course(self) -> tuple[list[Exposed], Outcome]:
        """Return the iterations from the false step's on, and how they end, by honest arithmetic.

        There are none for a step after the end of the run.
        """
        if self.false is None:
            return [], self.honest.outcome
        exposed, halts = [], False
        memory = _memory_before(self.false)
        for iteration in range(self._where.iteration, self.iterations):
            found, halts = self._run_on(self.false, iteration, memory)
            exposed.append(found)
            if halts:
                break
        register = memory.slots[self.program.header.output_slot]
        assert register is not None
        return exposed, Outcome(register.data, halts)

    def _run_on(self, false: FalseStep, iteration: int, memory: LiveMemory) -> tuple[Exposed, bool]:
        """Run an iteration, or what follows the lie in its own; say whether it halts."""
        first, found = 0, Exposed({}, kept_in(memory, self.program.header.input_slot))
        if iteration == self._where.iteration:
            first, true = self._where.operator, false.honest.exposed
            before = {i: tensor for i, tensor in true.tensors.items() if i < first}
            found = Exposed(before, true.kept)
        for index in range(first, len(self.program.operators)):
            instruction = self.honest.timeline(iteration).instructions[index]
            is_false = false.is_in(iteration, index)
            if isinstance(instruction, Halt) and instruction.fires(iteration, memory) != is_false:
                return found, True
            _apply(instruction, iteration, memory)
            if target := instruction.destination:
                register = memory.slots[target.slot]
                assert register is not None
                if is_false and false.dirty_slot is None:
                    register.data[:] = false.tensor(target.kind)
                found.tensors[index] = register.data.copy()
        return found, False

    def _inside(self, iteration: int) -> States | None:
        number, course = iteration - self._where.iteration, self._course[0]
        if self.false is None or number >= len(course):
            return None
        if iteration not in self._insides:
            place = self.honest.timeline(iteration), self.iterations, iteration
            states = _TamperedStates(self.program, *place, self.data, course[number])
            states.liar, states.false = self, self.false
            self._insides[iteration] = states
        return self._insides[iteration]


def _memory_before(false: FalseStep) -> LiveMemory:
    """Return true memory before the false step's operator, to be written to."""
    states, operator = false.honest, false.where.operator
    slots = [
        None if v is None else Register(v.kind, states.content(v).copy())
        for v in states.timeline.before[operator]
    ]
    return LiveMemory(slots, states.program.constants, hash_bytes)


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
    false: FalseStep

    def state(self, at: Step) -> State:
        state, slot = super().state(at), self.false.dirty_slot
        if slot is None or state.halted:
            return state
        roots = self.roots(self.program.locate(at, self.iterations))
        roots[slot] = digest(roots[slot] + b"dirt")
        return State(at, False, root_of(roots), state.accumulator)

    @property
    def ending(self) -> Bytes:
        return self.liar.outcome.output

    def fires(self, operator: int, halt: Halt) -> bool:
        return super().fires(operator, halt) != self.false.is_in(self.iteration, operator)

    def accumulator(self, where: Location) -> int:
        found = self.false.accumulator(where)
        return super().accumulator(where) if found is None else found

    def moved(
        self, operator: int, copy: Copy, block: range
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.generic]]:
        places, values = super().moved(operator, copy, block)
        if self.false.is_in(self.iteration, operator):
            self.false.falsify(copy, values, block)
        return places, values
