"""What of the gateway's file is the chain's: where tasks stand, and every event on chain.

The columns of a `Standing` and the events with a block follow from the chain alone: `forget` drops
them, and following the chain from its beginning brings them back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from infernet.chain.records import Seconds, TaskId
from infernet.store.database import Database

from .fold import standings
from .records import ChainEvent, Standing, TaskEvent, TaskState
from .rows import Rows
from .tables import (
    EVENT_COLUMNS,
    STANDING_COLUMNS,
    assignments,
    event_of,
    order_of_request,
    standing_values,
)


class ChainTables:
    """Brought from one view of the chain to the next; threads may share it. Raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database, self._rows = database, Rows(database)

    def task_of_matter(self, id_: bytes) -> TaskId | None:
        """Return the task of a result or game."""
        rows = self._database.execute("SELECT task_id FROM matters WHERE id = ?", (id_,))
        return TaskId(rows[0][0]) if rows else None

    def followed(self) -> int:
        """Return up to which block the chain was read, 0 before the first time."""
        return int(self._database.execute("SELECT block FROM followed")[0][0])

    def keys_since(self, block: int) -> set[tuple[int, int, bytes]]:
        """Return block, place and transaction of the known events from a block on."""
        sql = (
            "SELECT block, place, tx FROM task_events WHERE block >= ? AND block > 0 "
            "AND is_gone = 0"
        )
        return {(row[0], row[1], row[2]) for row in self._database.execute(sql, (block,))}

    def learn(self, matters: Iterable[tuple[bytes, TaskId]]) -> None:
        """Note which task results and games belong to."""
        self._database.execute_many("INSERT OR IGNORE INTO matters VALUES (?, ?)", matters)

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
        with self._database.transaction():
            lost = [task_id for key in gone for task_id in self._take_back(key)]
            for event in new:
                if event.kind == "requested" and not self._rows.is_known(event.task_id):
                    order = order_of_request(event, models)
                    self._rows.insert(order, Seconds(0), is_counted=False)
            touched = dict.fromkeys([*lost, *(event.task_id for event in new)])
            states = dict[tuple[int, int, bytes], TaskState]()
            ends = {id_: self._refold(id_, new, states) for id_ in touched}
            told = [
                self._rows.note(id_, "reorganised", ends[id_], {}, Seconds(0))
                for id_ in dict.fromkeys(lost)
            ]
            told += [self._add(event, states[event.key]) for event in new]
            self._database.execute("UPDATE followed SET block = ?", (block,))
            return told

    def forget(self) -> None:
        """Drop all that came from the chain; what was accepted stays."""
        with self._database.transaction():
            self._database.execute("DELETE FROM task_events WHERE block > 0")
            self._database.execute("DELETE FROM tasks WHERE account IS NULL")
            self._database.execute("DELETE FROM matters")
            self._database.execute("UPDATE followed SET block = 0")
            for (task_id,) in self._database.execute("SELECT id FROM tasks"):
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
            event_of(row) for row in self._database.execute(sql, (task_id,))
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
        self._database.execute(sql, values)
        if not last.requested_block:
            # Others' tasks that no block holds are nobody's.
            self._database.execute("DELETE FROM tasks WHERE id = ? AND account IS NULL", (task_id,))
        self._rows.count(task_id)
        return last.state

    def _unsent_state(self, task_id: TaskId) -> TaskState:
        sql = "SELECT is_failed FROM tasks WHERE id = ?"
        rows = self._database.execute(sql, (task_id,))
        return TaskState.FAILED if rows and rows[0][0] else TaskState.QUEUED

    def _take_back(self, key: tuple[int, int, bytes]) -> list[TaskId]:
        sql = (
            "UPDATE task_events SET is_gone = 1 WHERE block = ? AND place = ? AND tx = ? "
            "AND is_gone = 0 RETURNING task_id"
        )
        return [TaskId(row[0]) for row in self._database.execute(sql, key)]

    def _add(self, event: ChainEvent, state: TaskState) -> TaskEvent:
        where = (event.block, event.place, event.transaction, event.time)
        return self._rows.add_event(event.task_id, event.kind, state, event.data, *where)
