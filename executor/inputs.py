"""Inputs of tasks: from the chain where it carries them, else those that a gateway gave."""

from __future__ import annotations

import time
from collections.abc import Collection

from infernet.chain.market import Market
from infernet.chain.records import TaskId
from infernet.store.database import Database

_STEPS = (
    "CREATE TABLE inputs (task_id BLOB PRIMARY KEY, data BLOB NOT NULL, at INTEGER NOT NULL) "
    "WITHOUT ROWID",
)
# A reorganisation may open a task again that had ended; none is as old.
_KEPT_SECONDS = 86_400


class Inputs:
    """The inputs that a miner holds; threads may share it.

    What the chain does not carry is on disk before its task is claimed: it may have to be revealed
    there when no gateway lives any more, or the stake is lost.
    """

    def __init__(self, market: Market, database: Database) -> None:
        self._market, self._database = market, database
        database.install("inputs", _STEPS)

    def of(self, task_id: TaskId) -> bytes | None:
        """Return the input of a task; None where neither chain nor disk has it."""
        rows = self._database.execute("SELECT data FROM inputs WHERE task_id = ?", (task_id,))
        return bytes(rows[0][0]) if rows else self._market.carried_input(task_id)

    def is_held(self, task_id: TaskId) -> bool:
        """Return whether `of` has an input."""
        if self._market.is_input_carried(task_id):
            return True
        sql = "SELECT 1 FROM inputs WHERE task_id = ?"
        return bool(self._database.execute(sql, (task_id,)))

    def kept_bytes(self) -> dict[TaskId, int]:
        """Return the length in bytes of each input that a gateway gave, by its task."""
        rows = self._database.execute("SELECT task_id, length(data) FROM inputs")
        return {TaskId(task_id): int(size) for task_id, size in rows}

    def put(self, task_id: TaskId, data: bytes) -> None:
        """Keep an input, whose root the caller has compared with the task's."""
        sql = "INSERT OR REPLACE INTO inputs VALUES (?, ?, ?)"
        self._database.execute(sql, (task_id, data, int(time.time())))

    def tidy(self, needed: Collection[TaskId]) -> None:
        """Drop what is old and not among the tasks that are needed."""
        sql, since = "SELECT task_id FROM inputs WHERE at < ?", int(time.time()) - _KEPT_SECONDS
        for (task_id,) in self._database.execute(sql, (since,)):
            if task_id not in needed:
                self._database.execute("DELETE FROM inputs WHERE task_id = ?", (task_id,))
