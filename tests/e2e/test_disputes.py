"""Whole disputes: the real contracts, the real machine, and every kind of liar on either side."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from bisection.game import Player
from infernet.backend.engine import open_engine
from infernet.backend.tamper import Mutation, TamperedTrace
from infernet.backend.trace import Trace
from infernet.models.images import read_input
from infernet.models.store import load_model, shipped_dir
from interpreter.operators import decode
from interpreter.program import Program, Step
from tests.programs import random_input, random_program

from .disputes_arena import Arena, Chooser, Dispute, solver
from .disputes_chain import ETHER
from .disputes_liars import TraceClaim, random_answers, saboteur, silent, stingy
from .disputes_stepwise import MUTATIONS, Claim, Lie, StepwiseTrace, false_claim

MOST_TRANSACTIONS = 16
MOST_GAS = 1_500_000
MOST_PROOF_GAS = 300_000
MOST_PROOF_BYTES = 6_900
FINAL = 2


@pytest.fixture(scope="module")
def arena() -> Arena:
    """Return a chain whose games are cut four-fold, so that small programs make deep games."""
    return Arena(arity=4)


class Match:
    """A registered random program with a posted input, its true claim, and a liar's."""

    def __init__(self, arena: Arena, seed: int, mutation: str) -> None:
        rng = np.random.default_rng(seed)
        self.arena, self.rng = arena, Random(seed)
        style = ("plain", "hostile")[seed % 2]
        program: Program = random_program(rng, style, max_count=200, max_steps=600)
        data = random_input(program, rng)
        arena.register(program)
        self.task_id = arena.post(program, data)
        self.truth = StepwiseTrace(program, data)
        self.honest = Claim(self.truth, self.truth.output)
        self.lie_at = Step(self.rng.randrange(self.truth.steps))
        lie = Lie(self.lie_at, mutation, MUTATIONS[mutation](self.rng))
        trace = StepwiseTrace(program, data, lie)
        self.liar = false_claim(trace, self.truth.output, self.rng)

    def play(self, liars: Player, liar: Chooser | None = None) -> Dispute:
        """Play a dispute with the lie on one side."""
        is_executor = liars is Player.EXECUTOR
        asserted, challenged = (self.liar, self.honest) if is_executor else (self.honest, self.liar)
        assertion_id = self.arena.assert_result(self.task_id, asserted)
        choosers = {liars: liar or solver(self.liar), liars.opponent: solver(self.honest)}
        self.assertion_id = assertion_id
        return self.arena.play(assertion_id, challenged.final, liars.opponent, choosers)


def check(dispute: Dispute) -> None:
    """Require what the design promises of every dispute."""
    honest = dispute.honest
    assert dispute.winner is honest
    assert not [reason for player, reason in dispute.refused if player is honest]
    assert dispute.dissections <= dispute.bound
    assert dispute.moves_of(honest.opponent) <= (dispute.bound + 1) // 2
    assert len(dispute.sent) <= MOST_TRANSACTIONS
    assert dispute.gas <= MOST_GAS
    for proof in [*dispute.of_kind("prove by executor"), *dispute.of_kind("prove by challenger")]:
        assert proof.gas <= MOST_PROOF_GAS
        assert proof.calldata_bytes <= MOST_PROOF_BYTES


@pytest.mark.parametrize("liars", Player)
@pytest.mark.parametrize(("seed", "mutation"), list(enumerate(sorted(MUTATIONS))))
def test_a_coherent_liar_loses(arena: Arena, seed: int, mutation: str, liars: Player) -> None:
    dispute = Match(arena, seed, mutation).play(liars)
    check(dispute)
    # A lie in the middle is narrowed to one step; only its effect on the output can come later.
    assert dispute.proved_step is not None or dispute.of_kind("timeout")


@pytest.mark.parametrize("liars", Player)
@pytest.mark.parametrize("seed", [11, 12])
def test_a_saboteur_loses(arena: Arena, seed: int, liars: Player) -> None:
    match = Match(arena, seed, "byte")
    check(match.play(liars, saboteur(match.liar, match.rng, match.liar.final)))


@pytest.mark.parametrize("liars", Player)
def test_random_answers_to_the_longest_segment_lose(arena: Arena, liars: Player) -> None:
    match = Match(arena, 13, "byte")
    dispute = match.play(liars, random_answers(match.rng, solver(match.liar)))
    check(dispute)


def test_a_silent_executor_loses_on_time(arena: Arena) -> None:
    dispute = Match(arena, 14, "byte").play(Player.EXECUTOR, silent)
    check(dispute)
    assert dispute.of_kind("timeout") and dispute.dissections == 1


