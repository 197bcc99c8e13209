"""What a player does next: one pure function for both players.

Executor and challenger differ in when they start a game, never in how they play it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from interpreter.merkle import Hash
from interpreter.program import Step

from .dissection import Dissection, Segment, cuts
from .game import (
    Action,
    Assertion,
    ClaimTimeout,
    Concede,
    Dissect,
    Game,
    Move,
    Player,
    Prove,
    Seconds,
    Wait,
)
from .rules import is_timed_out


class TraceProvider(Protocol):
    """What a player believes about a run; `state_hashes` asks for many at once, for speed."""

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the state hash before each step, in the order given."""

    def proof(self, step: Step) -> bytes:
        """Return the one-step proof of `step`, canonically encoded."""


def should_challenge(assertion: Assertion, trace: TraceProvider) -> bool:
    """Return whether the assertion's final state is false according to the trace."""
    return trace.state_hashes([Step(assertion.steps)]) != [assertion.final]


def first_false_segment(last: Dissection, trace: TraceProvider) -> Segment | None:
    """Return the first segment whose end the trace contradicts, or None if it agrees with all.

    Its start is the end of the segment before it, which the trace agrees with.
    """
    believed = trace.state_hashes(last.steps[1:])
    for segment, end_hash in zip(last.segments(), believed, strict=True):
        if segment.end_hash != end_hash:
            return segment
    return None


def answer(game: Game, trace: TraceProvider) -> Move | None:
    """Return the mover's move according to its trace, or None if it has nothing to contradict."""
    segment = first_false_segment(game.last, trace)
    if segment is None:
        return None
    if segment.length == 1:
        return Prove(segment, trace.proof(segment.start))
    steps = cuts(segment.start, segment.end, game.k)[1:]
    return Dissect(segment, tuple(trace.state_hashes(steps)))


def next_actions(game: Game, me: Player, trace: TraceProvider, now: Seconds) -> list[Action]:
    """Return what `me` should do now; empty once the game has a verdict.

    `now`: the time of the block in which the action would land.
    """
    if game.verdict is not None:
        return []
    if is_timed_out(game, now):
        return [ClaimTimeout()] if me is not game.mover else []
    if me is not game.mover:
        return [Wait(game.deadline)]
    if not game.is_opened and now <= game.opens_after:
        return [Wait(game.opens_after)]
    return [answer(game, trace) or Concede()]
