"""Read what the contracts tell and bring the gateway's tables in line with it.

The chain is the truth: whatever it shows now, shown or taken back, is what the tables say after.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from infernet.chain.artifacts import load
from infernet.chain.connection import translated
from infernet.chain.deployment import Contracts
from infernet.chain.feed import UNSETTLED_BLOCKS
from infernet.chain.logs import Event, EventKind, kinds_of
from infernet.chain.records import Seconds, TaskId
from infernet.store.events import Log

from ..store.chain import ChainTables
from ..store.records import ChainEvent, TaskEvent

# Logs may come some seconds after their block.
_AGAIN_SECONDS = 4.0
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
_GAME = (
    "ChallengeCommitted",
    "GameOpened",
    "Dissected",
    "StepProved",
    "TimedOut",
    "CommitForfeited",
    "GameLost",
    "AssertionVoided",
    "GameSettled",
    "PriorityClaimed",
    "Rewarded",
)
# Amounts in wei, and numbers that clients choose, pass what JSON's readers hold exactly.
_LARGE = {"fee", "nonce", "stake", "penalty", "burned", "reward", "bond", "refunded"}
_LARGE |= {"paidToExecutor"}


class Follower:
    """Follows one deployment. `on_events`: told of what is in the tables, after it is there."""

    def __init__(
        self,
        contracts: Contracts,
        tables: ChainTables,
        models: dict[bytes, str],
        on_events: Callable[[Sequence[TaskEvent]], None],
    ) -> None:
        self._contracts, self._tables, self._models = contracts, tables, models
        self._on_events = on_events
        self._kinds = [
            *_kinds("TaskMarket", contracts.deployment.market, _MARKET),
            *_kinds("DisputeGame", contracts.deployment.game, _GAME),
        ]
        self._seen: tuple[int, bytes] | None = None
        self._compared_at = float("-inf")

    def look(self) -> bool:
        """Follow the chain to its latest block; return whether anything was new or gone."""
        feed = self._contracts.feed
        head = feed.sync()
        is_recent = time.monotonic() - self._compared_at < _AGAIN_SECONDS
        if head == self._seen and is_recent:
            return False
        since = self._since(head[0])
        with feed.as_it_is():
            found = self._logs(since)
        known = self._tables.keys_since(since)
        gone = known - found.keys()
        fresh = [found[key] for key in sorted(found.keys() - known)]
        is_changed = bool(gone or fresh)
        if is_changed or head != self._seen:
            told = self._tables.apply(gone, self._events(fresh), head[0], self._models)
            self._on_events(told)
        self._seen, self._compared_at = head, time.monotonic()
        return is_changed

    def start_over(self) -> None:
        """Drop what the tables have from the chain and read it all again."""
        self._tables.forget()
        self._seen = None
        self.look()

    def _since(self, head: int) -> int:
        first, known = self._contracts.deployment.block, self._tables.followed()
        return max(first, min(known, head) - UNSETTLED_BLOCKS) if known else first

    def _logs(self, since: int) -> dict[tuple[int, int, bytes], tuple[EventKind, Log]]:
        index = self._contracts.feed.index
        return {
            (log.block, log.place, log.transaction): (kind, log)
            for address, kind in self._kinds
            for log in index.select(address, kind.topic0, since)
        }

    def _events(self, logs: Iterable[tuple[EventKind, Log]]) -> list[ChainEvent]:
        """Return events with the tasks that they are about, and remember results and games."""
        found, matters, times = list[ChainEvent](), dict[bytes, TaskId](), dict[int, Seconds]()
        for kind, log in logs:
            event = kind.decoded(log)
            task_id = self._task_of(event, matters)
            if task_id is None:
                # What it is about has not been told yet; a later look finds both.
                continue
            for name in ("assertionId", "gameId"):
                if name in event.arguments:
                    matters[bytes(event[name])] = task_id
            if log.block not in times:
                times[log.block] = self._time_of(log.block)
            found.append(_chain_event(event, task_id, times[log.block]))
        self._tables.learn(matters.items())
        return found

    def _task_of(self, event: Event, matters: dict[bytes, TaskId]) -> TaskId | None:
        if "taskId" in event.arguments:
            return TaskId(bytes(event["taskId"]))
        name = "assertionId" if "assertionId" in event.arguments else "gameId"
        id_ = bytes(event[name])
        return matters.get(id_) or self._tables.task_of_matter(id_)

    def _time_of(self, block: int) -> Seconds:
        chain = self._contracts.chain
        with translated("reading a block", chain.name):
            return Seconds(int(chain.web3.eth.get_block(block)["timestamp"]))


def _kinds(contract: str, address: str, names: Iterable[str]) -> list[tuple[bytes, EventKind]]:
    kinds = kinds_of(load(contract))
    return [(bytes.fromhex(address[2:]), kinds[name]) for name in names]


def _chain_event(event: Event, task_id: TaskId, at: Seconds) -> ChainEvent:
    return ChainEvent(
        task_id,
        re.sub(r"(?<!^)(?=[A-Z])", "_", event.name).lower(),
        {name: _shown(name, value) for name, value in event.arguments.items()},
        event.block_number,
        event.log_index,
        event.transaction,
        at,
    )


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, list | tuple):
        return [_shown(name, each) for each in value]
    return str(value) if name in _LARGE else value
