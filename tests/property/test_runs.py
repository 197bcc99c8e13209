"""Programs that hand tensors on from iteration to iteration: steps, engine and trace agree."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from infernet.backend.engine import open_engine
from interpreter.operators import Halt, MatMul, decode
from tests.exposure import require_every_tensor, require_same_inside
from tests.runs import random_request, random_run_program
from tests.unit.backend.test_trace_sequence import require_every_state

from .test_sequences import require_fold

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_folding_steps_gives_the_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    require_fold(random_run_program(rng), random_request(rng))


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_the_fast_engine_gives_the_references_bits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = random_run_program(rng)
    most, engine = program.header.max_iterations, open_engine(program, threads=2)
    for _ in range(2):
        data, iterations = random_request(rng), int(rng.integers(1, most + 1))
        require_every_tensor(engine, data, iterations)
        wanted = sorted({int(at) for at in rng.integers(0, iterations, 2)})
        # After no run, and after one of another length.
        require_same_inside(open_engine(program), data, iterations, wanted)
        engine.run(data, int(rng.integers(1, most + 1)))
        require_same_inside(engine, data, iterations, wanted)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_a_trace_has_every_state(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = random_run_program(rng)
    iterations = int(rng.integers(1, program.header.max_iterations + 1))
    require_every_state(program, random_request(rng), iterations, open_engine(program), proofs=12)


def test_what_is_drawn_reads_kept_tensors_and_halts() -> None:
    programs = [random_run_program(np.random.default_rng(seed)) for seed in range(40)]
    drawn = [[type(decode(op)) for op in program.operators] for program in programs]
    assert sum(MatMul in kinds for kinds in drawn) > 10
    assert sum(Halt in kinds for kinds in drawn) > 20
    assert sum(program.header.max_iterations > 3 for program in programs) > 15
