"""What an account can offer for a unit of gas, and what it gives to be no longer in the way."""

from __future__ import annotations

from dataclasses import dataclass

from infernet.store.journal import Action, Journal, Slot, SlotState

from .connection import Chain
from .fees import Fees, Prices
from .records import Address, Wei

# Obligations never wait for cheaper gas and are sent even late; these are mere offers.
DEFERRABLE = frozenset({"claim", "deposit", "withdraw", "register", "extend"})


@dataclass(frozen=True, slots=True)
class Offers:
    """The fees of one account's transactions, as far as its balance goes."""

    chain: Chain
    address: Address
    journal: Journal
    prices: Prices

    def first(self, action: Action, gas: int, fees: Fees) -> Fees | None:
        """Return the fees that the account can pay for a new action; None if it cannot.

        What may not wait goes with less than `fees` where the next block would take that.
        """
        held = self._balance - action.value_wei
        if gas * fees.max_fee <= held:
            return fees
        return None if action.kind in DEFERRABLE else self._spare(action, gas, fees, held)

    def dearer(self, slot: Slot, cap: Wei | None) -> Fees | None:
        """Return the fees that replace a slot's; None above the cap or the account's means.

        Neither the cap nor the wish for twice the base fee holds where an obligation waits behind.
        """
        last, action = self.journal.latest(slot.id), self.journal.action(slot.id)
        offered = Fees(Wei(last.max_fee_wei), Wei(last.tip_wei))
        fees = offered.raised_to(self.prices.now())
        is_owed = slot.kind not in DEFERRABLE or self._holds_up(slot)
        if cap is not None and fees.max_fee > cap and not is_owed:
            return None
        held = self._balance - slot.value_wei
        if slot.gas * fees.max_fee <= held:
            return fees
        if not is_owed:
            return None
        least = offered.raised_to(offered).max_fee
        return self._spare(action, slot.gas, fees, held, slot, least)

    def promised(self, slot: Slot) -> int:
        """Return the most wei that a slot takes as it was offered last."""
        return slot.value_wei + slot.gas * self.journal.latest(slot.id).max_fee_wei

    def _spare(
        self,
        action: Action,
        gas: int,
        fees: Fees,
        held: int,
        slot: Slot | None = None,
        least: int = 0,
    ) -> Fees | None:
        """Return fees from what other open slots leave; None if that is too little.

        `slot`: the one that has the action already.
        """
        same = {each.id for each in self.journal.open_with(action)}
        others = [each for each in self._open_slots() if each.id not in same]
        before = [each for each in others if slot is None or each.nonce < slot.nonce]
        # Nodes may add up all that waits; but what comes later can only wait for this one.
        for waiting in (others, before):
            spare = held - sum(self.promised(each) for each in waiting)
            if found := self.prices.within(spare // gas, fees, least):
                return found
        return None

    def _holds_up(self, slot: Slot) -> bool:
        """Return whether something that may not wait has to wait for a slot."""
        later = (each for each in self._open_slots() if each.nonce > slot.nonce)
        return any(each.kind not in DEFERRABLE for each in later)

    def _open_slots(self) -> list[Slot]:
        return [slot for slot in self.journal.unsettled() if slot.state is SlotState.OPEN]

    @property
    def _balance(self) -> Wei:
        return self.chain.balance(self.address)
