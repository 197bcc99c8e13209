"""A proof's bytes alone tell what the contract executed."""

from __future__ import annotations

import numpy as np
import pytest

from infernet.audit.proved import executed, parse_proof
from infernet.audit.replay import show_step
from infernet.backend.engine import open_engine
from infernet.backend.trace import Trace
from interpreter.errors import InvalidWitness
from interpreter.program import Step
from tests.programs import random_input, random_program


def trace_of(seed: int) -> Trace:
    rng = np.random.default_rng(seed)
    program = random_program(rng)
    return Trace(program, random_input(program, rng).tobytes(), open_engine(program))


@pytest.mark.parametrize("seed", range(4))
def test_what_a_proof_executes_is_what_the_run_does(seed):
    trace = trace_of(seed)
    rng = np.random.default_rng(seed)
    steps = {0, trace.steps - 1, *map(int, rng.integers(0, trace.steps, 12))}
    for step in map(Step, sorted(steps)):
        proof = trace.one_step_proof(step)
        assert parse_proof(proof.encode()) == proof
        found = executed(trace.program.root, trace.iterations, step, proof.encode())
        shown = show_step(trace, step)
        assert (found.operator, found.kind, found.detail) == (
            shown.operator,
            shown.kind,
            shown.detail,
        )
        sums = shown.accumulator_before, shown.accumulator_after
        assert (found.accumulator_before, found.accumulator_after) == sums
        stored = [access.numbers for access in shown.accesses if access.kind == "store"]
        assert found.stored == tuple(number for numbers in stored for number in numbers)


def test_bytes_that_are_no_proof_are_refused():
    trace = trace_of(1)
    proof = trace.one_step_proof(Step(3)).encode()
    for damaged in (b"", proof[:40], proof[:-1], b"\xff" + proof[1:], proof[:140] + b"\x07"):
        with pytest.raises(InvalidWitness):
            executed(trace.program.root, 1, Step(3), damaged)
