"""Apply moves to a game as the contract does (twin: contracts/src/DisputeGame.sol)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from interpreter.merkle import Hash
from interpreter.program import Step

from .dissection import Dissection
from .errors import IllegalMove
from .game import Dissect, Game, Move, Player, Prove, Reason, Seconds, Verdict
from .rules import check_move, is_timed_out

ExecuteStep = Callable[[Step, bytes], tuple[Hash, Hash]]
"""Runs one step from a proof: (pre-state hash, post-state hash); raises InvalidProof."""


def play(game: Game, player: Player, move: Move, now: Seconds, execute: ExecuteStep) -> Game:
    """Return the game after a move, or raise IllegalMove or InvalidProof and change nothing."""
    check_move(game, player, move, now)
    if isinstance(move, Prove):
        return _prove(game, move, execute)
    return _dissect(game, move, now)


def claim_timeout(game: Game, now: Seconds) -> Game:
    """Return the game won by the mover's opponent, or raise IllegalMove."""
    if not is_timed_out(game, now):
        raise IllegalMove("timeout", f"the mover has until {game.deadline}; it is {now}")
    return replace(game, verdict=Verdict(game.mover.opponent, Reason.TIMEOUT))


def _dissect(game: Game, move: Dissect, now: Seconds) -> Game:
    segment = move.segment
    last = Dissection(segment.start, segment.end, (segment.start_hash, *move.hashes))
    clocks = game.clocks
    if game.is_opened:
        clocks = clocks.after_turn(game.mover, game.deadline, now)
    mover = game.mover.opponent
    return replace(
        game,
        last=last,
        mover=mover,
        clocks=clocks,
        deadline=clocks.deadline(mover, now),
        dissections=game.dissections + 1,
    )


def _prove(game: Game, move: Prove, execute: ExecuteStep) -> Game:
    segment = move.segment
    before, after = execute(segment.start, move.proof)
    if before != segment.start_hash:
        raise IllegalMove("agreed-start", "the proof does not start from the agreed state")
    if after == segment.end_hash:
        raise IllegalMove("end-is-false", "the step yields the opponent's end: it is right")
    if not game.is_opened and game.claimed not in (None, after):
        raise IllegalMove("opening-is-committed", "the step yields another hash than committed to")
    return replace(game, verdict=Verdict(game.mover, Reason.PROOF))
