"""What players were worth, what they paid, and whether the vault adds up."""

from __future__ import annotations

from collections.abc import Iterable

from infernet.chain.records import Address, Wei
from tests.stage import ETHER

from .town import Town, payments

START_WEI = 100 * ETHER


def worth(town: Town, address: Address) -> int:
    """Return all that an account has, in the wallet and in the vault."""
    return town.chain.balance(address) + town.contracts.vault.balance(address).total


def gains(town: Town, addresses: Iterable[Address]) -> dict[Address, Wei]:
    """Return what accounts gained since they were funded, their gas left out."""
    paid = payments(town.anvil)
    return {
        each: Wei(worth(town, each) + paid[each.lower()].gas_wei - START_WEI) for each in addresses
    }


def require_balanced(town: Town, *addresses: Address) -> None:
    """Check that the vault holds exactly what its accounts have and what was burned."""
    vault = town.contracts.vault
    owed = sum(int(vault.balance(address).total) for address in addresses) + vault.burned()
    assert town.chain.balance(vault.address) == owed
