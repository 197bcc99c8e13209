"""What a challenge costs and what it earns: pure arithmetic on what the chain says.

Gas figures are upper bounds of what the contracts take; tests/unit/fisherman/test_gas.py measures
them. The rules of the money: docs/spec/dispute.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from bisection.dissection import worst_dissections
from infernet.chain.market import reveal_gas
from infernet.chain.records import GameConstants, MarketConstants, Wei
from infernet.chain.wallet import in_ether

# A commit that also deposits, into slots that were never used.
COMMIT_GAS = 230_000
OPEN_GAS, OPEN_GAS_EACH = 107_000, 1_100
DISSECT_GAS, DISSECT_GAS_EACH = 54_000, 1_100
# The limit that the provers are built for; a timeout takes less.
PROVE_GAS = 300_000
PRIORITY_GAS = 60_000
REWARD_GAS = 130_000
DEMAND_GAS = 110_000
REVEAL_TIMEOUT_GAS = 140_000

_WEI_PER_ETHER = 10**18
_YEAR_SECONDS = 365 * 24 * 3_600


@dataclass(frozen=True, slots=True)
class Verdict:
    """Reward against cost, in wei. `bound_wei` comes back; it must be there until the end.

    `gas_wei`: of the longest way to the end, at the highest price that is paid today.
    """

    reward_wei: Wei
    gas_wei: Wei
    capital_wei: Wei
    bound_wei: Wei

    @property
    def cost_wei(self) -> Wei:
        """Return what does not come back."""
        return Wei(self.gas_wei + self.capital_wei)

    @property
    def profit_wei(self) -> Wei:
        """Return what is left over; negative for a loss."""
        return Wei(self.reward_wei - self.cost_wei)

    @property
    def brief(self) -> str:
        """Return reward and cost in a few words, rounded."""
        return (
            f"{self.reward_wei / _WEI_PER_ETHER:.3g} for {self.cost_wei / _WEI_PER_ETHER:.2g} ETH"
        )

    def __str__(self) -> str:
        return (
            f"earns {in_ether(self.reward_wei)}, costs {in_ether(self.cost_wei)} "
            f"({in_ether(self.gas_wei)} of it gas), binds {in_ether(self.bound_wei)}"
        )


def gas_to_the_end(steps: int, arity: int) -> int:
    """Return the most gas that a challenger takes from its commit to its reward.

    Every dissection is played, the last step proved, and priority claimed from a later challenger.
    """
    return COMMIT_GAS + gas_after_commit(steps, arity)


def gas_after_commit(steps: int, arity: int) -> int:
    """Return the most gas that a committed challenger still takes."""
    own = (worst_dissections(steps, arity) + 1) // 2
    parts = min(arity, steps)
    opening = OPEN_GAS + OPEN_GAS_EACH * parts
    dissection = DISSECT_GAS + DISSECT_GAS_EACH * parts
    moves = opening + max(0, own - 1) * dissection + PROVE_GAS
    return moves + PRIORITY_GAS + REWARD_GAS


def most_seconds(steps: int, constants: GameConstants) -> int:
    """Return how long a bond is locked at most (the contract's maxDisputeSeconds, and the wait)."""
    run = constants.run_seconds(steps)
    clock = constants.clock_seconds + run
    moves = worst_dissections(steps, constants.arity) * constants.grace_seconds
    return 2 * constants.open_seconds + run + 2 * clock + moves


def weigh(
    stake: Wei,
    bond: Wei,
    steps: int,
    gas_price: Wei,
    constants: GameConstants,
    yearly_rate: Fraction,
) -> Verdict:
    """Weigh a challenge; the bond comes back to whoever wins."""
    gas = gas_to_the_end(steps, constants.arity) * gas_price
    capital = _capital(bond, most_seconds(steps, constants), yearly_rate)
    return Verdict(reward_of(stake), Wei(gas), capital, bond)


def reward_of(stake: Wei) -> Wei:
    """Return what a slashed stake pays who proved it false; the rest of it burns."""
    return Wei(stake // 4)


def reveal_price(input_bytes: int, base_fee: Wei) -> Wei:
    """Return the most that an input of so many bytes costs a demander at a base fee.

    At the highest fee that the market covers this is the bond of a demand. Bytes that are zero cost
    less.
    """
    return Wei(reveal_gas(input_bytes) * base_fee)


def weigh_demand(
    stake: Wei,
    input_bytes: int,
    gas_price: Wei,
    constants: MarketConstants,
    hidden_share: Fraction,
    yearly_rate: Fraction,
) -> Verdict:
    """Weigh a demand to see an input.

    The stake's quarter is earned with the probability `hidden_share`, else the bytes are paid for.
    """
    covered = Wei(constants.reveal_base_fee_wei)
    bond = reveal_price(input_bytes, covered)
    reward = int(hidden_share * reward_of(stake))
    price = reveal_price(input_bytes, min(gas_price, covered))
    bytes_wei = int((1 - hidden_share) * price)
    gas = (DEMAND_GAS + REVEAL_TIMEOUT_GAS) * gas_price
    bound = _capital(bond, constants.reveal_seconds, yearly_rate)
    return Verdict(Wei(reward), Wei(gas), Wei(bytes_wei + bound), bond)


def _capital(amount: Wei, seconds: int, yearly_rate: Fraction) -> Wei:
    return Wei(int(amount * yearly_rate * seconds / _YEAR_SECONDS))
