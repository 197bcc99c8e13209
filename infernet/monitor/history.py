"""What one account did and earned so far, folded from the events of the contracts.

What is old enough to stay is folded once; the latest blocks, which a reorganisation may replace,
are folded anew each time. So a look costs as much as what is new and what is open, not the past.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field

from infernet.chain.contract import Contract
from infernet.chain.deployment import Contracts
from infernet.chain.feed import UNSETTLED_BLOCKS, Event
from infernet.chain.records import (
    Address,
    AssertionId,
    GameId,
    ProgramRoot,
    Seconds,
    TaskId,
)

_NEVER = Seconds(0)


@dataclass(frozen=True, slots=True)
class OpenResult:
    """An own result that is not final yet; `reveal_deadline`: of an open demand, else 0."""

    task_id: TaskId
    window_end: Seconds
    reveal_deadline: Seconds = _NEVER


@dataclass(frozen=True, slots=True)
class OpenGame:
    """A game that is not settled; `is_ours`: this account is the challenger."""

    assertion_id: AssertionId
    is_ours: bool


@dataclass(slots=True)
class History:
    """Counts and sums of everything so far, and what is open. Amounts in wei.

    `paid_in` and `paid_out`: all that moved from or to others inside the vault; `fees` and
    `rewards` are parts of `paid_in`. `slashed` and `penalties` were lost as executor.
    """

    counts: Counter[str] = field(default_factory=Counter)
    wei: Counter[str] = field(default_factory=Counter)
    final_by_model: Counter[ProgramRoot] = field(default_factory=Counter)
    claims: dict[TaskId, Seconds] = field(default_factory=dict)
    results: dict[AssertionId, OpenResult] = field(default_factory=dict)
    games: dict[GameId, OpenGame] = field(default_factory=dict)

    def copied(self) -> History:
        """Return a history that can grow by itself."""
        return History(
            copy(self.counts),
            copy(self.wei),
            copy(self.final_by_model),
            dict(self.claims),
            dict(self.results),
            dict(self.games),
        )


class Ledger:
    """Keeps the history of one account up to date."""

    def __init__(self, contracts: Contracts, address: Address) -> None:
        self._contracts, self._address = contracts, address
        self._settled = History()
        self._next = contracts.deployment.block

    def look(self) -> History:
        """Return the history up to the latest block; raises ChainError."""
        events = self._events()
        # Another process may still be filling the index: what lies behind its end is yet to come.
        end = events[-1].block_number if events else self._next - 1
        settled_until = min(end, self._contracts.chain.block_number() - UNSETTLED_BLOCKS)
        for event in events:
            if event.block_number <= settled_until:
                self._apply(self._settled, event)
        self._next = max(self._next, settled_until + 1)
        history = self._settled.copied()
        for event in events:
            if event.block_number > settled_until:
                self._apply(history, event)
        return history

    def _events(self) -> list[Event]:
        found = [
            event
            for contract, name, filters in self._wanted()
            for event in contract.events(name, self._next, **filters)
        ]
        return sorted(found, key=lambda event: (event.block_number, event.log_index))

    def _wanted(self) -> Iterator[tuple[Contract, str, dict[str, object]]]:
        market, games, vault = self._contracts.market, self._contracts.games, self._contracts.vault
        me = self._address
        for name in ("Claimed", "ClaimExpired", "Asserted", "Finalised", "Slashed"):
            yield market, name, {"executor": me}
        # These name no account; what they are about decides whether they matter.
        for name in ("RevealDemanded", "Revealed"):
            yield market, name, {}
        for name in ("ChallengeCommitted", "GameLost", "AssertionVoided", "GameSettled"):
            yield games, name, {}
        yield games, "Rewarded", {"challenger": me}
        for name in ("Deposited", "Withdrawn"):
            yield vault, name, {"account": me}
        yield vault, "Burned", {"from": me}
        yield vault, "Paid", {"to": me}
        yield vault, "Paid", {"from": me}

    def _apply(self, history: History, event: Event) -> None:
        _RULES[event.name](self, history, event)

    def _claimed(self, history: History, event: Event) -> None:
        history.counts["claimed"] += 1
        history.claims[TaskId(bytes(event["taskId"]))] = Seconds(event["claimDeadline"])

    def _expired(self, history: History, event: Event) -> None:
        history.counts["expired"] += 1
        history.wei["penalties"] += event["penalty"]
        history.claims.pop(TaskId(bytes(event["taskId"])), None)

    def _asserted(self, history: History, event: Event) -> None:
        history.counts["asserted"] += 1
        task_id = TaskId(bytes(event["taskId"]))
        history.claims.pop(task_id, None)
        result = OpenResult(task_id, Seconds(event["windowEnd"]))
        history.results[AssertionId(bytes(event["assertionId"]))] = result

    def _finalised(self, history: History, event: Event) -> None:
        history.counts["final"] += 1
        history.wei["fees"] += event["fee"]
        history.results.pop(AssertionId(bytes(event["assertionId"])), None)
        for found in self._contracts.market.events("Requested", taskId=event["taskId"]):
            history.final_by_model[ProgramRoot(bytes(found["programRoot"]))] += 1

    def _slashed(self, history: History, event: Event) -> None:
        history.counts["slashed"] += 1
        history.wei["slashed"] += event["burned"] + event["reward"]
        history.results.pop(AssertionId(bytes(event["assertionId"])), None)

    def _demanded(self, history: History, event: Event) -> None:
        self._restart(history, event, reveal_deadline=event["revealDeadline"])

    def _revealed(self, history: History, event: Event) -> None:
        self._restart(history, event, window_end=event["windowEnd"])

    @staticmethod
    def _restart(
        history: History, event: Event, *, window_end: int | None = None, reveal_deadline: int = 0
    ) -> None:
        assertion_id = AssertionId(bytes(event["assertionId"]))
        result = history.results.get(assertion_id)
        if result:
            end = result.window_end if window_end is None else Seconds(window_end)
            deadline = Seconds(reveal_deadline)
            history.results[assertion_id] = OpenResult(result.task_id, end, deadline)

    def _committed(self, history: History, event: Event) -> None:
        assertion_id = AssertionId(bytes(event["assertionId"]))
        is_ours = event["challenger"] == self._address
        if is_ours or assertion_id in history.results:
            history.counts["challenges" if is_ours else "challenged"] += 1
            game = OpenGame(assertion_id, is_ours)
            history.games[GameId(bytes(event["gameId"]))] = game

    def _lost(self, history: History, event: Event) -> None:
        game = history.games.get(GameId(bytes(event["gameId"])))
        if game:
            history.counts["games_lost" if game.is_ours else "games_won"] += 1

    def _voided(self, history: History, event: Event) -> None:
        """Note the one game that decided; an executor has nothing left to do in any of them."""
        assertion_id = AssertionId(bytes(event["assertionId"]))
        winner = history.games.get(GameId(bytes(event["gameId"])))
        if winner:
            history.counts["games_won" if winner.is_ours else "games_lost"] += 1
        history.games = {
            game_id: game
            for game_id, game in history.games.items()
            if game.is_ours or game.assertion_id != assertion_id
        }

    def _settled_game(self, history: History, event: Event) -> None:
        history.games.pop(GameId(bytes(event["gameId"])), None)

    def _rewarded(self, history: History, event: Event) -> None:
        history.counts["rewards"] += 1
        history.wei["rewards"] += event["reward"]

    def _moved(self, history: History, event: Event) -> None:
        history.wei[event.name.lower()] += event["amount"]

    def _paid(self, history: History, event: Event) -> None:
        # Who pays itself finds the event twice, once for each side.
        if event["from"] == event["to"]:
            return
        kind = "paid_in" if event["to"] == self._address else "paid_out"
        history.wei[kind] += event["amount"]


_RULES: dict[str, Callable[[Ledger, History, Event], None]] = {
    "Claimed": Ledger._claimed,
    "ClaimExpired": Ledger._expired,
    "Asserted": Ledger._asserted,
    "Finalised": Ledger._finalised,
    "Slashed": Ledger._slashed,
    "RevealDemanded": Ledger._demanded,
    "Revealed": Ledger._revealed,
    "ChallengeCommitted": Ledger._committed,
    "GameLost": Ledger._lost,
    "AssertionVoided": Ledger._voided,
    "GameSettled": Ledger._settled_game,
    "Rewarded": Ledger._rewarded,
    "Deposited": Ledger._moved,
    "Withdrawn": Ledger._moved,
    "Burned": Ledger._moved,
    "Paid": Ledger._paid,
}
