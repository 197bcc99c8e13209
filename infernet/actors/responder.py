"""Send the transactions that the solver asks for, for either player."""

from __future__ import annotations

from dataclasses import dataclass, field

from bisection.game import ClaimTimeout, Concede, Dissect, Game, Player, Prove
from bisection.game import Seconds as GameSeconds
from bisection.solver import next_actions
from infernet.chain.deployment import Contracts
from infernet.chain.errors import Reverted
from infernet.chain.game import NamedSegment
from infernet.chain.records import GameId
from infernet.chain.wallet import Sent, Wallet
from interpreter.program import Step

from .attempt import is_passing
from .board import read_game
from .holdings import Run
from .report import Position, Report, Tell


@dataclass(frozen=True, slots=True)
class Responder:
    """Plays games as one of the two players. `name` is what reports call it."""

    contracts: Contracts
    wallet: Wallet
    player: Player
    name: str
    tell: Tell
    refused: set[GameId] = field(default_factory=set)

    def respond(self, game_id: GameId, run: Run, salt: bytes = b"") -> bool:
        """Do what the solver says; return whether something was sent.

        `salt`: of the commitment, needed by the challenger that opens.
        """
        game = read_game(self.contracts, game_id)
        now = GameSeconds(self.contracts.chain.next_timestamp())
        for action in next_actions(game, self.player, run, now):
            match action:
                case Dissect():
                    self._dissect(game, game_id, action, salt)
                    return True
                case Prove():
                    return self._prove(game, game_id, action, run, salt)
                case ClaimTimeout():
                    sent = self.contracts.games.timeout(self.wallet, game_id)
                    self._report("timeout_claimed", "claims the timeout", sent, game_id)
                    return True
                case Concede():
                    pass
        return False

    def _dissect(self, game: Game, game_id: GameId, move: Dissect, salt: bytes) -> None:
        games = self.contracts.games
        if not game.is_opened:
            sent = games.open(self.wallet, game_id, salt, move.hashes)
            self._report("dispute_opened", "opens the dispute", sent, game_id)
            return
        sent = games.dissect(self.wallet, game_id, _named(game, move), move.hashes)
        self._report("dissected", "dissects", sent, game_id)

    def _prove(self, game: Game, game_id: GameId, move: Prove, run: Run, salt: bytes) -> bool:
        games = self.contracts.games
        try:
            if game.is_opened:
                sent = games.prove(self.wallet, game_id, _named(game, move), move.proof)
            else:
                (final,) = run.state_hashes([Step(game.assertion.steps)])
                sent = games.open_with_proof(self.wallet, game_id, salt, final, move.proof)
        except Reverted as error:
            if is_passing(error):
                raise
            # Only a player whose own states are false is refused: it has no legal move left.
            if game_id not in self.refused:
                self.refused.add(game_id)
                what = f"has no move left: {error}"
                self.tell(Report(self.name, self.wallet.address, "out_of_moves", what))
            return False
        self._report("step_proved", "proves the step", sent, game_id)
        return True

    def _report(self, event: str, what: str, sent: Sent, game_id: GameId) -> None:
        record = self.contracts.games.game(game_id)
        position = Position(
            game_id,
            record.start,
            record.length,
            record.executor_clock,
            record.challenger_clock,
            record.deadline,
        )
        self.tell(
            Report(
                self.name,
                self.wallet.address,
                event,
                what,
                sent,
                assertion_id=record.assertion_id,
                position=position,
            )
        )


def _named(game: Game, move: Dissect | Prove) -> NamedSegment:
    segment = move.segment
    siblings = game.last.siblings(segment.index)
    return NamedSegment(segment.index, segment.start_hash, segment.end_hash, siblings)
