"""Steps of runs of several iterations in words: what was touched, and what a liar claimed."""

import pytest

from infernet.audit.replay import show_step
from infernet.backend.engine import open_engine
from infernet.backend.tamper import TamperedTrace
from infernet.backend.trace import Trace
from infernet.cli.explain import explain
from interpreter.program import Opcode, Step
from tests.halting import ITERATIONS, halting_input, halting_program


def trace() -> Trace:
    """Return a run that the first HALT of iteration 2 ends."""
    program = halting_program()
    return Trace(program, halting_input(2), open_engine(program), ITERATIONS)


def step_of(truth: Trace, iteration: int, opcode: Opcode, number: int = 0) -> Step:
    found = [op.first_step for op in truth.program.operators if op.opcode is opcode]
    return Step(iteration * truth.program.header.steps_per_iteration + found[number])


def test_every_step_is_shown_as_it_is_proved() -> None:
    truth = trace()
    for number in range(truth.steps):
        shown = show_step(truth, Step(number))
        assert shown.iteration == number // truth.program.header.steps_per_iteration
        hashes = truth.state_hashes([Step(number), Step(number + 1)])
        assert [shown.pre_hash, shown.post_hash] == hashes
    halted = show_step(truth, Step(step_of(truth, 2, Opcode.HALT) + 1))
    assert halted.accesses == ()
    halting = show_step(truth, step_of(truth, 2, Opcode.HALT))
    assert [access.kind for access in halting.accesses] == ["read", "read", "keep only"]


@pytest.mark.parametrize(
    ("iteration", "opcode", "number", "what"),
    [
        (0, Opcode.TOKEN, 0, "element 0"),
        (1, Opcode.COPY, 1, "element 5"),
        (1, Opcode.HALT, 2, "the halted flag"),
        (2, Opcode.HALT, 0, "the halted flag"),
        (2, Opcode.COPY, 2, "output byte 0"),
        (3, Opcode.END, 0, "output byte 0"),
        (1, Opcode.END, 0, "the memory root"),
        (1, Opcode.KEEP, 0, "the memory root"),
    ],
)
def test_a_lie_is_told_in_words(iteration: int, opcode: Opcode, number: int, what: str) -> None:
    truth = trace()
    at = step_of(truth, iteration, opcode, number)
    found = explain(truth.program, (), truth, TamperedTrace(truth, at), at)
    assert (found.what, found.operator) == (what, opcode.name)
    assert found.claimed != found.true
