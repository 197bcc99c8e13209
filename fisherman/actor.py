"""The watcher: re-executes every assertion of the models it holds and challenges false ones.

All it needs after a crash is on chain: salts follow from its key, games from its own commits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from bisection.game import Player
from bisection.solver import should_challenge
from infernet.actors.attempt import attempt_all
from infernet.actors.board import assertion_of
from infernet.actors.holdings import Holdings, Run
from infernet.actors.report import Report, Tell, tell_nobody
from infernet.actors.responder import Responder
from infernet.backend.conformance import Report as Conformance
from infernet.chain.deployment import Contracts
from infernet.chain.errors import Reverted
from infernet.chain.feed import UNSETTLED_BLOCKS
from infernet.chain.game import ChallengeFound, commitment_of
from infernet.chain.market import AssertionFound
from infernet.chain.records import (
    AssertionId,
    AssertionStatus,
    DemandStatus,
    GameStatus,
    ProgramRoot,
    TaskId,
    Wei,
)
from infernet.chain.wallet import KeySigner, Sent, Wallet
from interpreter.program import Step

_COMMIT_SLACK_BPS = 5_000


@dataclass(slots=True)
class Fisherman:
    """One watcher. It meets others on chain alone. `name` is what its reports call it.

    Raises ConformanceError unless `conformance`, made on this machine, is exact.
    """

    contracts: Contracts
    wallet: Wallet
    signer: KeySigner
    holdings: Holdings
    conformance: Conformance
    name: str = "fisherman"
    tell: Tell = tell_nobody
    checked: int = 0
    _pending: dict[AssertionId, AssertionFound] = field(default_factory=dict)
    _challenges: dict[AssertionId, ChallengeFound] = field(default_factory=dict)
    _runs: dict[TaskId, Run] = field(default_factory=dict)
    _done: set[AssertionId] = field(default_factory=set)
    _roots: dict[TaskId, ProgramRoot] = field(default_factory=dict)
    _next_block: int = 0
    _responder: Responder = field(init=False)

    def __post_init__(self) -> None:
        self.conformance.require_exact()
        self._next_block = self.contracts.deployment.block
        self._responder = Responder(
            self.contracts, self.wallet, Player.CHALLENGER, self.name, self.tell
        )

    def tick(self) -> bool:
        """Look at the chain and do what is due; return whether anything was sent."""
        self._look()
        # Games first: to miss a turn loses a bond, to check a result a little later loses nothing.
        works = [partial(self._pursue, challenge) for challenge in self._challenges.values()]
        works += [partial(self._check, found) for found in self._pending.values()]
        return attempt_all(works, self._overtaken)

    def _look(self) -> None:
        head = self.contracts.chain.block_number()
        # A block that replaces one already read may bring what that one did not hold.
        since = max(0, self._next_block - UNSETTLED_BLOCKS)
        for found in self.contracts.market.assertions(since):
            known = found.assertion_id in self._done or found.assertion_id in self._challenges
            if not known and self._root_of(found.task_id) in self.holdings:
                self._pending[found.assertion_id] = found
        mine = self.wallet.address
        for challenge in self.contracts.games.challenges(since, challenger=mine):
            self._pending.pop(challenge.assertion_id, None)
            if challenge.assertion_id not in self._done:
                self._challenges[challenge.assertion_id] = challenge
        self._next_block = head + 1

    def _root_of(self, task_id: TaskId) -> ProgramRoot:
        if task_id not in self._roots:
            self._roots[task_id] = self.contracts.market.task(task_id).program_root
        return self._roots[task_id]

    def _check(self, found: AssertionFound) -> bool:
        market = self.contracts.market
        asserted = market.assertion(found.assertion_id)
        now = self.contracts.chain.next_timestamp()
        if asserted.status is not AssertionStatus.PENDING:
            self._forget(found.assertion_id, found.task_id)
            return False
        run = self._run(found.task_id)
        if run is None:
            return self._demand(found, asserted.demand, now > asserted.reveal_deadline)
        terms = market.terms(found.assertion_id)
        if not should_challenge(assertion_of(terms), run):
            return self._conclude("re-executes a result and agrees", found)
        if now > asserted.window_end:
            return self._conclude("finds a false result, but its window has closed", found)
        self._commit(found, run, terms.steps)
        del self._pending[found.assertion_id]
        self.checked += 1
        return True

    def _conclude(self, what: str, found: AssertionFound) -> bool:
        """Count a checked assertion and forget it."""
        self._forget(found.assertion_id, found.task_id)
        self.checked += 1
        self._report(what, None, found)
        return False

    def _forget(self, assertion_id: AssertionId, task_id: TaskId) -> None:
        """Drop all that is held for an assertion on which nothing is left to do."""
        self._pending.pop(assertion_id, None)
        self._challenges.pop(assertion_id, None)
        self._runs.pop(task_id, None)
        self._done.add(assertion_id)

    def _demand(self, found: AssertionFound, demand: DemandStatus, is_overdue: bool) -> bool:
        market = self.contracts.market
        if demand is DemandStatus.OPEN and is_overdue:
            sent = market.timeout_reveal(self.wallet, found.assertion_id)
            self._report("slashes a result whose input never appeared", sent, found)
            return True
        if demand is DemandStatus.NONE:
            bond = self.contracts.market_constants.reveal_bond_wei
            free = self.contracts.vault.balance(self.wallet.address).free
            missing = Wei(max(0, bond - free))
            sent = market.demand_reveal(self.wallet, found.assertion_id, missing)
            self._report("demands to see the input", sent, found)
            return True
        return False

    def _commit(self, found: AssertionFound, run: Run, steps: int) -> None:
        games, mine = self.contracts.games, self.wallet.address
        (final,) = run.state_hashes([Step(steps)])
        salt = self._salt(found.assertion_id)
        commitment = commitment_of(found.assertion_id, mine, final, salt)
        bond = games.bond_for(found.assertion_id)
        limit = Wei(bond + bond * _COMMIT_SLACK_BPS // 10_000)
        free = self.contracts.vault.balance(mine).free
        sent = games.commit(
            self.wallet, found.assertion_id, commitment, limit, Wei(max(0, limit - free))
        )
        self._report("finds a false result and commits a challenge", sent, found)

    def _pursue(self, challenge: ChallengeFound) -> bool:
        games = self.contracts.games
        record = games.game(challenge.game_id)
        contest = games.contest(challenge.assertion_id)
        if record.status is GameStatus.LOST or not contest.voided_at:
            return self._play(challenge, record.status)
        if contest.candidate == challenge.game_id and not contest.rewarded:
            return self._collect(challenge, contest.voided_at)
        if self._is_before(challenge, bytes(contest.candidate), contest.rewarded):
            return self._claim_priority(challenge)
        if record.bond and contest.candidate != challenge.game_id:
            sent = games.settle(self.wallet, challenge.game_id)
            self._say("takes its bond back", sent, challenge)
            return True
        return self._leave(challenge)

    def _leave(self, challenge: ChallengeFound) -> bool:
        task_id = self.contracts.market.assertion(challenge.assertion_id).task_id
        self._forget(challenge.assertion_id, task_id)
        return False

    def _play(self, challenge: ChallengeFound, status: GameStatus) -> bool:
        if status is GameStatus.LOST:
            return self._leave(challenge)
        found = self.contracts.market.assertion(challenge.assertion_id)
        run = self._run(found.task_id)
        if run is None:
            return False
        salt = self._salt(challenge.assertion_id)
        return self._responder.respond(challenge.game_id, run, salt)

    def _collect(self, challenge: ChallengeFound, voided_at: int) -> bool:
        until = voided_at + self.contracts.game_constants.open_seconds
        if self.contracts.chain.next_timestamp() <= until:
            return False
        sent = self.contracts.games.claim_reward(self.wallet, challenge.assertion_id)
        self._say("collects the reward and its bond", sent, challenge)
        return True

    def _is_before(self, challenge: ChallengeFound, candidate: bytes, is_rewarded: bool) -> bool:
        games, constants = self.contracts.games, self.contracts.game_constants
        contest = games.contest(challenge.assertion_id)
        if is_rewarded or not any(candidate) or candidate == challenge.game_id:
            return False
        is_open = self.contracts.chain.next_timestamp() <= (
            contest.voided_at + constants.open_seconds
        )
        first = games.game(contest.candidate)
        mine = games.game(challenge.game_id)
        run = self._run(self.contracts.market.assertion(challenge.assertion_id).task_id)
        if run is None or not is_open or mine.index >= first.index:
            return False
        terms = self.contracts.market.terms(challenge.assertion_id)
        return run.state_hashes([Step(terms.steps)]) == [first.claim]

    def _claim_priority(self, challenge: ChallengeFound) -> bool:
        games = self.contracts.games
        candidate = games.contest(challenge.assertion_id).candidate
        final = games.game(candidate).claim
        salt = self._salt(challenge.assertion_id)
        sent = games.claim_priority(self.wallet, challenge.game_id, final, salt)
        self._say("claims the reward as the earlier challenger", sent, challenge)
        return True

    def _run(self, task_id: TaskId) -> Run | None:
        if task_id not in self._runs:
            data = self.contracts.market.carried_input(task_id)
            if data is None:
                return None
            self._runs[task_id] = self.holdings[self._root_of(task_id)].start_run(data)
        return self._runs[task_id]

    def _salt(self, assertion_id: AssertionId) -> bytes:
        return self.signer.secret(b"infernet challenge" + assertion_id)

    def _overtaken(self, error: Reverted) -> None:
        self.tell(Report(self.name, self.wallet.address, f"looks again: {error}"))

    def _report(self, what: str, sent: Sent | None, found: AssertionFound) -> None:
        mine = self.wallet.address
        self.tell(Report(self.name, mine, what, sent, found.task_id, found.assertion_id))

    def _say(self, what: str, sent: Sent, challenge: ChallengeFound) -> None:
        mine = self.wallet.address
        self.tell(Report(self.name, mine, what, sent, assertion_id=challenge.assertion_id))
