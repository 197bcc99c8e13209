"""The balance between lies and checks, where neither pays more than its opposite."""

from __future__ import annotations

from dataclasses import dataclass

from .closed import (
    World,
    coverage,
    deterring_coverage,
    honest_gain,
    lying_gain,
    paying_lies,
    share_for,
)


@dataclass(frozen=True, slots=True)
class Balance:
    """Share of results that are lies, and share of results that each fisherman checks."""

    lies: float
    share: float


def balance_of(world: World, watchers: int) -> Balance:
    """Return the mixed equilibrium of one executor's lies and alike watchers' checks.

    At the deterring coverage a lie earns what the truth does; at the paying share of lies a check
    earns nothing. Away from either, one side does better by changing.
    """
    share = share_for(deterring_coverage(world, hedged=False), watchers)
    return Balance(min(1.0, paying_lies(world, share, watchers)), share)


def learned_balance(world: World, watchers: int, rounds: int) -> Balance:
    """Return what players come to that always answer best to all that they have seen.

    Each round both sides choose all or nothing; what is returned is the average over the rounds,
    the first tenth left out.
    """
    lies, share = 0.5, 0.5
    total = Balance(0.0, 0.0)
    kept = 0
    truth = honest_gain(world)
    for number in range(1, rounds + 1):
        lie = lying_gain(world, coverage(share, watchers), hedged=False) > truth
        check = lies > paying_lies(world, share, watchers)
        weight = 1 / (number + 10)
        lies += weight * (lie - lies)
        share += weight * (check - share)
        if number > rounds // 10:
            kept += 1
            total = Balance(total.lies + lies, total.share + share)
    return Balance(total.lies / kept, total.share / kept)
