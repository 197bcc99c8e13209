"""Runs that were begun and have not ended well, on disk: a crash of the process counts as well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from infernet.chain.records import TaskId
from infernet.store.database import Database

_STEPS = ("CREATE TABLE tries (task_id BLOB PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID",)
# A task whose runs end badly so often is given up.
_MOST_TRIES = 3


class Tries:
    """How often runs of each task ended badly; threads may share it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._under_way = Counter[TaskId]()
        self._lock = Lock()
        database.install("tries", _STEPS)

    def begin(self, task_id: TaskId) -> None:
        """Note a run as failed until `succeed` says otherwise."""
        with self._lock:
            self._under_way[task_id] += 1
        sql = "INSERT INTO tries VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1"
        self._database.execute(sql, (task_id,))

    def succeed(self, task_id: TaskId) -> None:
        """Forget the failures of a task."""
        self._end(task_id)
        self._database.execute("DELETE FROM tries WHERE task_id = ?", (task_id,))

    @contextmanager
    def counted(self, task_id: TaskId) -> Iterator[None]:
        """Count a run while it lasts: only the end of the process leaves it noted as failed."""
        self.begin(task_id)
        try:
            yield
        except Exception:
            self._end(task_id)
            self._take_back(task_id)
            raise
        self.succeed(task_id)

    def count(self, task_id: TaskId) -> int:
        """Return how many runs of a task have failed, or are under way."""
        rows = self._database.execute("SELECT count FROM tries WHERE task_id = ?", (task_id,))
        return int(rows[0][0]) if rows else 0

    def room_bytes(self) -> int | None:
        """Return what is free on the disk that holds the notes; None in memory."""
        return self._database.room_bytes()

    def is_hopeless(self, task_id: TaskId) -> bool:
        """Return whether a task failed so often that it is given up."""
        return self.count(task_id) >= _MOST_TRIES

    def suspects(self) -> frozenset[bytes]:
        """Return the tasks that failed or are under way, and are not given up."""
        rows = self._database.execute("SELECT task_id FROM tries WHERE count < ?", (_MOST_TRIES,))
        return frozenset(task_id for (task_id,) in rows)

    def stop(self) -> None:
        """Take back what is under way: a process that is asked to end is ended by no run."""
        with self._lock:
            cut_off = list(self._under_way.elements())
            self._under_way.clear()
        for task_id in cut_off:
            self._take_back(task_id)

    def _end(self, task_id: TaskId) -> None:
        with self._lock:
            self._under_way[task_id] -= 1
            if self._under_way[task_id] <= 0:
                del self._under_way[task_id]

    def _take_back(self, task_id: TaskId) -> None:
        with self._database.transaction():
            less = "UPDATE tries SET count = count - 1 WHERE task_id = ?"
            self._database.execute(less, (task_id,))
            none = "DELETE FROM tries WHERE task_id = ? AND count <= 0"
            self._database.execute(none, (task_id,))
