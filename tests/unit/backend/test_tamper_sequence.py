"""A liar in one of several iterations is true up to its step, and consistent after it."""

from collections import Counter

import numpy as np
import pytest

from infernet.backend.engine import ReferenceEngine
from infernet.backend.tamper import Mutation, TamperedTrace
from infernet.backend.trace import Trace
from interpreter import machine
from interpreter.operators import decode
from interpreter.program import Opcode, Program, Step
from tests.halting import HALTS, ITERATIONS, halting_input, halting_program
from tests.unit.test_decoder import decoder, request, tokens_of


def traces() -> list[Trace]:
    """Return runs that halt and that do not, with prompts of one position and of more."""
    found = []
    data = request(3, 9, greedy=1)
    free = tokens_of(decoder((-1,)), data)
    cases: list[tuple[Program, np.ndarray, int]] = [
        (decoder((-1,)), data, 3),
        (decoder((free[1],)), data, 6),
        (decoder((free[2],)), request(3, 9), 4),
        *((halting_program(), halting_input(1, h, e), ITERATIONS) for h, e in ((0, 0), (2, 2))),
        (halting_program(), halting_input(3, 1), ITERATIONS),
        (halting_program(), halting_input(None), 2),
    ]
    for program, given, iterations in cases:
        found.append(Trace(program, given, ReferenceEngine(program), iterations))
    return found


TRACES = traces()


def kind_at(trace: Trace, step: Step) -> str:
    where = trace.program.locate(step, trace.iterations)
    operator = trace.program.operators[where.operator]
    return f"{operator.opcode.name} {decode(operator).note(where.index, where.iteration).kind}"


def lies(trace: Trace, seed: int, each: int = 2) -> list[TamperedTrace]:
    """Return liars at so many steps of each kind, at any iteration, the halted tail included."""
    rng = np.random.default_rng(seed)
    kinds: dict[str, list[int]] = {}
    for step in range(trace.steps):
        kinds.setdefault(kind_at(trace, Step(step)), []).append(step)
    found = []
    for steps in kinds.values():
        for step in rng.choice(steps, min(each, len(steps)), replace=False).tolist():
            mutation = Mutation(int(rng.integers(1, 256)), int(rng.integers(0, 300)))
            found.append(TamperedTrace(trace, Step(step), mutation))
    return found


@pytest.mark.parametrize("number", range(len(TRACES)))
def test_a_lie_begins_at_its_step_and_ends_otherwise(number: int) -> None:
    trace = TRACES[number]
    for liar in lies(trace, number, 4):
        at = liar.at
        steps = [Step(at), Step(at + 1), Step(trace.steps)]
        true, false = trace.state_hashes(steps), liar.state_hashes(steps)
        assert true[0] == false[0]
        assert true[1] != false[1], kind_at(trace, at)
        assert true[2] != false[2]
        assert (liar.output, liar.halted) != (trace.output, trace.halted)
        assert liar.state(Step(liar.steps)) == liar.final


@pytest.mark.parametrize("number", range(len(TRACES)))
def test_what_follows_a_lie_is_honest_arithmetic(number: int) -> None:
    trace = TRACES[number]
    for liar in lies(trace, 50 + number):
        if liar.dirty_slot is not None:
            continue
        for step in range(liar.at + 1, liar.steps, 1 + (liar.steps - liar.at) // 40):
            if step == liar.end and liar.lies_again_at_the_end:
                continue
            proof = liar.one_step_proof(Step(step))
            before, after = machine.verify(liar.program.root, liar.iterations, Step(step), proof)
            assert before == liar.state(Step(step)), (kind_at(trace, liar.at), step)
            assert after == liar.state(Step(step + 1)), (kind_at(trace, liar.at), step)


@pytest.mark.parametrize("number", range(len(TRACES)))
def test_the_false_step_is_refuted_by_executing_it(number: int) -> None:
    trace = TRACES[number]
    for liar in lies(trace, 90 + number):
        proof = liar.one_step_proof(liar.at)
        before, after = machine.verify(liar.program.root, liar.iterations, liar.at, proof)
        assert before == liar.state(liar.at)
        assert after == trace.state(Step(liar.at + 1)) != liar.state(Step(liar.at + 1))


def halts_of(trace: Trace) -> list[Step]:
    each = trace.program.header.steps_per_iteration
    first = [op.first_step for op in trace.program.operators if op.opcode is Opcode.HALT]
    return [Step(p * each + step) for p in range(trace.iterations) for step in first]


def test_a_halt_is_ignored_or_comes_early() -> None:
    program, data = halting_program(), halting_input(2, 1)
    trace = Trace(program, data, ReferenceEngine(program), ITERATIONS)
    ends = Counter[tuple[bool, bool]]()
    for number, step in enumerate(halts_of(trace)):
        liar = TamperedTrace(trace, step)
        is_true_end = number == 2 * HALTS + 1
        is_early = number < 2 * HALTS + 1
        assert liar.state(Step(step + 1)).halted == (is_early or number > 2 * HALTS + 1)
        assert liar.halted == (not is_true_end)
        ends[is_early, liar.lies_again_at_the_end] += 1
    # What is told of the steps after the end can only be another output.
    assert ends == {(True, False): 7, (False, False): 1, (False, True): 4}


def test_who_halts_at_an_end_token_inside_the_prompt_leaves_the_rest_out() -> None:
    program, data = halting_program(), halting_input(1, 0, earliest=3)
    trace = Trace(program, data, ReferenceEngine(program), ITERATIONS)
    assert not trace.halted
    liar = TamperedTrace(trace, halts_of(trace)[HALTS])
    assert liar.halted
    assert np.count_nonzero(np.frombuffer(liar.output, "<i4")) == HALTS + 2
