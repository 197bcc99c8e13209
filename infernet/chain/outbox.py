"""Drive journalled transactions to their end: broadcast, replace, confirm.

A slot of the journal is open until a block holds one of its attempts, mined until that block is
deep enough, then settled. A block that vanishes opens it again. See docs/adr/0006.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

from infernet.store.journal import ENDS, Action, Attempt, Inclusion, Journal, Slot, SlotState

from .broadcast import Answer, broadcast
from .connection import Chain
from .errors import InsufficientBalance, NonceTaken, RetryableChainError, Reverted
from .fees import Fees, Prices
from .offers import DEFERRABLE, Offers
from .receipts import inclusion_of, is_known, transaction_count
from .records import Address, Wei

_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.5
_PUSH_SECONDS = 3.0
# How often a nonce that is used is looked for before it counts as taken by somebody else.
_LOOKS, _LOOK_SECONDS = 6, 0.1

Sign = Callable[[dict[str, Any]], tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class SendPolicy:
    """How transactions are sent.

    `confirmations`: blocks on top of a transaction's own after which it counts as settled;
    `replace_seconds`: how long it may stay out of a block at one price; `wait_seconds`: how long a
    caller waits for it; `max_fee`: the most for a unit of gas, of what can wait only.
    """

    confirmations: int = 12
    replace_seconds: float = 24.0
    wait_seconds: float = 120.0
    max_fee: Wei | None = None

    def cap(self, kind: str) -> Wei | None:
        """Return the limit for a unit of gas, None for what may not wait."""
        return self.max_fee if kind in DEFERRABLE else None


@dataclass(slots=True)
class Outbox:
    """The slots of one account. Threads may share it: each waits for its own slot.

    `on_included`: told once of each slot that a block holds, across restarts too.
    """

    chain: Chain
    address: Address
    sign: Sign
    journal: Journal
    prices: Prices
    policy: SendPolicy
    on_included: Callable[[Slot], None]
    offers: Offers = field(init=False)
    _lock: RLock = field(default_factory=RLock)
    _awaited: set[int] = field(default_factory=set)
    _tried_at: dict[int, float] = field(default_factory=dict)
    _priced_at: dict[int, float] = field(default_factory=dict)
    _seen: tuple[int, bytes] | None = None

    def __post_init__(self) -> None:
        self.offers = Offers(self.chain, self.address, self.journal, self.prices)

    def post(self, action: Action, gas: int, fees: Fees) -> Slot:
        """Journal an action in the next slot, send it, and return the slot once a block holds it.

        An action that an earlier caller gave up waiting for keeps its slot. Raises
        InsufficientBalance (nothing sent), NonceTaken or RetryableChainError.
        """
        with self._lock:
            # The block that held this very action may be gone again.
            count = self._count()
            self._send_lost(count, self.journal.next_nonce())
            orphans = [s for s in self.journal.open_with(action) if s.id not in self._awaited]
            slot = orphans[0] if orphans else self._open(action, gas, fees, count)
            self._awaited.add(slot.id)
        try:
            return self._wait(slot.id)
        finally:
            with self._lock:
                self._awaited.discard(slot.id)

    def tend(self) -> None:
        """Look after every slot that nobody waits for; raise NonceTaken if one was lost."""
        with self._lock:
            slots = [s for s in self.journal.unsettled() if s.id not in self._awaited]
        if not slots:
            return
        head = self.chain.head()
        is_same_chain = self._extends_seen(head)
        lost = []
        for slot in slots:
            if slot.state is SlotState.MINED and is_same_chain and not self._is_news(slot, head[0]):
                continue
            state = self._advance(slot.id, head[0])
            if state is SlotState.TAKEN and slot.state is not SlotState.TAKEN:
                lost.append(slot)
        self._seen = head
        if lost:
            raise self._taken(lost[0])

    def recover(self) -> None:
        """Finish what an earlier process left: after this, each of its actions is done or never is.

        Raises RetryableChainError while the chain does not get there.
        """
        self.next_nonce(self._count())
        self._give_up_tail()
        self.tend()
        for slot in self.journal.unsettled():
            if slot.state is SlotState.OPEN:
                self._wait(slot.id)

    def next_nonce(self, count: int) -> int:
        """Return the nonce of the next slot; raise RetryableChainError if the chain lags.

        `count`: how many transactions of the account the chain holds.
        """
        settled = self.journal.settled_nonce()
        if count < settled:
            raise RetryableChainError(
                f"{self.chain.name} counts {count} transactions of {self.address}, the journal "
                f"{self.journal.database.name} has {settled} confirmed ones: the node lags behind, "
                "or its chain began anew; wait, or move the journal away"
            )
        return max(count, self.journal.next_nonce())

    def _open(self, action: Action, gas: int, fees: Fees, count: int) -> Slot:
        nonce = self.next_nonce(count)
        attempt = self._signed(action, nonce, gas, fees)
        slot = self.journal.append(nonce, action, gas, attempt)
        answer, reason = self._send(slot.id, attempt)
        if answer in (Answer.POOR, Answer.REFUSED):
            # No later slot exists yet, so this one leaves no gap.
            self.journal.abandon(slot.id)
            self._forget(slot.id)
            message = f"{action.kind} was not sent: {self.chain.name} says: {reason}"
            if answer is Answer.POOR:
                raise InsufficientBalance(f"{message}; send {self.address} more")
            raise RetryableChainError(message)
        if answer is Answer.UNDERPRICED:
            self._replace(slot)
        return slot

    def _signed(self, action: Action, nonce: int, gas: int, fees: Fees) -> Attempt:
        transaction: dict[str, Any] = {
            "type": 2,
            "chainId": self.chain.chain_id,
            "nonce": nonce,
            "value": action.value_wei,
            "data": action.data,
            "gas": gas,
            "maxFeePerGas": fees.max_fee,
            "maxPriorityFeePerGas": fees.tip,
        }
        if action.recipient is not None:
            transaction["to"] = action.recipient
        raw, hash_ = self.sign(transaction)
        return Attempt(hash_, raw, fees.max_fee, fees.tip)

    def _send(self, slot_id: int, attempt: Attempt) -> tuple[Answer, str]:
        now = time.monotonic()
        self._tried_at[slot_id] = now
        self._priced_at.setdefault(slot_id, now)
        answer, reason = broadcast(self.chain, attempt.raw)
        if answer is Answer.USED:
            # Whose transaction has the nonce is worth an early look.
            del self._tried_at[slot_id]
        return answer, reason

    def _wait(self, slot_id: int) -> Slot:
        until = time.monotonic() + self.policy.wait_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            state = self._advance(slot_id)
            slot = self.journal.slot(slot_id)
            if state in (SlotState.MINED, SlotState.SETTLED):
                return slot
            if state is SlotState.ABANDONED:
                raise RetryableChainError(
                    f"{slot.kind} was not done: an earlier transaction of {self.address}, given up "
                    f"for lost, has its nonce {slot.nonce}; look again"
                )
            if state is not SlotState.OPEN:
                raise self._taken(slot)
            if time.monotonic() > until:
                raise RetryableChainError(
                    f"{slot.kind}: {self.chain.name} has not included the transaction in "
                    f"{self.policy.wait_seconds:.0f} s; it stays in the journal and is sent again"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)

    def _advance(self, slot_id: int, head: int = 0) -> SlotState:
        """Bring a slot in line with the chain, and return where it stands then.

        `head`: the latest block's number, where slots may have become deep enough to settle.
        """
        inclusion = inclusion_of(self.chain, self.journal.hashes(slot_id))
        with self._lock:
            slot = self.journal.slot(slot_id)
            # Another thread may have ended it meanwhile, and dropped its bytes.
            if slot.state in ENDS:
                return slot.state
            if inclusion is not None:
                return self._include(slot, inclusion, head)
            if slot.state is SlotState.OPEN and not self._is_due(slot_id):
                return slot.state
            count = self._count()
            if count > slot.nonce:
                return self._suspect(slot, head)
            if slot.state is not SlotState.OPEN:
                self.journal.reopen(slot_id)
            self._send_lost(count, slot.nonce)
            self._push(slot)
            return SlotState.OPEN

    def _send_lost(self, count: int, nonce: int) -> None:
        """Send again what blocks have lost below a nonce, which would wait for it for ever.

        `count`: how many transactions of the account the chain holds.
        """
        for slot in self.journal.unsettled():
            is_alone = slot.state is SlotState.MINED or slot.id not in self._awaited
            if count <= slot.nonce < nonce and is_alone:
                self._advance(slot.id)

    def _include(self, slot: Slot, inclusion: Inclusion, head: int) -> SlotState:
        is_news = slot.inclusion != inclusion and self.journal.include(slot.id, inclusion)
        self._forget(slot.id)
        if is_news:
            self.on_included(self.journal.slot(slot.id))
        return self._settle_if_deep(slot.id, inclusion.block, head, SlotState.MINED)

    def _suspect(self, slot: Slot, head: int) -> SlotState:
        """Judge a slot whose nonce is used though no attempt of it is found."""
        # The count may be younger than the look at the receipts before it, and a node may count a
        # transaction a moment before it shows the receipt.
        for look in range(1 if slot.state is SlotState.TAKEN else _LOOKS):
            if look:
                time.sleep(_LOOK_SECONDS)
            inclusion = inclusion_of(self.chain, self.journal.hashes(slot.id))
            if inclusion is not None:
                return self._include(slot, inclusion, head)
            for earlier in self.journal.abandoned(slot.nonce):
                inclusion = inclusion_of(self.chain, self.journal.hashes(earlier))
                if inclusion is not None:
                    self.journal.revive(earlier, slot.id)
                    self._include(self.journal.slot(earlier), inclusion, head)
                    return SlotState.ABANDONED
        if slot.state is SlotState.TAKEN:
            assert slot.block is not None
            return self._settle_if_deep(slot.id, slot.block, head, slot.state)
        self.journal.take(slot.id, self.chain.block_number())
        self._forget(slot.id)
        return SlotState.TAKEN

    def _settle_if_deep(self, slot_id: int, block: int, head: int, state: SlotState) -> SlotState:
        confirmations = 0 if self.chain.is_embedded else self.policy.confirmations
        if confirmations and head - block < confirmations:
            return state
        self.journal.settle(slot_id)
        return SlotState.SETTLED if state is SlotState.MINED else SlotState.LOST

    def _push(self, slot: Slot) -> None:
        """Send an open slot again, at a higher price if the last one has stood long enough."""
        attempt = self.journal.latest(slot.id)
        answer, _ = self._send(slot.id, attempt)
        age = time.monotonic() - self._priced_at[slot.id]
        if answer is Answer.UNDERPRICED or age >= self.policy.replace_seconds:
            self._replace(slot)

    def _replace(self, slot: Slot) -> None:
        """Send a slot's action at a higher price, if the account can pay it."""
        fees = self.offers.dearer(slot, self.policy.cap(slot.kind))
        if fees is None:
            return
        attempt = self._signed(self.journal.action(slot.id), slot.nonce, slot.gas, fees)
        self.journal.add_attempt(slot.id, attempt)
        self._priced_at[slot.id] = time.monotonic()
        self._send(slot.id, attempt)

    def _give_up_tail(self) -> None:
        """Abandon the last slots while no node knows them and nothing speaks for sending them."""
        for slot in reversed(self.journal.unsettled()):
            if slot.state is not SlotState.OPEN or slot.nonce < self._count():
                return
            if any(is_known(self.chain, each) for each in self.journal.hashes(slot.id)):
                return
            if slot.kind not in DEFERRABLE and not self._would_fail(slot):
                return
            self.journal.abandon(slot.id)

    def _would_fail(self, slot: Slot) -> bool:
        action = self.journal.action(slot.id)
        call = {"from": self.address, "value": action.value_wei, "data": action.data}
        if action.recipient is not None:
            call["to"] = action.recipient
        if self.offers.promised(slot) > self.chain.balance(self.address):
            return True
        try:
            self.chain.simulate(slot.kind, call)
        except Reverted:
            return True
        return False

    def _count(self) -> int:
        return transaction_count(self.chain, self.address)

    def _extends_seen(self, head: tuple[int, bytes]) -> bool:
        """Return whether the block that was the head before is still on the chain."""
        if self._seen is None or self._seen[0] > head[0]:
            return False
        if self._seen[0] == head[0]:
            return self._seen == head
        return self.chain.block(self._seen[0]).hash == self._seen[1]

    def _is_news(self, slot: Slot, head: int) -> bool:
        """Return whether a mined slot is younger than the last look, or deep enough to settle."""
        assert slot.block is not None and self._seen is not None
        return slot.block > self._seen[0] or head - slot.block >= self.policy.confirmations

    def _is_due(self, slot_id: int) -> bool:
        last = self._tried_at.get(slot_id)
        return last is None or time.monotonic() - last >= _PUSH_SECONDS

    def _forget(self, slot_id: int) -> None:
        self._tried_at.pop(slot_id, None)
        self._priced_at.pop(slot_id, None)

    def _taken(self, slot: Slot) -> NonceTaken:
        return NonceTaken(
            f"{slot.kind} was not done: another program used nonce {slot.nonce} of {self.address}; "
            "stop it, or give it a key of its own"
        )
