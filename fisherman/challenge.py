"""Decide whether to challenge a false result, and commit."""

from __future__ import annotations

from functools import partial

from infernet.actors.crew import Work
from infernet.chain.records import (
    Asserted,
    AssertionId,
    AssertionStatus,
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
    """Commits challenges against results found false.

    `has_doubt`: this machine once disagreed with itself; nothing is challenged until a restart.
    """

    def __init__(self, means: Means) -> None:
        self._means = means
        self.has_doubt = False

    def works(self) -> list[Work]:
        """Return what is to be done about each false result that stands."""
        if self.has_doubt:
            return []
        due = self._means.checks.open(Finding.FALSE, self._means.now())
        return [Work(r.assertion_id, partial(self.challenge, r), r.window_end) for r in due]

    def challenge(self, result: Result) -> bool:
        """Commit a challenge if it is due, allowed and worth it; return whether it was sent."""
        means, assertion_id = self._means, AssertionId(result.assertion_id)
        asserted = means.contracts.market.assertion(assertion_id)
        if asserted.status is not AssertionStatus.PENDING:
            self._close(result, asserted)
            return False
        is_void = means.contracts.games.is_voided(assertion_id)
        if is_void or not means.policy.mode.challenges or means.now() > asserted.window_end:
            self._put_off(result)
            return False
        run = means.runs.of(assertion_id, TaskId(result.task_id))
        if run is None:
            # The model is held no more, or the node does not tell of the input yet.
            self._put_off(result)
            return False
        terms = means.contracts.market.terms(assertion_id)
        (final,) = run.state_hashes([Step(terms.steps)])
        commitment, game_id = means.commitment(assertion_id, final)
        if means.contracts.games.game(game_id).status is not GameStatus.NONE:
            self._put_off(result)
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
            f"commits a challenge, {verdict.brief}",
            sent,
            task_id=TaskId(result.task_id),
            assertion_id=assertion_id,
        )
        return True

    def _close(self, result: Result, asserted: Asserted) -> None:
        if asserted.status is AssertionStatus.NONE:
            # A reorganisation took it back; it is checked anew if it comes again.
            self._means.checks.forget(result.assertion_id)
            return
        self._means.checks.conclude(result.assertion_id, Finding.FALSE)
        if asserted.status is AssertionStatus.FINAL:
            self._say("false_result_final", "sees a false result become final", result)

    def _decline(self, result: Result, event: str, what: str, verdict: Verdict) -> None:
        self._put_off(result)
        self._say(event, f"{what}: {verdict}", result)

    def _put_off(self, result: Result) -> None:
        now = self._means.now()
        pause = self._means.pause_seconds()
        if now <= result.window_end:
            # As long as there is time, the last try comes before it is over.
            pause = min(pause, max(1, (result.window_end - now) // 2))
        self._means.checks.postpone(result.assertion_id, now + pause)

    def _say(self, event: str, what: str, result: Result) -> None:
        task_id, assertion_id = TaskId(result.task_id), AssertionId(result.assertion_id)
        self._means.say(event, what, task_id=task_id, assertion_id=assertion_id)
