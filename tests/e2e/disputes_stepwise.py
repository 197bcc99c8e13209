"""Traces of small programs made by stepping the reference machine, and lies of every kind in them.

Slow and plain on purpose: nothing of the fast backend is used, so the two can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np

from interpreter import machine
from interpreter.errors import InterpreterError
from interpreter.memory import LiveMemory, Register
from interpreter.merkle import Hash, digest
from interpreter.program import Program, Step
from interpreter.state import State, final_state, wrap_i64
from interpreter.tensors import LEAF_BYTES

Bytes = np.ndarray
Mutation = Callable[[LiveMemory, int], int]
"""Changes the memory after a step and returns the accumulator to go on with."""


@dataclass(frozen=True)
class Lie:
    """A wrong state after step `at`; the liar computes on from it."""

    at: Step
    name: str
    mutate: Mutation


def flip_byte(rng: Random) -> Mutation:
    """Return the mutation that changes one byte of some tensor."""

    def mutate(memory: LiveMemory, accumulator: int) -> int:
        register = rng.choice([each for each in memory.slots if each is not None])
        register.data = register.data.copy()
        register.data[rng.randrange(len(register.data))] ^= rng.randrange(1, 256)
        register.tree = None
        return accumulator

    return mutate


def shift_accumulator(rng: Random) -> Mutation:
    """Return the mutation that adds to the accumulator."""
    delta = rng.choice((1, -1, 1 << 40, rng.getrandbits(62) + 1))
    return lambda memory, accumulator: wrap_i64(accumulator + delta)


def dirty_padding(rng: Random) -> Mutation:
    """Return the mutation that writes behind the end of a tensor, inside its last leaf."""

    def mutate(memory: LiveMemory, accumulator: int) -> int:
        padded = [r for r in memory.slots if r is not None and len(r.data) % LEAF_BYTES]
        if not padded:
            return wrap_i64(accumulator + 1)
        register = rng.choice(padded)
        behind = np.array([rng.randrange(1, 256)], np.uint8)
        register.data = np.concatenate([register.data, behind])
        register.tree = None
        return accumulator

    return mutate


def drop_slot(rng: Random) -> Mutation:
    """Return the mutation that empties a slot which still holds a tensor."""

    def mutate(memory: LiveMemory, accumulator: int) -> int:
        memory.slots[rng.choice([i for i, r in enumerate(memory.slots) if r is not None])] = None
        return accumulator

    return mutate


def copy_slot(rng: Random) -> Mutation:
    """Return the mutation that puts one slot's tensor into another slot as well."""

    def mutate(memory: LiveMemory, accumulator: int) -> int:
        full = [i for i, r in enumerate(memory.slots) if r is not None]
        source = rng.choice(full)
        target = rng.choice([i for i in range(len(memory.slots)) if i != source])
        register = memory.slots[source]
        assert register is not None
        before = memory.slots[target]
        if before is not None and memory.slot_root(target) == memory.slot_root(source):
            return wrap_i64(accumulator + 1)
        memory.slots[target] = Register(register.kind, register.data.copy())
        return accumulator

    return mutate


MUTATIONS: dict[str, Callable[[Random], Mutation]] = {
    "byte": flip_byte,
    "accumulator": shift_accumulator,
    "padding": dirty_padding,
    "dropped slot": drop_slot,
    "copied slot": copy_slot,
}


@dataclass
class StepwiseTrace:
    """All states of a run, true or with a lie in it; a run that a lie breaks goes on at random."""

    program: Program
    data: Bytes
    lie: Lie | None = None
    hashes: list[Hash] = field(init=False)
    is_broken: bool = field(init=False, default=False)
    output: Bytes = field(init=False)

    def __post_init__(self) -> None:
        steps = self.program.header.steps_per_iteration
        memory, accumulator = machine.start(self.program, self.data.copy()), 0
        self.hashes = [State(Step(0), False, memory.root, 0).hash]
        for at in range(steps):
            try:
                accumulator = self._advance(memory, accumulator, Step(at))
                state = State(Step(at + 1), False, memory.root, accumulator).hash
            except InterpreterError:
                self.is_broken = True
                state = digest(self.hashes[-1])
            self.hashes.append(state)
        register = memory.slots[self.program.header.output_slot]
        size = self.program.header.output_type.byte_count
        whole = np.zeros(size, np.uint8) if register is None else register.data[:size]
        self.output = np.zeros(size, np.uint8)
        self.output[: len(whole)] = whole

    def _advance(self, memory: LiveMemory, accumulator: int, at: Step) -> int:
        if self.is_broken:
            raise InterpreterError("the lie has broken this run")
        accumulator, _ = machine.step(self.program, 1, at, memory, accumulator)
        if self.lie is not None and self.lie.at == at:
            accumulator = self.lie.mutate(memory, accumulator)
        return accumulator

    @property
    def steps(self) -> int:
        """Return the number of steps."""
        return len(self.hashes) - 1

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the state hash before each step."""
        return [self.hashes[step] for step in steps]

    def proof(self, step: Step) -> bytes:
        """Return the one-step proof of a step of the true run."""
        memory, accumulator = machine.start(self.program, self.data.copy()), 0
        for at in range(step):
            accumulator, _ = machine.step(self.program, 1, Step(at), memory, accumulator)
        return machine.prove(self.program, 1, step, memory, accumulator).encode()


@dataclass
class Claim:
    """What somebody asserts: output bytes, the halted flag, and a trace that ends in them."""

    trace: StepwiseTrace
    output: Bytes
    halted: bool = False

    @property
    def final(self) -> Hash:
        """Return the final state hash that the contract derives from output and flag."""
        header = self.trace.program.header
        root = machine.tree_of_bytes(self.output).root
        return final_state(header, root, self.trace.steps, self.halted).hash

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the trace's hashes, the last state replaced by what the claim ends in."""
        found = self.trace.state_hashes(steps)
        pairs = zip(steps, found, strict=True)
        return [self.final if step == self.trace.steps else value for step, value in pairs]

    def proof(self, step: Step) -> bytes:
        """Return the trace's proof."""
        return self.trace.proof(step)


def false_claim(trace: StepwiseTrace, true_output: Bytes, rng: Random) -> Claim:
    """Return the claim of a lying trace; where the lie has no effect, its output is changed."""
    output = trace.output
    if np.array_equal(output, true_output):
        output = output.copy()
        output[rng.randrange(len(output))] ^= rng.randrange(1, 256)
    return Claim(trace, output)
