"""Every game on chain beside the pure model of it: both must take the same calls and stay equal.

`judge` says, before a call is sent, what the model makes of it; `keep` is called when the chain
took it. The model is `bisection`'s referee; here is only how calldata reads as a move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from bisection.dissection import segment_root
from bisection.errors import IllegalMove, InvalidProof
from bisection.game import (
    Assertion,
    Clocks,
    Dissect,
    Game,
    Move,
    Player,
    Prove,
    Seconds,
    new_game,
)
from bisection.referee import claim_timeout, play
from infernet.audit.proved import parse_proof
from interpreter import machine
from interpreter.errors import InvalidWitness
from interpreter.merkle import Hash
from interpreter.program import Step

from .world import ARITY, CLOCK, GRACE, OPEN, World

MOVES = ("open", "openWithProof", "dissect", "prove", "timeout", "forfeit")


@dataclass(slots=True)
class Match:
    """A game on chain: who plays, what was committed to, and the model of it."""

    game_id: bytes
    assertion_id: bytes
    executor: str
    challenger: str
    commitment: bytes
    program_root: Hash
    iterations: int
    committed_at: int
    model: Game
    moves: int = 0

    def player(self, account: str) -> Player | None:
        """Return as whom an account may move now; it may be both players."""
        mover = self.executor if self.model.mover is Player.EXECUTOR else self.challenger
        if account == mover:
            return self.model.mover
        return self.model.mover.opponent if account in (self.executor, self.challenger) else None

    def execute(self, step: Step, proof: bytes) -> tuple[Hash, Hash]:
        """Run one step from a proof as the reference does."""
        try:
            parsed = parse_proof(proof)
            if parsed.encode() != proof:
                raise InvalidProof("these bytes are not the encoding of a proof")
            before, after = machine.verify(self.program_root, self.iterations, step, parsed)
        except InvalidWitness as error:
            raise InvalidProof(str(error)) from None
        return before.hash, after.hash


def commitment_of(assertion_id: bytes, challenger: str, final: bytes, salt: bytes) -> bytes:
    """Return what is committed to before a game is opened."""
    kinds = ["bytes32", "address", "bytes32", "bytes32"]
    return bytes(keccak(encode(kinds, [assertion_id, challenger, final, salt])))


@dataclass
class Mirror:
    """The models of all games of a world."""

    world: World
    matches: dict[bytes, Match] = field(default_factory=dict)

    def commit(self, sender: str, assertion_id: bytes, commitment: bytes, game_id: bytes) -> None:
        """Take in the game of a commit that the chain took."""
        terms = self.world.view("terms", assertion_id)
        assertion = Assertion(terms["steps"], Hash(terms["initialHash"]), Hash(terms["finalHash"]))
        clock, now = Seconds(CLOCK), Seconds(self.world.now)
        clocks = Clocks(clock, clock, Seconds(GRACE))
        model = new_game(assertion, ARITY, clocks, now, Seconds(now + OPEN), None)
        self.matches[game_id] = Match(
            game_id,
            assertion_id,
            terms["executor"],
            sender,
            commitment,
            Hash(terms["programRoot"]),
            terms["iterations"],
            now,
            model,
        )

    def judge(self, sender: str, name: str, arguments: Sequence[Any]) -> Game | None:
        """Return the game after a call, or None if the model refuses it."""
        match = self.matches.get(arguments[0])
        if match is None:
            return None
        is_voided = self.world.view("isVoided", match.assertion_id)
        if is_voided and not (name == "forfeit" and self._is_late(match)):
            return None
        now, model = Seconds(self.world.now), match.model
        try:
            if name in ("timeout", "forfeit"):
                is_its_time = model.is_opened == (name == "timeout")
                return claim_timeout(model, now) if is_its_time else None
            read = self._opening if name.startswith("open") else self._move
            found = read(match, sender, arguments)
            player = match.player(sender)
            if found is None or player is None:
                return None
            claimed, move = found
            if claimed is not None:
                model = replace(model, claimed=claimed)
            return play(model, player, move, now, match.execute)
        except (IllegalMove, InvalidProof):
            return None

    def keep(self, game_id: bytes, model: Game) -> None:
        """Take in what the chain took, and compare."""
        match = self.matches[game_id]
        match.model = model
        match.moves += 1
        self.compare(match)

    def compare(self, match: Match) -> None:
        """Require that the chain's game is the model's."""
        model, found = match.model, self.world.view("DisputeGame.game", match.game_id)
        assert found["challenger"] == match.challenger
        status = ("Committed", "ExecutorTurn", "ChallengerTurn", "Lost", "Won")[found["status"] - 1]
        if model.verdict is not None:
            assert status == ("Won" if model.verdict.winner is Player.CHALLENGER else "Lost")
            return
        if not model.is_opened:
            assert (status, found["deadline"]) == ("Committed", model.deadline)
            return
        last = model.last
        turn = "ExecutorTurn" if model.mover is Player.EXECUTOR else "ChallengerTurn"
        assert status == turn
        assert (found["start"], found["length"]) == (last.start, last.length)
        assert found["dissection"] == last.commitment
        clocks = model.clocks.executor, model.clocks.challenger, model.deadline
        assert (found["executorClock"], found["challengerClock"], found["deadline"]) == clocks

    def _is_late(self, match: Match) -> bool:
        """Say whether the opening's time was over before the assertion fell."""
        fell = self.world.view("contest", match.assertion_id)["voidedAt"]
        return not match.model.is_opened and match.model.deadline < fell

    def _opening(
        self, match: Match, sender: str, arguments: Sequence[Any]
    ) -> tuple[Hash | None, Move] | None:
        """Return the final hash of an opening and the move; None if nobody committed to it."""
        if match.model.is_opened or sender != match.challenger:
            return None
        segment, last = match.model.last.segment(0), arguments[2]
        is_proof = isinstance(last, bytes)
        if not is_proof and not last:
            return None
        final = Hash(last if is_proof else last[-1])
        if commitment_of(match.assertion_id, sender, final, arguments[1]) != match.commitment:
            return None
        if is_proof:
            return final, Prove(segment, arguments[3])
        return final, Dissect(segment, tuple(Hash(one) for one in last))

    def _move(
        self, match: Match, sender: str, arguments: Sequence[Any]
    ) -> tuple[Hash | None, Move] | None:
        """Return the move on the segment that the siblings prove; None if they prove none."""
        _, index, start, end, siblings, said = arguments
        last = match.model.last
        if not match.model.is_opened or not 0 <= index < last.parts:
            return None
        segment = last.segment(index)
        named = replace(segment, start_hash=Hash(start), end_hash=Hash(end))
        depth = (last.parts - 1).bit_length()
        if len(siblings) != depth or segment_root(named, siblings) != last.commitment:
            return None
        if isinstance(said, bytes):
            return None, Prove(segment, said)
        return None, Dissect(segment, tuple(Hash(one) for one in said))
