"""Play the account's own games and demands to the end, and collect what is due."""

from __future__ import annotations

from functools import partial
from threading import Lock

from bisection.game import Player
from infernet.actors.report import Position
from infernet.actors.responder import Responder
from infernet.chain.feed import UNSETTLED_BLOCKS
from infernet.chain.game import ChallengeFound
from infernet.chain.records import (
    AssertionId,
    AssertionStatus,
    Contest,
    DemandStatus,
    GameId,
    GameRecord,
    GameStatus,
    TaskId,
)
from infernet.chain.wallet import Sent
from infernet.store.closed import Closed
from interpreter.program import Step

from .means import Means, Work, position_of

_GAME, _DEMAND = "fisherman.game", "fisherman.demand"


class OwnMatters:
    """The games and demands that this account began, found on chain; ended ones are closed."""

    def __init__(self, means: Means, closed: Closed) -> None:
        self._means, self._closed = means, closed
        self._responder = Responder(
            means.contracts, means.wallet, Player.CHALLENGER, means.name, means.tell
        )
        self._games: dict[GameId, ChallengeFound] = {}
        self._demands: set[AssertionId] = set()
        self._over: dict[bytes, int] = {}
        self._warned: dict[GameId, int] = {}
        self._next_block = means.contracts.deployment.block
        self._lock = Lock()

    def look(self) -> None:
        """Take up games and demands that are new on chain, and close what has long been over."""
        contracts, mine = self._means.contracts, self._means.address
        head = contracts.chain.block_number()
        since = max(contracts.deployment.block, self._next_block - UNSETTLED_BLOCKS)
        for challenge in contracts.games.challenges(since, challenger=mine):
            if not self._closed.contains(_GAME, challenge.game_id):
                self._games.setdefault(challenge.game_id, challenge)
        for event in contracts.market.events("RevealDemanded", since, demander=mine):
            assertion_id = AssertionId(bytes(event["assertionId"]))
            if not self._closed.contains(_DEMAND, assertion_id):
                self._demands.add(assertion_id)
        self._next_block = head + 1
        self._means.purse.games_in_play = sum(each not in self._over for each in self._games)

    def works(self) -> list[Work]:
        """Return what is to be done about each open matter, the nearest deadline first."""
        head = self._means.contracts.chain.block_number()
        games = sorted(self._games.values(), key=lambda challenge: challenge.open_deadline)
        works: list[Work] = []
        works += [partial(self._pursue, c, head) for c in games if self._is_awake(c.game_id, head)]
        demands = [each for each in self._demands if self._is_awake(each, head)]
        works += [partial(self._end_demand, each, head) for each in demands]
        return works

    def _is_awake(self, matter: bytes, head: int) -> bool:
        """Say whether a matter needs a look: it is not over, or its end may be settled now."""
        over_since = self._over.get(matter)
        return over_since is None or head >= over_since + self._depth

    @property
    def _depth(self) -> int:
        """Return how many blocks may still be replaced."""
        return 0 if self._means.contracts.chain.is_embedded else UNSETTLED_BLOCKS

    def _end(self, kind: str, matter: bytes, head: int) -> bool:
        """Close a matter whose end no reorganisation can take back; else look again then."""
        with self._lock:
            since = self._over.setdefault(matter, head)
            if head < since + self._depth:
                return False
            self._closed.add(kind, matter)
            self._over.pop(matter)
            self._demands.discard(AssertionId(matter))
            self._warned.pop(GameId(matter), None)
            if challenge := self._games.pop(GameId(matter), None):
                self._means.runs.drop(challenge.assertion_id)
        return False

    def _pursue(self, challenge: ChallengeFound, head: int) -> bool:
        games, game_id = self._means.contracts.games, challenge.game_id
        record = games.game(game_id)
        if record.status is GameStatus.NONE:
            # A reorganisation took the commit back; the wallet sends it again.
            return False
        if record.status is GameStatus.LOST:
            if game_id not in self._over:
                position = position_of(game_id, record)
                self._say("game_lost", "loses a game", None, challenge, position)
            return self._end(_GAME, game_id, head)
        contest = games.contest(challenge.assertion_id)
        if contest.voided_at:
            return self._collect(challenge, record, contest, head)
        self._over.pop(game_id, None)
        return self._play(challenge, record)

    def _play(self, challenge: ChallengeFound, record: GameRecord) -> bool:
        self._warn(challenge, record)
        task_id = self._means.contracts.market.assertion(challenge.assertion_id).task_id
        run = self._means.runs.of(challenge.assertion_id, task_id)
        if run is None:
            return False
        salt = self._means.salt(challenge.assertion_id)
        return self._responder.respond(challenge.game_id, run, salt)

    def _warn(self, challenge: ChallengeFound, record: GameRecord) -> None:
        """Say once for each turn that the own clock is nearly over."""
        constants, game_id = self._means.contracts.game_constants, challenge.game_id
        if record.status is GameStatus.COMMITTED:
            whole = constants.open_seconds
        elif record.status is GameStatus.CHALLENGER_TURN:
            whole = constants.grace_seconds + record.challenger_clock
        else:
            return
        left = record.deadline - self._means.now()
        is_due = left < self._means.policy.due_soon_share * whole
        if is_due and self._warned.get(game_id) != record.deadline:
            self._warned[game_id] = record.deadline
            what = f"must move within {left} s or lose its bond"
            position = position_of(game_id, record)
            self._say("turn_due_soon", what, None, challenge, position)

    def _collect(
        self, challenge: ChallengeFound, record: GameRecord, contest: Contest, head: int
    ) -> bool:
        """Take reward or bond after the assertion fell."""
        means, games = self._means, self._means.contracts.games
        if contest.candidate == challenge.game_id and not contest.rewarded:
            until = contest.voided_at + means.contracts.game_constants.open_seconds
            if means.now() <= until:
                return False
            sent = games.claim_reward(means.wallet, challenge.assertion_id)
            self._say("reward_collected", "collects the reward and its bond", sent, challenge)
            return True
        if self._comes_before(challenge, record, contest):
            final = games.game(contest.candidate).claim
            salt = means.salt(challenge.assertion_id)
            sent = games.claim_priority(means.wallet, challenge.game_id, final, salt)
            what = "claims the reward as the earlier challenger"
            self._say("priority_claimed", what, sent, challenge)
            return True
        if record.bond and contest.candidate != challenge.game_id:
            sent = games.settle(means.wallet, challenge.game_id)
            self._say("bond_returned", "takes its bond back", sent, challenge)
            return True
        return self._end(_GAME, challenge.game_id, head)

    def _comes_before(
        self, challenge: ChallengeFound, record: GameRecord, contest: Contest
    ) -> bool:
        """Say whether the reward is due to this game instead of the candidate."""
        means, games = self._means, self._means.contracts.games
        if contest.rewarded or not any(contest.candidate):
            return False
        until = contest.voided_at + means.contracts.game_constants.open_seconds
        first = games.game(contest.candidate)
        if means.now() > until or record.index >= first.index:
            return False
        if record.status is not GameStatus.COMMITTED:
            return record.claim == first.claim
        task_id = means.contracts.market.assertion(challenge.assertion_id).task_id
        run = means.runs.of(challenge.assertion_id, task_id)
        terms = means.contracts.market.terms(challenge.assertion_id)
        return run is not None and run.state_hashes([Step(terms.steps)]) == [first.claim]

    def _end_demand(self, assertion_id: AssertionId, head: int) -> bool:
        means = self._means
        asserted = means.contracts.market.assertion(assertion_id)
        is_open = asserted.demand is DemandStatus.OPEN and asserted.demander == means.address
        if not is_open or asserted.status is not AssertionStatus.PENDING:
            return self._end(_DEMAND, assertion_id, head)
        self._over.pop(assertion_id, None)
        if means.now() <= asserted.reveal_deadline:
            return False
        sent = means.contracts.market.timeout_reveal(means.wallet, assertion_id)
        means.say(
            "reveal_timed_out",
            "slashes a result whose input never appeared",
            sent,
            task_id=TaskId(asserted.task_id),
            assertion_id=assertion_id,
        )
        return True

    def _say(
        self,
        event: str,
        what: str,
        sent: Sent | None,
        challenge: ChallengeFound,
        position: Position | None = None,
    ) -> None:
        assertion_id = challenge.assertion_id
        self._means.say(event, what, sent, assertion_id=assertion_id, position=position)
