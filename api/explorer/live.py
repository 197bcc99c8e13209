"""Tell readers which pages the chain has changed, by one look at it for all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from threading import Lock

from infernet.chain.contract import Contract
from infernet.chain.errors import ChainError
from infernet.chain.feed import UNSETTLED_BLOCKS
from infernet.chain.logs import Event
from infernet.chain.records import AssertionId, GameId

from .board import Board
from .errors import TooManyReaders

_POLL_SECONDS = 1.0
_MOST_READERS = 2_000
# Changes that may wait for one reader; one that is slower comes again and reads the whole page.
_MOST_HELD = 64
_MARKET = (
    "Requested",
    "Claimed",
    "ClaimExpired",
    "Asserted",
    "Finalised",
    "Slashed",
    "FeeReclaimed",
    "RevealDemanded",
    "Revealed",
    "RevealTimedOut",
)
_GAMES = (
    "ChallengeCommitted",
    "Dissected",
    "StepProved",
    "TimedOut",
    "GameLost",
    "AssertionVoided",
    "GameSettled",
    "Rewarded",
)
_ACCOUNTS = ("requester", "executor", "challenger")

_log = logging.getLogger(__name__)

Key = tuple[int, int, bytes]


@dataclass(frozen=True, slots=True)
class Change:
    """A new block, its time, and the pages that it, or what it replaced, is about."""

    block: int
    time: int
    pages: tuple[str, ...]


class Watch:
    """What changed since the last look; what a reorganisation took away has changed as well."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._head: bytes | None = None
        self._block = 0
        self._seen: dict[Key, frozenset[str]] = {}

    def look(self, also: frozenset[str] = frozenset()) -> Change | None:
        """Return what is new, None if nothing is; raises ChainError.

        `also`: pages that changed without a block.
        """
        head, block_hash = self._board.head()
        if block_hash == self._head:
            return Change(head.block, head.time, tuple(sorted(also))) if also else None
        known = head.block if self._head is None else min(self._block, head.block)
        with self._board.contracts.feed.as_it_is():
            found = {_key(event): event for event in self._events(known - UNSETTLED_BLOCKS)}
            fresh = {key: self._pages(e) for key, e in found.items() if key not in self._seen}
        held = {key: pages for key, pages in self._seen.items() if key in found}
        gone = [
            pages
            for key, pages in self._seen.items()
            if key not in found and key[0] >= known - UNSETTLED_BLOCKS
        ]
        self._seen, self._head, self._block = {**held, **fresh}, block_hash, head.block
        pages = also.union(*fresh.values(), *gone)
        return Change(head.block, head.time, tuple(sorted(pages)))

    def _events(self, since: int) -> Iterator[Event]:
        contracts = self._board.contracts
        places: tuple[tuple[Contract, tuple[str, ...]], ...] = (
            (contracts.market, _MARKET),
            (contracts.games, _GAMES),
            (contracts.registry, ("ModelRegistered",)),
        )
        for contract, names in places:
            for name in names:
                yield from contract.events(name, max(since, 0))

    def _pages(self, event: Event) -> frozenset[str]:
        """Return the pages that show an event."""
        if event.name == "ModelRegistered":
            return frozenset(
                ("overview", "models", f"models/0x{bytes(event['programRoot']).hex()}")
            )
        pages = {"overview", "tasks", "disputes"}
        board, values = self._board, dict(event.arguments)
        if any(values.get("gameId", b"")):
            values |= board.challenge(GameId(bytes(values["gameId"]))).arguments
        if "assertionId" in values:
            values |= board.asserted(AssertionId(bytes(values["assertionId"]))).arguments
        for name, page in (("executor", "miners"), ("challenger", "fishermen")):
            if name in values:
                pages.add(page)
        for name, page in (("taskId", "tasks"), ("assertionId", "assertions")):
            if name in values:
                pages.add(f"{page}/0x{bytes(values[name]).hex()}")
        if any(event.arguments.get("gameId", b"")):
            pages.add(f"disputes/0x{bytes(values['gameId']).hex()}")
        elif event.name == "Slashed":
            games = board.contracts.games
            found = games.events("ChallengeCommitted", assertionId=values["assertionId"])
            pages |= {f"disputes/0x{bytes(each['gameId']).hex()}" for each in found}
        return frozenset(pages | {f"addresses/{values[n]}" for n in _ACCOUNTS if n in values})


class Live:
    """Changes for any number of readers in one event loop; looks while there are any."""

    def __init__(self, board: Board, poll_seconds: float = _POLL_SECONDS) -> None:
        self._watch, self._poll_seconds = Watch(board), poll_seconds
        self._readers: set[asyncio.Queue[Change | None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._is_closed = False
        self._lock, self._noted = Lock(), set[str]()

    def close(self) -> None:
        """Send all readers away with the next look; any thread may call this.

        A server that ends waits for their connections.
        """
        self._is_closed = True

    def note(self, pages: Iterable[str]) -> None:
        """Have readers told of pages that changed without a block; any thread may call this."""
        # Without readers nothing takes them out again, and who comes reads the whole page.
        if self._readers:
            with self._lock:
                self._noted.update(pages)

    def require_room(self) -> None:
        """Raise TooManyReaders if no reader more can be served."""
        if len(self._readers) >= _MOST_READERS:
            raise TooManyReaders("Too many pages are open at once; reload this one later.")

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[asyncio.Queue[Change | None]]:
        """Give a queue of changes from now on; None in it: come again."""
        queue: asyncio.Queue[Change | None] = asyncio.Queue(_MOST_HELD)
        self._readers.add(queue)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_on())
        try:
            yield queue
        finally:
            self._readers.discard(queue)

    async def _look_on(self) -> None:
        """Look until nobody reads any more, or the server ends."""
        try:
            while self._readers and not self._is_closed:
                noted = self._taken()
                try:
                    change = await asyncio.to_thread(self._watch.look, noted)
                except ChainError as error:
                    _log.warning("explorer_look_failed: %s", error)
                    self.note(noted)
                    change = None
                if change:
                    self._tell(change)
                await asyncio.sleep(self._poll_seconds)
        finally:
            for queue in list(self._readers):
                _end(queue)
            self._readers.clear()

    def _taken(self) -> frozenset[str]:
        with self._lock:
            taken, self._noted = frozenset(self._noted), set()
        return taken

    def _tell(self, change: Change) -> None:
        for queue in list(self._readers):
            if queue.full():
                self._readers.discard(queue)
                _end(queue)
            else:
                queue.put_nowait(change)


def _end(queue: asyncio.Queue[Change | None]) -> None:
    """Let a reader come again, whatever it has not read yet."""
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(None)


def _key(event: Event) -> Key:
    return event.block_number, event.log_index, event.transaction
