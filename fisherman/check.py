"""Re-execute results, and demand the inputs that are hidden."""

from __future__ import annotations

from functools import partial
from itertools import islice, takewhile
from time import monotonic

from bisection.dissection import cuts
from infernet.actors.crew import Crew, Work
from infernet.chain.records import (
    Asserted,
    AssertionId,
    AssertionStatus,
    DemandStatus,
    ProgramRoot,
    TaskId,
    Terms,
)
from infernet.store.checks import Coverage, Finding, Result
from interpreter.merkle import Hash
from interpreter.program import Step

from .challenge import Challenger
from .choose import in_order
from .cost import weigh_demand
from .errors import RunFailed
from .means import Means

# What is begun at once takes about so long, so that games get their turn.
_BATCH_SECONDS = 2.0
_MOST_IN_BATCH = 256
# How much the latest check counts in the mean.
_WEIGHT = 0.1


class Checker:
    """Checks due results in order; hands false ones to the challenger."""

    def __init__(self, means: Means, challenger: Challenger, crew: Crew) -> None:
        self._means, self._challenger, self._crew = means, challenger, crew
        self._seconds_each = 1.0
        self._alone: bytes | None = None
        self.has_more = False

    def works(self) -> list[Work]:
        """Return the checks of this turn, the most urgent first; few enough to choose anew soon."""
        now, crew = self._means.now(), self._crew
        due = in_order(self._means.checks.open(Finding.UNCHECKED, now), now, self._seconds_each)
        idle = [result for result in due if not crew.is_busy_with(result.assertion_id)]
        chosen = self._chosen(idle, len(due) - len(idle))
        self.has_more = len(chosen) < len(idle)
        return [Work(r.assertion_id, partial(self._check, r), r.window_end) for r in chosen]

    def _chosen(self, idle: list[Result], busy_count: int) -> list[Result]:
        """Return what is begun now: a batch, or one result alone whose run may be deadly.

        Any of those that were in work when the process ended may be the cause: alone tells which.
        """
        if self._alone is not None and self._crew.is_busy_with(self._alone):
            return []
        suspects = self._means.tries.suspects()
        if idle and idle[0].task_id in suspects:
            chosen = [] if busy_count else idle[:1]
            self._alone = chosen[0].assertion_id if chosen else None
            return chosen
        fitting = int(_BATCH_SECONDS / self._seconds_each)
        size = min(max(fitting, self._means.policy.max_runs), _MOST_IN_BATCH)
        sound = takewhile(lambda result: result.task_id not in suspects, idle)
        return list(islice(sound, max(0, size - busy_count)))

    def _check(self, result: Result) -> bool:
        market, now = self._means.contracts.market, self._means.now()
        assertion_id, task_id = AssertionId(result.assertion_id), TaskId(result.task_id)
        asserted = market.assertion(assertion_id)
        if asserted.status is AssertionStatus.NONE:
            self._means.checks.forget(assertion_id)
        elif asserted.status is AssertionStatus.SLASHED:
            self._means.checks.conclude(assertion_id, Finding.MOOT)
        elif (data := market.carried_input(task_id)) is None:
            return self._without_input(result, asserted)
        elif asserted.status is AssertionStatus.FINAL:
            self._miss(result, is_final=True)
        elif asserted.demand is not DemandStatus.OPEN and now > asserted.window_end:
            # While a demand is open the window may begin again, whatever a slow node tells of it.
            self._miss(result)
        elif self._means.tries.is_hopeless(task_id):
            what = "leaves a result alone: its runs ended this process; try it on another machine"
            return self._put_off(result, "check_failed", what)
        else:
            return self._judge(result, data)
        return False

    def _judge(self, result: Result, data: bytes) -> bool:
        """Execute, compare with the final state that is claimed, and act on it.

        A final state tells the output and whether the run halted.
        """
        means, assertion_id = self._means, AssertionId(result.assertion_id)
        terms, began = means.contracts.market.terms(assertion_id), monotonic()
        try:
            with means.tries.counted(TaskId(result.task_id)):
                run = means.runs.start(terms.program_root, data, terms.iterations)
                (final,) = run.state_hashes([Step(terms.steps)])
                is_false = final != terms.final_hash
                is_sure = not is_false or self._again(terms, data) == final
        except RunFailed as error:
            return self._put_off(result, "check_failed", f"cannot re-execute a result: {error}")
        self._seconds_each += _WEIGHT * (monotonic() - began - self._seconds_each)
        if not is_false:
            means.checks.conclude(assertion_id, Finding.TRUE)
            self._say("result_checked", "re-executes a result and agrees", result)
            return False
        if not is_sure:
            self._challenger.has_doubt = True
        if self._challenger.has_doubt:
            what = "got two results of its own that differ, and challenges no more until a restart"
            return self._put_off(result, "own_results_differ", what)
        means.checks.conclude(assertion_id, Finding.FALSE, is_open=True)
        self._say("false_result_found", "finds a false result", result)
        means.runs.keep(assertion_id, run)
        return self._challenger.challenge(result)

    def _again(self, terms: Terms, data: bytes) -> Hash:
        """Return the final state of a second run, every state of which is exposed.

        A bond is lost by whoever challenges with a fault of its own memory or engine.
        """
        arity = self._means.contracts.game_constants.arity
        run = self._means.runs.start(terms.program_root, data, terms.iterations)
        return run.state_hashes(cuts(Step(0), Step(terms.steps), arity))[-1]

    def _without_input(self, result: Result, asserted: Asserted) -> bool:
        means, now = self._means, self._means.now()
        if asserted.demand is DemandStatus.NONE and now > asserted.window_end:
            self._miss(result)
            return False
        later = now + means.pause_seconds()
        means.checks.postpone(result.assertion_id, later)
        if asserted.demand is not DemandStatus.NONE:
            return False
        if not means.policy.mode.challenges:
            self._say("input_hidden", "cannot check a result: its input is hidden", result)
            return False
        return self._demand(result, asserted)

    def _demand(self, result: Result, asserted: Asserted) -> bool:
        means, market = self._means, self._means.contracts.market
        constants, policy = means.contracts.market_constants, means.policy
        verdict = weigh_demand(
            asserted.stake,
            means.holdings[ProgramRoot(result.program_root)].header.input_type.byte_count,
            means.purse.gas_price(),
            constants,
            policy.hidden_share,
            policy.yearly_rate,
        )
        if verdict.profit_wei < policy.minimum_profit_wei:
            self._say("input_hidden", f"leaves an input hidden: {verdict}", result)
            return False
        with means.purse.set_aside(verdict) as deposit:
            if deposit is None:
                self._say("insufficient_funds", f"cannot demand an input: {verdict}", result)
                return False
            sent = market.demand_reveal(means.wallet, AssertionId(result.assertion_id), deposit)
        means.say(
            "input_demanded",
            f"demands to see the input: {verdict}",
            sent,
            task_id=TaskId(result.task_id),
            assertion_id=AssertionId(result.assertion_id),
        )
        return True

    def _miss(self, result: Result, *, is_final: bool = False) -> None:
        means, now = self._means, self._means.now()
        if is_final:
            means.checks.conclude(result.assertion_id, Finding.LATE)
        elif not means.checks.miss(result.assertion_id, now):
            means.checks.postpone(result.assertion_id, now + means.pause_seconds())
            return
        self._say("window_missed", "did not check a result before its window closed", result)
        counts = sum(means.checks.coverage().values(), Coverage())
        target = means.policy.coverage_target
        if counts.checked < target * (counts.checked + counts.late):
            what = f"checked {counts.checked} results and missed {counts.late}"
            means.say("coverage_low", f"{what}; the target is {float(target):.1%}")

    def _put_off(self, result: Result, event: str, what: str) -> bool:
        later = self._means.now() + self._means.pause_seconds()
        self._means.checks.postpone(result.assertion_id, later, has_failed=True)
        self._say(event, what, result)
        return False

    def _say(self, event: str, what: str, result: Result) -> None:
        task_id, assertion_id = TaskId(result.task_id), AssertionId(result.assertion_id)
        self._means.say(event, what, task_id=task_id, assertion_id=assertion_id)
