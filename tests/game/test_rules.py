"""Each rule refuses what it names, and each is needed: without it the honest player can lose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bisection import referee
from bisection.dissection import Segment
from bisection.errors import IllegalMove, InvalidProof
from bisection.game import Concede, Dissect, Game, Move, Player, Prove, Seconds, Wait
from bisection.rules import RULES, Turn
from bisection.solver import answer, next_actions
from bisection.toy import CoherentLie, ToyGame, ToyMachine
from interpreter.merkle import Hash
from interpreter.program import Step

MACHINE = ToyMachine(7)
TOY = ToyGame(MACHINE, 1000, 4)
LIE = CoherentLie(MACHINE, Step(321))
NOW = Seconds(1)
WRONG = Hash(b"\x55" * 32)


def opening() -> tuple[Game, Move]:
    """Return a fresh game against a false assertion, and the honest opening."""
    game = TOY.asserting(LIE).start()
    move = answer(game, TOY.truth)
    assert isinstance(move, Dissect)
    return game, move


def last_step() -> tuple[Game, Prove]:
    """Return a game that stands at one step with the honest player to prove, and its proof."""
    toy = replace(TOY, steps=1, final=WRONG)
    game = toy.start()
    move = answer(game, toy.truth)
    assert isinstance(move, Prove)
    return game, move


def refused(game: Game, move: Move, player: Player = Player.CHALLENGER, now: int = NOW) -> str:
    """Return the name of the rule that refuses a move."""
    with pytest.raises(IllegalMove) as caught:
        referee.play(game, player, move, Seconds(now), MACHINE.execute)
    return caught.value.rule


def test_the_honest_opening_is_legal() -> None:
    game, move = opening()
    after = referee.play(game, Player.CHALLENGER, move, NOW, MACHINE.execute)
    assert after.mover is Player.EXECUTOR and after.dissections == 1 and after.last.parts == 4


def test_a_finished_game_takes_no_move() -> None:
    game, move = last_step()
    after = referee.play(game, Player.CHALLENGER, move, NOW, MACHINE.execute)
    assert refused(after, move) == "game-is-live"


def test_moving_out_of_turn_or_twice_is_refused() -> None:
    game, move = opening()
    assert refused(game, move, Player.EXECUTOR) == "mover-moves"
    after = referee.play(game, Player.CHALLENGER, move, NOW, MACHINE.execute)
    assert refused(after, move) == "mover-moves"


def test_a_move_is_legal_until_the_deadline_and_a_timeout_only_after_it() -> None:
    game, move = opening()
    at, past = game.deadline, Seconds(game.deadline + 1)
    assert referee.play(game, Player.CHALLENGER, move, at, MACHINE.execute).dissections == 1
    with pytest.raises(IllegalMove):
        referee.claim_timeout(game, at)
    assert refused(game, move, now=past) == "in-time"
    verdict = referee.claim_timeout(game, past).verdict
    assert verdict is not None and verdict.winner is Player.EXECUTOR


@pytest.mark.parametrize(
    "change",
    [
        {"start_hash": WRONG},
        {"end_hash": WRONG},
        {"start": Step(1)},
        {"end": Step(999)},
        {"index": 1},
        {"index": -1},
    ],
)
def test_a_segment_that_was_not_committed_is_refused(change: dict[str, object]) -> None:
    game, move = opening()
    other = replace(move, segment=replace(move.segment, **change))  # type: ignore[arg-type]
    assert refused(game, other) == "segment-is-committed"


def test_long_segments_cannot_be_proven_and_single_steps_cannot_be_cut() -> None:
    game, move = opening()
    assert refused(game, Prove(move.segment, TOY.truth.proof(Step(0)))) == "long-is-dissected"
    short, proof = last_step()
    assert refused(short, Dissect(proof.segment, (WRONG,))) == "long-is-dissected"


@pytest.mark.parametrize(
    "change",
    [
        lambda hashes: hashes[1:],
        lambda hashes: (*hashes, WRONG),
        lambda hashes: hashes[-1:],
        lambda hashes: (),
        lambda hashes: (b"short", *hashes[1:]),
    ],
)
def test_a_wrong_number_of_hashes_is_refused(
    change: Callable[[tuple[Hash, ...]], tuple[Hash, ...]],
) -> None:
    game, move = opening()
    assert isinstance(move, Dissect)
    assert refused(game, replace(move, hashes=change(move.hashes))) == "parts-are-exact"


def test_repeating_the_disputed_end_is_refused() -> None:
    game, move = opening()
    assert isinstance(move, Dissect)
    same = (*move.hashes[:-1], move.segment.end_hash)
    assert refused(game, replace(move, hashes=same)) == "end-differs"


def test_a_proof_of_the_opponents_truth_is_refused() -> None:
    truth = replace(TOY, steps=1)
    segment = truth.start().last.segment(0)
    assert refused(truth.start(), Prove(segment, truth.truth.proof(Step(0)))) == "end-is-false"


def test_a_proof_from_another_state_changes_nothing() -> None:
    game, move = last_step()
    elsewhere = ToyMachine(8)
    forged = Prove(move.segment, replace(TOY, machine=elsewhere).truth.proof(Step(0)))
    assert refused(game, forged) == "agreed-start"
    for proof in (TOY.truth.proof(Step(1)), b""):
        with pytest.raises(InvalidProof):
            bad = Prove(move.segment, proof)
            referee.play(game, Player.CHALLENGER, bad, NOW, MACHINE.execute)


def test_rules_have_distinct_names_and_a_rationale() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.rationale for rule in RULES)


# Each attack is a script of moves by a lying challenger; the executor's assertion is true.
ATTACKED = ToyGame(MACHINE, 16, 4)


def attacks() -> dict[str, list[Move]]:
    """Return an attack for each rule that keeps the honest player from losing."""
    whole = ATTACKED.start().last.segment(0)
    truth = tuple(TOY.truth.state_hashes([Step(4), Step(8), Step(12), Step(16)]))
    part = Segment(0, Step(0), Step(4), whole.start_hash, WRONG)
    step = Segment(0, Step(0), Step(1), whole.start_hash, WRONG)
    proof = TOY.truth.proof(Step(0))
    return {
        "end-differs": [Dissect(whole, truth)],
        "long-is-dissected": [Prove(whole, proof)],
        "segment-is-committed": [Prove(step, proof)],
        "parts-are-exact": [Dissect(whole, (WRONG,))],
        "mover-moves": [
            Dissect(whole, (WRONG,) * 4),
            Dissect(part, (WRONG, WRONG, WRONG, truth[0])),
            Prove(step, proof),
        ],
    }


def play_script(script: list[Move]) -> Game:
    """Play the challenger's moves one after another."""
    game = ATTACKED.start()
    for move in script:
        game = referee.play(game, Player.CHALLENGER, move, NOW, MACHINE.execute)
    return game


