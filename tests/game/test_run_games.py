"""Games over runs of several iterations with kept tensors and halts: the honest player wins."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from bisection.errors import InvalidProof
from bisection.game import Assertion, Clocks, Player, Seconds, new_game
from bisection.referee import ExecuteStep
from bisection.toy import Record, play_out, solver_strategy
from infernet.backend.engine import ReferenceEngine, open_engine
from infernet.backend.tamper import Mutation, TamperedTrace
from infernet.backend.trace import Trace
from interpreter import machine
from interpreter.merkle import Hash
from interpreter.program import Opcode, Step
from tests.runs import random_request, random_run_program

from .test_machine_games import K, check

GAMES = 60


def drawn(seed: int) -> tuple[Trace, Trace, TamperedTrace]:
    """Return the trace of the reference, one of the fast engine, and one with a false step."""
    rng = np.random.default_rng([seed, 21])
    program, data = random_run_program(rng), random_request(rng)
    iterations = int(rng.integers(1, program.header.max_iterations, endpoint=True))
    truth = Trace(program, data, ReferenceEngine(program), iterations)
    fast = Trace(program, data, open_engine(program), iterations)
    at = Step(int(rng.integers(truth.steps)))
    mutation = Mutation(int(rng.integers(1, 256)), int(rng.integers(1 << 16)))
    return truth, fast, TamperedTrace(truth, at, mutation)


def executes(truth: Trace) -> ExecuteStep:
    """Return the verifier of a run's steps; it takes the encoding of the true proof alone."""

    def execute(step: Step, proof: bytes) -> tuple[Hash, Hash]:
        true = truth.one_step_proof(step)
        if proof != true.encode():
            raise InvalidProof("these are not the bytes of the true proof")
        before, after = machine.verify(truth.program.root, truth.iterations, step, true)
        return before.hash, after.hash

    return execute


def play(truth: Trace, honest: Trace, liar: TamperedTrace, liars: Player) -> Record:
    """Play one game between two solvers."""
    steps = Step(truth.steps)
    asserted = (liar if liars is Player.EXECUTOR else honest).final.hash
    assertion = Assertion(steps, truth.state(Step(0)).hash, asserted)
    clocks = Clocks(Seconds(100), Seconds(100), Seconds(10))
    game = new_game(assertion, K, clocks, Seconds(0), Seconds(100), None)
    strategies = {liars: solver_strategy(liar), liars.opponent: solver_strategy(honest)}
    return play_out(game, strategies, executes(truth))


@pytest.fixture(scope="module")
def traces() -> Iterator[list[tuple[Trace, Trace, TamperedTrace]]]:
    """Return what the games are about."""
    yield [drawn(seed) for seed in range(GAMES)]


@pytest.mark.parametrize("liars", Player)
def test_the_honest_player_wins(
    traces: list[tuple[Trace, Trace, TamperedTrace]], liars: Player
) -> None:
    for truth, fast, liar in traces:
        assert liar.final != truth.final
        check(play(truth, fast, liar, liars), liars)


def test_the_lies_are_of_many_kinds(traces: list[tuple[Trace, Trace, TamperedTrace]]) -> None:
    codes, late = set[Opcode](), 0
    for truth, _, liar in traces:
        where = truth.program.locate(liar.at, truth.iterations)
        codes.add(truth.program.operators[where.operator].opcode)
        late += where.iteration > 0
    assert len(codes) >= 8 and late > GAMES // 4
    assert any(truth.halted for truth, _, _ in traces)
