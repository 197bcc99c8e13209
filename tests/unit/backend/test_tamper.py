"""A liar is true up to its step, false after it, and consistent with itself from there on."""

from collections import Counter

import numpy as np
import pytest

from infernet.backend.engine import open_engine
from infernet.backend.errors import TraceError
from infernet.backend.tamper import Mutation, TamperedTrace
from infernet.backend.trace import Trace
from interpreter import machine
from interpreter.program import Opcode, Step
from tests.programs import random_input, random_program

SEEDS = range(14)


def trace_of(seed: int, max_steps: int = 400) -> Trace:
    rng = np.random.default_rng(seed)
    program = random_program(rng, "plain", max_steps=max_steps)
    return Trace(program, random_input(program, rng), open_engine(program))


def lies(trace: Trace, seed: int) -> list[TamperedTrace]:
    """Return liars at the first, the last and random steps of every operator."""
    rng = np.random.default_rng(seed)
    found = []
    for operator, instruction in zip(
        trace.program.operators, trace.timeline(0).instructions, strict=True
    ):
        indices = {0, instruction.steps - 1, *rng.integers(0, instruction.steps, 3).tolist()}
        for index in sorted(indices):
            mutation = Mutation(int(rng.integers(1, 256)), int(rng.integers(0, 300)))
            found.append(TamperedTrace(trace, Step(operator.first_step + index), mutation))
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lie_begins_at_its_step_and_ends_in_a_false_output(seed: int) -> None:
    trace = trace_of(seed)
    for liar in lies(trace, seed):
        at = liar.at
        assert liar.state_hashes([at]) == trace.state_hashes([at])
        assert liar.state_hashes([Step(at + 1)]) != trace.state_hashes([Step(at + 1)])
        assert liar.output != trace.output
        assert liar.final != trace.final
        assert liar.state(Step(liar.steps)) == liar.final


@pytest.mark.parametrize("seed", SEEDS)
def test_what_follows_a_lie_is_honest_arithmetic(seed: int) -> None:
    trace = trace_of(seed, max_steps=250)
    for liar in lies(trace, seed):
        end = liar.steps - (1 if liar.lies_again_at_the_end else 0)
        if liar.dirty_slot is not None:
            continue
        for step in range(liar.at + 1, end):
            proof = liar.one_step_proof(Step(step))
            before, after = machine.verify(liar.program.root, 1, Step(step), proof)
            assert before == liar.state(Step(step)), step
            assert after == liar.state(Step(step + 1)), step


@pytest.mark.parametrize("seed", SEEDS)
def test_the_false_step_is_refuted_by_executing_it(seed: int) -> None:
    trace = trace_of(seed)
    for liar in lies(trace, seed):
        proof = liar.one_step_proof(liar.at)
        before, after = machine.verify(liar.program.root, 1, liar.at, proof)
        assert before == liar.state(liar.at)
        assert after == trace.state(Step(liar.at + 1)) != liar.state(Step(liar.at + 1))


def test_dirt_is_claimed_but_can_never_be_proved() -> None:
    trace = trace_of(1)
    begin = next(op for op in trace.program.operators if op.opcode is Opcode.BEGIN)
    liar = TamperedTrace(trace, Step(begin.first_step))
    for step in map(Step, range(liar.at + 1, liar.steps)):
        before, _ = machine.verify(liar.program.root, 1, step, liar.one_step_proof(step))
        assert before != liar.state(step)


def test_every_kind_of_step_is_covered() -> None:
    kinds: Counter[str] = Counter()
    for seed in SEEDS:
        trace = trace_of(seed)
        for liar in lies(trace, seed):
            where = trace.program.locate(liar.at)
            kinds[trace.timeline(0).instructions[where.operator].note(where.index).kind] += 1
    assert set(kinds) == {"begin", "free", "end", "reduce", "finish", "map", "copy"}


def test_a_lie_that_changes_nothing_is_refused() -> None:
    with pytest.raises(TraceError, match="choose another"):
        Mutation(256)
    trace = trace_of(2)
    with pytest.raises(TraceError, match="outside"):
        TamperedTrace(trace, Step(trace.steps))
