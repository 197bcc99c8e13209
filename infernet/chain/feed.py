"""The events of a deployment's contracts, read once as the chain grows and mended as it forks."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import RLock, local

from infernet.store.database import Database, open_database
from infernet.store.events import KEPT_BLOCKS, EventIndex, Log, Pairing

from .connection import Block, Chain, translated
from .errors import RetryableChainError
from .logs import Event, log_of
from .records import Address

__all__ = ["UNSETTLED_BLOCKS", "Event", "Feed"]

# Blocks of a public chain that may still be replaced.
UNSETTLED_BLOCKS = KEPT_BLOCKS
# A node, or one of several behind an address, may tell a block before it can tell its logs.
_REREAD_SECONDS = 3.0
_FIRST_SPAN, _LONGEST_SPAN = 2_048, 1 << 20
_ATTEMPTS = 4


class Feed:
    """The logs of some contracts from a block on; threads may ask it at once.

    `database`: where they are kept, None for memory. One that is read only is taken as it is:
    another process fills it.
    """

    def __init__(
        self,
        chain: Chain,
        addresses: Sequence[Address],
        since_block: int,
        database: Database | None = None,
        pairings: Sequence[Pairing] = (),
    ) -> None:
        self._chain, self._addresses, self._first = chain, list(addresses), since_block
        source = f"chain {chain.chain_id}, contracts {' '.join(self._addresses).lower()}"
        self.index = EventIndex(database or open_database(None), source, pairings)
        self._lock = RLock()
        self._here = local()
        self._span = _FIRST_SPAN
        self._seen: tuple[int, bytes] | None = None
        self._unsure: deque[tuple[int, float]] = deque()

    def select(
        self, address: bytes, topic0: bytes, since_block: int, topics: dict[int, bytes]
    ) -> list[Log]:
        """Return the logs of one kind up to the latest block, oldest first."""
        self.sync()
        found = self.index.select(address, topic0, since_block, topics)
        return [log if log.data is not None else self._whole(log) for log in found]

    @contextmanager
    def as_it_is(self) -> Iterator[None]:
        """Let this thread's questions inside be answered without a look at the chain."""
        before = getattr(self._here, "is_held", False)
        self._here.is_held = True
        try:
            yield
        finally:
            self._here.is_held = before

    def sync(self) -> tuple[int, bytes]:
        """Bring the index to the latest block and return its number and hash.

        Raises ChainError. Inside `as_it_is` and where another process fills the index it stays.
        """
        if self.index.is_readonly or getattr(self._here, "is_held", False):
            return self._seen or next(iter(self.index.checkpoints()), (self._first - 1, b""))
        with self._lock:
            for _ in range(_ATTEMPTS):
                head = self._chain.block("latest")
                if self._follow(head):
                    return head.number, head.hash
        raise RetryableChainError(
            f"{self._chain.name} changes its latest blocks faster than they can be read; "
            "look again later"
        )

    def _follow(self, head: Block) -> bool:
        """Read what is new up to a head; return False if that head is no longer the head."""
        number, block_hash = head.number, head.hash
        overdue = time.monotonic() - _REREAD_SECONDS
        reread_from = self._due(number, overdue)
        if self._seen == (number, block_hash) and reread_from > number:
            return True
        known = self.index.checkpoints()
        ancestor = self._ancestor(head, known)
        if known and known[0][0] > ancestor:
            self.index.rewind(ancestor + 1)
        start = max(self._first, min(ancestor + 1, reread_from))
        if not self._read(start, number, block_hash):
            return False
        while self._unsure and self._unsure[0][1] <= overdue:
            self._unsure.popleft()
        if ancestor < number and self._is_hasty:
            self._unsure.append((ancestor + 1, time.monotonic()))
        self._seen = number, block_hash
        return True

    @property
    def _is_hasty(self) -> bool:
        """Return whether logs may come later than their block."""
        return not self._chain.is_embedded and not self._chain.is_agreed

    def _due(self, number: int, overdue: float) -> int:
        """Return the first block to be read once more, or one beyond the head."""
        due = [start for start, seen in self._unsure if seen <= overdue]
        return max(min(due, default=number + 1), number + 1 - UNSETTLED_BLOCKS)

    def _ancestor(self, head: Block, known: Sequence[tuple[int, bytes]]) -> int:
        """Return the latest block that was read and is still on the chain."""
        number = head.number
        told = {number: head.hash, number - 1: head.parent}
        for block, block_hash in known:
            if block <= number and (told.get(block) or self._hash_at(block)) == block_hash:
                return block
        return self._first - 1

    def _read(self, start: int, stop: int, stop_hash: bytes) -> bool:
        """Read blocks in parts, each kept once read; return False if the last was replaced."""
        while start <= stop:
            last = min(start + self._span - 1, stop)
            if start < stop - KEPT_BLOCKS < last:
                # A checkpoint that outlives a reorganisation.
                last = stop - KEPT_BLOCKS
            try:
                logs = self._logs(start, last)
            except RetryableChainError:
                # Nodes refuse long ranges and long answers, which strangers can provoke.
                if start == last:
                    raise
                self._span = max(1, (last - start + 1) // 2)
                continue
            last_hash = stop_hash if last == stop else self._hash_at(last)
            if any(log.block == last and log.block_hash != last_hash for log in logs):
                return False
            self.index.replace(start, logs, last, last_hash)
            start, self._span = last + 1, min(self._span * 2, _LONGEST_SPAN)
        return True

    def _logs(self, start: int, stop: int) -> list[Log]:
        wanted = {"address": self._addresses, "fromBlock": hex(start), "toBlock": hex(stop)}
        with translated("reading events", self._chain.name):
            answer = self._chain.ask("eth_getLogs", wanted)
        found = dict[tuple[int, int], Log]()
        for log in (log_of(raw) for raw in answer if raw["topics"]):
            # Some nodes tell a log twice, which does no harm; two at one place no chain has.
            is_asked = start <= log.block <= stop
            if not is_asked or found.setdefault((log.block, log.place), log) != log:
                raise RetryableChainError(
                    f"{self._chain.name} tells log {log.place} of block {log.block} twice "
                    "otherwise, or unasked; look again later, or ask another node"
                )
        return list(found.values())

    def _whole(self, log: Log) -> Log:
        """Return a log with the data that only the chain keeps."""
        for found in self._logs(log.block, log.block):
            if found.place == log.place and found.block_hash == log.block_hash:
                return found
        raise RetryableChainError(
            f"{self._chain.name} has no log {log.place} in block {log.block}, where it was before; "
            "look again later, or ask a node that keeps the whole history"
        )

    def _hash_at(self, number: int) -> bytes:
        return self._chain.block(number).hash
