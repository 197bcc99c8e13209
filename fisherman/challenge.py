"""Decide whether to challenge a false result, and commit."""

from __future__ import annotations

from functools import partial

from infernet.actors.crew import Work
from infernet.chain.records import (
    Asserted,
    AssertionId,
    AssertionStatus,
    Contest,
    GameStatus,
    TaskId,
    Wei,
)
from infernet.store.checks import Finding, Result
from interpreter.program import Step

from .cost import Verdict, weigh
from .means import Means

# The bond rises with each game that is begun in the meantime.
_BOND_SLACK_BPS = 5_000


class Challenger:
    """Commits challenges against results found false, and follows those it leaves to others."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def works(self) -> list[Work]:
        """Return what is to be done about each false result that stands."""
        due = self._means.checks.open(Finding.FALSE, self._means.now())
        return [Work(r.assertion_id, partial(self.challenge, r), r.window_end) for r in due]

    def challenge(self, result: Result) -> bool:
        """Commit a challenge if it is due, allowed and worth it; return whether it was sent."""
        means, assertion_id = self._means, AssertionId(result.assertion_id)
        asserted = means.contracts.market.assertion(assertion_id)
        contest = means.contracts.games.contest(assertion_id)
        if contest.voided_at or asserted.status is not AssertionStatus.PENDING:
            self._close(result, asserted)
            return False
        if not means.policy.mode.challenges or means.now() > asserted.window_end:
            self._put_off(result)
            return False
        run = means.runs.of(assertion_id, TaskId(result.task_id))
        if run is None:
            # The node does not yet tell again of an input that it told of before.
            return False
        terms = means.contracts.market.terms(assertion_id)
        (final,) = run.state_hashes([Step(terms.steps)])
        commitment, game_id = means.commitment(assertion_id, final)
        if means.contracts.games.game(game_id).status is not GameStatus.NONE:
            self._put_off(result)
            return False
        if self._leaves(result, asserted, contest, final):
            return False
        return self._commit(result, asserted, terms.steps, commitment)

    def _commit(self, result: Result, asserted: Asserted, steps: int, commitment: bytes) -> bool:
        means, assertion_id = self._means, AssertionId(result.assertion_id)
        games, constants = means.contracts.games, means.contracts.game_constants
        bond = games.bond_for(assertion_id)
        limit = Wei(bond + bond * _BOND_SLACK_BPS // 10_000)
        rate = means.policy.yearly_rate
        verdict = weigh(asserted.stake, limit, steps, means.purse.gas_price(), constants, rate)
        if verdict.profit_wei < means.policy.minimum_profit_wei:
            self._decline(result, "too_costly", "leaves a false result", verdict)
            return False
        with means.purse.set_aside(verdict) as deposit:
            if deposit is None:
                self._decline(result, "insufficient_funds", "cannot challenge", verdict)
                return False
            sent = games.commit(means.wallet, assertion_id, commitment, limit, deposit)
        means.say(
            "challenge_committed",
            f"commits a challenge: {verdict}",
            sent,
            task_id=TaskId(result.task_id),
            assertion_id=assertion_id,
        )
        return True

    def _leaves(self, result: Result, asserted: Asserted, contest: Contest, final: bytes) -> bool:
        """Say whether an earlier challenger, right so far, is left to win."""
        means, policy = self._means, self._means.policy
        left = asserted.window_end - means.now()
        window = means.contracts.market_constants.window_seconds
        if not policy.relies_on_others or left < policy.last_call_share * window:
            return False
        if not contest.unopened + contest.open or not self._is_right_elsewhere(result, final):
            return False
        self._put_off(result)
        what = "leaves a false result to an earlier challenger for now"
        self._say("left_to_others", what, result)
        return True

    def _is_right_elsewhere(self, result: Result, final: bytes) -> bool:
        games = self._means.contracts.games
        for found in games.challenges(assertionId=result.assertion_id):
            record = games.game(found.game_id)
            # What a commit holds is hidden until it is opened.
            if record.status is GameStatus.COMMITTED:
                return True
            is_open = record.status in (GameStatus.EXECUTOR_TURN, GameStatus.CHALLENGER_TURN)
            if is_open and record.claim == final:
                return True
        return False

    def _close(self, result: Result, asserted: Asserted) -> None:
        self._means.checks.conclude(result.assertion_id, Finding.FALSE)
        if asserted.status is AssertionStatus.FINAL:
            self._say("false_result_final", "sees a false result become final", result)

    def _decline(self, result: Result, event: str, what: str, verdict: Verdict) -> None:
        self._put_off(result)
        self._say(event, f"{what}: {verdict}", result)

    def _put_off(self, result: Result) -> None:
        later = self._means.now() + self._means.pause_seconds()
        self._means.checks.postpone(result.assertion_id, later)

    def _say(self, event: str, what: str, result: Result) -> None:
        task_id, assertion_id = TaskId(result.task_id), AssertionId(result.assertion_id)
        self._means.say(event, what, task_id=task_id, assertion_id=assertion_id)
