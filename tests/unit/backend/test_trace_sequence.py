"""Runs of several iterations: every state and proof of a trace equals what stepping gives."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from infernet.backend.engine import Engine, ReferenceEngine, open_engine
from infernet.backend.errors import TraceError
from infernet.backend.exposed import Exposed
from infernet.backend.trace import Trace
from interpreter import machine
from interpreter.machine import Outcome
from interpreter.program import Opcode, Program, Step
from interpreter.state import State
from tests.halting import HALTS, ITERATIONS, halting_input, halting_program
from tests.programs import random_input
from tests.sequences import OPCODES, random_sequence_program
from tests.unit.test_decoder import decoder, request, tokens_of


def require_every_state(
    program: Program, data: np.ndarray, iterations: int, engine: Engine, proofs: int = 40
) -> Trace:
    """Compare every state, and about so many proofs, with those of the stepwise machine."""
    trace = Trace(program, data, engine, iterations)
    memory, accumulator, halted = machine.start(program, data), 0, False
    expected, every = [], max(1, trace.steps // proofs)
    for at in map(Step, range(trace.steps)):
        expected.append(State(at, halted, memory.root, accumulator))
        if at % every == 0 or at == trace.steps - 1:
            proof = machine.prove(program, iterations, at, memory, accumulator, halted)
            assert trace.one_step_proof(at) == proof, program.locate(at, iterations)
            _, after = machine.verify(program.root, iterations, at, proof)
            accumulator, halted = after.accumulator, after.halted
        elif not halted:
            accumulator, halted = machine.step(program, iterations, at, memory, accumulator)
    expected.append(State(Step(trace.steps), halted, memory.root, accumulator))
    for state in expected:
        assert trace.state(state.step) == state, state.step
    steps = [state.step for state in expected]
    assert trace.state_hashes(steps[::-1]) == [state.hash for state in expected[::-1]]
    outcome = machine.complete(program, data, iterations)
    assert (trace.output, trace.halted) == (outcome.output.tobytes(), outcome.halted)
    assert trace.final == expected[-1]
    return trace


@pytest.mark.parametrize("opcode", OPCODES)
@pytest.mark.parametrize("seed", range(4))
def test_every_state_about_one_operator_equals_the_stepped_one(opcode: Opcode, seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = random_sequence_program(rng, opcode)
    data, most = random_input(program, rng), program.header.max_iterations
    engines = (ReferenceEngine(program), open_engine(program))
    for iterations in {most, 1 + seed % most}:
        require_every_state(program, data, iterations, engines[seed % 2], proofs=10)


@pytest.mark.parametrize("iterations", [1, 2, ITERATIONS])
@pytest.mark.parametrize("halt", range(HALTS))
@pytest.mark.parametrize("iteration", [None, *range(ITERATIONS)])
def test_a_halt_at_every_place_is_seen_where_it_is(
    iteration: int | None, halt: int, iterations: int
) -> None:
    program, data = halting_program(), halting_input(iteration, halt)
    for engine in (ReferenceEngine(program), open_engine(program)):
        trace = require_every_state(program, data, iterations, engine)
        assert trace.halted == (iteration is not None and iteration < iterations)


@pytest.mark.parametrize("earliest", range(ITERATIONS + 1))
def test_an_end_token_inside_the_prompt_does_not_halt(earliest: int) -> None:
    program, data = halting_program(), halting_input(1, 2, earliest)
    trace = require_every_state(program, data, ITERATIONS, ReferenceEngine(program))
    assert trace.halted == (earliest <= 1)


@pytest.mark.parametrize("end", [None, 0, 2, 5])
def test_every_state_of_a_decoder_equals_the_stepped_one(end: int | None) -> None:
    data = request(3, greedy=1)
    free = tokens_of(decoder((-1,)), data)
    program = decoder((-1,) if end is None else (free[end],))
    trace = require_every_state(program, data, 6, open_engine(program), proofs=60)
    assert trace.halted == (end is not None)


@dataclass
class Counting:
    """An engine that notes what it was asked for."""

    inner: Engine
    asked: list[list[int]] = field(default_factory=list)
    runs: int = 0

    name, reasons = "counting", ()

    @property
    def program(self) -> Program:
        return self.inner.program

    def run(self, data: np.ndarray, iterations: int = 1) -> Outcome:
        self.runs += 1
        return self.inner.run(data, iterations)

    def expose(self, data: np.ndarray, iterations: int, wanted: Sequence[int]) -> Iterable[Exposed]:
        self.asked.append(list(wanted))
        return self.inner.expose(data, iterations, wanted)


@dataclass
class Short(Counting):
    """An engine that shows one iteration less than it is asked for."""

    def expose(self, data: np.ndarray, iterations: int, wanted: Sequence[int]) -> Iterable[Exposed]:
        return super().expose(data, iterations, wanted[:-1])


def test_an_engine_that_leaves_an_iteration_out_is_named() -> None:
    program = decoder((-1,))
    trace = Trace(program, request(3), Short(ReferenceEngine(program)), 6)
    step = Step(2 * program.header.steps_per_iteration + 7)
    for ask in (trace.state, trace.proof, trace.state_hashes):
        with pytest.raises(TraceError, match="counting does not show iteration 2"):
            ask([step] if ask == trace.state_hashes else step)


def test_a_dissection_asks_the_engine_once_and_a_narrower_one_not_again() -> None:
    program = decoder((-1,))
    engine = Counting(ReferenceEngine(program))
    trace = Trace(program, request(3), engine, 6)
    each = program.header.steps_per_iteration
    trace.state_hashes([Step(trace.steps * part // 16) for part in range(17)])
    assert engine.asked == [[0, 1, 2, 3, 4, 5]]
    assert engine.runs == 0
    trace.state_hashes([Step(4 * each + part) for part in range(0, 2 * each, 7)])
    trace.proof(Step(5 * each + 3))
    assert len(engine.asked) == 1


def test_an_iteration_after_the_halt_costs_no_second_pass() -> None:
    program, data = halting_program(), halting_input(1, 1)
    engine = Counting(ReferenceEngine(program))
    trace = Trace(program, data, engine, ITERATIONS)
    each = program.header.steps_per_iteration
    first = trace.state_hashes([Step(3 * each + 1), Step(2 * each), Step(each + 2)])
    assert engine.asked == [[1, 2, 3]]
    assert trace.state_hashes([Step(3 * each + 1), Step(2 * each), Step(each + 2)]) == first
    assert len(engine.asked) == 1
