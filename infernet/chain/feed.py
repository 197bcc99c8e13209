"""The events of one contract, read block by block as the chain grows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .artifacts import Artifact
from .connection import Chain, translated
from .errors import RetryableChainError

# Blocks of a public chain that may still be replaced; they are read again each time.
UNSETTLED_BLOCKS = 64


@dataclass(frozen=True, slots=True)
class Event:
    """A log of a contract, decoded."""

    name: str
    arguments: dict[str, Any]
    block_number: int
    log_index: int
    transaction: bytes

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]


class Feed:
    """A contract's events so far; holds them all."""

    def __init__(self, chain: Chain, contract: Any, artifact: Artifact, since_block: int) -> None:
        self._chain, self._contract = chain, contract
        names = [entry["name"] for entry in artifact.abi if entry["type"] == "event"]
        self._kinds = {bytes.fromhex(contract.events[name]().topic[2:]): name for name in names}
        self._what = f"reading the events of {artifact.name}"
        self._events: list[Event] = []
        self._first = self._next = since_block
        self._seen = b""

    def events(self) -> list[Event]:
        """Return all events up to the latest block, oldest first."""
        head, block_hash = self._chain.head()
        if block_hash != self._seen:
            unsettled = 0 if self._chain.is_embedded else UNSETTLED_BLOCKS
            start = max(self._first, min(self._next, head + 1) - unsettled)
            kept = [event for event in self._events if event.block_number < start]
            # Some nodes refuse a range that begins beyond the head.
            self._events = kept + (self._read(start, head) if start <= head else [])
            self._next, self._seen = head + 1, block_hash
        return self._events

    def _read(self, start: int, stop: int) -> list[Event]:
        wanted = {"address": self._contract.address, "fromBlock": start, "toBlock": stop}
        try:
            with translated(self._what, self._chain.name):
                logs = self._chain.web3.eth.get_logs(wanted)
        except RetryableChainError:
            # Nodes refuse long ranges and long answers, which strangers can provoke; halves pass.
            if start == stop:
                raise
            middle = (start + stop) // 2
            return self._read(start, middle) + self._read(middle + 1, stop)
        return [self._decoded(log) for log in logs if bytes(log["topics"][0]) in self._kinds]

    def _decoded(self, log: Any) -> Event:
        name = self._kinds[bytes(log["topics"][0])]
        decoded = self._contract.events[name]().process_log(log)
        return Event(
            name,
            dict(decoded["args"]),
            int(log["blockNumber"]),
            int(log["logIndex"]),
            bytes(log["transactionHash"]),
        )
