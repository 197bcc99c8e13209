"""What the solver does in each situation, for both players."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bisection.dissection import worst_dissections
from bisection.game import (
    ClaimTimeout,
    Concede,
    Dissect,
    Player,
    Prove,
    Reason,
    Seconds,
    Verdict,
    Wait,
)
from bisection.solver import first_false_segment, next_actions, should_challenge
from bisection.toy import CoherentLie, PatchedTrace, ToyGame, ToyMachine, solver_strategy
from interpreter.merkle import Hash
from interpreter.program import Step

MACHINE = ToyMachine(3)
TOY = ToyGame(MACHINE, 5000, 8)
WRONG = Hash(b"\x99" * 32)
EXECUTOR, CHALLENGER = Player.EXECUTOR, Player.CHALLENGER


def test_only_a_false_assertion_is_challenged() -> None:
    lie = CoherentLie(MACHINE, Step(4999))
    assert not should_challenge(TOY.assertion, TOY.truth)
    assert should_challenge(TOY.asserting(lie).assertion, TOY.truth)


@pytest.mark.parametrize("lie_at", [0, 1, 624, 625, 2500, 4374, 4375, 4998, 4999])
def test_the_first_false_segment_holds_the_lie(lie_at: int) -> None:
    toy = TOY.asserting(CoherentLie(MACHINE, Step(lie_at)))
    record = toy.run(
        solver_strategy(CoherentLie(MACHINE, Step(lie_at))), solver_strategy(toy.truth)
    )
    for game in record.games:
        if game.mover is CHALLENGER and game.is_opened and game.verdict is None:
            segment = first_false_segment(game.last, toy.truth)
            assert segment is not None and segment.start <= lie_at < segment.end
    assert record.winner is CHALLENGER


@pytest.mark.parametrize("steps", [1, 2, 8, 9, 64, 65, 4096, 4097, 5000])
@pytest.mark.parametrize("liar", [EXECUTOR, CHALLENGER])
def test_two_solvers_end_with_the_honest_one_winning(steps: int, liar: Player) -> None:
    toy = replace(TOY, steps=steps)
    lie = CoherentLie(MACHINE, Step(steps * 2 // 3))
    if liar is EXECUTOR:
        record = toy.asserting(lie).run(solver_strategy(lie), solver_strategy(toy.truth))
    else:
        record = toy.run(solver_strategy(toy.truth), solver_strategy(lie))
    assert record.winner is liar.opponent
    assert record.last.dissections <= worst_dissections(steps, 8)
    honest_refusals = [player for player, _ in record.refused if player is not liar]
    assert not honest_refusals


def test_the_mover_moves_the_other_waits_and_claims_only_after_the_deadline() -> None:
    lie = CoherentLie(MACHINE, Step(77))
    game = TOY.asserting(lie).start()
    now, late = Seconds(5), Seconds(game.deadline + 1)
    (move,) = next_actions(game, CHALLENGER, TOY.truth, now)
    assert isinstance(move, Dissect) and len(move.hashes) == 8
    assert next_actions(game, EXECUTOR, lie, now) == [Wait(game.deadline)]
    assert next_actions(game, EXECUTOR, lie, game.deadline) == [Wait(game.deadline)]
    assert next_actions(game, EXECUTOR, lie, late) == [ClaimTimeout()]
    assert next_actions(game, CHALLENGER, TOY.truth, late) == []


def test_nothing_is_left_to_do_after_the_verdict() -> None:
    done = replace(TOY.start(), verdict=Verdict(EXECUTOR, Reason.TIMEOUT))
    for player in Player:
        assert next_actions(done, player, TOY.truth, Seconds(9)) == []


def test_whoever_agrees_with_everything_concedes() -> None:
    assert next_actions(TOY.start(), CHALLENGER, TOY.truth, Seconds(9)) == [Concede()]


def test_one_step_is_proven_at_once_also_as_the_opening() -> None:
    game = replace(TOY, steps=1, final=WRONG).start()
    (move,) = next_actions(game, CHALLENGER, TOY.truth, Seconds(9))
    assert isinstance(move, Prove) and move.proof == TOY.truth.proof(Step(0))


def test_a_lie_about_single_states_alone_is_found() -> None:
    liar = PatchedTrace(TOY.truth, {Step(5000): WRONG, Step(625): WRONG})
    toy = TOY.asserting(liar)
    assert toy.run(solver_strategy(liar), solver_strategy(toy.truth)).winner is CHALLENGER


def test_the_solver_is_a_function_of_what_it_is_given() -> None:
    game = TOY.asserting(CoherentLie(MACHINE, Step(77))).start()
    first = next_actions(game, CHALLENGER, TOY.truth, Seconds(5))
    assert first == next_actions(game, CHALLENGER, TOY.truth, Seconds(5))
