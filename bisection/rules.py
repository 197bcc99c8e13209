"""What makes a move legal, rule by rule, in the order in which the contract checks.

INVARIANT: whoever holds the true states always has a legal move on its turn and no legal move ever
turns an agreed start into a false one. The property test of the game rests on these rules alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from interpreter.merkle import HASH_BYTES

from .dissection import part_count
from .errors import IllegalMove
from .game import Dissect, Game, Move, Player, Prove, Seconds


@dataclass(frozen=True, slots=True)
class Turn:
    """A move about to be made."""

    game: Game
    player: Player
    move: Move
    now: Seconds


@dataclass(frozen=True, slots=True)
class Rule:
    """A legality rule: `broken_by` returns what is wrong with a turn, or None."""

    name: str
    rationale: str
    broken_by: Callable[[Turn], str | None]

    def check(self, turn: Turn) -> None:
        """Raise IllegalMove if the turn breaks this rule."""
        if reason := self.broken_by(turn):
            raise IllegalMove(self.name, reason)


def _game_is_live(turn: Turn) -> str | None:
    verdict = turn.game.verdict
    return f"the {verdict.winner.value} has won already" if verdict else None


def _mover_moves(turn: Turn) -> str | None:
    if turn.player is turn.game.mover:
        return None
    return f"it is the {turn.game.mover.value}'s turn; wait for its move or its deadline"


def _is_in_time(turn: Turn) -> str | None:
    late = turn.now - turn.game.deadline
    return f"the deadline passed {late} s ago" if late > 0 else None


def _opens_later(turn: Turn) -> str | None:
    if not turn.game.is_opened and turn.now <= turn.game.opens_after:
        return f"committed at {turn.game.opens_after}; open in a later block"
    return None


def _segment_is_committed(turn: Turn) -> str | None:
    named, last = turn.move.segment, turn.game.last
    if not 0 <= named.index < last.parts:
        return f"segment {named.index} is not in 0 … {last.parts - 1}"
    if named != last.segment(named.index):
        return f"segment {named.index} is not what the opponent committed to"
    return None


def _long_is_dissected(turn: Turn) -> str | None:
    length = turn.move.segment.length
    if isinstance(turn.move, Dissect) and length == 1:
        return "one step cannot be cut; prove it"
    if isinstance(turn.move, Prove) and length > 1:
        return f"{length} steps cannot be proven; dissect them"
    return None


def _parts_are_exact(turn: Turn) -> str | None:
    if not isinstance(turn.move, Dissect):
        return None
    need = part_count(turn.move.segment.length, turn.game.k)
    given = len(turn.move.hashes)
    if given != need:
        return f"{given} hashes given, {need} needed"
    if any(len(value) != HASH_BYTES for value in turn.move.hashes):
        return f"a hash does not have {HASH_BYTES} bytes"
    return None


def _opening_is_committed(turn: Turn) -> str | None:
    game = turn.game
    if game.is_opened or game.claimed is None or isinstance(turn.move, Prove):
        return None
    if turn.move.hashes[-1] != game.claimed:
        return "the opening's last hash is not the one committed to"
    return None


def _end_differs(turn: Turn) -> str | None:
    if isinstance(turn.move, Dissect) and turn.move.hashes[-1] == turn.move.segment.end_hash:
        return "the new end equals the disputed one, so nothing is disputed"
    return None


RULES: tuple[Rule, ...] = (
    Rule("game-is-live", "A verdict is final.", _game_is_live),
    Rule("mover-moves", "Turns alternate, so nobody can answer itself.", _mover_moves),
    Rule(
        "in-time",
        "A move is legal iff now ≤ deadline, a timeout iff now > deadline: never both, never none.",
        _is_in_time,
    ),
    Rule(
        "opens-later",
        "What was committed cannot be copied from the opening and still come first.",
        _opens_later,
    ),
    Rule(
        "segment-is-committed",
        "The mover answers what the opponent really said; the start is inherited from it.",
        _segment_is_committed,
    ),
    Rule(
        "long-is-dissected",
        "Above one step only a cut is possible, at one step only a proof: the game must narrow.",
        _long_is_dissected,
    ),
    Rule(
        "parts-are-exact",
        "Exactly min(k, length) parts: fewer would stall the game, more would cost without need.",
        _parts_are_exact,
    ),
    Rule(
        "opening-is-committed",
        "Whoever commits first holds a place in the queue for one final hash, not for any.",
        _opening_is_committed,
    ),
    Rule(
        "end-differs",
        "Same agreed start, different end: so one of both dissections' ends is false.",
        _end_differs,
    ),
)


def check_move(game: Game, player: Player, move: Move, now: Seconds) -> None:
    """Raise IllegalMove, naming the first broken rule, unless the move is legal."""
    turn = Turn(game, player, move, now)
    for rule in RULES:
        rule.check(turn)


def is_timed_out(game: Game, now: Seconds) -> bool:
    """Return whether the mover has lost on time, so that a timeout may be claimed."""
    return game.verdict is None and now > game.deadline
