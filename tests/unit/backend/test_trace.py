"""Every state and proof of a trace equals what stepping the reference gives."""

import numpy as np
import pytest

from infernet.backend.engine import ReferenceEngine, open_engine
from infernet.backend.errors import TraceError
from infernet.backend.trace import Trace
from interpreter import machine
from interpreter.program import Opcode, Program, Step
from interpreter.state import State
from tests.programs import OPCODES, Style, random_input, random_instruction_program, random_program

SEEDS = range(12)


def case(seed: int, style: Style = "fast", max_steps: int = 800) -> tuple[Program, np.ndarray]:
    rng = np.random.default_rng(seed)
    program = random_program(rng, style, max_steps=max_steps)
    return program, random_input(program, rng)


def require_every_state(program: Program, data: np.ndarray) -> None:
    trace = Trace(program, data, open_engine(program))
    memory, accumulator = machine.start(program, data), 0
    for at in range(program.header.steps_per_iteration):
        expected = State(Step(at), False, memory.root, accumulator)
        assert trace.state(Step(at)) == expected, program.locate(at)
        accumulator, _ = machine.step(program, 1, Step(at), memory, accumulator)
    assert trace.final == State(Step(trace.steps), False, memory.root, accumulator)
    assert trace.state(Step(trace.steps)) == trace.final
    assert trace.output == machine.run(program, data).tobytes()


@pytest.mark.parametrize("style", ["plain", "fast", "hostile"])
@pytest.mark.parametrize("seed", SEEDS)
def test_every_state_equals_the_stepped_one(seed: int, style: Style) -> None:
    require_every_state(*case(seed, style))


@pytest.mark.parametrize("opcode", OPCODES)
@pytest.mark.parametrize("seed", range(5))
def test_every_state_of_one_operator_equals_the_stepped_one(opcode: Opcode, seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = random_instruction_program(rng, opcode, max_count=200)
    require_every_state(program, random_input(program, rng))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_proof_equals_the_references(seed: int) -> None:
    program, data = case(seed, "plain", max_steps=300)
    trace = Trace(program, data, open_engine(program))
    memory, accumulator = machine.start(program, data), 0
    for at in map(Step, range(trace.steps)):
        root = memory.root
        expected = machine.prove(program, 1, at, memory, accumulator)
        assert trace.one_step_proof(at) == expected
        before, after = machine.verify(program.root, 1, at, expected)
        accumulator = after.accumulator
        assert [before.hash, after.hash] == trace.state_hashes([at, Step(at + 1)])
        assert before.memory_root == root


def test_forgetting_changes_no_answer() -> None:
    program, data = case(3)
    trace = Trace(program, data, open_engine(program))
    steps = [Step(trace.steps * i // 7) for i in range(8)]
    before = trace.state_hashes(steps)
    trace.forget()
    assert trace.state_hashes(steps) == before
    assert trace.proof(steps[3]) == Trace(program, data, ReferenceEngine(program)).proof(steps[3])


def test_questions_outside_the_run_are_refused() -> None:
    program, data = case(4)
    trace = Trace(program, data, open_engine(program))
    for step in (-1, trace.steps + 1):
        with pytest.raises(TraceError, match="outside"):
            trace.state(Step(step))
    with pytest.raises(TraceError, match="outside"):
        trace.proof(Step(trace.steps))
    for iterations in (0, 2):
        with pytest.raises(TraceError, match="iterations"):
            Trace(program, data, open_engine(program), iterations)
    with pytest.raises(TraceError, match="another program"):
        Trace(program, data, open_engine(case(5)[0]))
