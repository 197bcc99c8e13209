"""The gateway's file: what was accepted, what the chain made of it, and every event of it.

The columns of a `Standing` and the events with a block are the chain's: `forget_chain` drops them
and following the chain from its beginning brings them back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from infernet.chain.records import Address, Seconds, TaskId, Wei
from infernet.store.database import Database, open_database
from infernet.store.errors import StoreMismatch
from infernet.store.events import KEPT_BLOCKS

from ..errors import BudgetExceeded, KeyReused
from .fold import standings
from .records import ENDS, FREE, ChainEvent, Order, Standing, TaskEvent, TaskRow, TaskState
from .tables import (
    EVENT_COLUMNS,
    ORDER_COLUMNS,
    STANDING_COLUMNS,
    STEPS,
    TASK_COLUMNS,
    assignments,
    event_of,
    marks,
    order_of_request,
    order_values,
    standing_values,
    task_of,
)

FILE_NAME = "gateway.sqlite"
_ID_BYTES = 32
_ENDS = ", ".join(f"'{state}'" for state in ENDS)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which tasks a list shows; None: any. `account`: those that it asked this gateway for."""

    account: str | None = None
    state: TaskState | None = None
    model: str | None = None
    requester: Address | None = None
    executor: Address | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Tasks, the newest first. `cursor`: gives the next page, None if this is the last."""

    tasks: tuple[TaskRow, ...]
    cursor: int | None


@dataclass(frozen=True, slots=True)
class Promise:
    """What makes a repeated request the same one: the account's key and the hash of the body."""

    account: str
    key: str
    body_hash: bytes