def test_a_false_halted_flag_over_a_true_output_loses(arena: Arena) -> None:
    match = Match(arena, 15, "byte")
    match.liar = Claim(match.truth, match.truth.output, halted=True)
    check(match.play(Player.EXECUTOR))


def test_a_slashed_task_is_served_by_the_next_and_a_lying_challenger_cannot_stop_it(
    arena: Arena,
) -> None:
    match = Match(arena, 16, "byte")
    executor, challenger = (arena.balance(each) for each in (arena.executor, arena.challenger))
    check(match.play(Player.EXECUTOR))
    assert arena.balance(arena.executor) == executor - 10 * ETHER
    assert arena.balance(arena.challenger) == challenger + 5 * ETHER // 2
    check(match.play(Player.CHALLENGER))
    assert arena.balance(arena.challenger) < challenger + 5 * ETHER // 2
    arena.finalise(match.assertion_id)
    status = arena.market.functions.assertion(match.assertion_id).call()[4]
    assert status == FINAL and arena.balance(arena.executor) > executor - 10 * ETHER + ETHER


@pytest.fixture(scope="module")
def digits() -> tuple[Arena, Trace]:
    """Return a chain with production fan-out, and the shipped network run on a picture."""
    model = load_model("digits")
    program, chain = model.program, Arena()
    data = read_input(model, shipped_dir() / "digits" / "digit-3.png")
    chain.register(program)
    return chain, Trace(program, data, open_engine(program))


# Four dissections, so it is the challenger who would have to prove: a lying one loses on time.
@pytest.mark.parametrize(
    ("opcode", "liars"),
    [(name, Player.EXECUTOR) for name in ("BEGIN", "FREE", "CONV", "MAXPOOL", "ADD", "END")]
    + [("CONV", Player.CHALLENGER)],
)
def test_a_lie_in_any_operator_of_the_digits_model_is_narrowed_to_its_step(
    digits: tuple[Arena, Trace], opcode: str, liars: Player
) -> None:
    chain, truth = digits
    rng = Random(f"{opcode} {liars.value}")
    operators = [each for each in truth.program.operators if each.opcode.name == opcode]
    operator = rng.choice(operators)
    at = Step(operator.first_step + rng.randrange(decode(operator).steps))
    tampered = TamperedTrace(truth, at, Mutation(rng.randrange(1, 256), rng.randrange(1 << 16)))
    liar = TraceClaim(tampered, at if tampered.lies_again_at_the_end else None)
    honest = TraceClaim(truth)
    asserted, challenged = (liar, honest) if liars is Player.EXECUTOR else (honest, liar)
    assertion_id = chain.assert_result(chain.post(truth.program, truth.data), asserted)
    choosers = {liars: solver(liar), liars.opponent: solver(honest)}
    dispute = chain.play(assertion_id, challenged.final, liars.opponent, choosers)
    check(dispute)
    assert dispute.proved_step == (at if liars is Player.EXECUTOR else None)


def test_a_proof_with_too_little_gas_changes_nothing(digits: tuple[Arena, Trace]) -> None:
    chain, truth = digits
    conv = next(each for each in truth.program.operators if each.opcode.name == "CONV")
    at = Step(conv.first_step + decode(conv).steps // 2)
    tampered = TamperedTrace(truth, at)
    liar = TraceClaim(tampered, at if tampered.lies_again_at_the_end else None)
    honest = TraceClaim(truth)
    assertion_id = chain.assert_result(chain.post(truth.program, truth.data), liar)
    needs = chain.verifier.functions.prove(truth.program.root, 1, at, truth.proof(at))
    # From the least gas with which such a transaction is valid at all to what the step needs.
    limits = range(60_000, needs.estimate_gas(), 1_500)
    choosers = {
        Player.EXECUTOR: solver(liar),
        Player.CHALLENGER: stingy(chain, solver(honest), limits),
    }
    dispute = chain.play(assertion_id, honest.final, Player.CHALLENGER, choosers)
    assert dispute.winner is Player.CHALLENGER and dispute.proved_step == at
    assert len([who for who, _ in dispute.refused if who is Player.CHALLENGER]) == len(limits) > 3


@pytest.mark.slow
@pytest.mark.parametrize("liars", Player)
@pytest.mark.parametrize("mutation", sorted(MUTATIONS))
@pytest.mark.parametrize("seed", range(100, 110))
def test_many_liars_lose(arena: Arena, seed: int, mutation: str, liars: Player) -> None:
    check(Match(arena, seed, mutation).play(liars))
