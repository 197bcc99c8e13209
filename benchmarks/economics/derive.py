"""The shipped constants beside what the model asks of them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import exp, log

from fisherman.cost import PROVE_GAS, reveal_price, reward_of
from fisherman.policy import FishermanPolicy
from infernet.chain.deploy import PRODUCTION, Constants
from infernet.chain.market import MAX_INPUT_BYTES
from infernet.chain.records import Wei

from .closed import BURNT_SHARE, World
from .delay import STALLED_LIE, ways
from .sybils import MOST_SYBILS, foreign_truth, own_lie, own_truth
from .terms import DAY_SECONDS, ETHER, GWEI, HOUR_SECONDS, RESNET_STEPS, YEAR_SECONDS, Terms

# The longest run that a clock counts has fewer binary digits.
_MOST_BITS = 50
_BPS = 10_000
# How often the executor's expected time has to fit into what it is given (executor/policy.py).
TIME_MARGIN = 3
# All states of the first dissection, in inferences (`python -m benchmarks prover`).
OPENING_RUNS = 1.8
# A whole dispute's computing, likewise.
DISPUTE_RUNS = 2.4


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the constants are judged by and the contracts cannot know.

    `steps_per_second`: of the fast backend, ResNet50 on one thread (`python -m benchmarks
    executor`); `slow_steps_per_second`: of the reference interpreter (`… reference`).
    `outage_share`, `outage_seconds`: how much of the time a careful watcher is down, and how long
    on average. `gas_price_wei`, `stress_gas_price_wei`: of a dear and of a very dear day.
    """

    steps_per_second: float = RESNET_STEPS / 0.02605
    slow_steps_per_second: float = RESNET_STEPS / 0.66
    outage_share: float = 0.01
    outage_seconds: int = HOUR_SECONDS
    gas_price_wei: int = 20 * GWEI
    stress_gas_price_wei: int = 100 * GWEI
    yearly_rate: Fraction = FishermanPolicy().yearly_rate


@dataclass(frozen=True, slots=True)
class Row:
    """A constant, what it is, what the model asks of it, and whether it is that."""

    name: str
    shipped: str
    wanted: str
    fits: bool


def break_even_gas_price(steps: int, constants: Constants = PRODUCTION) -> int:
    """Return the gas price in wei up to which the reward of a floor stake pays its dispute."""
    terms = Terms(steps, constants)
    return reward_of(Wei(terms.floor_wei)) // terms.win_gas


def least_break_even(constants: Constants = PRODUCTION) -> int:
    """Return the gas price in wei up to which every program's floor pays its dispute."""
    return min(break_even_gas_price(1 << bits, constants) for bits in range(_MOST_BITS))


def wanted_window(assumed: Assumptions, watchers: int) -> float:
    """Return the window in seconds at which a longer one costs what it saves.

    A result binds a stake S for a window W, at the rate r; watchers that all are down for longer
    than W, with probability `q·e^(-W/t)`, let through a lie worth at most S. The sum
    `r·S·W + q·e^(-W/t)·S` is least at `W = t·ln(q / (r·t))`; for several independent watchers
    q is the product of theirs, and t is shorter by their number.
    """
    share = assumed.outage_share**watchers
    mean = assumed.outage_seconds / watchers
    return max(0.0, mean * log(share * YEAR_SECONDS / (float(assumed.yearly_rate) * mean)))


def largest_refund_share(price_wei: int, constants: Constants = PRODUCTION) -> float:
    """Return the largest share of a bond that refunds ask for, over all numbers of steps."""
    games = [Terms(1 << bits, constants) for bits in range(_MOST_BITS)]
    return max(game.refund_wei(price_wei) / game.bond_wei() for game in games)


def refunded_gas_price(terms: Terms) -> float:
    """Return the base fee in wei up to which half a bond holds the refund of a whole game."""
    return terms.bond_wei() / 2 * GWEI / terms.refund_wei(GWEI)


def rows(world: World, assumed: Assumptions) -> list[Row]:
    """Return every shipped constant with its derivation, for the task of `world`."""
    return [
        *_of_stakes(world, assumed),
        *_of_windows(world, assumed),
        *_of_clocks(world, assumed),
        *_of_bonds(world, assumed),
        *_of_refunds(world, assumed),
    ]


def _ether(wei: float) -> str:
    return f"{wei / ETHER:.4g} ETH"


def _of_stakes(world: World, assumed: Assumptions) -> list[Row]:
    c = world.terms.constants
    stress, least = assumed.stress_gas_price_wei, least_break_even(c)
    wanted_base = Terms(1, c).win_gas * stress / (1 - BURNT_SHARE) - c.stake_per_bit_wei
    stalled = next(way for way in ways(world, assumed.yearly_rate, 0) if way.name == STALLED_LIE)
    share = stalled.attacker_wei * c.market.assert_seconds / (stalled.seconds * world.stake_wei)
    least_bps, most_bps = _BPS * c.market.assert_seconds / DAY_SECONDS, _BPS * share
    burnt = own_lie(world, 1).owner_wei
    return [
        Row(
            "stake_base_wei, stake_per_bit_wei",
            f"{_ether(c.stake_base_wei)}, {_ether(c.stake_per_bit_wei)}",
            f"what does not burn of the floor pays a dispute at {stress // GWEI} gwei: every "
            f"program's up to {least / GWEI:.0f} gwei; a base of at least {_ether(wanted_base)}",
            least >= stress,
        ),
        Row(
            "three quarters of a stake burn",
            f"{BURNT_SHARE}",
            f"playing both sides of a lie costs {_ether(burnt)} of {_ether(world.stake_wei)}: more "
            "than any fee; a larger share deters more and pays watchers less",
            burnt > world.fee_wei,
        ),
        Row(
            "claim_penalty_bps",
            f"{c.market.claim_penalty_bps}",
            f"{least_bps:.0f}, where a day of silence costs a stake, to {most_bps:.0f}, where a "
            "stalled lie is the cheaper way to hold a task and honest crashes alone pay more",
            least_bps <= c.market.claim_penalty_bps <= most_bps,
        ),
        Row(
            "deposit_wei",
            _ether(c.deposit_wei),
            "above 0: a registration earns nothing, and an unwatched model has to look so",
            c.deposit_wei > 0,
        ),
    ]


