"""Closed forms: what the simulation has to agree with. Shares are of 0 to 1, amounts in wei."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from fisherman.cost import reward_of
from infernet.chain.records import Wei

from .terms import ETHER, Terms, burn_of

# What a liar that challenges itself loses of its stake.
BURNT_SHARE = burn_of(ETHER) / ETHER


@dataclass(frozen=True, slots=True)
class World:
    """What one task is worth to whom; nothing here is a constant of the contracts.

    `gain_wei`: what a false result that stands brings its maker besides the fee. `run_wei`: what a
    run costs in machines, for an executor as for a fisherman. `gas_price_wei`: of one gas.
    """

    terms: Terms
    stake_wei: int
    fee_wei: int
    gain_wei: int
    run_wei: int
    gas_price_wei: int

    @property
    def task_gas_wei(self) -> int:
        """Return what a task's transactions cost its executor."""
        return self.terms.task_gas * self.gas_price_wei

    @property
    def win_gas_wei(self) -> int:
        """Return what a challenge costs that wins."""
        return self.terms.win_gas * self.gas_price_wei

    @property
    def reward_wei(self) -> int:
        """Return what the winner of a challenge is paid."""
        return reward_of(Wei(self.stake_wei))


def coverage(share: float, watchers: int) -> float:
    """Return the probability that at least one of independent watchers checks a result."""
    return float(1 - (1 - share) ** watchers)


def share_for(covered: float, watchers: int) -> float:
    """Return the share that each of so many watchers has to check for a coverage."""
    return float(1 - (1 - covered) ** (1 / watchers))


def first_share(share: float, watchers: int) -> float:
    """Return how likely a watcher that found a lie is the first of all that found it.

    `Σ C(n-1, i) p^i (1-p)^(n-1-i) / (i+1) = (1 - (1-p)^n) / (n p)`; all are equally fast.
    """
    return 1.0 if share == 0 else coverage(share, watchers) / (watchers * share)


def honest_gain(world: World) -> float:
    """Return what an honest result earns."""
    return world.fee_wei - world.task_gas_wei - world.run_wei


def lying_gain(world: World, covered: float, hedged: bool) -> float:
    """Return what a lie earns that is caught with probability `covered`.

    `hedged`: the liar lets a challenge of its own win before the honest one, so that the reward
    stays with it; what burns does not.
    """
    lost = world.stake_wei
    if hedged:
        lost -= world.reward_wei - world.win_gas_wei
    return (1 - covered) * (world.fee_wei + world.gain_wei) - covered * lost - world.task_gas_wei


def lazy_gain(world: World, covered: float, right: float) -> float:
    """Return what a guess earns that is right with probability `right`; nothing is computed."""
    caught = (1 - right) * covered
    return (1 - caught) * world.fee_wei - caught * world.stake_wei - world.task_gas_wei


def copying_gain(world: World, covered: float, repeats: float, spoiled: float) -> float:
    """Return what an executor earns that repeats known answers and computes the others.

    `repeats`: share of inputs whose answer is known; `spoiled`: share of those that are false.
    """
    caught = repeats * spoiled * covered
    kept = (1 - caught) * world.fee_wei - caught * world.stake_wei
    return kept - (1 - repeats) * world.run_wei - world.task_gas_wei


def watching_gain(world: World, lies: float, share: float, watchers: int, hedged: bool) -> float:
    """Return what one of alike watchers earns for each result that is posted.

    Whoever comes second has its bond back and paid its gas; so has everyone if the liar hedged.
    """
    found = lies * share
    first = 0.0 if hedged else first_share(share, watchers)
    late_wei = world.terms.late_gas * world.gas_price_wei
    won = found * first * (world.reward_wei - world.win_gas_wei)
    return won - found * (1 - first) * late_wei - share * world.run_wei


def best_answer(world: World, covered: float, right: float) -> str:
    """Return what earns a rational executor most at a coverage that it knows."""
    answers = {
        "truth": honest_gain(world),
        "guess": lazy_gain(world, covered, right),
        "lie": lying_gain(world, covered, hedged=False),
        "hedged lie": lying_gain(world, covered, hedged=True),
    }
    return max(answers, key=lambda answer: answers[answer])


def deterring_coverage(world: World, hedged: bool) -> float:
    """Return the coverage above which a lie earns less than an honest result."""
    saved = world.gain_wei + world.run_wei
    lost = world.fee_wei + world.gain_wei + world.stake_wei
    if hedged:
        lost -= world.reward_wei - world.win_gas_wei
    return saved / lost


def deterring_coverage_of_guesses(world: World, right: float) -> float:
    """Return the coverage above which guessing earns less than computing."""
    return world.run_wei / ((1 - right) * (world.fee_wei + world.stake_wei))


def paying_lies(world: World, share: float, watchers: int, hedging: float = 0.0) -> float:
    """Return the share of lies above which checking pays; infinite if it never does.

    `hedging`: share of liars whose own challenge wins first.
    """
    first = (1 - hedging) * first_share(share, watchers)
    late_wei = world.terms.late_gas * world.gas_price_wei
    each = first * (world.reward_wei - world.win_gas_wei) - (1 - first) * late_wei
    return world.run_wei / each if each > 0 else inf


def stake_for(value_wei: int, covered: float, run_wei: int = 0, hedged: bool = True) -> float:
    """Return the stake that makes a lie worth `value_wei` a loss, fees and gas left out."""
    kept = (1 - covered) * value_wei + run_wei
    return kept / covered / (BURNT_SHARE if hedged else 1)


def value_protected(stake_wei: int, covered: float, hedged: bool = True) -> float:
    """Return the largest gain from one lie that a stake deters at a coverage below 1."""
    return stake_wei * covered / (1 - covered) * (BURNT_SHARE if hedged else 1)


def lottery_gain(world: World, mine: int, others: int) -> float:
    """Return what `mine` commits of one player earn if the first of all is drawn by lot.

    One of them is played; the others are left unopened until the verdict, and get their bond back.
    """
    if mine == 0:
        return 0.0
    won = mine / (mine + others) * (world.reward_wei - world.win_gas_wei)
    return won - (mine - 1) * world.terms.copy_gas * world.gas_price_wei
