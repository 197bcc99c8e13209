"""One deployed contract: views, calls and events by their names in the interface."""

from __future__ import annotations

from typing import Any, Self, TypeVar

from .abi import functions_of
from .artifacts import Artifact, load
from .connection import Chain, translated
from .errors import DeploymentError
from .feed import Feed
from .logs import Event, EventKind, kinds_of
from .records import Address, Wei, from_struct
from .wallet import Sent, Wallet

T = TypeVar("T")


class Contract:
    """A contract at an address; the wrappers of this package build on it."""

    def __init__(
        self, chain: Chain, artifact: Artifact, address: Address, feed: Feed | None = None
    ) -> None:
        self.chain = chain
        self.address = address
        self.name = artifact.name
        self._feed = feed or Feed(chain, [address], 0)
        self._code = bytes.fromhex(address[2:])
        self._events = kinds_of(artifact)
        self._functions = functions_of(artifact)

    @classmethod
    def named(cls, chain: Chain, name: str, address: Address, feed: Feed | None = None) -> Self:
        """Return the contract of a shipped artifact; `feed`: who reads its events, None: itself."""
        return cls(chain, load(name), address, feed)

    def view(self, function: str, *arguments: object) -> Any:
        """Return what a view returns for the latest block."""
        kind = self._functions[function]
        call = {"to": self.address, "data": kind.encoded(arguments)}
        with translated(f"{self.name}.{function}", self.chain.name):
            data = bytes(self.chain.web3.eth.call(call))
        if not data:
            raise DeploymentError(
                f"{self.name}.{function}: {self.chain.name} has no such contract at "
                f"{self.address}; check the deployment"
            )
        return kind.decoded(data)

    def view_struct(self, kind: type[T], function: str, *arguments: object) -> T:
        """Return a view's struct as a record."""
        components = self._functions[function].components
        return from_struct(kind, components, self.view(function, *arguments))

    def send(
        self, wallet: Wallet, function: str, *arguments: object, value: int = 0, kind: str = ""
    ) -> Sent:
        """Call a function in a transaction; `kind`: its name in the wallet, if another."""
        data = self._functions[function].encoded(arguments)
        return wallet.send(kind or function, data, self.address, Wei(value))

    def events(self, name: str, since_block: int = 0, **filters: object) -> list[Event]:
        """Return the events of one name from a block on, oldest first.

        `filters`: values of arguments; by an indexed one, few are found as fast among many as
        among few.
        """
        kind = self._events[name]
        topics, others = kind.split(filters)
        found = map(kind.decoded, self._feed.select(self._code, kind.topic0, since_block, topics))
        return [e for e in found if all(e[key] == value for key, value in others.items())]

    def has_event(self, name: str, **filters: object) -> bool:
        """Return whether there is an event; `filters`: values of indexed arguments."""
        kind, topics = self._indexed(name, filters)
        self._feed.sync()
        return bool(self._feed.index.select(self._code, kind.topic0, 0, topics, limit=1))

    def open_events(self, name: str, **filters: object) -> list[Event]:
        """Return the events that opened what is still open, oldest first; see `matters`."""
        kind, topics = self._indexed(name, filters)
        self._feed.sync()
        return [kind.decoded(log) for log in self._feed.index.open_matters(name, topics)]

    def latest_events(
        self, name: str, limit: int, before: tuple[int, int] | None = None, **filters: object
    ) -> list[Event]:
        """Return the last events of one name, newest first; `filters`: of indexed arguments.

        `before`: only those before the event with this block and log index.
        """
        kind, topics = self._indexed(name, filters)
        self._feed.sync()
        found = self._feed.index.latest(self._code, kind.topic0, limit, before, topics)
        return [kind.decoded(log) for log in found]

    def count_events(self, name: str, **filters: object) -> int:
        """Return how many events of one name there are; `filters`: of indexed arguments."""
        kind, topics = self._indexed(name, filters)
        self._feed.sync()
        return self._feed.index.count(self._code, kind.topic0, topics)

    def events_beginning(self, name: str, argument: str, prefix: str, limit: int) -> list[Event]:
        """Return events whose indexed bytes32 `argument` begins with hexadecimal digits."""
        kind = self._events[name]
        self._feed.sync()
        number = kind.topic_of(argument)
        found = self._feed.index.beginning(self._code, kind.topic0, number, prefix, limit)
        return [kind.decoded(log) for log in found]

    def _indexed(self, name: str, filters: dict[str, object]) -> tuple[EventKind, dict[int, bytes]]:
        """Return an event's kind and the topics that filter it."""
        kind = self._events[name]
        topics, others = kind.split(filters)
        if others:
            raise KeyError(f"{name} does not index {', '.join(sorted(others))}")
        return kind, topics


def create(wallet: Wallet, name: str, *arguments: object) -> Address:
    """Deploy a shipped contract and return its address."""
    artifact = load(name)
    factory = wallet.chain.web3.eth.contract(abi=list(artifact.abi), bytecode=artifact.bytecode)
    data = bytes.fromhex(factory.constructor(*arguments).data_in_transaction[2:])
    sent = wallet.send(f"deploy {name}", data, None)
    assert sent.contract is not None
    return sent.contract
