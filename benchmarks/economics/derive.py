"""The shipped constants beside what the model asks of them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import exp, log

from fisherman.cost import DISSECT_GAS, DISSECT_GAS_EACH, PROVE_GAS, reveal_price
from fisherman.policy import FishermanPolicy
from infernet.chain.deploy import PRODUCTION, Constants
from infernet.chain.market import MAX_INPUT_BYTES
from infernet.chain.records import Wei

from .closed import World
from .delay import STALLED_LIE, ways
from .sybils import MOST_SYBILS, foreign_truth, own_lie, own_truth
from .terms import ETHER, GWEI, HOUR_SECONDS, RESNET_STEPS, YEAR_SECONDS, Terms, reward_of

MOST_STEPS = (1 << 63) - 1
# EIP-7623: a byte that is not zero, in a transaction that does little else.
CALLDATA_GAS = 40
BASE_GAS = 21_000
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
    return reward_of(terms.floor_wei) // terms.win_gas


def least_paying_steps(price_wei: int, constants: Constants = PRODUCTION) -> int:
    """Return the fewest steps, a power of two, whose floor pays a dispute at a gas price."""
    steps = 1
    while break_even_gas_price(steps, constants) < price_wei:
        steps *= 2
    return steps


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


def largest_refund_share(constants: Constants = PRODUCTION) -> float:
    """Return the largest share of a bond that refunds can take, over all numbers of steps."""
    shares = []
    for bits in range(1, 63):
        terms = Terms(1 << bits, constants)
        refund = terms.executor_turns * constants.game.move_refund_wei
        shares.append(refund / terms.bond_wei())
    return max(shares)


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
    stress = assumed.stress_gas_price_wei
    least, single = least_paying_steps(stress, c), break_even_gas_price(1, c)
    wanted_base = 2 * Terms(1, c).win_gas * stress - Terms(1, c).floor_wei
    stalled = next(way for way in ways(world, assumed.yearly_rate, 0) if way.name == STALLED_LIE)
    share = stalled.attacker_wei * c.market.assert_seconds / (stalled.seconds * world.stake_wei)
    wanted_bps = 10_000 * share
    burnt = own_lie(world, 1).owner_wei
    return [
        Row(
            "stake_per_bit_wei",
            _ether(c.stake_per_bit_wei),
            f"half of the floor pays a dispute at {stress // GWEI} gwei: true from {least} steps "
            f"on, at one step only to {single / GWEI:.0f} gwei; a base of {_ether(wanted_base)} "
            "beside it mends that",
            single >= stress,
        ),
        Row(
            "half of a stake burns",
            "1/2",
            f"playing both sides of a lie costs {_ether(burnt)} of {_ether(world.stake_wei)}: more "
            "than any fee; a larger burnt share deters more and pays watchers less",
            burnt > world.fee_wei,
        ),
        Row(
            "claim_penalty_bps",
            f"{c.market.claim_penalty_bps}",
            f"an hour of silence costs what an hour of the cheaper way to hold a task costs, a "
            f"stalled lie: {wanted_bps:.0f}, give or take a quarter",
            abs(wanted_bps - c.market.claim_penalty_bps) < wanted_bps / 4,
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
    checkable = int(c.market.window_seconds * assumed.slow_steps_per_second)
    runnable = int(c.market.assert_seconds / TIME_MARGIN * assumed.steps_per_second)
    openable = int(c.game.open_seconds / OPENING_RUNS * assumed.steps_per_second)
    return [
        Row(
            "window_seconds",
            f"{c.market.window_seconds}",
            f"{two:,.0f} (two careful watchers) to {one:,.0f} (one); a run of more than "
            f"{checkable:.1e} steps cannot be checked in it by the slowest engine",
            two <= c.market.window_seconds <= one,
        ),
        Row(
            "window_seconds for every program",
            "one length",
            f"must hold a check of the largest program, {MOST_STEPS:.1e} steps: as clocks do, it "
            "has to grow with the steps",
            checkable >= MOST_STEPS,
        ),
        Row(
            "assert_seconds",
            f"{c.market.assert_seconds}",
            f"{TIME_MARGIN} times a run: enough up to {runnable:.1e} steps; has to grow with them",
            runnable >= MOST_STEPS,
        ),
        Row(
            "open_seconds",
            f"{c.game.open_seconds}",
            f"the first dissection ({OPENING_RUNS} runs): enough up to {openable:.1e} steps; has "
            "to grow with them",
            openable >= MOST_STEPS,
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
    share = largest_refund_share(c)
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
            f"playing both sides of a truth costs {_ether(own_truth(world, 1).owner_wei)}; refunds "
            f"take at most {share:.0%} of any bond, so the limit never binds",
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
    game = c.game
    move = game.move_refund_wei // (DISSECT_GAS + DISSECT_GAS_EACH * game.arity)
    proof = game.move_refund_wei // PROVE_GAS
    reveal_gas = BASE_GAS + CALLDATA_GAS * MAX_INPUT_BYTES
    bytes_wei = reveal_price(MAX_INPUT_BYTES, Wei(c.market.reveal_bond_wei))
    return [
        Row(
            "move_refund_wei",
            _ether(game.move_refund_wei),
            f"covers a dissection to {move / GWEI:.0f} gwei, a proof to {proof / GWEI:.0f}; wanted "
            f"to {stress // GWEI}: an amount of gas times the block's base fee",
            min(move, proof) >= stress,
        ),
        Row(
            "reveal_bond_wei",
            _ether(c.market.reveal_bond_wei),
            f"covers the largest input to {bytes_wei / reveal_gas / GWEI:.0f} gwei; wanted to "
            f"{stress // GWEI}, as above",
            bytes_wei / reveal_gas >= stress,
        ),
    ]
