"""The gateway's file: what was accepted, and what is known of each task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infernet.chain.records import Address, Seconds, TaskId, Wei
from infernet.store.database import Database, open_database
from infernet.store.errors import StoreMismatch
from infernet.store.events import KEPT_BLOCKS

from ..errors import BudgetExceeded, KeyReused
from .blobs import Blobs
from .chain import ChainTables
from .records import ENDS, Order, TaskEvent, TaskRow, TaskState
from .rows import Rows
from .tables import (
    EVENT_COLUMNS,
    STEPS,
    TASK_COLUMNS,
    event_of,
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
    """The tables of one gateway on one chain. `source`: names it; `chain`: what it says.

    Threads may share it. Writing methods take part in a transaction around them. Raises StoreError.
    """

    def __init__(self, database: Database, source: str, reader: Database | None = None) -> None:
        self.database = database
        self._reader = reader or database
        self._rows, self.chain = Rows(database), ChainTables(database)
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

    def inputs(self, most_bytes: int) -> Blobs:
        """Return the inputs that lie in the same file, `most_bytes` of them at most."""
        return Blobs(self.database, most_bytes, self._reader)

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
        fresh = [order for order in orders if not self._rows.is_known(order.id)]
        self._require_budget(fresh, budget_wei)
        events = []
        self._rows.add_spending(fresh)
        for order in fresh:
            self._rows.insert(order, now, is_counted=order.signature is None)
            data = {"model": order.model, "deadline": order.deadline}
            events.append(self._rows.note(order.id, "accepted", TaskState.QUEUED, data, now))
        ids = tuple(order.id for order in orders)
        if promise:
            row = (promise.account, promise.key, promise.body_hash, b"".join(ids), now)
            self.database.execute("INSERT INTO idempotency VALUES (?, ?, ?, ?, ?)", row)
        return ids, events

    def spent(self, account: str) -> Wei:
        """Return what an account's tasks cost; fees that came back do not count."""
        return self._rows.spent(account)

    def forget_keys(self, before: Seconds) -> None:
        """Forget the idempotency keys from before a time."""
        self.database.execute("DELETE FROM idempotency WHERE at < ?", (before,))

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
            self._rows.count(task_id)
            reason = {"reason": rows[0][0] or "the deadline passed before it could be sent"}
            return self._rows.note(task_id, "failed", TaskState.FAILED, reason, now)

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

    def count_unsent_signed(self, account: str) -> int:
        """Return how many signed tasks of an account the chain does not show."""
        sql = (
            "SELECT COUNT(*) FROM tasks WHERE requested_block = 0 AND is_failed = 0 "
            "AND signature IS NOT NULL AND account = ?"
        )
        return int(self._reader.execute(sql, (account,))[0][0])

    def oldest_unsent(self) -> Seconds | None:
        """Return when the oldest task was accepted that the chain does not show."""
        sql = (
            "SELECT accepted_at FROM tasks WHERE requested_block = 0 AND is_failed = 0 "
            "ORDER BY sequence LIMIT 1"
        )
        rows = self.database.execute(sql)
        return Seconds(rows[0][0]) if rows else None

    def overdue(self, requester: Address, now: Seconds) -> list[TaskRow]:
        """Return an account's tasks whose deadline has passed while nobody works on them."""
        sql = (
            f"SELECT {TASK_COLUMNS} FROM tasks WHERE requester = ? AND requested_block > 0 "
            "AND (state = 'queued' OR (state = 'running' AND claim_deadline < ?)) "
            "AND deadline < ?"
        )
        return [task_of(row) for row in self.database.execute(sql, (requester, now, now))]

    def claimable(self, now: Seconds, limit: int) -> list[TaskRow]:
        """Return tasks on chain that a miner may claim, the oldest first.

        Those that were accepted here come before others: anybody can put any number on chain.
        """
        if not limit:
            return []
        sql = (
            f"SELECT {TASK_COLUMNS} FROM tasks WHERE requested_block > 0 AND deadline > ? "
            "AND (state = 'queued' OR (state = 'running' AND claim_deadline < ?)) "
            "ORDER BY account IS NULL, sequence LIMIT ?"
        )
        return [task_of(row) for row in self._reader.execute(sql, (now, now, limit))]

    def needs_input(self, input_root: bytes) -> bool:
        """Return whether a task that has not ended, or might open again, runs on an input."""
        sql = (
            f"SELECT 1 FROM tasks WHERE input_root = ? AND (state NOT IN ({_ENDS}) "
            "OR closed_block > (SELECT block FROM followed) - ?) LIMIT 1"
        )
        return bool(self.database.execute(sql, (input_root, KEPT_BLOCKS)))

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
        spent, cost = self._rows.spent(paid[0].account), sum(order.fee_wei for order in paid)
        if spent + cost > budget_wei:
            raise BudgetExceeded(
                f"this would cost {cost} wei, and {spent} of the account's {budget_wei} wei are "
                "spent; ask for less, offer less, or have the budget raised"
            )
