"""py-evm's database in a SQLite file: what a block wrote is there after a crash, whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from eth.db.backends.base import BaseDB


class SqliteLedger(BaseDB):  # type: ignore[misc]
    """Keys and values in one file. `commit` ends a group that is written whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # A crash of the machine may cost the last blocks of a trial, never the file.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS ledger (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID"
        )
        self._connection.execute("BEGIN")

    def commit(self) -> None:
        """Write what was set since the last time."""
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN")

    def close(self) -> None:
        """Close the file; what was not committed is forgotten."""
        self._connection.close()

    def __getitem__(self, key: bytes) -> bytes:
        row = self._connection.execute("SELECT value FROM ledger WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        return bytes(row[0])

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._connection.execute("REPLACE INTO ledger VALUES (?, ?)", (key, value))

    def __delitem__(self, key: bytes) -> None:
        if not self._connection.execute("DELETE FROM ledger WHERE key = ?", (key,)).rowcount:
            raise KeyError(key)

    def _exists(self, key: bytes) -> bool:
        sql = "SELECT 1 FROM ledger WHERE key = ?"
        return self._connection.execute(sql, (key,)).fetchone() is not None

    def __iter__(self) -> Iterator[bytes]:
        for (key,) in self._connection.execute("SELECT key FROM ledger"):
            yield bytes(key)
