"""What an actor has done with for good, kept on disk instead of in a set that grows."""

from __future__ import annotations

from .database import Database

_STEPS = (
    "CREATE TABLE closed (kind TEXT NOT NULL, id BLOB NOT NULL, PRIMARY KEY (kind, id)) "
    "WITHOUT ROWID",
)


class Closed:
    """A set of (kind, id); only what no reorganisation can reopen belongs here."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.install("closed", _STEPS)

    def add(self, kind: str, id_: bytes) -> None:
        """Close a matter; closing it twice changes nothing."""
        self._database.execute("INSERT OR IGNORE INTO closed VALUES (?, ?)", (kind, id_))

    def contains(self, kind: str, id_: bytes) -> bool:
        """Return whether a matter is closed."""
        sql = "SELECT 1 FROM closed WHERE kind = ? AND id = ?"
        return bool(self._database.execute(sql, (kind, id_)))

    def count(self, kind: str) -> int:
        """Return how many matters of a kind are closed."""
        sql = "SELECT COUNT(*) FROM closed WHERE kind = ?"
        return int(self._database.execute(sql, (kind,))[0][0])
