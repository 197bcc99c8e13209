"""Lies in the game: an illegal move at some moment, or none where one is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from bisection.game import Action, Dissect, Game, Player, Prove, Seconds
from tests.e2e.disputes_arena import Chooser, Claim, solver
from tests.e2e.disputes_liars import random_answers, saboteur

from . import changes as t
from .case import PARTY, Case
from .false_steps import At, Place
from .ground import Party
from .lie import CHALLENGER, EXECUTOR, Lie
from .twists import Change, Moment, Twist

OPENING, MOVE, PROOF, IDLE = Moment.OPENING, Moment.MOVE, Moment.PROOF, Moment.IDLE


def _move(name: str, moment: Moment, change: Change, what: str, liar: Player = CHALLENGER) -> Lie:
    """Return an illegal move. Executors prove in games about BERT-Tiny, others about digits."""
    liars = {PARTY[liar]}
    if change in (t.friend_opens, t.as_friend):
        liars.add(Party.FRIEND)
    network = "bert" if liar is EXECUTOR and moment is PROOF else "digits"
    act = Twist(moment, change, liar)
    return Lie(name, network, frozenset(liars), moment.value, what, act)


@dataclass(frozen=True, slots=True)
class Stalls:
    """Says a false step, makes so many moves, and then none."""

    liar: Player
    moves: int

    def __call__(self, case: Case) -> None:
        """Play it."""
        claim = At("CONV", Place.REDUCE, 1).claim(case.network)
        case.dispute(claim, self.liar, self._until_silent(claim))

    def _until_silent(self, claim: Claim) -> Chooser:
        play, made = solver(claim), 0

        def choose(game: Game, me: Player, now: Seconds) -> Sequence[Action]:
            nonlocal made
            actions = play(game, me, now)
            moves = [each for each in actions if isinstance(each, Dissect | Prove)]
            if moves and made >= self.moves:
                return []
            made += len(moves)
            return list(actions)

        return choose


@dataclass(frozen=True, slots=True)
class Raves:
    """Says a false step and then anything, legal or not, by chance."""

    liar: Player
    is_legal: bool

    def __call__(self, case: Case) -> None:
        """Play it."""
        claim, rng = At("CONV", Place.FINISH, 1).claim(case.network), Random(7)
        chooser = (
            random_answers(rng, solver(claim))
            if self.is_legal
            else saboteur(claim, rng, claim.final)
        )
        case.dispute(claim, self.liar, chooser)


def _plays(name: str, where: str, what: str, act: Stalls | Raves) -> Lie:
    return Lie(name, "digits", frozenset({PARTY[act.liar]}), where, what, act)


MOVES = (
    _move("opens with another salt", OPENING, t.other_salt, "not the committed salt"),
    _move("opens with another end", OPENING, t.other_end, "not the committed final state"),
    _move("opens with the asserted end", OPENING, t.asserted_end, "the very state it challenges"),
    _move("a friend opens", OPENING, t.friend_opens, "somebody else opens the commit"),
    _move("opens with a part less", OPENING, t.one_part_less, "27 hashes of 28"),
    _move("opens late", OPENING, t.late, "after the deadline of its opening"),
    _move("calls an open game unopened", MOVE, t.forfeited, "forfeit of an open game", EXECUTOR),
    _move("a part less", MOVE, t.one_part_less, "27 hashes of 28"),
    _move("a part more", MOVE, t.one_part_more, "29 hashes of 28", EXECUTOR),
    _move("one part", MOVE, t.one_part, "does not cut at all", EXECUTOR),
    _move("same end", MOVE, t.same_end, "the end that it disputes"),
    _move("another start", MOVE, t.other_start, "not the agreed start"),
    _move(
        "another disputed end", MOVE, t.other_segment_end, "not what the opponent said", EXECUTOR
    ),
    _move("another path", MOVE, t.other_siblings, "a part under forged siblings"),
    _move("an inner node as a part", MOVE, t.short_path, "a path that is a level short", EXECUTOR),
    _move("a part behind the last", MOVE, t.beyond, "segment 28 of 28", EXECUTOR),
    _move("the neighbour's place", MOVE, t.neighbour, "a part's ends at another index"),
    _move("skips a level", MOVE, t.level_skipped, "cuts a part of a part"),
    _move("cuts the whole again", MOVE, t.whole_again, "stays at the length", EXECUTOR),
    _move("proves too soon", MOVE, t.proof_too_soon, "a proof of a part of many steps"),
    _move("answers late", MOVE, t.late, "after its clock and grace", EXECUTOR),
    _move("answers late as challenger", MOVE, t.late, "after its clock and grace"),
    _move("a friend moves", MOVE, t.as_friend, "somebody else answers", EXECUTOR),
    _move("moves twice", IDLE, t.out_of_turn, "again, out of turn"),
    _move("moves out of turn", IDLE, t.out_of_turn, "while the challenger thinks", EXECUTOR),
    _move("calls time too soon", IDLE, t.hurried, "timeout while the clock runs"),
    _move("calls time too soon as executor", IDLE, t.hurried, "timeout in time", EXECUTOR),
    _move("settles too soon", IDLE, t.settled_early, "the bond of a game in play"),
    _move("proves the truth", PROOF, t.true_proof, "a proof that shows itself wrong"),
    _move("proves the truth as executor", PROOF, t.true_proof, "the same", EXECUTOR),
    _move("forges a witness", PROOF, t.flipped(-1), "last byte of the proof flipped"),
    _move("forges a witness as executor", PROOF, t.flipped(-1), "last byte flipped", EXECUTOR),
    _move("forges a header", PROOF, t.flipped(3), "a byte of the program's header flipped"),
    _move("forges a descriptor", PROOF, t.flipped(400), "a byte in the first kilobyte flipped"),
    _move("proves from a false state", PROOF, t.false_state, "a pre-state that a lie made"),
    _move("proves from a false state as executor", PROOF, t.false_state, "the same", EXECUTOR),
    _move("proves another step", PROOF, t.other_step, "the step before"),
    _move("proves another input's step", PROOF, t.other_inputs_step, "the same step elsewhere"),
    _move("cuts a proof", PROOF, t.cut_proof, "its last byte left out"),
    _move("cuts a proof as executor", PROOF, t.cut_proof, "its last byte left out", EXECUTOR),
    _move("grows a proof", PROOF, t.grown_proof, "a byte behind it"),
    _move("sends no proof", PROOF, t.empty_proof, "no bytes at all"),
    _move("starves a proof", PROOF, t.starved(70_000), "what it calls lacks gas"),
    _move("starves a proof more", PROOF, t.starved(60_000), "it lacks gas itself"),
    _move("starves a proof as executor", PROOF, t.starved(90_000), "the same", EXECUTOR),
    _move("cuts a single step", PROOF, t.cut_at_one, "a dissection at length one"),
    _plays("never opens", "its opening", "commits and is silent", Stalls(CHALLENGER, 0)),
    _plays("opens and stalls", "its second move", "is silent", Stalls(CHALLENGER, 1)),
    _plays("never answers", "its first answer", "is silent", Stalls(EXECUTOR, 0)),
    _plays("answers once", "its second answer", "is silent", Stalls(EXECUTOR, 1)),
    _plays("raves", "every move", "anything by chance", Raves(EXECUTOR, is_legal=False)),
    _plays(
        "raves as challenger", "every move", "anything by chance", Raves(CHALLENGER, is_legal=False)
    ),
    _plays("answers at random", "every move", "legal, by chance", Raves(EXECUTOR, is_legal=True)),
)
