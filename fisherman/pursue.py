"""Play the account's own games and demands to the end, and collect what is due."""

from __future__ import annotations

from functools import partial
from threading import Lock

from bisection.game import Player
from infernet.actors.crew import Work
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

from .cost import REVEAL_TIMEOUT_GAS, gas_after_commit
from .means import Means, position_of


class OwnMatters:
    """The games and demands that this account began and that are not settled, found on chain."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._responder = Responder(
            means.contracts, means.wallet, Player.CHALLENGER, means.name, means.tell
        )
        self._demands: set[AssertionId] = set()
        self._lost: set[GameId] = set()
        self._game_gas = _most_gas(means)
        self._warned: dict[GameId, int] = {}
        self._next_block = means.contracts.deployment.block
        self._lock = Lock()

    def works(self) -> list[Work]:
        """Return what is to be done about each open matter."""
        purse = self._means.purse
        begun = purse.begun
        games = self._means.contracts.games.open_challenges(challenger=self._means.address)
        demands = self._open_demands()
        in_play = sum(challenge.game_id not in self._lost for challenge in games)
        purse.recount(in_play * self._game_gas + len(demands) * REVEAL_TIMEOUT_GAS, begun)
        works = [
            Work(c.game_id, partial(self._pursue, c), c.open_deadline, is_urgent=True)
            for c in games
        ]
        return works + [Work(each, partial(self._end_demand, each)) for each in demands]

    def _open_demands(self) -> list[AssertionId]:
        contracts = self._means.contracts
        head = contracts.chain.block_number()
        since = max(contracts.deployment.block, self._next_block - UNSETTLED_BLOCKS)
        events = contracts.market.events("RevealDemanded", since, demander=self._means.address)
        self._next_block = head + 1
        with self._lock:
            self._demands |= {AssertionId(bytes(event["assertionId"])) for event in events}
            return sorted(self._demands)

    def _pursue(self, challenge: ChallengeFound) -> bool:
        games, game_id = self._means.contracts.games, challenge.game_id
        record, contest = games.game(game_id), games.contest(challenge.assertion_id)
        if record.is_lost(contest.voided_at):
            if game_id not in self._lost:
                self._lost.add(game_id)
                position = position_of(game_id, record)
                self._say("game_lost", "loses a game", None, challenge, position)
            return False
        self._lost.discard(game_id)
        if record.status is GameStatus.NONE:
            # A reorganisation took the commit back; the wallet sends it again.
            return False
        if contest.voided_at:
            self._warned.pop(game_id, None)
            return self._collect(challenge, record, contest)
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
            steps = self._means.contracts.market.terms(challenge.assertion_id).steps
            whole = constants.open_seconds + constants.run_seconds(steps)
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

    def _collect(self, challenge: ChallengeFound, record: GameRecord, contest: Contest) -> bool:
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
        means.runs.drop(challenge.assertion_id)
        return False

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
        # The commitment tells without a run, which after a restart may not end in time.
        commitment, _ = means.commitment(challenge.assertion_id, first.claim)
        return record.claim == commitment

    def _end_demand(self, assertion_id: AssertionId) -> bool:
        means = self._means
        asserted = means.contracts.market.assertion(assertion_id)
        is_open = asserted.demand is DemandStatus.OPEN and asserted.demander == means.address
        if not is_open or asserted.status is not AssertionStatus.PENDING:
            with self._lock:
                self._demands.discard(assertion_id)
            return False
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


def _most_gas(means: Means) -> int:
    """Return the most gas that a game over any held model takes after its commit."""
    arity = means.contracts.game_constants.arity
    steps = [held.header.most_steps for held in means.holdings.values()]
    return max((gas_after_commit(each, arity) for each in steps), default=0)
