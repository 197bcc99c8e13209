"""Events between what a chain keeps (topics and bytes) and what the interface names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from eth_abi.abi import encode
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak

from infernet.store.events import Log

from .abi import answered, checksummed
from .artifacts import Artifact
from .connection import integer, octets
from .errors import RetryableChainError

_KEPT_EVENTS, _SHORT_BYTES = 4_096, 4_096


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


class EventKind:
    """One event of an interface; only arguments of fixed size are indexed."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.name: str = entry["name"]
        inputs = [(item["name"], collapse_if_tuple(item)) for item in entry["inputs"]]
        signature = ",".join(kind for _, kind in inputs)
        self.topic0 = bytes(keccak(text=f"{self.name}({signature})"))
        is_indexed = [item["indexed"] for item in entry["inputs"]]
        marked = list(zip(inputs, is_indexed, strict=True))
        self._indexed = [item for item, indexed in marked if indexed]
        self._others = [item for item, indexed in marked if not indexed]
        # What is open is looked at in every turn.
        self._remembered = lru_cache(_KEPT_EVENTS)(self._decoded)

    def topic_of(self, argument: str) -> int:
        """Return the number of the topic that holds an argument."""
        return [name for name, _ in self._indexed].index(argument) + 1

    def split(self, filters: dict[str, object]) -> tuple[dict[int, bytes], dict[str, object]]:
        """Return the values wanted of topics by number, and the filters that are left.

        Raises KeyError for a name that the event lacks.
        """
        topics, left = {}, dict(filters)
        for number, (name, kind) in enumerate(self._indexed, 1):
            if name in left:
                topics[number] = encode([kind], [left.pop(name)])
        if unknown := left.keys() - {name for name, _ in self._others}:
            raise KeyError(f"{self.name} has no argument {', '.join(sorted(unknown))}")
        return topics, left

    def decoded(self, log: Log) -> Event:
        """Return what a whole log says; short ones are remembered, and must not be changed.

        Raises RetryableChainError for what is no log of this event.
        """
        assert log.data is not None
        return self._remembered(log) if len(log.data) <= _SHORT_BYTES else self._decoded(log)

    def _decoded(self, log: Log) -> Event:
        assert log.data is not None
        if len(log.topics) != 1 + len(self._indexed):
            raise RetryableChainError(
                f"{self.name}: the node gives a log with {len(log.topics)} topics; it has "
                f"{1 + len(self._indexed)}; look again later, or ask another node"
            )
        arguments = {}
        for (name, kind), topic in zip(self._indexed, log.topics[1:], strict=True):
            arguments[name] = _value(kind, answered(self.name, [kind], topic)[0])
        values = answered(self.name, [kind for _, kind in self._others], log.data)
        for (name, kind), value in zip(self._others, values, strict=True):
            arguments[name] = _value(kind, value)
        return Event(self.name, arguments, log.block, log.place, log.transaction)


def kinds_of(artifact: Artifact) -> dict[str, EventKind]:
    """Return the events of an interface by name."""
    entries = (entry for entry in artifact.abi if entry["type"] == "event")
    return {kind.name: kind for kind in map(EventKind, entries)}


def log_of(raw: Any) -> Log:
    """Return a log of a node's answer."""
    return Log(
        integer(raw["blockNumber"]),
        integer(raw["logIndex"]),
        octets(raw["address"]),
        tuple(octets(topic) for topic in raw["topics"]),
        octets(raw["data"]),
        octets(raw["transactionHash"]),
        octets(raw["blockHash"]),
    )


def _value(kind: str, value: Any) -> Any:
    return checksummed(value) if kind == "address" else value