class TaskStore:
    """The tables of one gateway on one chain. `source`: names chain and contracts.

    Threads may share it. Writing methods take part in a transaction around them. Raises StoreError.
    """

    def __init__(self, database: Database, source: str, reader: Database | None = None) -> None:
        self.database = database
        self._reader = reader or database
        database.install("gateway", STEPS)
        with database.transaction():
            rows = database.execute("SELECT source FROM followed")
            if not rows:
                database.execute("INSERT INTO followed VALUES (1, ?, 0)", (source,))
            elif rows[0][0] != source:
                raise StoreMismatch(
                    f"{database.name} holds the tasks of {rows[0][0]}, not of {source}; use "
                    "another data folder, or name that deployment"
                )

    @classmethod
    def open(cls, folder: Path | None, source: str) -> TaskStore:
        """Open the file in the data folder, made if it is missing; None: in memory."""
        if folder is None:
            return cls(open_database(None), source)
        path = folder / FILE_NAME
        database = open_database(path)
        try:
            store = cls(database, source)
            # Readers of a file in WAL mode wait for no writer.
            store._reader = open_database(path, readonly=True)
        except BaseException:
            database.close()
            raise
        return store

    def close(self) -> None:
        """Let another process have the file."""
        if self._reader is not self.database:
            self._reader.close()
        self.database.close()

    # What was accepted

    def accept(
        self,
        orders: Sequence[Order],
        now: Seconds,
        promise: Promise | None,
        budget_wei: Wei | None,
    ) -> tuple[tuple[TaskId, ...], list[TaskEvent]]:
        """Add tasks, all or none; return their ids and the events, or the ids of the first time.

        Raises KeyReused or BudgetExceeded, with nothing written. A task that is known already is
        left as it is.
        """
        if promise and (earlier := self._kept(promise)) is not None:
            return earlier, []
        fresh = [order for order in orders if not self._is_known(order.id)]
        self._require_budget(fresh, budget_wei)
        events = []
        self._add_spending(fresh)
        for order in fresh:
            self._insert(order, now, is_counted=order.signature is None)
            data = {"model": order.model, "deadline": order.deadline}
            events.append(self._note(order.id, "accepted", TaskState.QUEUED, data, now))
        ids = tuple(order.id for order in orders)
        if promise:
            row = (promise.account, promise.key, promise.body_hash, b"".join(ids), now)
            self.database.execute("INSERT INTO idempotency VALUES (?, ?, ?, ?, ?)", row)
        return ids, events

    def earlier(self, promise: Promise) -> tuple[TaskId, ...] | None:
        """Return what was accepted under this key before, None for nothing; raise KeyReused."""
        return self._kept(promise)

    def forget_keys(self, before: Seconds) -> None:
        """Forget the idempotency keys from before a time."""
        self.database.execute("DELETE FROM idempotency WHERE at < ?", (before,))

    def spent(self, account: str) -> Wei:
        """Return what an account's tasks cost; fees that came back do not count."""
        rows = self.database.execute("SELECT wei FROM spending WHERE account = ?", (account,))
        return Wei(int(rows[0][0])) if rows else Wei(0)

    def fail(self, task_id: TaskId, now: Seconds) -> TaskEvent | None:
        """Give up a task that is not on chain; None if it is there, or was given up before."""
        with self.database.transaction():
            sql = (
                "UPDATE tasks SET is_failed = 1, state = 'failed' WHERE id = ? "
                "AND requested_block = 0 AND is_failed = 0 RETURNING trouble"
            )
            rows = self.database.execute(sql, (task_id,))
            if not rows:
                return None
            self._count(task_id)
            reason = {"reason": rows[0][0] or "the deadline passed before it could be sent"}
            return self._note(task_id, "failed", TaskState.FAILED, reason, now)

    def trouble(self, task_id: TaskId, reason: str) -> None:
        """Note why a task could not be sent, empty once it was."""
        sql = "UPDATE tasks SET trouble = ? WHERE id = ? AND trouble <> ?"
        self.database.execute(sql, (reason, task_id, reason))

    # What is read

    def task(self, task_id: TaskId) -> TaskRow | None:
        """Return a task, None if it is unknown."""
        sql = f"SELECT {TASK_COLUMNS} FROM tasks WHERE id = ?"
        rows = self._reader.execute(sql, (task_id,))
        return task_of(rows[0]) if rows else None

    def tasks(self, filters: Filters, cursor: int | None, limit: int) -> Page:
        """Return the tasks before a cursor, the newest first."""
        names = ("account", "state", "model", "requester", "executor")
        wanted = [(n, getattr(filters, n)) for n in names if getattr(filters, n) is not None]
        where = " AND ".join([*(f"{name} = ?" for name, _ in wanted), "sequence < ?"])
        sql = f"SELECT {TASK_COLUMNS} FROM tasks WHERE {where} ORDER BY sequence DESC LIMIT ?"
        values = (*(value for _, value in wanted), cursor or 2**62, limit + 1)
        found = [task_of(row) for row in self._reader.execute(sql, values)]
        shown = tuple(found[:limit])
        return Page(shown, shown[-1].sequence if len(found) > limit else None)

    def events(self, after: int, task_id: TaskId | None, limit: int) -> list[TaskEvent]:
        """Return events behind a sequence number, the oldest first."""
        also = "" if task_id is None else " AND task_id = ?"
        sql = (
            f"SELECT {EVENT_COLUMNS} FROM task_events WHERE sequence > ?{also} "
            "ORDER BY sequence LIMIT ?"
        )
        values = (after, limit) if task_id is None else (after, task_id, limit)
        return [event_of(row) for row in self._reader.execute(sql, values)]

    def last_event(self) -> int:
        """Return the sequence number of the latest event, 0 if there is none."""
        sql = "SELECT COALESCE(MAX(sequence), 0) FROM task_events"
        return int(self._reader.execute(sql)[0][0])

    def unsent(self, limit: int) -> list[TaskRow]:
        """Return accepted tasks that the chain does not show, the oldest first."""
        sql = (
            f"SELECT {TASK_COLUMNS} FROM tasks WHERE requested_block = 0 AND is_failed = 0 "
            "ORDER BY sequence LIMIT ?"
        )
        return [task_of(row) for row in self.database.execute(sql, (limit,))]

    def count_unsent(self) -> int:
        """Return how many accepted tasks the chain does not show."""
        sql = "SELECT COUNT(*) FROM tasks WHERE requested_block = 0 AND is_failed = 0"
        return int(self.database.execute(sql)[0][0])

    def overdue(self, requester: Address, now: Seconds) -> list[TaskRow]:
        """Return an account's tasks whose deadline has passed while nobody works on them."""
        sql = (
            f"SELECT {TASK_COLUMNS} FROM tasks WHERE requester = ? AND requested_block > 0 "
            "AND (state = 'queued' OR (state = 'running' AND claim_deadline < ?)) "
            "AND deadline < ?"
        )
        return [task_of(row) for row in self.database.execute(sql, (requester, now, now))]

    def needs_input(self, input_root: bytes) -> bool:
        """Return whether a task that has not ended, or might open again, runs on an input."""
        sql = (
            f"SELECT 1 FROM tasks WHERE input_root = ? AND (state NOT IN ({_ENDS}) "
            "OR closed_block > (SELECT block FROM followed) - ?) LIMIT 1"
        )
        return bool(self.database.execute(sql, (input_root, KEPT_BLOCKS)))

    def task_of_matter(self, id_: bytes) -> TaskId | None:
        """Return the task of a result or game."""
        rows = self.database.execute("SELECT task_id FROM matters WHERE id = ?", (id_,))
        return TaskId(rows[0][0]) if rows else None

    # What the chain says

    def followed(self) -> int:
        """Return up to which block the chain was read, 0 before the first time."""
        return int(self.database.execute("SELECT block FROM followed")[0][0])

    def keys_since(self, block: int) -> set[tuple[int, int, bytes]]:
        """Return block, place and transaction of the known events from a block on."""
        sql = (
            "SELECT block, place, tx FROM task_events WHERE block >= ? AND block > 0 "
            "AND is_gone = 0"
        )
        return {(row[0], row[1], row[2]) for row in self.database.execute(sql, (block,))}

    def learn(self, matters: Iterable[tuple[bytes, TaskId]]) -> None:
        """Note which task results and games belong to."""
        self.database.execute_many("INSERT OR IGNORE INTO matters VALUES (?, ?)", matters)

    def apply(
        self,
        gone: Iterable[tuple[int, int, bytes]],
        new: Sequence[ChainEvent],
        block: int,
        models: dict[bytes, str],
    ) -> list[TaskEvent]:
        """Bring the tables from one view of the chain to the next and return what to tell.

        `gone`: events that a reorganisation took; `new`: in the chain's order; `block`: the head.
        """
        with self.database.transaction():
            lost = [task_id for key in gone for task_id in self._take_back(key)]
            for event in new:
                if event.kind == "requested" and not self._is_known(event.task_id):
                    order = order_of_request(event, models)
                    self._insert(order, Seconds(0), is_counted=False)
            touched = dict.fromkeys([*lost, *(event.task_id for event in new)])
            states = dict[tuple[int, int, bytes], TaskState]()
            ends = {id_: self._refold(id_, new, states) for id_ in touched}
            told = [
                self._note(id_, "reorganised", ends[id_], {}, Seconds(0))
                for id_ in dict.fromkeys(lost)
            ]
            told += [self._add(event, states[event.key]) for event in new]
            self.database.execute("UPDATE followed SET block = ?", (block,))
            return told

    def forget_chain(self) -> None:
        """Drop all that came from the chain; what was accepted stays."""
        with self.database.transaction():
            self.database.execute("DELETE FROM task_events WHERE block > 0")
            self.database.execute("DELETE FROM tasks WHERE account IS NULL")
            self.database.execute("DELETE FROM matters")
            self.database.execute("UPDATE followed SET block = 0")
            for (task_id,) in self.database.execute("SELECT id FROM tasks"):
                self._refold(task_id, (), {})

    def _refold(
        self,
        task_id: TaskId,
        new: Sequence[ChainEvent],
        states: dict[tuple[int, int, bytes], TaskState],
    ) -> TaskState:
        """Fold a task's events anew, write where it stands, and return its state.

        `states` takes the state after each event.
        """
        sql = (
            f"SELECT {EVENT_COLUMNS} FROM task_events WHERE task_id = ? AND block > 0 "
            "AND is_gone = 0"
        )
        known: list[TaskEvent | ChainEvent] = [
            event_of(row) for row in self.database.execute(sql, (task_id,))
        ]
        known += [event for event in new if event.task_id == task_id]
        known.sort(key=lambda event: (event.block, event.place))
        last = Standing()
        for event, last in zip(known, standings(known), strict=True):
            states[event.block, event.place, event.transaction] = last.state
        if not last.requested_block:
            last = Standing(self._unsent_state(task_id))
        values = (*standing_values(last), task_id)
        sql = f"UPDATE tasks SET {assignments(STANDING_COLUMNS)} WHERE id = ?"
        self.database.execute(sql, values)
        if not last.requested_block:
            # Others' tasks that no block holds are nobody's.
            self.database.execute("DELETE FROM tasks WHERE id = ? AND account IS NULL", (task_id,))
        self._count(task_id)
        return last.state

    def _unsent_state(self, task_id: TaskId) -> TaskState:
        sql = "SELECT is_failed FROM tasks WHERE id = ?"
        rows = self.database.execute(sql, (task_id,))
        return TaskState.FAILED if rows and rows[0][0] else TaskState.QUEUED

    def _take_back(self, key: tuple[int, int, bytes]) -> list[TaskId]:
        sql = (
            "UPDATE task_events SET is_gone = 1 WHERE block = ? AND place = ? AND tx = ? "
            "AND is_gone = 0 RETURNING task_id"
        )
        return [TaskId(row[0]) for row in self.database.execute(sql, key)]

    def _add(self, event: ChainEvent, state: TaskState) -> TaskEvent:
        where = (event.block, event.place, event.transaction, event.time)
        return self._row(event.task_id, event.kind, state, event.data, *where)

    def _note(
        self, task_id: TaskId, kind: str, state: TaskState, data: dict[str, object], now: Seconds
    ) -> TaskEvent:
        return self._row(task_id, kind, state, data, 0, 0, b"", now)

    def _row(
        self,
        task_id: TaskId,
        kind: str,
        state: TaskState,
        data: dict[str, object],
        block: int,
        place: int,
        transaction: bytes,
        time: Seconds,
    ) -> TaskEvent:
        sql = (
            "INSERT INTO task_events (task_id, kind, state, data, block, place, tx, time) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING sequence"
        )
        where = (block, place, transaction, time)
        rows = self.database.execute(sql, (task_id, kind, state, json.dumps(data), *where))
        return TaskEvent(rows[0][0], task_id, kind, state, data, *where)

    def _insert(self, order: Order, now: Seconds, *, is_counted: bool) -> None:
        columns = f"{ORDER_COLUMNS}, accepted_at, is_counted, {STANDING_COLUMNS}"
        values = (*order_values(order), now, is_counted, *standing_values(Standing()))
        sql = f"INSERT INTO tasks ({columns}) VALUES ({marks(columns)})"
        self.database.execute(sql, values)

    def _add_spending(self, orders: Sequence[Order]) -> None:
        """Count the fees of tasks that are about to be inserted, all of one account."""
        paid = [order for order in orders if order.signature is None]
        if paid and paid[0].account is not None:
            self._spend(paid[0].account, sum(order.fee_wei for order in paid))

    def _spend(self, account: str, wei: int) -> None:
        sql = "INSERT OR REPLACE INTO spending VALUES (?, ?)"
        self.database.execute(sql, (account, str(self.spent(account) + wei)))

    def _is_known(self, task_id: TaskId) -> bool:
        """Return whether this gateway accepted a task, or the chain showed it."""
        return bool(self.database.execute("SELECT 1 FROM tasks WHERE id = ?", (task_id,)))

    def _kept(self, promise: Promise) -> tuple[TaskId, ...] | None:
        sql = "SELECT body_hash, task_ids FROM idempotency WHERE account = ? AND key = ?"
        rows = self.database.execute(sql, (promise.account, promise.key))
        if not rows:
            return None
        body_hash, ids = rows[0]
        if body_hash != promise.body_hash:
            raise KeyReused(
                "this idempotency key came before with another request; use a new key for each "
                "request, and the old one only to repeat the old request"
            )
        cuts = range(0, len(ids), _ID_BYTES)
        return tuple(TaskId(ids[at : at + _ID_BYTES]) for at in cuts)

    def _require_budget(self, orders: Sequence[Order], budget_wei: Wei | None) -> None:
        paid = [order for order in orders if order.signature is None]
        if budget_wei is None or not paid or paid[0].account is None:
            return
        spent, cost = self.spent(paid[0].account), sum(order.fee_wei for order in paid)
        if spent + cost > budget_wei:
            raise BudgetExceeded(
                f"this would cost {cost} wei, and {spent} of the account's {budget_wei} wei are "
                "spent; ask for less, offer less, or have the budget raised"
            )

    def _count(self, task_id: TaskId) -> None:
        """Let an account's spending hold a task's fee exactly while it is paid or will be."""
        sql = "SELECT account, fee_wei, state, is_counted, signature FROM tasks WHERE id = ?"
        rows = self.database.execute(sql, (task_id,))
        if not rows or rows[0][0] is None or rows[0][4] is not None:
            return
        account, fee, state, was_counted, _ = rows[0]
        is_counted = state not in FREE
        if is_counted == bool(was_counted):
            return
        self._spend(account, int(fee) if is_counted else -int(fee))
        sql = "UPDATE tasks SET is_counted = ? WHERE id = ?"
        self.database.execute(sql, (is_counted, task_id))