def _of_windows(world: World, assumed: Assumptions) -> list[Row]:
    c = world.terms.constants
    one, two = wanted_window(assumed, 1), wanted_window(assumed, 2)
    rate = c.game.steps_per_clock_second
    fast, slow = assumed.steps_per_second, assumed.slow_steps_per_second
    return [
        Row(
            "window_seconds",
            f"{c.market.window_seconds}",
            f"{two:,.0f} (two careful watchers) to {one:,.0f} (one)",
            two <= c.market.window_seconds <= one,
        ),
        Row(
            "window_seconds, what a run adds",
            f"a second for {rate:,} steps",
            f"a run of the slowest engine that checks, the reference interpreter: {slow:.1e} steps "
            "a second",
            rate <= slow,
        ),
        Row(
            "assert_seconds, what a run adds",
            "the same",
            f"{TIME_MARGIN} runs of the fast backend: {fast / TIME_MARGIN:.1e} steps a second",
            rate <= fast / TIME_MARGIN,
        ),
        Row(
            "open_seconds, what a run adds",
            "the same",
            f"the first dissection, {OPENING_RUNS} runs: {fast / OPENING_RUNS:.1e} steps a second",
            rate <= fast / OPENING_RUNS,
        ),
    ]


def _of_clocks(world: World, assumed: Assumptions) -> list[Row]:
    c = world.terms.constants
    rate = c.game.steps_per_clock_second
    fast, slow = (
        speed / DISPUTE_RUNS for speed in (assumed.steps_per_second, assumed.slow_steps_per_second)
    )
    slow_steps = c.game.clock_seconds / (1 / slow - 1 / rate)
    outage = assumed.outage_share * exp(-c.game.clock_seconds / assumed.outage_seconds)
    lost, paid = outage * world.stake_wei, foreign_truth(world, 1).owner_wei
    return [
        Row(
            "clock_seconds",
            f"{c.game.clock_seconds}",
            f"an honest executor that is down longer loses its stake: {_ether(lost)} expected for "
            f"each false challenge, which costs {_ether(paid)}",
            lost < paid,
        ),
        Row(
            "steps_per_clock_second",
            f"{rate:,}",
            f"at most what a machine does of a whole dispute ({DISPUTE_RUNS} runs): fast backend "
            f"{fast:.1e}; the reference interpreter keeps up to {slow_steps:.1e} steps",
            rate <= fast,
        ),
        Row(
            "grace_seconds",
            f"{c.game.grace_seconds}",
            "50 blocks of 12 seconds for each move; all moves together stay below a clock",
            world.terms.dissections * c.game.grace_seconds < c.game.clock_seconds,
        ),
    ]


def _of_bonds(world: World, assumed: Assumptions) -> list[Row]:
    c = world.terms.constants
    game, dear = c.game, assumed.gas_price_wei
    one, many = foreign_truth(world, 1), foreign_truth(world, MOST_SYBILS)
    least = min(one.owner_wei / one.honest_wei, many.owner_wei / many.honest_wei)
    share = largest_refund_share(dear, c)
    return [
        Row(
            "bond_base_wei, bond_per_dissection_wei",
            f"{_ether(game.bond_base_wei)}, {_ether(game.bond_per_dissection_wei)}",
            f"a liar loses more than it makes the executor lose: {least:.0f} times at "
            f"{dear // GWEI} gwei, from 1 or {MOST_SYBILS} accounts",
            least > 1,
        ),
        Row(
            "half of a bond burns at least",
            "1/2",
            f"playing both sides of a truth costs {_ether(own_truth(world, 1).owner_wei)}; at "
            f"{dear // GWEI} gwei refunds take at most {share:.0%} of any bond",
            share <= 0.5,
        ),
        Row(
            "arity",
            f"{game.arity}",
            "the dispute's gas is flat from 16 to 40 parts; an even number of dissections for the "
            "programs that exist (ADR 3)",
            all(Terms(steps, c).dissections % 2 == 0 for steps in (134_152, RESNET_STEPS)),
        ),
    ]


def _of_refunds(world: World, assumed: Assumptions) -> list[Row]:
    c, stress = world.terms.constants, assumed.stress_gas_price_wei
    game, market = c.game, c.market
    measured = world.terms.dissect_gas, PROVE_GAS
    most = refunded_gas_price(world.terms)
    covered = Wei(market.reveal_base_fee_wei)
    bonds = (reveal_price(size, covered) for size in (1, MAX_INPUT_BYTES))
    return [
        Row(
            "dissection_gas, proof_gas",
            f"{game.dissection_gas:,}, {game.proof_gas:,}",
            f"at most what they take, {measured[0]:,} and {measured[1]:,}, at the base fee; a "
            f"game's all together up to {most / GWEI:.0f} gwei, where half of a bond is used up",
            game.dissection_gas <= measured[0] and game.proof_gas <= measured[1] and most >= stress,
        ),
        Row(
            "reveal_base_fee_wei",
            f"{covered // GWEI} gwei",
            f"the bytes are paid up to {stress // GWEI} gwei; a demand binds "
            f"{' to '.join(map(_ether, bonds))}, by the size of its input",
            covered >= stress,
        ),
    ]
