"""Where the money goes: the contracts' rules as moves between accounts (spec: dispute.md)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from fisherman.cost import reward_of
from infernet.chain.records import Wei

from .terms import Terms, burn_of

# Accounts besides the players: what leaves the game and what comes from outside of it.
BURNED = "burned"
GAS = "gas"
COMPUTING = "computing"
OUTSIDE = "outside"
_BPS = 10_000


@dataclass(slots=True)
class Ledger:
    """Balances in wei as changes since the beginning; they always sum to nothing."""

    changes: Counter[str] = field(default_factory=Counter)

    def move(self, source: str, target: str, amount_wei: int) -> None:
        """Move an amount, at least 0."""
        if amount_wei < 0:
            raise ValueError(f"{source} would pay {amount_wei} wei to {target}; amounts are >= 0")
        self.changes[source] -= amount_wei
        self.changes[target] += amount_wei

    def spend_gas(self, player: str, gas: int, price_wei: int) -> None:
        """Pay for gas."""
        self.move(player, GAS, gas * price_wei)

    def of(self, *players: str) -> int:
        """Return what players gained together."""
        return sum(self.changes[player] for player in players)


def finalise(ledger: Ledger, requester: str, executor: str, fee_wei: int) -> None:
    """Pay the fee of a result that stands."""
    ledger.move(requester, executor, fee_wei)


def slash(ledger: Ledger, executor: str, winner: str, stake_wei: int) -> None:
    """Defeat a result: a quarter of the stake is the winner's; the fee stays where it is."""
    ledger.move(executor, BURNED, burn_of(stake_wei))
    ledger.move(executor, winner, reward_of(Wei(stake_wei)))


def lose_challenge(
    ledger: Ledger, challenger: str, executor: str, bond_wei: int, refund_wei: int
) -> None:
    """Settle a lost game: the executor's moves are refunded out of the bond, the rest burns."""
    refund = min(refund_wei, bond_wei // 2)
    ledger.move(challenger, executor, refund)
    ledger.move(challenger, BURNED, bond_wei - refund)


def expire_claim(ledger: Ledger, terms: Terms, executor: str, stake_wei: int) -> None:
    """Fine a claim that became no result."""
    bps = terms.constants.market.claim_penalty_bps
    ledger.move(executor, BURNED, (stake_wei * bps + _BPS - 1) // _BPS)
