"""Simulated means beside their closed forms, with the error that so many tasks leave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

from .balance import balance_of, learned_balance
from .closed import (
    World,
    copying_gain,
    coverage,
    honest_gain,
    lazy_gain,
    lying_gain,
    watching_gain,
)
from .play import Executor, Eye, Fisherman, Mind, name_of, play
from .terms import ETHER
from .worlds import dear_world

TASKS = 3_000
# So many standard errors are allowed, and so many ether where nothing varies.
MOST_ERRORS = 4.0
_ROUNDING = 1e-9
RIGHT, REPEATS, SPOILED = 0.3, 0.5, 0.05
SHARE = 0.1
CROWDS = (1, 4, 16, 64)


@dataclass(frozen=True, slots=True)
class Trial:
    """One comparison, in ether for each result."""

    name: str
    simulated: float
    error: float
    closed: float

    @property
    def agrees(self) -> bool:
        """Say whether the two differ by no more than chance explains."""
        return abs(self.simulated - self.closed) <= MOST_ERRORS * self.error + _ROUNDING


def minds(world: World, watchers: int, tasks: int = TASKS, seed: int = 1) -> Iterator[Trial]:
    """Compare what each mind earns before so many watchers that check a tenth each."""
    covered = coverage(SHARE, watchers)
    crowd = [Fisherman(Eye.CHECKING, SHARE)] * watchers
    cases = (
        (Executor(Mind.HONEST), honest_gain(world)),
        (Executor(Mind.LAZY, right=RIGHT), lazy_gain(world, covered, RIGHT)),
        (
            Executor(Mind.COPYING, repeats=REPEATS, spoiled=SPOILED),
            copying_gain(world, covered, REPEATS, SPOILED),
        ),
        (Executor(Mind.LYING), lying_gain(world, covered, hedged=False)),
        (Executor(Mind.HEDGING), lying_gain(world, covered, hedged=True)),
    )
    for number, (executor, closed) in enumerate(cases):
        each = play(world, executor, crowd, tasks, seed + number).each / ETHER
        error = float(each.std()) / sqrt(tasks)
        yield Trial(executor.mind.value, float(each.mean()), error, closed / ETHER)


def eyes(world: World, watchers: int, lies: float, hedged: bool, seed: int = 1) -> Trial:
    """Compare what watchers earn on average while so many results are lies."""
    mind = Mind.HEDGING if hedged else Mind.LYING
    crowd = [Fisherman(Eye.CHECKING, SHARE)] * watchers
    outcome = play(world, Executor(mind, lies), crowd, TASKS, seed)
    means = [outcome.mean(name_of(number)) / ETHER for number in range(watchers)]
    closed = watching_gain(world, lies, SHARE, watchers, hedged) / ETHER
    # Each watcher wins with the same small chance; at most one does for a result.
    chance = lies * coverage(SHARE, watchers) / watchers
    spread = (world.reward_wei + world.win_gas_wei) / ETHER * sqrt(chance)
    spread += (world.run_wei + world.terms.late_gas * world.gas_price_wei) / ETHER * sqrt(SHARE)
    error = spread / sqrt(TASKS * watchers)
    name = f"{watchers} watchers, {lies:.0%} lies" + (", hedged" if hedged else "")
    return Trial(name, sum(means) / watchers, error, closed)


def bystanders(world: World, watchers: int, seed: int = 1) -> tuple[float, float, float]:
    """Return what a checking, a lazy and a copying fisherman earn for each lie, in ether."""
    crowd = [Fisherman(Eye.CHECKING, SHARE)] * watchers
    crowd += [Fisherman(Eye.LAZY), Fisherman(Eye.COPYING)]
    outcome = play(world, Executor(Mind.LYING), crowd, TASKS, seed)
    checking = sum(outcome.mean(name_of(number)) for number in range(watchers)) / watchers
    lazy, copying = (outcome.mean(name_of(watchers + more)) for more in (0, 1))
    return checking / ETHER, lazy / ETHER, copying / ETHER


def silenced(world: World, watchers: int, bought: int, seed: int = 1) -> tuple[float, float]:
    """Return the share of lies caught, simulated and closed, if some watchers are the liar's."""
    honest = watchers - bought
    crowd = [Fisherman(Eye.CHECKING, SHARE)] * honest
    crowd += [Fisherman(Eye.COLLUDING, SHARE)] * bought
    outcome = play(world, Executor(Mind.LYING), crowd, TASKS, seed)
    return outcome.caught / outcome.lies, coverage(SHARE, honest)


def balances(world: World, watchers: int) -> tuple[Trial, Trial]:
    """Compare lies and checks that players learn with the equilibrium; a tenth of it is allowed."""
    closed, learned = balance_of(world, watchers), learned_balance(world, watchers, 60_000)
    lies = Trial("lies", learned.lies, closed.lies / 40, closed.lies)
    share = Trial("checks", learned.share, closed.share / 40, closed.share)
    return lies, share


def all_trials() -> Iterator[Trial]:
    """Yield every comparison."""
    world = dear_world()
    for watchers in CROWDS:
        yield from minds(world, watchers)
        for lies, hedged in ((0.02, False), (0.2, False), (0.2, True)):
            yield eyes(world, watchers, lies, hedged)
        yield from balances(world, watchers)
