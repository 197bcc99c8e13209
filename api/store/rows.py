"""Single rows of the gateway's tables, written within whatever transaction is open."""

from __future__ import annotations

import json
from collections.abc import Sequence

from infernet.chain.records import Seconds, TaskId, Wei
from infernet.store.database import Database

from .records import FREE, Order, Standing, TaskEvent, TaskState
from .tables import ORDER_COLUMNS, STANDING_COLUMNS, marks, order_values, standing_values


class Rows:
    """The rows of one file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(
        self, task_id: TaskId, kind: str, state: TaskState, data: dict[str, object], now: Seconds
    ) -> TaskEvent:
        """Add an event that no block holds."""
        return self.add_event(task_id, kind, state, data, 0, 0, b"", now)

    def add_event(
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
        """Add an event and return it with its number."""
        sql = (
            "INSERT INTO task_events (task_id, kind, state, data, block, place, tx, time) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING sequence"
        )
        where = (block, place, transaction, time)
        rows = self._database.execute(sql, (task_id, kind, state, json.dumps(data), *where))
        return TaskEvent(rows[0][0], task_id, kind, state, data, *where)

    def insert(self, order: Order, now: Seconds, *, is_counted: bool) -> None:
        """Add a task; `is_counted`: the account's spending holds its fee already."""
        columns = f"{ORDER_COLUMNS}, accepted_at, is_counted, {STANDING_COLUMNS}"
        values = (*order_values(order), now, is_counted, *standing_values(Standing()))
        sql = f"INSERT INTO tasks ({columns}) VALUES ({marks(columns)})"
        self._database.execute(sql, values)

    def add_spending(self, orders: Sequence[Order]) -> None:
        """Count the fees of tasks that are about to be inserted, all of one account."""
        paid = [order for order in orders if order.signature is None]
        if paid and paid[0].account is not None:
            self.spend(paid[0].account, sum(order.fee_wei for order in paid))

    def spend(self, account: str, wei: int) -> None:
        """Add to what an account spent; less than nothing takes away."""
        sql = "INSERT OR REPLACE INTO spending VALUES (?, ?)"
        self._database.execute(sql, (account, str(self.spent(account) + wei)))

    def is_known(self, task_id: TaskId) -> bool:
        """Return whether this gateway accepted a task, or the chain showed it."""
        return bool(self._database.execute("SELECT 1 FROM tasks WHERE id = ?", (task_id,)))

    def spent(self, account: str) -> Wei:
        """Return what an account's tasks cost; fees that came back do not count."""
        rows = self._database.execute("SELECT wei FROM spending WHERE account = ?", (account,))
        return Wei(int(rows[0][0])) if rows else Wei(0)

    def count(self, task_id: TaskId) -> None:
        """Let an account's spending hold a task's fee exactly while it is paid or will be."""
        sql = "SELECT account, fee_wei, state, is_counted, signature FROM tasks WHERE id = ?"
        rows = self._database.execute(sql, (task_id,))
        if not rows or rows[0][0] is None or rows[0][4] is not None:
            return
        account, fee, state, was_counted, _ = rows[0]
        is_counted = state not in FREE
        if is_counted == bool(was_counted):
            return
        self.spend(account, int(fee) if is_counted else -int(fee))
        sql = "UPDATE tasks SET is_counted = ? WHERE id = ?"
        self._database.execute(sql, (is_counted, task_id))
