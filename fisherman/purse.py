"""What the account can still promise: bonds and gas of several matters at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from infernet.chain.deployment import Contracts
from infernet.chain.fees import Prices
from infernet.chain.records import NO_WEI, Wei
from infernet.chain.wallet import Wallet

from .cost import Verdict


@dataclass(slots=True)
class Purse:
    """Sets money aside before it is sent; threads may share it.

    What is in play keeps the gas of its whole way to the end: `recount` says how much that is by
    the chain, and whatever began since then keeps all that it was weighed with.
    """

    contracts: Contracts
    wallet: Wallet
    prices: Prices
    _gas_in_play: int = 0
    _begun: list[Wei] = field(default_factory=list)
    _gas: Wei = NO_WEI
    _bonds: Wei = NO_WEI
    _lock: Lock = field(default_factory=Lock)

    def gas_price(self) -> Wei:
        """Return the most that a unit of gas costs in a transaction sent now."""
        return self.prices.now().max_fee

    @property
    def begun(self) -> int:
        """Return how many matters began since the last recount."""
        return len(self._begun)

    def recount(self, gas_in_play: int, begun: int) -> None:
        """Keep gas for what the chain showed to be in play after the first `begun` had begun."""
        with self._lock:
            self._gas_in_play = gas_in_play
            del self._begun[:begun]

    @contextmanager
    def set_aside(self, verdict: Verdict) -> Iterator[Wei | None]:
        """Give what must be deposited along with a bond; None if the account cannot pay it all."""
        with self._lock:
            free = self.contracts.vault.balance(self.wallet.address).free
            missing = Wei(max(0, self._bonds + verdict.bound_wei - free))
            kept = self._gas_in_play * self.gas_price() + sum(self._begun) + self._gas
            is_enough = self.wallet.balance >= kept + verdict.gas_wei + missing
            if is_enough:
                self._gas = Wei(self._gas + verdict.gas_wei)
                self._bonds = Wei(self._bonds + verdict.bound_wei)
        if not is_enough:
            yield None
            return
        try:
            yield Wei(min(missing, verdict.bound_wei))
            with self._lock:
                self._begun.append(verdict.gas_wei)
        finally:
            with self._lock:
                self._gas = Wei(self._gas - verdict.gas_wei)
                self._bonds = Wei(self._bonds - verdict.bound_wei)
