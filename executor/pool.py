"""Work from the pools of gateways that the settings name; the first one that answers is asked.

A gateway only suggests. What is claimed, at which stake and until when is decided by what the
miner's own nodes say, so a gateway that lies, or is gone, costs nothing but its suggestions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock, Thread

import httpx
import structlog

from infernet.audit.receipt import root_of
from infernet.chain.deployment import Contracts
from infernet.chain.errors import ChainError
from infernet.chain.records import ProgramRoot, TaskId
from infernet.chain.wallet import KeySigner
from infernet.store.errors import StoreError

from .errors import GatewayFailed, GatewayLied, SessionOver
from .gateway import Gateway, Named, Seat, Session
from .inputs import Inputs
from .review import Review

# A head start is told a moment after it began.
_LATE_SECONDS = 1.0
_NOT_FOUND = (403, 404)
_END_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class PoolPace:
    """Times in seconds.

    `wait`: of one question for work; `answer`: that any other one may take; `look`: between two of
    them, and how soon it is noticed that there is room again. `first_pause`, `longest_pause`:
    before a gateway that failed is asked again, doubled each time; `lie_pause`: before one that
    lied is. `unknown`: after which a task that the miner's nodes do not show was never there.
    `patience`: as long as offers to others are honoured at most, whatever the gateway says.
    """

    wait: float = 20.0
    answer: float = 10.0
    look: float = 0.2
    first_pause: float = 1.0
    longest_pause: float = 60.0
    lie_pause: float = 600.0
    unknown: float = 60.0
    patience: float = 15.0


@dataclass(frozen=True, slots=True)
class Advice:
    """What a gateway suggests. `own`: offered to this miner alone, `shared`: to all.

    Whatever else is fresher than `patience_seconds` is offered to somebody else.
    """

    own: frozenset[TaskId] = frozenset()
    shared: frozenset[TaskId] = frozenset()
    patience_seconds: float = 0.0


_NO_ADVICE = Advice()


@dataclass(slots=True)
class _Trouble:
    """How a gateway failed lately. `until`: monotonic, when it may be asked again."""

    pause: float = 0.0
    until: float = 0.0


class Pool:
    """A miner's memberships, kept by a thread of its own between `start` and `close`.

    `input_bytes`: of the programs that it runs. `counts`: sessions, failures and lies so far. Any
    thread may read `advice` and set `room`, the number of tasks that could be taken now.
    """

    def __init__(
        self,
        urls: Sequence[str],
        contracts: Contracts,
        signer: KeySigner,
        input_bytes: Mapping[ProgramRoot, int],
        inputs: Inputs,
        pace: PoolPace | None = None,
    ) -> None:
        self.room = 0
        self.advice = _NO_ADVICE
        self.counts = dict.fromkeys(("joined", "failed", "lied"), 0)
        self._urls, self._contracts, self._inputs = tuple(urls), contracts, inputs
        self._input_bytes, self._pace = dict(input_bytes), pace or PoolPace()
        deployment = contracts.deployment
        roots = tuple(self._input_bytes)
        self._seat = Seat(signer, deployment.chain_id, deployment.market, roots)
        self._review = Review(contracts, self._input_bytes, self._pace.unknown)
        self._troubles = {url: _Trouble() for url in self._urls}
        self._log = structlog.get_logger("infernet.pool")
        self._thread: Thread | None = None
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_alone, self._is_closed = False, False

    def start(self) -> None:
        """Begin to ask the gateways."""
        self._thread = Thread(target=self._work, name="pool", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave the pool and end the thread."""
        with self._lock:
            self._is_closed = True
            if self._loop and self._task:
                self._loop.call_soon_threadsafe(self._task.cancel)
        if self._thread:
            self._thread.join(2 * _END_SECONDS)

    def __enter__(self) -> Pool:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _work(self) -> None:
        loop = asyncio.new_event_loop()
        with self._lock:
            if self._is_closed:
                loop.close()
                return
            self._loop, self._task = loop, loop.create_task(self._keep())
        try:
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(self._task)
        finally:
            with self._lock:
                self._task = None
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    async def _keep(self) -> None:
        """Stay in one pool after the other, until cancelled."""
        async with httpx.AsyncClient(follow_redirects=False, timeout=None) as http:
            gateways = [Gateway(url, http, self._pace.answer) for url in self._urls]
            while True:
                for gateway in gateways:
                    if time.monotonic() >= self._troubles[gateway.url].until:
                        await self._visit(gateway, gateways)
                        break
                else:
                    self._say_alone()
                    await asyncio.sleep(self._pace.look)

    async def _visit(self, gateway: Gateway, gateways: Sequence[Gateway]) -> None:
        try:
            await self._stay(gateway, gateways)
        except GatewayLied as error:
            self._leave_alone(gateway, "lied", error, self._pace.lie_pause)
        except GatewayFailed as error:
            self._leave_alone(gateway, "failed", error)
        except Exception as error:  # noqa: BLE001 - the miner plays on, and the next may do
            self._log.error("pool_broke", kind=type(error).__name__, exc_info=error)
            self._leave_alone(gateway, "failed", error)

    async def _stay(self, gateway: Gateway, gateways: Sequence[Gateway]) -> None:
        """Take work from a gateway until it fails, or one that is named before it is back."""
        session: Session | None = None
        try:
            session = await gateway.join(self._seat)
            self._welcome(gateway)
            before = gateways[: gateways.index(gateway)]
            cursor: str | None = None
            while not await self._is_back(before):
                try:
                    named, cursor = await self._ask(gateway, session, cursor)
                except SessionOver:
                    session = await gateway.join(self._seat)
                    self._welcome(gateway)
                    continue
                if not await self._take(gateway, session, named):
                    # Asked without a cursor, a gateway names again what is not checked yet.
                    cursor = None
                self._troubles[gateway.url] = _Trouble()
        finally:
            self.advice = _NO_ADVICE
            if session is not None:
                with suppress(GatewayFailed, TimeoutError):
                    await asyncio.wait_for(gateway.leave(session), _END_SECONDS)

    async def _is_back(self, before: Sequence[Gateway]) -> bool:
        """Return whether a gateway that is preferred answers again."""
        for gateway in before:
            if time.monotonic() >= self._troubles[gateway.url].until:
                try:
                    session = await gateway.join(self._seat)
                    await gateway.leave(session)
                except GatewayFailed as error:
                    self._leave_alone(gateway, "failed", error)
                else:
                    return True
        return False

    async def _ask(
        self, gateway: Gateway, session: Session, cursor: str | None
    ) -> tuple[list[Named], str]:
        """Ask for work, and anew when there is room after none was left, or none any more."""
        while True:
            # However fast a gateway answers, it is not asked faster than this.
            await asyncio.sleep(self._pace.look)
            room = self.room
            asking = asyncio.ensure_future(gateway.work(session, room, cursor, self._pace.wait))
            try:
                while not asking.done() and bool(self.room) == bool(room):
                    await asyncio.wait({asking}, timeout=self._pace.look)
                if asking.done():
                    return asking.result()
            finally:
                if not asking.done():
                    asking.cancel()
                    await asyncio.wait({asking})
            # Inputs that there was no room for are wanted now.
            cursor = None

    async def _take(self, gateway: Gateway, session: Session, named: Sequence[Named]) -> bool:
        """Check what a gateway names, fetch inputs that the chain does not carry, and advise.

        Return whether the miner's nodes know all of it.
        """
        known = list[Named]()
        try:
            known = await asyncio.to_thread(self._review.known, named)
            ready = [task for task in known if await self._is_ready(gateway, session, task)]
        except (ChainError, StoreError) as error:
            # Whoever plays meets the same, and says it.
            self._log.warning("pool_waits", reason=str(error))
            ready = []
        self.advice = Advice(
            frozenset(task.task_id for task in ready if task.is_own),
            frozenset(task.task_id for task in ready if not task.is_own),
            min(session.head_start_seconds + _LATE_SECONDS, self._pace.patience),
        )
        return len(known) == len(named)

    async def _is_ready(self, gateway: Gateway, session: Session, task: Named) -> bool:
        """Return whether a task's input is here, or could be had."""
        if await asyncio.to_thread(self._is_held, task.task_id):
            return True
        if not self.room:
            return False
        size = self._input_bytes[task.program_root]
        try:
            data = await gateway.input(session, task.task_id, size)
        except GatewayFailed as error:
            if error.status in _NOT_FOUND:
                return False
            raise
        if len(data) != size or await asyncio.to_thread(root_of, data) != task.input_root:
            raise GatewayLied(
                f"{gateway.url} gives an input of task 0x{task.task_id.hex()} that is not the one "
                "its root names"
            )
        await asyncio.to_thread(self._inputs.put, task.task_id, data)
        return True

    def _is_held(self, task_id: TaskId) -> bool:
        with self._contracts.feed.as_it_is():
            return self._inputs.is_held(task_id)

    def _welcome(self, gateway: Gateway) -> None:
        self.counts["joined"] += 1
        self._is_alone = False
        self._log.info("pool_joined", gateway=gateway.url)

    def _leave_alone(
        self, gateway: Gateway, what: str, error: Exception, least_pause: float = 0.0
    ) -> None:
        self.counts[what] += 1
        pace, last = self._pace, self._troubles[gateway.url].pause
        pause = max(min(max(2 * last, pace.first_pause), pace.longest_pause), least_pause)
        self._troubles[gateway.url] = _Trouble(pause, time.monotonic() + pause)
        say = self._log.error if what == "lied" else self._log.warning
        say(
            f"gateway_{what}",
            gateway=gateway.url,
            reason=str(error),
            again_in_seconds=pause,
        )

    def _say_alone(self) -> None:
        if not self._is_alone:
            self._is_alone = True
            self._log.warning(
                "pool_none", what="no gateway answers; goes on with what the chain offers"
            )
