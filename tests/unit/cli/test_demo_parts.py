"""The demonstration plans its lie well, tells it truly, and checks what it promises."""

from __future__ import annotations

import random

import numpy as np
import pytest

from infernet.backend.engine import open_engine
from infernet.backend.tamper import TamperedTrace
from infernet.backend.trace import Trace
from infernet.chain.records import Wei
from infernet.cli.console import ether
from infernet.cli.demo_lie import MUTATION, narrow, plan_lie
from infernet.cli.explain import explain
from interpreter.program import Step
from tests.programs import random_input, random_program


def trace_of(seed: int) -> Trace:
    rng = np.random.default_rng(seed)
    program = random_program(rng)
    return Trace(program, random_input(program, rng), open_engine(program))


@pytest.mark.parametrize("seed", range(12))
def test_planned_dispute_ends_with_the_fishermans_proof(seed: int) -> None:
    truth = trace_of(seed)
    lie = plan_lie(truth, None, random.Random(seed), 32)
    told = lie.told_on(truth)
    disputed, count = narrow(truth, told, lie.arity)
    assert disputed == lie.disputed
    assert count % 2 == 0
    after = Step(disputed + 1)
    assert truth.state_hashes([disputed]) == told.state_hashes([disputed])
    assert truth.state_hashes([after]) != told.state_hashes([after])


@pytest.mark.parametrize("seed", range(6))
def test_words_about_a_step_are_its_true_and_its_claimed_values(seed: int) -> None:
    truth = trace_of(seed)
    for step in random.Random(seed).sample(range(truth.steps), 12):
        lie = TamperedTrace(truth, Step(step), MUTATION)
        told = explain(truth.program, (), truth, lie, Step(step))
        assert told.claimed != told.true
        assert told.operator == truth.program.operators[told.operator_index].opcode.name
        if told.what == "the accumulator":
            assert int(told.true) == truth.state(Step(step + 1)).accumulator
            assert int(told.claimed) == lie.state(Step(step + 1)).accumulator
        assert f"{step:,}" in told.sentence


def test_step_that_is_asked_for_is_taken() -> None:
    truth = trace_of(3)
    assert plan_lie(truth, 7, random.Random(0), 32).step == 7


@pytest.mark.parametrize(
    ("amount", "text"), [(10**18, "1.000000"), (-(10**17), "-0.100000"), (0, "0.000000")]
)
def test_amounts_are_rounded_for_reading(amount: int, text: str) -> None:
    assert ether(Wei(amount)) == text
