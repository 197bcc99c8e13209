"""Send to the chain what was accepted, and take back the fees of what nobody finished in time.

Nothing here needs a memory: what is not on chain is sent, and the contract takes an id once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from threading import Lock

from infernet.actors.crew import Crew, Work
from infernet.chain.deployment import Contracts
from infernet.chain.errors import ChainError, InsufficientBalance, Reverted
from infernet.chain.market import Request
from infernet.chain.records import NO_WEI, Seconds, TaskId, Wei
from infernet.chain.signed import carriage_signed
from infernet.chain.wallet import Wallet

from ..errors import BlobDamaged, GatewayError
from ..store.blobs import Blobs
from ..store.records import TaskEvent, TaskRow, TaskState
from ..store.tasks import TaskStore
from .follow import Follower
from .terms import Settings

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 60.0
_TIDY_SECONDS = 60.0
_ROUNDS = 4
_DEPOSIT = b"deposit"


class Sender:
    """One turn of the gateway: look, give up what is too late, send, take back, tidy up.

    `turn`: held while the tables are brought in line with the chain.
    """

    def __init__(
        self,
        contracts: Contracts,
        wallet: Wallet,
        store: TaskStore,
        blobs: Blobs,
        follower: Follower,
        settings: Settings,
        turn: Lock,
        on_events: Callable[[Sequence[TaskEvent]], None],
    ) -> None:
        self._contracts, self._wallet, self._store, self._blobs = contracts, wallet, store, blobs
        self._follower, self._settings, self._turn = follower, settings, turn
        self._on_events = on_events
        self.crew = Crew(0 if contracts.chain.is_embedded else settings.senders)
        self._pauses = Pauses()
        self._sent: dict[TaskId, float] = {}
        self._tidied_at = time.monotonic()
        self._is_short = False

    def tick(self) -> bool:
        """Do one turn; return whether anything was sent."""
        with self._turn:
            self._follower.look()
        now = self._contracts.chain.next_timestamp()
        # What waits for its turn must not keep what is behind it from being seen.
        held = len(self._sent) + len(self._pauses)
        unsent = self._store.unsent(_ROUNDS * self._settings.senders + held)
        self._forget_sent(unsent)
        late = [row for row in unsent if row.order.deadline <= now]
        self._give_up(late, now)
        waiting = [row for row in unsent if row.order.deadline > now and self._is_due(row)]
        works = [*self._sends(waiting, self._under_way(unsent)), *self._reclaims(now)]
        self._tidy(now)
        return self.crew.attempt_all(works, lambda error: None)

    def _is_due(self, row: TaskRow) -> bool:
        task_id = row.order.id
        is_idle = not self.crew.is_busy_with(task_id) and task_id not in self._sent
        return is_idle and self._pauses.is_over(task_id)

    def _forget_sent(self, unsent: Iterable[TaskRow]) -> None:
        """Keep in mind what was sent and is not seen yet, for a while."""
        since = time.monotonic() - self._settings.unheard_seconds
        missing = {row.order.id for row in unsent}
        sent = dict(self._sent)
        self._sent = {id_: at for id_, at in sent.items() if id_ in missing and at > since}

    def _give_up(self, late: Iterable[TaskRow], now: int) -> None:
        """Mark what no block can hold any more; the chain was read before, up to its head."""
        for row in late:
            if not self.crew.is_busy_with(row.order.id):
                self._pauses.clear(row.order.id)
                event = self._store.fail(row.order.id, Seconds(now))
                self._on_events([event] if event else [])

    def _under_way(self, rows: Iterable[TaskRow]) -> Wei:
        """Return the fees of requests that are being sent, which the vault may not show yet."""
        busy = (row for row in rows if self.crew.is_busy_with(row.order.id))
        return Wei(sum(_own_fee(row) for row in busy))

    def _sends(self, rows: Sequence[TaskRow], under_way: Wei) -> Iterator[Work]:
        """Yield a work for each task that can be paid, and one to deposit what is missing."""
        if not rows:
            return
        # The vault is asked after `under_way` was counted, so that nothing is missed between.
        free = Wei(self._contracts.vault.balance(self._wallet.address).free - under_way)
        missing = list[TaskRow]()
        for row in rows:
            fee = _own_fee(row)
            if fee > max(free, 0):
                missing.append(row)
                continue
            free = Wei(free - fee)
            yield Work(row.order.id, partial(self._send, row), row.order.deadline)
        if missing:
            if self._is_short:
                amount = Wei(min(row.order.fee_wei for row in missing) - free)
            else:
                needed = sum(row.order.fee_wei for row in missing) - free
                amount = Wei(max(needed, self._settings.top_up_wei))
            yield Work(_DEPOSIT, partial(self._deposit, amount, missing), is_urgent=True)

    def _send(self, row: TaskRow) -> bool:
        """Send a request and wait until a block holds it."""
        order = row.order
        try:
            found = self._request(row)
        except Reverted as error:
            if error.error == "TaskExists":
                self._sent[order.id] = time.monotonic()
                return False
            self._trouble(row, error)
            raise
        except (ChainError, GatewayError) as error:
            self._trouble(row, error)
            raise
        if found != order.id:
            raise GatewayError(
                f"task 0x{order.id.hex()} became 0x{found.hex()} on chain; the contracts are not "
                "of this version, stop the gateway"
            )
        self._sent[order.id] = time.monotonic()
        self._pauses.clear(order.id)
        self._store.trouble(order.id, "")
        return True

    def _request(self, row: TaskRow) -> TaskId:
        order = row.order
        data = self._blobs.get(order.input_root)
        if data is None:
            raise BlobDamaged(
                f"the input of task 0x{order.id.hex()} is gone from the gateway's file; "
                "whoever asked has to ask again"
            )
        asked = Request(
            order.program_root, order.fee_wei, order.deadline, order.nonce, order.iterations
        )
        market, wallet = self._contracts.market, self._wallet
        if order.signature is not None:
            named = order.input_root, order.requester, order.signature
            chain_id = self._contracts.chain.chain_id
            # The setting may have changed since it was accepted.
            is_carried = carriage_signed(chain_id, market.address, asked, *named)
            return market.request_signed(
                wallet,
                order.requester,
                asked,
                order.input_root,
                data if is_carried else b"",
                order.signature,
            )[0]
        if self._settings.are_inputs_carried:
            return market.request_with_input(wallet, asked, data)[0]
        return market.request(wallet, asked, order.input_root)[0]

    def _trouble(self, row: TaskRow, error: Exception) -> None:
        self._pauses.extend(row.order.id)
        self._store.trouble(row.order.id, str(error))

    def _deposit(self, amount: Wei, rows: Iterable[TaskRow]) -> bool:
        """Put fees into the vault, from where requests take them."""
        try:
            self._contracts.vault.deposit(self._wallet, amount)
        except InsufficientBalance:
            # What is there may be enough for the cheapest.
            self._is_short = True
            for row in rows:
                self._pauses.extend(row.order.id)
                self._store.trouble(row.order.id, "the gateway's account has too little ether")
            raise
        self._is_short = False
        return True

    def _reclaims(self, now: int) -> Iterator[Work]:
        """Yield a work for each fee of the gateway's own that nobody will earn."""
        for row in self._store.overdue(self._wallet.address, Seconds(now)):
            matter = b"reclaim" + row.order.id
            if self._pauses.is_over(matter):
                yield Work(matter, partial(self._reclaim, row, matter))

    def _reclaim(self, row: TaskRow, matter: bytes) -> bool:
        market = self._contracts.market
        # Until it is seen on chain, nothing is gained by trying again.
        self._pauses.extend(matter)
        if row.state is TaskState.RUNNING:
            market.send(self._wallet, "expireClaim", row.order.id)
        market.reclaim_fee(self._wallet, row.order.id)
        return True

    def _tidy(self, now: int) -> None:
        """Remove inputs and idempotency keys that nobody needs any more."""
        if time.monotonic() - self._tidied_at > _TIDY_SECONDS:
            self._tidied_at = time.monotonic()
            self._pauses.tidy()
            self._blobs.collect(self._store.needs_input)
            self._store.forget_keys(Seconds(now - self._settings.key_seconds))


def _own_fee(row: TaskRow) -> Wei:
    """Return what the gateway pays for a task itself."""
    return NO_WEI if row.order.signature is not None else row.order.fee_wei


class Pauses:
    """How long to leave matters alone that failed, doubled each time; threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._until: dict[bytes, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._until)

    def tidy(self) -> None:
        """Forget what failed long ago."""
        since = time.monotonic() - 2 * _LONGEST_PAUSE_SECONDS
        with self._lock:
            self._until = {key: each for key, each in self._until.items() if each[0] > since}

    def is_over(self, matter: bytes) -> bool:
        """Return whether a matter may be tried."""
        with self._lock:
            return time.monotonic() >= self._until.get(matter, (0.0, 0.0))[0]

    def extend(self, matter: bytes) -> None:
        """Leave a matter alone, longer than the last time."""
        with self._lock:
            _, last = self._until.get(matter, (0.0, _FIRST_PAUSE_SECONDS / 2))
            pause = min(2 * last, _LONGEST_PAUSE_SECONDS)
            self._until[matter] = (time.monotonic() + pause, pause)

    def clear(self, matter: bytes) -> None:
        """Forget that a matter failed."""
        with self._lock:
            self._until.pop(matter, None)
