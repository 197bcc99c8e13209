"""Copies that write the same bytes again and again: a trace must know every state in between."""

from __future__ import annotations

import numpy as np
import pytest

from infernet.backend.engine import ReferenceEngine, open_engine
from infernet.backend.trace import Trace
from interpreter import machine
from interpreter.operators import Clip, Copy
from interpreter.program import Program, Step
from interpreter.state import State
from interpreter.tensors import DType, TensorType
from tests.builder import ProgramBuilder
from tests.twin.evm import Contracts


def stepped_states(program: Program, data: np.ndarray) -> list[State]:
    """Return every state but the final one, by execution of one step after the other."""
    memory, accumulator, states = machine.start(program, data), 0, []
    for at in range(program.header.steps_per_iteration):
        states.append(State(Step(at), False, memory.root, accumulator))
        accumulator, _ = machine.step(program, 1, Step(at), memory, accumulator)
    states.append(State(Step(len(states)), False, memory.root, accumulator))
    return states


def strides(rng: np.random.Generator, room: int, sizes: list[int]) -> list[int]:
    """Return three strides that stay inside `room` elements; zero and tiny ones are likely."""
    found = []
    for size in sizes:
        most = room // (size - 1) if size > 1 else 1 << 32
        stride = int(rng.choice([0, 1, most, int(rng.integers(0, most + 1))]))
        stride = min(stride, most)
        room -= (size - 1) * stride
        found.append(stride)
    return found


def overlapping_copy(rng: np.random.Generator, dtype: DType, counts: tuple[int, int]) -> Copy:
    """Return a COPY from slot 0 to slot 1 whose rows may overlap at both ends."""
    n3 = int(rng.integers(1, min(counts) // 2))
    sizes = [int(rng.integers(1, 5)) for _ in range(3)]
    last = int(rng.choice([1, 1, 0, 2]))
    room = counts[0] - 1 - (n3 - 1) * last
    if room < 0:
        last, room = 1, counts[0] - n3
    offset = int(rng.integers(0, room + 1))
    s = strides(rng, room - offset, sizes)
    target_room = counts[1] - n3
    target = int(rng.integers(0, target_room + 1))
    t = strides(rng, target_room - target, sizes)
    return Copy(
        1,
        0,
        dtype,
        *counts,
        (sizes[0], sizes[1], sizes[2], n3),
        offset,
        (s[0], s[1], s[2], last),
        target,
        (t[0], t[1], t[2], 1),
    )


def program_of(rng: np.random.Generator, dtype: DType) -> Program:
    counts = (int(rng.integers(4, 700)), int(rng.integers(4, 700)))
    builder = ProgramBuilder(TensorType(dtype, counts[0]), slot_depth=2)
    target = TensorType(dtype, counts[1])
    builder.begin(target, 1)
    for _ in range(int(rng.integers(1, 4))):
        builder.add(overlapping_copy(rng, dtype, counts))
    if dtype.size == 1:
        builder.begin(target, 2)
        builder.add(Clip(2, dtype, counts[1], 1, dtype.minimum, dtype.maximum // 2))
        return builder.finish(2)
    return builder.finish(1)


@pytest.mark.parametrize("seed", range(25))
def test_every_state_of_overlapping_copies_is_known(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = program_of(rng, DType(seed % 5))
    data = rng.integers(0, 256, program.header.input_type.byte_count, dtype=np.uint8)
    expected = stepped_states(program, data)
    for engine in (ReferenceEngine(program), open_engine(program)):
        trace = Trace(program, data, engine)
        steps = [Step(at) for at in range(trace.steps + 1)]
        wrong = [at for at in steps if trace.state(at) != expected[at]]
        assert wrong == []


def test_overlapping_copies_are_proven_on_chain_step_by_step() -> None:
    contracts = Contracts()
    for seed in range(10):
        rng = np.random.default_rng(1000 + seed)
        program = program_of(rng, DType(seed % 5))
        data = rng.integers(0, 256, program.header.input_type.byte_count, dtype=np.uint8)
        expected = stepped_states(program, data)
        trace = Trace(program, data, ReferenceEngine(program))
        for at in map(Step, rng.integers(0, trace.steps, 12).tolist()):
            pre, post = contracts.prove(program.root, 1, at, trace.proof(at))[:2]
            assert (pre, post) == (expected[at].hash, expected[at + 1].hash)
