"""Illegal moves: what a liar sends at some moment of a game that it otherwise plays coherently."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from bisection.game import Action, Dissect, Game, Player, Prove, Seconds
from bisection.solver import answer
from interpreter.merkle import Hash
from tests.e2e.disputes_arena import Chooser, Claim, solver
from tests.e2e.disputes_chain import GAS_LIMIT

from .case import PARTY, Case
from .false_steps import At, Place
from .ground import Party


class Moment(Enum):
    """When a liar tries it."""

    OPENING = "its opening"
    MOVE = "its first answer"
    PROOF = "its proof"
    IDLE = "the opponent's turn"


@dataclass(frozen=True, slots=True)
class Call:
    """A move as it is sent; `segment` to `siblings` name a part of the last dissection."""

    function: str
    sender: Party
    game_id: bytes
    segment: int
    start: Hash
    end: Hash
    siblings: tuple[bytes, ...]
    hashes: tuple[Hash, ...] = ()
    proof: bytes = b""
    salt: bytes = b""
    gas: int = GAS_LIMIT

    @property
    def arguments(self) -> tuple[object, ...]:
        """Return what the contract's function takes."""
        if self.function == "open":
            return self.game_id, self.salt, list(self.hashes)
        if self.function in ("timeout", "settle", "forfeit"):
            return (self.game_id,)
        named = self.game_id, self.segment, self.start, self.end, list(self.siblings)
        return (*named, self.proof) if self.function == "prove" else (*named, list(self.hashes))


@dataclass(frozen=True, slots=True)
class Play:
    """What a liar knows when it moves."""

    case: Case
    game: Game
    claim: Claim


Change = Callable[[Call, Play], Call]


@dataclass(frozen=True, slots=True)
class Twist:
    """A legal move, changed. After a changed proof the liar is silent: it has no other."""

    moment: Moment
    change: Change
    liar: Player

    def __call__(self, case: Case) -> None:
        """Play the game with it."""
        opcode = "CONV" if case.network.family == "CNN" else "MATMUL"
        found = At(opcode, Place.REDUCE, 1).claim(case.network)
        twisting = _Twisting(case, found, self)
        case.dispute(found, self.liar, twisting.choose)
        if not twisting.is_tried:
            case.faults.append("the move was never tried")


class _Twisting:
    """A coherent liar that tries a changed move once."""

    def __init__(self, case: Case, claim: Claim, twist: Twist) -> None:
        self.case, self.claim, self.twist = case, claim, twist
        self.play: Chooser = solver(claim)
        self.is_tried = False

    def choose(self, game: Game, me: Player, now: Seconds) -> Iterator[Action]:
        """Yield what the solver does, the changed move before it or, out of turn, behind it."""
        wanted = self.twist.moment
        for action in self.play(game, me, now):
            moment = _moment(game, action)
            if moment is wanted and not self.is_tried:
                self._try(game, me, action)
            if moment is not Moment.PROOF or wanted is not Moment.PROOF:
                yield action
            if isinstance(action, Dissect) and wanted is Moment.IDLE and not self.is_tried:
                self._try_again(me)

    def _try_again(self, me: Player) -> None:
        game = self.case.ground.read_game(self.case.ground.game_id)
        assert game.mover is not me, "the move was not made"
        move = answer(game, self.claim) or Dissect(game.last.segment(0), ())
        self._try(game, me, move)

    def _try(self, game: Game, me: Player, move: Action) -> None:
        assert isinstance(move, Dissect | Prove)
        self.is_tried = True
        call = self.twist.change(self._call(game, me, move), Play(self.case, game, self.claim))
        ground = self.case.ground
        contract, ground.gas_limit = ground.game, call.gas
        self.case.attempt(call.sender, contract, call.function, *call.arguments)
        ground.gas_limit = GAS_LIMIT

    def _call(self, game: Game, me: Player, move: Dissect | Prove) -> Call:
        ground, part = self.case.ground, move.segment
        named = part.index, part.start_hash, part.end_hash, game.last.siblings(part.index)
        if isinstance(move, Prove):
            return Call("prove", PARTY[me], ground.game_id, *named, proof=move.proof)
        function = "dissect" if game.is_opened else "open"
        call = Call(function, PARTY[me], ground.game_id, *named, hashes=move.hashes)
        return replace(call, salt=ground.salt)


def _moment(game: Game, action: Action) -> Moment | None:
    match action:
        case Dissect():
            return Moment.MOVE if game.is_opened else Moment.OPENING
        case Prove():
            return Moment.PROOF
        case _:
            return None
