"""Runs too large to be shown whole give the same states, and take little more than a run does."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from infernet.backend import moves
from infernet.backend.engine import Engine, OrtEngine, ReferenceEngine, open_engine
from infernet.backend.errors import TraceError
from infernet.backend.pauses import most_shown
from infernet.backend.sequence.engine import SequenceEngine
from infernet.backend.timeline import timeline_of
from infernet.backend.trace import Trace
from interpreter.operators import Clip, Copy
from interpreter.program import Opcode, Program, Step
from interpreter.tensors import DType, TensorType
from tests import programs, sequences
from tests.builder import ProgramBuilder
from tests.halting import HALTS, ITERATIONS, halting_input, halting_program
from tests.programs import Style, random_input
from tests.unit.backend.test_trace import case
from tests.unit.backend.test_trace import require_every_state as require_states_of_images
from tests.unit.backend.test_trace_sequence import Counting, require_every_state
from tests.unit.test_decoder import decoder, request, tokens_of

SLOT_BYTES, WRITES = 1 << 24, 40


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every run for a large one, and move few elements at a time."""
    monkeypatch.setattr("infernet.backend.trace.most_shown", lambda _: 0)
    monkeypatch.setattr(moves, "_MOST_ELEMENTS", 7)


def rewriting_program(writes: int = WRITES) -> Program:
    """Return a program that writes an element of one large tensor many times."""
    builder = ProgramBuilder(TensorType(DType.U8, 64), slot_depth=2)
    big = builder.begin(TensorType(DType.U8, SLOT_BYTES))
    for i in range(writes):
        one = (1, 1, 1, 1), i, (0, 0, 0, 1), i * 7919, (0, 0, 0, 1)
        builder.add(Copy(big, 0, DType.U8, 64, SLOT_BYTES, *one))
    out = builder.begin(TensorType(DType.U8, 64))
    row = (1, 1, 1, 64), 0, (0, 0, 0, 1), 0, (0, 0, 0, 1)
    builder.add(Copy(out, big, DType.U8, SLOT_BYTES, 64, *row))
    return builder.finish(out)


@pytest.mark.parametrize("open_it", [SequenceEngine, ReferenceEngine])
def test_what_a_question_takes_does_not_grow_with_the_operators(
    open_it: Callable[[Program], Engine],
) -> None:
    program, data = rewriting_program(), np.arange(64, dtype=np.uint8)
    trace = Trace(program, data, open_it(program))
    trace.output  # noqa: B018
    steps = [Step(trace.steps * i // 9) for i in range(10)]
    tracemalloc.start()
    hashes = trace.state_hashes(steps)
    proof = trace.proof(steps[5])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 6 * SLOT_BYTES
    other = Trace(program, data, ReferenceEngine(program))
    assert (hashes, proof) == (other.state_hashes(steps), other.proof(steps[5]))


def test_few_large_iterations_are_kept_whole() -> None:
    assert most_shown(timeline_of(decoder((-1,)), is_first=True)) == 4
    assert most_shown(timeline_of(rewriting_program(5), is_first=True)) == 4
    assert most_shown(timeline_of(rewriting_program(20), is_first=True)) == 2
    assert most_shown(timeline_of(rewriting_program(), is_first=True)) == 0


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("style", ["plain", "fast", "hostile"])
@pytest.mark.parametrize("seed", range(3))
def test_every_state_of_images_equals_the_stepped_one(seed: int, style: Style) -> None:
    require_states_of_images(*case(seed, style, max_steps=250))


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("opcode", programs.OPCODES)
def test_every_state_of_one_operator_of_images_equals_the_stepped_one(opcode: Opcode) -> None:
    rng = np.random.default_rng(1)
    program = programs.random_instruction_program(rng, opcode, max_count=200)
    require_states_of_images(program, random_input(program, rng))


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("seed", range(3))
def test_every_proof_of_images_equals_the_references(seed: int) -> None:
    program, data = case(seed, "fast", max_steps=250)
    trace = Trace(program, data, OrtEngine(program))
    true = Trace(program, data, ReferenceEngine(program))
    steps = [Step(step) for step in range(0, trace.steps + 1, 3)]
    assert trace.state_hashes(steps) == true.state_hashes(steps)
    for at in map(Step, range(0, trace.steps, 7)):
        assert trace.one_step_proof(at) == true.one_step_proof(at)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("opcode", sequences.OPCODES)
@pytest.mark.parametrize("seed", range(2))
def test_every_state_about_one_operator_equals_the_stepped_one(opcode: Opcode, seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = sequences.random_sequence_program(rng, opcode)
    data, most = random_input(program, rng), program.header.max_iterations
    require_every_state(program, data, most, open_engine(program), proofs=10)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("halt", range(HALTS))
@pytest.mark.parametrize("iteration", [None, *range(ITERATIONS)])
def test_a_halt_at_every_place_is_seen_where_it_is(iteration: int | None, halt: int) -> None:
    program, data = halting_program(), halting_input(iteration, halt)
    for engine in (ReferenceEngine(program), open_engine(program)):
        trace = require_every_state(program, data, ITERATIONS, engine)
        assert trace.halted == (iteration is not None)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("end", [None, 0, 2, 5])
def test_every_state_of_a_decoder_equals_the_stepped_one(end: int | None) -> None:
    data = request(3, greedy=1)
    free = tokens_of(decoder((-1,)), data)
    program = decoder((-1,) if end is None else (free[end],))
    trace = require_every_state(program, data, 6, open_engine(program), proofs=20)
    assert trace.halted == (end is not None)


@pytest.mark.usefixtures("large")
def test_the_reference_stops_for_engines_that_cannot() -> None:
    program, data = decoder((-1,)), request(3)
    engine = Counting(open_engine(program))
    trace = Trace(program, data, engine, 6)
    true = Trace(program, data, ReferenceEngine(program), 6)
    steps = [Step(trace.steps * i // 5) for i in range(6)]
    assert trace.state_hashes(steps) == true.state_hashes(steps)
    assert trace.proof(steps[2]) == true.proof(steps[2])
    assert not engine.asked


@pytest.mark.usefixtures("large")
def test_a_run_that_ends_too_early_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infernet.backend.trace.pauses", lambda *_: iter(()))
    program = decoder((-1,))
    trace = Trace(program, request(3), ReferenceEngine(program), 6)
    with pytest.raises(TraceError, match="reference does not halt at iteration 2"):
        trace.state(Step(2 * program.header.steps_per_iteration + 7))


@pytest.mark.parametrize("again", [64, 40])
def test_a_slot_that_was_freed_and_begun_again_between_two_stops_holds_zeros(
    large: None, again: int
) -> None:
    builder = ProgramBuilder(TensorType(DType.I8, 64), slot_depth=2)
    first = builder.begin(TensorType(DType.I8, 64), 1)
    builder.add(Clip(first, DType.I8, 64, 0, -100, 100))
    builder.free(first)
    blank = builder.begin(TensorType(DType.I8, again), 1)
    out = builder.begin(TensorType(DType.I8, again), 2)
    builder.add(Clip(out, DType.I8, again, blank, -100, 100))
    builder.free(blank)
    program = builder.finish(out)
    stored, _, _, _, clipped, *_, end = [each.first_step for each in program.operators][1:]
    steps = [Step(stored), Step(clipped), Step(end)]
    data = np.arange(1, 65, dtype=np.uint8)
    fast, slow = (Trace(program, data, each(program)) for each in (OrtEngine, ReferenceEngine))
    assert fast.state_hashes(steps) == slow.state_hashes(steps)
