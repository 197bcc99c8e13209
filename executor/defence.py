"""Defend own results in their games, reveal inputs, and make results final."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from bisection.game import Player
from infernet.actors.crew import NO_DEADLINE, Work
from infernet.actors.responder import Responder
from infernet.chain.game import ChallengeFound
from infernet.chain.market import AssertionFound
from infernet.chain.records import (
    AssertionId,
    AssertionStatus,
    DemandStatus,
    GameId,
    GameRecord,
    GameStatus,
)

from .means import Head, Look, Means, Naps
from .purse import AtStake


@dataclass(frozen=True, slots=True)
class _Own:
    """What concerns this miner at one head: its open results, games and demands."""

    results: tuple[AssertionFound, ...]
    games: tuple[tuple[ChallengeFound, AssertionFound], ...]
    demanded: frozenset[AssertionId]


class Defence:
    """The results of one miner, found on chain; nothing about one that has ended is kept."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._responder = Responder(
            means.contracts, means.wallet, Player.EXECUTOR, means.name, means.tell
        )
        self._naps = Naps()
        self._deadlines: dict[GameId, int] = {}
        self._read: tuple[Head, _Own] | None = None

    def works(self, look: Look) -> list[Work]:
        """Return what is to be done about own results, the nearest deadline first."""
        own = self._look(look)
        works = [
            Work(
                challenge.game_id,
                partial(self._play, challenge, result, look),
                self._deadlines.get(challenge.game_id, 0),
                is_urgent=True,
            )
            for challenge, result in own.games
            if not self._naps.is_asleep(challenge.game_id, look)
        ]
        for result in own.results:
            assertion_id = result.assertion_id
            if self._naps.is_asleep(assertion_id, look):
                continue
            if assertion_id in own.demanded:
                act = partial(self._answer, result, look)
                works.append(Work(assertion_id, act, look.now, is_urgent=True))
            elif look.now > result.window_end:
                act = partial(self._finalise, result, look)
                works.append(Work(assertion_id, act, NO_DEADLINE - 1))
        return works

    def at_stake(self, look: Look) -> AtStake:
        """Return what of this miner's can be lost."""
        own = self._look(look)
        open_ = {result.assertion_id: result.task_id for result in own.results}
        games = sum(result.assertion_id in open_ for _, result in own.games)
        demanded = frozenset(open_[each] for each in own.demanded & open_.keys())
        return AtStake(frozenset(open_.values()), games, demanded)

    def _look(self, look: Look) -> _Own:
        if self._read and self._read[0] == look.head:
            return self._read[1]
        market, me = self._means.contracts.market, self._means.address
        results = market.open_assertions(executor=me)
        known: dict[AssertionId, AssertionFound | None] = {r.assertion_id: r for r in results}
        games = []
        for challenge in self._means.contracts.games.open_challenges():
            if challenge.assertion_id not in known:
                # A result that has ended may have left a lost bond behind.
                found = market.assertions(assertionId=challenge.assertion_id, executor=me)
                known[challenge.assertion_id] = found[0] if found else None
            result = known[challenge.assertion_id]
            if result is not None:
                games.append((challenge, result))
        self._deadlines = {game.game_id: self._deadlines.get(game.game_id, 0) for game, _ in games}
        self._naps.forget_old(look)
        own = _Own(tuple(results), tuple(games), self._demanded(results))
        self._read = (look.head, own)
        return own

    def _demanded(self, results: list[AssertionFound]) -> frozenset[AssertionId]:
        """Return the results whose input was demanded once."""
        if not results:
            return frozenset()
        oldest = min(result.block_number for result in results)
        events = self._means.contracts.market.events("RevealDemanded", oldest)
        return frozenset(AssertionId(bytes(event["assertionId"])) for event in events)

    def _play(self, challenge: ChallengeFound, result: AssertionFound, look: Look) -> bool:
        means, game_id = self._means, challenge.game_id
        games = means.contracts.games
        record = games.game(game_id)
        self._deadlines[game_id] = record.deadline
        if record.status is GameStatus.LOST and record.bond:
            sent = games.settle(means.wallet, game_id)
            what = "takes its cost out of a lost challenger's bond"
            means.say("game_settled", what, sent, result.task_id, result.assertion_id)
            return True
        voided_at = games.contest(result.assertion_id).voided_at
        if voided_at and not record.is_lost(voided_at):
            self._naps.begin(game_id, look, NO_DEADLINE)
            return False
        acted = self._move(challenge, result, record, look)
        if not acted:
            is_running = record.status not in (GameStatus.LOST, GameStatus.WON)
            self._naps.begin(game_id, look, record.deadline if is_running else NO_DEADLINE)
        return acted

    def _move(
        self, challenge: ChallengeFound, result: AssertionFound, record: GameRecord, look: Look
    ) -> bool:
        means, game_id = self._means, challenge.game_id
        if record.status is GameStatus.COMMITTED:
            if look.now <= record.deadline:
                return False
            sent = means.contracts.games.forfeit(means.wallet, game_id)
            what = "ends a challenge that was never opened"
            means.say("challenge_forfeited", what, sent, result.task_id, result.assertion_id)
            return True
        if record.status not in (GameStatus.EXECUTOR_TURN, GameStatus.CHALLENGER_TURN):
            return False
        terms = means.contracts.market.terms(result.assertion_id)
        run = means.runs.of(result.task_id, terms.program_root, terms.iterations)
        return run is not None and self._responder.respond(game_id, run)

    def _answer(self, result: AssertionFound, look: Look) -> bool:
        """Reveal the input if that is due, or go on to make the result final."""
        means, assertion_id = self._means, result.assertion_id
        market = means.contracts.market
        asserted = market.assertion(assertion_id)
        if asserted.status is not AssertionStatus.PENDING:
            return False
        if asserted.demand is not DemandStatus.OPEN:
            if look.now > asserted.window_end:
                return self._finalise(result, look)
            self._naps.begin(assertion_id, look, asserted.window_end)
            return False
        data = means.inputs.of(result.task_id)
        if data is None or look.now > asserted.reveal_deadline:
            self._naps.begin(assertion_id, look, NO_DEADLINE)
            return False
        sent = market.reveal(means.wallet, assertion_id, data)
        means.say("input_revealed", "reveals the input", sent, result.task_id, assertion_id)
        return True

    def _finalise(self, result: AssertionFound, look: Look) -> bool:
        means, assertion_id = self._means, result.assertion_id
        contracts = means.contracts
        # Nearly all results become final without a game; then simulating the end says enough.
        is_contested = contracts.games.has_event("ChallengeCommitted", assertionId=assertion_id)
        if is_contested and not contracts.games.is_clear(assertion_id):
            self._naps.begin(assertion_id, look, NO_DEADLINE)
            return False
        sent = contracts.market.finalise(means.wallet, assertion_id)
        means.runs.drop(result.task_id)
        what = "makes its result final and earns the fee"
        means.say("result_final", what, sent, result.task_id, assertion_id)
        return True
