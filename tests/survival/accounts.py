"""What players were worth, what they paid, and whether the vault adds up."""

from __future__ import annotations

from infernet.chain.records import Address, Wei
from tests.stage import ETHER

from .town import Town, payments

START_WEI = 100 * ETHER


def worth(town: Town, address: Address) -> int:
    """Return all that an account has, in the wallet and in the vault."""
    return town.chain.balance(address) + town.contracts.vault.balance(address).total


def gain(town: Town, address: Address) -> int:
    """Return what an account gained since it was funded, its gas left out."""
    return worth(town, address) + gas_of(town, address) - START_WEI


def gas_of(town: Town, address: Address) -> Wei:
    """Return what an account paid for gas."""
    return payments(town.anvil, address).gas_wei


def require_balanced(town: Town, *addresses: Address) -> None:
    """Check that the vault holds exactly what its accounts have and what was burned."""
    vault = town.contracts.vault
    owed = sum(int(vault.balance(address).total) for address in addresses) + vault.burned()
    assert town.chain.balance(vault.address) == owed