def has_harmed(rule: str, game: Game) -> bool:
    """Return whether the attack on a rule has left the honest executor without its win."""
    if game.verdict is not None:
        return game.verdict.winner is Player.CHALLENGER
    if rule == "end-differs":
        return next_actions(game, Player.EXECUTOR, TOY.truth, NOW) == [Concede()]
    return rule == "parts-are-exact" and game.last.length == ATTACKED.steps


@pytest.mark.parametrize("rule", sorted(attacks()))
def test_the_attack_is_refused_by_its_rule_and_harms_without_it(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(IllegalMove) as caught:
        play_script(attacks()[rule])
    assert caught.value.rule == rule

    def check(game: Game, player: Player, move: Move, now: Seconds) -> None:
        for each in RULES:
            if each.name != rule:
                each.check(Turn(game, player, move, now))

    monkeypatch.setattr(referee, "check_move", check)
    assert has_harmed(rule, play_script(attacks()[rule]))


def test_an_opening_in_the_commits_second_is_refused() -> None:
    game, move = opening()
    assert refused(game, move, now=game.opens_after) == "opens-later"
    waits = next_actions(game, Player.CHALLENGER, TOY.truth, game.opens_after)
    assert waits == [Wait(game.opens_after)]


def test_an_opening_with_another_final_hash_than_committed_is_refused() -> None:
    _, move = opening()
    assert refused(TOY.asserting(LIE).start(WRONG), move) == "opening-is-committed"
    _, proof = last_step()
    toy = replace(TOY, steps=1, final=WRONG)
    (true,) = toy.truth.state_hashes([Step(1)])
    assert refused(toy.start(Hash(b"\x66" * 32)), proof) == "opening-is-committed"
    done = referee.play(toy.start(true), Player.CHALLENGER, proof, NOW, MACHINE.execute)
    assert done.verdict is not None and done.verdict.winner is Player.CHALLENGER
