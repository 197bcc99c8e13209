"""What it costs to hold a task up, and what that costs others; a prompt honest side is assumed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from fisherman.cost import COMMIT_GAS, DEMAND_GAS, reveal_price
from infernet.chain.records import Wei

from .closed import World
from .money import Ledger, expire_claim
from .sybils import MOST_SYBILS, OWNER, foreign_truth, own_lie
from .terms import DAY_SECONDS, FORFEIT_GAS, SETTLE_GAS, YEAR_SECONDS

# Claims of the measured sizes take less (`python -m benchmarks gas`).
CLAIM_GAS = 90_000
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

    @property
    def factor(self) -> float:
        """Return what the attacker loses for each wei that others lose."""
        return self.attacker_wei / self.defender_wei if self.defender_wei > 0 else float("inf")


def ways(world: World, rate: Fraction, input_bytes: int) -> list[Way]:
    """Return the ways to hold up a task; `rate`: what bound money costs a year."""
    terms, price = world.terms, world.gas_price_wei
    market, game = terms.constants.market, terms.constants.game
    stall = terms.clock_seconds + game.grace_seconds
    challenge = game.open_seconds
    if terms.challenger_turns:
        challenge += stall + (terms.challenger_turns - 1) * game.grace_seconds
    lie = market.assert_seconds + stall + (terms.executor_turns - 1) * game.grace_seconds
    bond, refund = terms.bond_wei(), min(game.move_refund_wei, terms.bond_wei() // 2)
    bytes_wei = reveal_price(input_bytes, Wei(market.reveal_bond_wei))
    one, many = foreign_truth(world, 1), foreign_truth(world, MOST_SYBILS)
    ledger = Ledger()
    expire_claim(ledger, terms, OWNER, world.stake_wei)
    forfeit_wei = (FORFEIT_GAS + SETTLE_GAS) * price - refund

    def idle(seconds: int) -> int:
        """Return the cost of the executor's stake and fee that come later."""
        return int((world.stake_wei + world.fee_wei) * rate * seconds / YEAR_SECONDS)

    def held(name: str, seconds: int, attacker_wei: int, defender_wei: int) -> Way:
        return Way(name, seconds, attacker_wei, defender_wei + idle(seconds), repeats=False)

    return [
        held("commit, never open", game.open_seconds, bond + COMMIT_GAS * price, forfeit_wei),
        held("challenge a truth, stall", challenge, one.owner_wei, one.honest_wei),
        held(f"the same, {MOST_SYBILS} at once", challenge, many.owner_wei, many.honest_wei),
        held(
            "demand a hidden input",
            market.window_seconds,
            bytes_wei + DEMAND_GAS * price,
            0,
        ),
        Way(
            "claim, assert nothing",
            market.assert_seconds,
            -ledger.of(OWNER) + CLAIM_GAS * price,
            0,
            repeats=True,
        ),
        Way(STALLED_LIE, lie, own_lie(world, 1).owner_wei, 0, repeats=True),
    ]


def cheapest_day(found: list[Way]) -> Way:
    """Return the way by which a task is held up day after day at the least cost."""
    return min((way for way in found if way.repeats), key=lambda way: way.attacker_wei_a_day)
