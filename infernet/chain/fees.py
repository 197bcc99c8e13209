"""What a transaction offers for its gas (EIP-1559)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from threading import Lock

from .connection import Chain, integer, translated
from .errors import FeeAboveCap
from .records import NO_WEI, Wei

GWEI = 10**9
# For nodes that suggest nothing.
_DEFAULT_TIP_WEI = GWEI
# The base fee grows by an eighth per block at most, and the offer holds six such blocks.
_FRESH_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Fees:
    """Offers for each unit of gas: the most in all, and the part for who builds the block."""

    max_fee: Wei
    tip: Wei

    @property
    def paid(self) -> Wei:
        """Return what a unit costs in the next block, for fees as `Prices` gives them."""
        return Wei((self.max_fee + self.tip) // 2)

    def raised_to(self, other: Fees) -> Fees:
        """Return what replaces these: an eighth more, as nodes demand, or `other` if dearer."""
        return Fees(
            Wei(max(_raised(self.max_fee), other.max_fee)), Wei(max(_raised(self.tip), other.tip))
        )


@dataclass(slots=True)
class Prices:
    """Today's fees on a chain, asked again every few seconds. Threads may share it."""

    chain: Chain
    _fees: Fees | None = None
    _base: Wei = NO_WEI
    _asked_at: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def now(self) -> Fees:
        """Return fees that outlast six full blocks: twice the base fee and the tip."""
        with self._lock:
            # On an embedded chain a block passes in no time.
            is_fresh = time.monotonic() - self._asked_at < _FRESH_SECONDS
            if self._fees is None or self.chain.is_embedded or not is_fresh:
                self._fees = self._ask()
                self._asked_at = time.monotonic()
            return self._fees

    def below(self, cap: Wei | None, kind: str) -> Fees:
        """Return today's fees within a cap, or raise FeeAboveCap where nobody would take them."""
        fees = self.now()
        if cap is None:
            return fees
        held = self.within(cap, fees)
        if held is None:
            raise FeeAboveCap(
                f"{kind} waits: {self.chain.name} asks {(self._base + fees.tip) / GWEI:.3f} gwei "
                f"for a unit of gas, above the limit of {cap / GWEI:.3f}; raise max_fee_gwei, or "
                "let it wait"
            )
        return held

    def within(self, most: int, fees: Fees, least: int = 0) -> Fees | None:
        """Return fees that offer at most `most`, and at least `least`, for a unit of gas.

        None where the next block, as far as `now` knows, would not take them.
        """
        if fees.max_fee <= most:
            return fees
        if most < max(least, self._base + fees.tip):
            return None
        return Fees(Wei(most), fees.tip)

    def _ask(self) -> Fees:
        with translated("asking for fees", self.chain.name):
            web3 = self.chain.web3
            latest = self.chain.ask("eth_getBlockByNumber", "latest", False)
            self._base = Wei(integer(latest.get("baseFeePerGas") or 0))
            answer = web3.provider.make_request("eth_maxPriorityFeePerGas", [])
        tip = answer.get("result")
        if isinstance(tip, str):
            tip = int(tip, 16)
        tip = Wei(_DEFAULT_TIP_WEI if tip is None else int(tip))
        return Fees(Wei(2 * self._base + tip), tip)


def _raised(fee: Wei) -> int:
    return fee + fee // 8 + 1
