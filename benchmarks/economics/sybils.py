"""One owner behind several accounts: what it gains or loses, all accounts together."""

from __future__ import annotations

from dataclasses import dataclass

from .closed import World, lottery_gain
from .money import Ledger, lose_challenge, slash

MOST_SYBILS = 64
OWNER = "owner"
HONEST = "honest"


@dataclass(frozen=True, slots=True)
class Loss:
    """What an owner loses, and what the honest player opposite loses, in wei; gains are below 0."""

    owner_wei: int
    honest_wei: int


def own_lie(world: World, sybils: int) -> Loss:
    """Challenge one's own lie from so many accounts; the first of them wins, the rest come back."""
    ledger, terms, price = Ledger(), world.terms, world.gas_price_wei
    ledger.spend_gas(OWNER, terms.win_gas + (sybils - 1) * terms.copy_gas, price)
    ledger.spend_gas(OWNER, terms.executor_turns * terms.dissect_gas, price)
    slash(ledger, OWNER, OWNER, world.stake_wei)
    return Loss(-ledger.of(OWNER), -ledger.of(HONEST))


def own_truth(world: World, sybils: int) -> Loss:
    """Challenge one's own true result from so many accounts, and refute every one."""
    return _refuted(world, sybils, OWNER)


def foreign_truth(world: World, sybils: int) -> Loss:
    """Challenge an honest executor's true result from so many accounts, each to its end."""
    return _refuted(world, sybils, HONEST)


def _refuted(world: World, sybils: int, executor: str) -> Loss:
    ledger, terms, price = Ledger(), world.terms, world.gas_price_wei
    refund = terms.refund_wei(price)
    for live in range(sybils):
        turns = max(0, terms.challenger_turns - 1)
        attack_gas = terms.copy_gas + terms.open_gas + turns * terms.dissect_gas
        ledger.spend_gas(OWNER, attack_gas, price)
        ledger.spend_gas(executor, terms.defence_gas, price)
        lose_challenge(ledger, OWNER, executor, terms.bond_wei(live), refund)
    return Loss(-ledger.of(OWNER), -ledger.of(HONEST))


def best_lottery(world: World, others: int) -> tuple[int, float]:
    """Return the number of commits, 0 to 64, that earns most where the first is drawn by lot."""
    gains = [(lottery_gain(world, mine, others), -mine) for mine in range(MOST_SYBILS + 1)]
    gain, mine = max(gains)
    return -mine, gain
