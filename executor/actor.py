"""The miner: claims tasks, runs them, asserts results and defends them.

All it needs after a crash is on chain: it reads its own claims and assertions back from there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from bisection.game import Player
from infernet.actors.attempt import attempt_all
from infernet.actors.holdings import Holdings, Run
from infernet.actors.report import Report, Tell, tell_nobody
from infernet.actors.responder import Responder
from infernet.backend.conformance import Report as Conformance
from infernet.chain.deployment import Contracts
from infernet.chain.errors import Reverted
from infernet.chain.feed import UNSETTLED_BLOCKS
from infernet.chain.market import AssertionFound, TaskFound
from infernet.chain.records import (
    NO_WEI,
    Asserted,
    AssertionId,
    AssertionStatus,
    DemandStatus,
    GameStatus,
    Task,
    TaskId,
    TaskStatus,
    Wei,
)
from infernet.chain.wallet import Sent, Wallet


@dataclass(frozen=True, slots=True)
class Policy:
    """What a miner is ready for; the stake of a task is at least the model's floor.

    A task that ends in less than `minimum_seconds` is left alone: who claims it and comes too late
    with the result loses a part of its stake.
    """

    stake_wei: Wei
    max_tasks: int = 4
    minimum_fee_wei: Wei = NO_WEI
    minimum_seconds: int = 600


@dataclass(slots=True)
class Executor:
    """One miner. It meets others on chain alone. `name` is what its reports call it.

    Raises ConformanceError unless `conformance`, made on this machine, is exact.
    """

    contracts: Contracts
    wallet: Wallet
    holdings: Holdings
    policy: Policy
    conformance: Conformance
    name: str = "executor"
    tell: Tell = tell_nobody
    _seen: dict[TaskId, TaskFound] = field(default_factory=dict)
    _assertions: dict[AssertionId, AssertionFound] = field(default_factory=dict)
    _done: set[bytes] = field(default_factory=set)
    _runs: dict[TaskId, Run] = field(default_factory=dict)
    _next_block: int = 0
    _responder: Responder = field(init=False)

    def __post_init__(self) -> None:
        self.conformance.require_exact()
        self._next_block = self.contracts.deployment.block
        self._responder = Responder(
            self.contracts, self.wallet, Player.EXECUTOR, self.name, self.tell
        )

    def tick(self) -> bool:
        """Look at the chain and do what is due; return whether anything was sent."""
        self._look()
        mine = [a for a in self._assertions.values() if a.assertion_id not in self._done]
        works = [partial(self._defend, found) for found in mine]
        works += [partial(self._work_on, task_id) for task_id in self._open_tasks()]
        return attempt_all(works, self._overtaken)

    def _look(self) -> None:
        head = self.contracts.chain.block_number()
        # A block that replaces one already read may bring what that one did not hold.
        market, since = self.contracts.market, max(0, self._next_block - UNSETTLED_BLOCKS)
        for found in market.requests(since):
            if found.program_root in self.holdings:
                self._seen[found.task_id] = found
        for asserted in market.assertions(since, executor=self.wallet.address):
            self._assertions[asserted.assertion_id] = asserted
        self._next_block = head + 1

    def _work_on(self, task_id: TaskId) -> bool:
        task = self.contracts.market.task(task_id)
        now = self.contracts.chain.next_timestamp()
        if task.status in (TaskStatus.FINAL, TaskStatus.REFUNDED):
            self._done.add(task_id)
            self._runs.pop(task_id, None)
        elif task.status is TaskStatus.CLAIMED and task.executor == self.wallet.address:
            if now <= task.claim_deadline:
                return self._assert(task_id, task)
        elif task.status is TaskStatus.OPEN and self._is_wanted(task_id, task.deadline - now):
            return self._claim(task_id)
        return False

    def _is_wanted(self, task_id: TaskId, seconds_left: int) -> bool:
        if seconds_left < self.policy.minimum_seconds:
            return False
        if self._seen[task_id].fee < self.policy.minimum_fee_wei:
            return False
        if self._busy() >= self.policy.max_tasks:
            return False
        # What it does not hold it could not reveal, and would lose its stake for.
        return self.contracts.market.carried_input(task_id) is not None

    def _busy(self) -> int:
        mine = (TaskStatus.CLAIMED, TaskStatus.ASSERTED)
        return sum(
            task.status in mine and task.executor == self.wallet.address
            for task in map(self.contracts.market.task, self._open_tasks())
        )

    def _open_tasks(self) -> list[TaskId]:
        return [found for found in self._seen if found not in self._done]

    def _claim(self, task_id: TaskId) -> bool:
        market, vault = self.contracts.market, self.contracts.vault
        floor = self.contracts.registry.info(self._seen[task_id].program_root).minimum_stake
        stake = Wei(max(self.policy.stake_wei, floor))
        missing = Wei(max(0, stake - vault.balance(self.wallet.address).free))
        sent = market.claim(self.wallet, task_id, stake, missing)
        self._report("task_claimed", "claims a task and locks its stake", sent, task_id)
        return True

    def _assert(self, task_id: TaskId, task: Task) -> bool:
        output = self._run(task_id).output
        sent = self.contracts.market.assert_result(self.wallet, task_id, task.attempt, output)
        self._report("result_asserted", "asserts a result", sent, task_id)
        return True

    def _run(self, task_id: TaskId) -> Run:
        if task_id not in self._runs:
            data = self.contracts.market.carried_input(task_id)
            assert data is not None
            holding = self.holdings[self._seen[task_id].program_root]
            self._runs[task_id] = holding.start_run(data)
        return self._runs[task_id]

    def _defend(self, found: AssertionFound) -> bool:
        assertion_id = found.assertion_id
        asserted = self.contracts.market.assertion(assertion_id)
        acted = self._answer_games(found)
        if asserted.status is AssertionStatus.PENDING:
            return acted or self._answer_demand(found, asserted) or self._finalise(found, asserted)
        if not acted:
            self._done.add(assertion_id)
        return acted

    def _answer_games(self, found: AssertionFound) -> bool:
        games, acted = self.contracts.games, False
        is_voided = games.is_voided(found.assertion_id)
        for challenge in games.challenges(found.block_number, assertionId=found.assertion_id):
            game_id = challenge.game_id
            record = games.game(game_id)
            now = self.contracts.chain.next_timestamp()
            if record.status is GameStatus.LOST and record.bond:
                sent = games.settle(self.wallet, game_id)
                self._report(
                    "game_settled",
                    "takes its cost out of a lost challenger's bond",
                    sent,
                    found.task_id,
                )
                acted = True
            elif is_voided:
                continue
            elif record.status is GameStatus.COMMITTED and now > record.deadline:
                sent = games.forfeit(self.wallet, game_id)
                self._report(
                    "challenge_forfeited",
                    "ends a challenge that was never opened",
                    sent,
                    found.task_id,
                )
                acted = True
            elif record.status in (GameStatus.EXECUTOR_TURN, GameStatus.CHALLENGER_TURN):
                acted |= self._responder.respond(game_id, self._run(found.task_id))
        return acted

    def _answer_demand(self, found: AssertionFound, asserted: Asserted) -> bool:
        now = self.contracts.chain.next_timestamp()
        if asserted.demand is not DemandStatus.OPEN or now > asserted.reveal_deadline:
            return False
        data = self.contracts.market.carried_input(found.task_id)
        if data is None:
            return False
        sent = self.contracts.market.reveal(self.wallet, found.assertion_id, data)
        self._report("input_revealed", "reveals the input", sent, found.task_id)
        return True

    def _finalise(self, found: AssertionFound, asserted: Asserted) -> bool:
        now = self.contracts.chain.next_timestamp()
        is_blocked = asserted.demand is DemandStatus.OPEN
        if now <= asserted.window_end or is_blocked:
            return False
        if not self.contracts.games.is_clear(found.assertion_id):
            return False
        sent = self.contracts.market.finalise(self.wallet, found.assertion_id)
        self._done.add(found.assertion_id)
        self._report("result_final", "makes its result final, earns the fee", sent, found.task_id)
        return True

    def _overtaken(self, error: Reverted) -> None:
        self.tell(Report(self.name, self.wallet.address, "overtaken", f"looks again: {error}"))

    def _report(self, event: str, what: str, sent: Sent, task_id: TaskId) -> None:
        self.tell(Report(self.name, self.wallet.address, event, what, sent, task_id))
