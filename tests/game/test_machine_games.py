"""Games over the reference machine, refereed by its own verifier: no chain, every kind of lie."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random

import numpy as np
import pytest

from bisection.dissection import worst_dissections
from bisection.errors import InvalidProof
from bisection.game import Assertion, Clocks, Player, Reason, Seconds, new_game
from bisection.referee import ExecuteStep
from bisection.solver import TraceProvider
from bisection.toy import Record, play_out, solver_strategy
from infernet.backend.engine import ReferenceEngine
from infernet.backend.tamper import Mutation, TamperedTrace
from infernet.backend.trace import Trace
from interpreter import machine
from interpreter.machine import OneStepProof
from interpreter.merkle import Hash
from interpreter.program import Program, Step
from tests.e2e.disputes_stepwise import MUTATIONS, Claim, Lie, StepwiseTrace, false_claim
from tests.programs import random_input, random_program

K = 4


def executes(truth: StepwiseTrace) -> ExecuteStep:
    """Return the verifier of a program's steps; it takes the encoding of the true proof alone."""

    @cache
    def prove(step: Step) -> OneStepProof:
        memory, accumulator = machine.start(truth.program, truth.data.copy()), 0
        for at in range(step):
            accumulator, _ = machine.step(truth.program, 1, Step(at), memory, accumulator)
        return machine.prove(truth.program, 1, step, memory, accumulator)

    def execute(step: Step, proof: bytes) -> tuple[Hash, Hash]:
        if proof != prove(step).encode():
            raise InvalidProof("these are not the bytes of the true proof")
        before, after = machine.verify(truth.program.root, 1, step, prove(step))
        return before.hash, after.hash

    return execute


def drawn(seed: int) -> tuple[Program, np.ndarray, Random]:
    """Return a random program, an input and the draws that follow."""
    rng = np.random.default_rng(seed)
    style = ("plain", "hostile")[seed % 2]
    program = random_program(rng, style, max_count=200, max_steps=600)
    return program, random_input(program, rng), Random(seed)


def play(truth: StepwiseTrace, honest: TraceProvider, liar: TraceProvider, liars: Player) -> Record:
    """Play one game between two solvers."""
    steps = Step(truth.steps)
    asserted = (liar if liars is Player.EXECUTOR else honest).state_hashes([steps])[0]
    assertion = Assertion(steps, truth.hashes[0], asserted)
    clocks = Clocks(Seconds(100), Seconds(100), Seconds(10))
    game = new_game(assertion, K, clocks, Seconds(0), Seconds(100), None)
    strategies = {
        liars: solver_strategy(liar),
        liars.opponent: solver_strategy(honest),
    }
    return play_out(game, strategies, executes(truth))


def check(record: Record, liars: Player) -> None:
    """Require that the honest player won within the bound and was never refused."""
    assert record.winner is liars.opponent
    assert record.last.dissections <= worst_dissections(record.last.assertion.steps, K)
    assert not [player for player, _ in record.refused if player is not liars]


@pytest.mark.parametrize("liars", Player)
@pytest.mark.parametrize("mutation", sorted(MUTATIONS))
@pytest.mark.parametrize("seed", range(6))
def test_the_honest_player_wins_against_every_kind_of_lie(
    seed: int, mutation: str, liars: Player
) -> None:
    program, data, rng = drawn(seed)
    truth = StepwiseTrace(program, data)
    lie = Lie(Step(rng.randrange(truth.steps)), mutation, MUTATIONS[mutation](rng))
    liar = false_claim(StepwiseTrace(program, data, lie), truth.output, rng)
    check(play(truth, truth, liar, liars), liars)


@pytest.mark.parametrize("liars", Player)
def test_a_lie_in_every_step_of_a_program_loses_at_that_step(liars: Player) -> None:
    program, data, rng = drawn(3)
    truth = StepwiseTrace(program, data)
    ends = dict.fromkeys(Reason, 0)
    for at in range(0, truth.steps, max(1, truth.steps // 25)):
        lie = Lie(Step(at), "accumulator", MUTATIONS["accumulator"](rng))
        liar = false_claim(StepwiseTrace(program, data, lie), truth.output, rng)
        record = play(truth, truth, liar, liars)
        check(record, liars)
        assert record.last.verdict is not None
        ends[record.last.verdict.reason] += 1
    assert all(ends.values()), f"both ways to win should occur: {ends}"


@pytest.mark.parametrize("liars", Player)
@pytest.mark.parametrize("claim", ["output", "halted"])
def test_a_false_result_over_a_true_trace_loses(claim: str, liars: Player) -> None:
    program, data, rng = drawn(8)
    truth = StepwiseTrace(program, data)
    halted = Claim(truth, truth.output, halted=True)
    liar = halted if claim == "halted" else false_claim(truth, truth.output, rng)
    record = play(truth, truth, liar, liars)
    check(record, liars)
    assert record.games[-2].last.end == truth.steps


@pytest.mark.parametrize("liars", Player)
@pytest.mark.parametrize("seed", range(20, 30))
def test_the_fast_trace_beats_its_tampered_twin(seed: int, liars: Player) -> None:
    program, data, rng = drawn(seed)
    truth = StepwiseTrace(program, data)
    fast = Trace(program, data, ReferenceEngine(program))
    at = Step(rng.randrange(truth.steps))
    liar = TamperedTrace(fast, at, Mutation(rng.randrange(1, 256), rng.randrange(1 << 16)))
    check(play(truth, fast, liar, liars), liars)


def test_honest_traces_from_two_backends_agree_on_every_state() -> None:
    program, data, _ = drawn(5)
    truth = StepwiseTrace(program, data)
    fast = Trace(program, data, ReferenceEngine(program))
    steps = [Step(at) for at in range(truth.steps + 1)]
    assert fast.state_hashes(steps) == truth.hashes
    proofs: list[Callable[[Step], bytes]] = [fast.proof, truth.proof]
    for at in range(0, truth.steps, 37):
        assert proofs[0](Step(at)) == proofs[1](Step(at))
