"""Plan a lie that shows: where it is told, where the dispute about it will end, with what arity."""

from __future__ import annotations

import random
from dataclasses import dataclass

from bisection.dissection import cuts
from infernet.backend.tamper import Mutation, TamperedTrace
from infernet.backend.trace import Trace
from interpreter.program import Step

# Large enough to survive requantisation mostly; no multiple of 256, so it changes a byte as well.
MUTATION = Mutation(1_000_003)
_TRIES = 64


@dataclass(frozen=True, slots=True)
class Lie:
    """A falsified step, the step that the dispute comes to, and the arity of the contracts.

    Both steps are the same unless the falsification is absorbed on its way to the output; then
    the liar has to lie once more, in the last step.
    """

    step: Step
    disputed: Step
    arity: int

    def told_on(self, truth: Trace) -> TamperedTrace:
        """Return the run that the liar tells instead of the true one."""
        return TamperedTrace(truth, self.step, MUTATION)


def plan_lie(truth: Trace, at: int | None, rng: random.Random, arity: int) -> Lie:
    """Return a lie at a given step, or at a random one that reaches the output.

    The arity is the largest one up to `arity` at which the fisherman has the last word. A lying
    executor that had it could prove nothing and would lose on time; then no step would run.
    """
    for _ in range(_TRIES):
        step = Step(rng.randrange(truth.steps) if at is None else at)
        lie = TamperedTrace(truth, step, MUTATION)
        if at is not None or not lie.lies_again_at_the_end:
            break
    for candidate in range(arity, 1, -1):
        disputed, count = narrow(truth, lie, candidate)
        if count % 2 == 0:
            return Lie(step, disputed, candidate)
    return Lie(step, *narrow(truth, lie, arity)[:1], arity)


def narrow(truth: Trace, lie: TamperedTrace, arity: int) -> tuple[Step, int]:
    """Return the step to which a dispute of two runs narrows, and after how many dissections."""
    start, end, count = Step(0), Step(truth.steps), 0
    while end - start > 1:
        ends = cuts(start, end, arity)
        true, false = truth.state_hashes(ends), lie.state_hashes(ends)
        first = next(i for i in range(1, len(ends)) if true[i] != false[i])
        start, end, count = ends[first - 1], ends[first], count + 1
    return start, count
