"""The contracts as pages need them: events by what they are about, times, models by root."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Generic, TypeVar

from hexbytes import HexBytes

from infernet.chain.connection import translated
from infernet.chain.deployment import Contracts
from infernet.chain.logs import Event
from infernet.chain.records import AssertionId, GameId, ProgramRoot, Seconds, TaskId
from infernet.models.pipeline import Model
from infernet.monitor.scoreboard import Scoreboard

from ..store.fold import standing_of
from ..store.records import Standing
from .errors import NoSuchPage
from .records import Entry, Head, ModelRef
from .words import entry_of

K = TypeVar("K")
V = TypeVar("V")

_TASK_EVENTS = (
    "Requested",
    "Claimed",
    "ClaimExpired",
    "Asserted",
    "Finalised",
    "Slashed",
    "FeeReclaimed",
    "Revealed",
)
_RESULT_EVENTS = ("RevealDemanded", "RevealTimedOut")
_CONTEST_EVENTS = ("ChallengeCommitted", "GameLost", "AssertionVoided")
_MOST_KEPT = 4_096


class Kept(Generic[K, V]):
    """The values asked for last; threads may share it."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, Lock()
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return a value, None if it is not kept."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: K, value: V) -> V:
        """Keep a value and return it."""
        with self._lock:
            self._values[key] = value
            if len(self._values) > self._most:
                self._values.popitem(last=False)
        return value


@dataclass(frozen=True, slots=True)
class Told:
    """An event as the fold of a task's standing takes it."""

    kind: str
    data: dict[str, Any]
    block: int
    transaction: bytes


class Board:
    """One deployment, read only. `models`: those whose names and layers are known.

    `scoreboard`: one that others use too, None for an own.
    """

    def __init__(
        self, contracts: Contracts, models: Iterable[Model], scoreboard: Scoreboard | None = None
    ) -> None:
        self.contracts = contracts
        self.scoreboard = scoreboard or Scoreboard(contracts)
        self.models = {ProgramRoot(model.program.root): model for model in models}
        self._times: Kept[tuple[int, bytes], Seconds] = Kept(_MOST_KEPT)
        self._gas: Kept[tuple[int, bytes], int] = Kept(_MOST_KEPT)

    def head(self) -> tuple[Head, bytes]:
        """Return the latest block that the events are read up to, and its hash."""
        number, block_hash = self.contracts.feed.sync()
        time = self._time(number, block_hash)
        return Head(self.contracts.chain.chain_id, number, time), block_hash

    def time_of(self, event: Event) -> Seconds:
        """Return the time of an event's block."""
        return self._time(event.block_number, event.transaction)

    def gas_of(self, event: Event) -> int:
        """Return the gas of an event's transaction."""
        key = event.block_number, event.transaction
        found = self._gas.get(key)
        if found is not None:
            return found
        chain = self.contracts.chain
        with translated("reading a receipt", chain.name):
            receipt = chain.web3.eth.get_transaction_receipt(HexBytes(event.transaction))
        return self._gas.put(key, int(receipt["gasUsed"]))

    def ref(self, root: ProgramRoot) -> ModelRef:
        """Return a program with the name that is known for it."""
        model = self.models.get(root)
        return ModelRef(root, model.manifest.name if model else None)

    def entry(self, event: Event) -> Entry:
        """Return an event in words."""
        return entry_of(event, self.time_of(event))

    def task_events(self, task_id: TaskId) -> list[Event]:
        """Return what happened to a task and to its results, games apart, in the chain's order."""
        market = self.contracts.market
        found = [event for name in _TASK_EVENTS for event in market.events(name, taskId=task_id)]
        for event in [each for each in found if each.name == "Asserted"]:
            found += self.result_events(AssertionId(bytes(event["assertionId"])))
        return in_order(found)

    def result_events(self, assertion_id: AssertionId) -> list[Event]:
        """Return the reveal demands and the challenges of a result, in the chain's order."""
        market, games = self.contracts.market, self.contracts.games
        return in_order(
            [
                event
                for contract, names in ((market, _RESULT_EVENTS), (games, _CONTEST_EVENTS))
                for name in names
                for event in contract.events(name, assertionId=assertion_id)
            ]
        )

    def standing(self, events: Iterable[Event]) -> Standing:
        """Return where a task stands, by all of its events."""
        return standing_of(map(_told, events))

    def is_requested(self, task_id: TaskId) -> bool:
        """Return whether a block holds a task."""
        return self.contracts.market.has_event("Requested", taskId=task_id)

    def requested(self, task_id: TaskId) -> Event:
        """Return the request of a task, or raise NoSuchPage."""
        found = self.contracts.market.events("Requested", taskId=task_id)
        return _only(found, f"task 0x{task_id.hex()}")

    def asserted(self, assertion_id: AssertionId) -> Event:
        """Return a result's event, or raise NoSuchPage."""
        found = self.contracts.market.events("Asserted", assertionId=assertion_id)
        return _only(found, f"result 0x{assertion_id.hex()}")

    def challenge(self, game_id: GameId) -> Event:
        """Return a game's commit, or raise NoSuchPage."""
        found = self.contracts.games.events("ChallengeCommitted", gameId=game_id)
        return _only(found, f"dispute 0x{game_id.hex()}")

    def _time(self, block: int, mark: bytes) -> Seconds:
        # A mark beside the number: after a reorganisation another block has it.
        key = block, mark
        found = self._times.get(key)
        if found is not None:
            return found
        chain = self.contracts.chain
        with translated("reading a block", chain.name):
            read = chain.web3.eth.get_block(block)
        return self._times.put(key, Seconds(int(read["timestamp"])))


def in_order(events: Iterable[Event]) -> list[Event]:
    """Return events as the chain has them."""
    return sorted(events, key=lambda event: (event.block_number, event.log_index))


def _told(event: Event) -> Told:
    kind = re.sub(r"(?<!^)(?=[A-Z])", "_", event.name).lower()
    data = {
        name: f"0x{value.hex()}" if isinstance(value, bytes) else value
        for name, value in event.arguments.items()
    }
    return Told(kind, data, event.block_number, event.transaction)


def _only(found: list[Event], what: str) -> Event:
    if not found:
        raise NoSuchPage(f"These contracts know no {what}. Check the id, and the network.")
    return found[0]
