"""The vault of all ether: deposits, locks and withdrawals (StakeManager.sol)."""

from __future__ import annotations

from dataclasses import dataclass

from .contract import Contract
from .records import Address, Wei
from .wallet import Sent, Wallet


@dataclass(frozen=True, slots=True)
class Balance:
    """An account's part of the vault: what it may take out, and what is locked."""

    free: Wei
    locked: Wei

    @property
    def total(self) -> Wei:
        """Return both parts together."""
        return Wei(self.free + self.locked)


class Vault(Contract):
    """The ledger that fees, stakes and bonds move in."""

    def balance(self, account: Address) -> Balance:
        """Return an account's balance in the vault."""
        free, locked = self.view("account", account)
        return Balance(Wei(free), Wei(locked))

    def burned(self) -> Wei:
        """Return what was burned so far."""
        return Wei(self.view("burned"))

    def deposit(self, wallet: Wallet, amount: Wei) -> Sent:
        """Put ether of the wallet into the vault."""
        return self.send(wallet, "deposit", value=amount)

    def withdraw(self, wallet: Wallet, amount: Wei) -> Sent:
        """Take free ether out of the vault."""
        return self.send(wallet, "withdraw", amount)

    def top_up(self, wallet: Wallet, amount: Wei) -> Sent:
        """Take free ether out of the vault as gas for moves: no cap on fees holds it back."""
        return self.send(wallet, "withdraw", amount, kind="top up")
