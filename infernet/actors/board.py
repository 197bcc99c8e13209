"""Read a game from the chain as a value of `bisection`."""

from __future__ import annotations

from bisection.dissection import Dissection
from bisection.game import (
    Assertion,
    Clocks,
    Game,
    Player,
    Reason,
    Seconds,
    Verdict,
    new_game,
)
from infernet.chain.deployment import Contracts
from infernet.chain.records import GameConstants, GameId, GameRecord, GameStatus, Terms
from interpreter.merkle import Hash
from interpreter.program import Step

_MOVERS = {
    GameStatus.COMMITTED: Player.CHALLENGER,
    GameStatus.CHALLENGER_TURN: Player.CHALLENGER,
    GameStatus.EXECUTOR_TURN: Player.EXECUTOR,
}
_WINNERS = {GameStatus.LOST: Player.EXECUTOR, GameStatus.WON: Player.CHALLENGER}


def assertion_of(terms: Terms) -> Assertion:
    """Return what is claimed, both ends as the contract derived them."""
    return Assertion(terms.steps, Hash(terms.initial_hash), Hash(terms.final_hash))


def read_game(contracts: Contracts, game_id: GameId) -> Game:
    """Return a game as it stands; the opponent's last dissection comes from its event."""
    record = contracts.games.game(game_id)
    terms = contracts.market.terms(record.assertion_id)
    constants = contracts.game_constants
    if record.status is GameStatus.COMMITTED:
        return _unopened(contracts, record, terms, constants)
    found = contracts.games.dissections(game_id, contracts.deployment.block)
    is_cut = bool(found)
    last = assertion_of(terms).dissection
    if is_cut:
        start, length = found[-1].start, found[-1].length
        hashes = (found[-1].start_hash, *found[-1].hashes)
        last = Dissection(Step(start), Step(start + length), tuple(map(Hash, hashes)))
    winner = _WINNERS.get(record.status)
    return Game(
        assertion=assertion_of(terms),
        k=constants.arity,
        last=last,
        mover=_MOVERS.get(record.status, Player.CHALLENGER),
        clocks=Clocks(
            Seconds(record.executor_clock),
            Seconds(record.challenger_clock),
            Seconds(constants.grace_seconds),
        ),
        deadline=Seconds(record.deadline),
        opens_after=Seconds(0),
        claimed=Hash(record.claim),
        dissections=len(found),
        verdict=Verdict(winner, _reason(contracts, game_id)) if winner else None,
    )


def _unopened(
    contracts: Contracts, record: GameRecord, terms: Terms, constants: GameConstants
) -> Game:
    clock = Seconds(contracts.games.clock_for(terms.steps))
    return new_game(
        assertion_of(terms),
        constants.arity,
        Clocks(clock, clock, Seconds(constants.grace_seconds)),
        Seconds(record.deadline - constants.open_seconds - constants.run_seconds(terms.steps)),
        Seconds(record.deadline),
        None,
    )


def _reason(contracts: Contracts, game_id: GameId) -> Reason:
    block = contracts.deployment.block
    proved = contracts.games.events("StepProved", block, gameId=game_id)
    return Reason.PROOF if proved else Reason.TIMEOUT
