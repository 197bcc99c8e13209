"""The tasks that the tables are about; none of these figures is a constant of the contracts."""

from __future__ import annotations

from dataclasses import replace

from .closed import World
from .terms import ETHER, GWEI, HOUR_SECONDS, RESNET_STEPS, SMALL_STEPS, Terms

# A rented core, at about 0.05 dollars and 2,500 dollars an ether.
CORE_HOUR_WEI = 2 * 10**13
# ResNet50 on one thread (`python -m benchmarks executor`).
RESNET_SECONDS = 0.02605
FEE_WEI = ETHER // 100


def run_price(seconds: float) -> int:
    """Return what so many seconds of a core cost, in wei."""
    return int(CORE_HOUR_WEI * seconds / HOUR_SECONDS)


def image_world(gas_price_gwei: int = 20, gain_share: float = 1.0) -> World:
    """Return ResNet50 at its floor stake, with a gain of so many stakes from one lie."""
    terms = Terms(RESNET_STEPS)
    gain, run = int(gain_share * terms.floor_wei), run_price(RESNET_SECONDS)
    return World(terms, terms.floor_wei, FEE_WEI, gain, run, gas_price_gwei * GWEI)


def dear_world() -> World:
    """Return a small network whose runs are so dear that a simulation of thousands shows it.

    A run costs a hundredth of the stake, the fee is twice that.
    """
    terms = Terms(SMALL_STEPS)
    stake = terms.floor_wei
    return World(terms, stake, stake // 50, stake // 4, stake // 100, GWEI)


def with_gain(world: World, share: float) -> World:
    """Return the same with a gain of so many stakes."""
    return replace(world, gain_wei=int(share * world.stake_wei))
