"""What it costs to hold a task up, and what that costs others; a prompt honest side is assumed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from fisherman.cost import COMMIT_GAS, DEMAND_GAS, reveal_price
from infernet.chain.records import Wei

from .closed import World
from .money import Ledger, expire_claim
from .sybils import MOST_SYBILS, OWNER, foreign_truth, own_lie
from .terms import DAY_SECONDS, FORFEIT_GAS, SETTLE_GAS, YEAR_SECONDS, refund_of

# Claims of the measured sizes take less (`python -m benchmarks gas`).
CLAIM_GAS = 95_000
STALLED_LIE = "lie, stall, challenge oneself"


@dataclass(frozen=True, slots=True)
class Way:
    """A way to hold up one task, with what it costs; `repeats`: whether it can be done again."""

    name: str
    seconds: int
    attacker_wei: int
    defender_wei: int
    repeats: bool

    @property
    def attacker_wei_a_day(self) -> int:
        """Return the attacker's cost for each day of delay."""
        return self.attacker_wei * DAY_SECONDS // self.seconds


def ways(world: World, rate: Fraction, input_bytes: int) -> list[Way]:
    """Return the ways to hold up a task; `rate`: what bound money costs a year."""
    return [*_once(world, rate, input_bytes), *_again(world)]


def _once(world: World, rate: Fraction, input_bytes: int) -> list[Way]:
    """Return what can be done to a result that stands: games run side by side, a demand is one."""
    terms, price = world.terms, world.gas_price_wei
    market, game = terms.constants.market, terms.constants.game
    stall = terms.open_seconds
    if terms.challenger_turns:
        stall += terms.clock_seconds + terms.challenger_turns * game.grace_seconds
    refund = min(refund_of([game.dissection_gas], price), terms.bond_wei() // 2)
    silence_wei = terms.bond_wei() + COMMIT_GAS * price
    forfeit_wei = (FORFEIT_GAS + SETTLE_GAS) * price - refund
    base_fee = Wei(min(price, market.reveal_base_fee_wei))
    bytes_wei = reveal_price(input_bytes, base_fee) + DEMAND_GAS * price
    one, many = foreign_truth(world, 1), foreign_truth(world, MOST_SYBILS)

    def way(name: str, seconds: int, attacker_wei: int, defender_wei: int) -> Way:
        # The executor's stake and fee come later.
        bound_wei = int((world.stake_wei + world.fee_wei) * rate * seconds / YEAR_SECONDS)
        return Way(name, seconds, attacker_wei, defender_wei + bound_wei, repeats=False)

    return [
        way("commit, never open", terms.open_seconds, silence_wei, forfeit_wei),
        way("challenge a truth, stall", stall, one.owner_wei, one.honest_wei),
        way(f"the same, {MOST_SYBILS} at once", stall, many.owner_wei, many.honest_wei),
        way("demand a hidden input", terms.window_seconds, bytes_wei, 0),
    ]


def _again(world: World) -> list[Way]:
    """Return what an executor can do to a task that is open, as often as it pays for it."""
    terms, ledger = world.terms, Ledger()
    game = terms.constants.game
    expire_claim(ledger, terms, OWNER, world.stake_wei)
    silence_wei = -ledger.of(OWNER) + CLAIM_GAS * world.gas_price_wei
    stall = terms.clock_seconds + terms.executor_turns * game.grace_seconds
    lie = terms.assert_seconds + stall
    return [
        Way("claim, assert nothing", terms.assert_seconds, silence_wei, 0, repeats=True),
        Way(STALLED_LIE, lie, own_lie(world, 1).owner_wei, 0, repeats=True),
    ]
