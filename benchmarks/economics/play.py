"""Tasks played by players of several minds; every wei is moved by the contracts' rules."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from .closed import World
from .money import COMPUTING, OUTSIDE, Ledger, finalise, slash

REQUESTER = "requester"
EXECUTOR = "executor"


class Mind(Enum):
    """How an executor makes its results."""

    HONEST = "computes"
    LAZY = "guesses"
    COPYING = "copies known answers"
    LYING = "lies for a gain"
    HEDGING = "lies, and challenges itself once caught"


class Eye(Enum):
    """What a fisherman does."""

    CHECKING = "checks a sample"
    LAZY = "checks nothing"
    COPYING = "commits what others opened"
    COLLUDING = "checks a sample and keeps silent about lies"


@dataclass(frozen=True, slots=True)
class Executor:
    """An executor that follows its mind in `share` of its tasks and computes in the others.

    `right`: how often a guess is right; `repeats`: how often an answer is known to a copier;
    `spoiled`: how often such an answer is false.
    """

    mind: Mind
    share: float = 1.0
    right: float = 0.0
    repeats: float = 0.0
    spoiled: float = 0.0


@dataclass(frozen=True, slots=True)
class Fisherman:
    """A fisherman that checks `share` of all results."""

    eye: Eye
    share: float = 0.0


@dataclass(slots=True)
class Outcome:
    """What happened over all tasks; `each` are the executor's changes in wei, task by task."""

    ledger: Ledger
    tasks: int
    lies: int
    caught: int
    each: np.ndarray

    def mean(self, player: str) -> float:
        """Return what a player gained in a task, on average, in wei."""
        return self.ledger.of(player) / self.tasks


def name_of(number: int) -> str:
    """Return a fisherman's account."""
    return f"fisherman {number}"


def play(
    world: World, executor: Executor, crowd: list[Fisherman], tasks: int, seed: int
) -> Outcome:
    """Play so many tasks; the same seed plays the same."""
    rng, ledger = np.random.default_rng(seed), Ledger()
    result = Outcome(ledger, tasks, 0, 0, np.zeros(tasks))
    for task in range(tasks):
        before = ledger.of(EXECUTOR)
        mind = executor.mind if rng.random() < executor.share else Mind.HONEST
        is_true = _make_result(world, executor, mind, ledger, rng)
        found = _check(world, crowd, is_true, ledger, rng)
        result.lies += not is_true
        result.caught += bool(found)
        if found:
            _challenge(world, mind, crowd, found, ledger, rng)
        else:
            finalise(ledger, REQUESTER, EXECUTOR, world.fee_wei)
            if mind in (Mind.LYING, Mind.HEDGING):
                ledger.move(OUTSIDE, EXECUTOR, world.gain_wei)
        result.each[task] = ledger.of(EXECUTOR) - before
    return result


def _make_result(
    world: World, executor: Executor, mind: Mind, ledger: Ledger, rng: np.random.Generator
) -> bool:
    """Pay for a result and say whether it is true."""
    ledger.spend_gas(EXECUTOR, world.terms.task_gas, world.gas_price_wei)
    if mind in (Mind.LYING, Mind.HEDGING):
        return False
    if mind is Mind.LAZY:
        return bool(rng.random() < executor.right)
    if mind is Mind.COPYING and rng.random() < executor.repeats:
        return bool(rng.random() >= executor.spoiled)
    ledger.move(EXECUTOR, COMPUTING, world.run_wei)
    return True


def _check(
    world: World,
    crowd: list[Fisherman],
    is_true: bool,
    ledger: Ledger,
    rng: np.random.Generator,
) -> list[int]:
    """Let the fishermen check, and return those that found a lie and say so."""
    found = []
    for number, (fisherman, drawn) in enumerate(zip(crowd, rng.random(len(crowd)), strict=True)):
        looks = fisherman.eye in (Eye.CHECKING, Eye.COLLUDING) and drawn < fisherman.share
        if looks:
            ledger.move(name_of(number), COMPUTING, world.run_wei)
        if looks and not is_true and fisherman.eye is Eye.CHECKING:
            found.append(number)
    return found


def _challenge(
    world: World,
    mind: Mind,
    crowd: list[Fisherman],
    found: list[int],
    ledger: Ledger,
    rng: np.random.Generator,
) -> None:
    """Defeat a lie. All that found it commit, in an order by lot; copiers come after them."""
    terms, price = world.terms, world.gas_price_wei
    order = [name_of(int(number)) for number in rng.permutation(found)]
    if mind is Mind.HEDGING:
        # The liar's second account wins with another final hash before the honest games end.
        winner, late = EXECUTOR, order
    else:
        winner, *late = order
    ledger.spend_gas(winner, terms.win_gas, price)
    slash(ledger, EXECUTOR, winner, world.stake_wei)
    for player in late:
        ledger.spend_gas(player, terms.late_gas, price)
    for number, fisherman in enumerate(crowd):
        if fisherman.eye is Eye.COPYING:
            ledger.spend_gas(name_of(number), terms.copy_gas, price)
