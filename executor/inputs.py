"""Inputs of tasks: those that the chain carries, and those that a gateway gave."""

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
# One that takes away what the chain carried is over sooner: it replaces the blocks of a request.
_CARRIED_SECONDS = 3_600


class Inputs:
    """The inputs that a miner holds; threads may share it.

    Each is on disk before its task is claimed: it may have to be revealed when no gateway lives any
    more, or when a reorganisation has put the task on chain without it, or the stake is lost.
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
        return self._market.is_input_carried(task_id) or self._is_kept(task_id)

    def kept_bytes(self) -> dict[TaskId, int]:
        """Return the length in bytes of each input on disk, by its task; the chain has some."""
        rows = self._database.execute("SELECT task_id, length(data) FROM inputs")
        return {TaskId(task_id): int(size) for task_id, size in rows}

    def put(self, task_id: TaskId, data: bytes) -> None:
        """Keep an input, whose root the caller has compared with the task's."""
        self._write(task_id, data, int(time.time()))

    def keep(self, task_id: TaskId) -> bool:
        """Have a task's input on disk, from the chain if it is not; return whether it is there."""
        if self._is_kept(task_id):
            return True
        data = self._market.carried_input(task_id)
        if data is None:
            return False
        self._write(task_id, data, int(time.time()) - _KEPT_SECONDS + _CARRIED_SECONDS)
        return True

    def tidy(self, needed: Collection[TaskId]) -> None:
        """Drop what is old and not among the tasks that are needed."""
        sql, since = "SELECT task_id FROM inputs WHERE at < ?", int(time.time()) - _KEPT_SECONDS
        for (task_id,) in self._database.execute(sql, (since,)):
            if task_id not in needed:
                self._database.execute("DELETE FROM inputs WHERE task_id = ?", (task_id,))

    def _is_kept(self, task_id: TaskId) -> bool:
        sql = "SELECT 1 FROM inputs WHERE task_id = ?"
        return bool(self._database.execute(sql, (task_id,)))

    def _write(self, task_id: TaskId, data: bytes, at: int) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO inputs VALUES (?, ?, ?)", (task_id, data, at)
        )
