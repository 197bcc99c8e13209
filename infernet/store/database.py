"""One SQLite file for each account, written by one process and read by any.

Modules that own tables hand their statements to `Database.install`; there is no central schema.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Any, TextIO

from .errors import StoreCorrupt, StoreInUse, StoreMismatch, StoreUnwritable

Row = tuple[Any, ...]

_BUSY_SECONDS = 5.0
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_UNWRITABLE = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
}
_PARTS = "CREATE TABLE IF NOT EXISTS parts (name TEXT PRIMARY KEY, version INTEGER NOT NULL)"


def account_file(folder: Path, chain_id: int, address: str) -> Path:
    """Return where an account's database is kept in the data folder."""
    return folder / f"{chain_id}-{address.lower()}.sqlite"


class Database:
    """A connection that threads may share; what a statement or transaction wrote is on disk.

    Every method raises a StoreError that says what to do.
    """

    def __init__(
        self, connection: sqlite3.Connection, name: str, is_readonly: bool, lock: TextIO | None
    ) -> None:
        self.name = name
        self.is_readonly = is_readonly
        self._connection = connection
        self._file_lock = lock
        self._mutex = RLock()

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return its rows; outside a transaction it is one by itself."""
        # Not by `_translated`: entering that takes as long as many a statement.
        with self._mutex:
            try:
                return self._connection.execute(sql, parameters).fetchall()
            except sqlite3.Error as error:
                raise _trouble(self.name, error) from None

    def execute_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run one statement for each row, all of them or none."""
        with self.transaction(), _translated(self.name):
            self._connection.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Let everything inside be written, or nothing; other threads wait.

        A transaction inside another one is part of it.
        """
        with self._mutex:
            if self._connection.in_transaction:
                yield
                return
            self.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                # A full disk may have rolled back already.
                if self._connection.in_transaction:
                    self.execute("ROLLBACK")
                raise

    def install(self, part: str, steps: Sequence[str]) -> None:
        """Bring a module's tables up to date: `steps` are the statements of all its versions.

        New versions append statements and never change old ones. Raises StoreMismatch when the
        file is newer, or too old to be read without writing.
        """
        with self.transaction() if not self.is_readonly else self._mutex:
            version = self._version(part)
            if version > len(steps):
                raise StoreMismatch(
                    f"{self.name} was written by a newer version ({part} {version}, this one "
                    f"knows {len(steps)}); install that version, or use another data folder"
                )
            if version == len(steps):
                return
            if self.is_readonly:
                raise StoreMismatch(
                    f"{self.name} holds {part} {version}, this version needs {len(steps)}; "
                    "start the miner or fisherman once, it brings the file up to date"
                )
            for step in steps[version:]:
                self.execute(step)
            self.execute("INSERT OR REPLACE INTO parts VALUES (?, ?)", (part, len(steps)))

    def copied(self) -> Database:
        """Return a copy in memory, for a reader that goes on by itself."""
        copy = _connect(":memory:", "the store in memory")
        with self._mutex, _translated(self.name):
            self._connection.backup(copy)
        return Database(copy, f"a copy of {self.name}", False, None)

    def room_bytes(self) -> int | None:
        """Return what is free on the file's disk; None in memory."""
        folder = Path(self.name).parent
        return None if self._file_lock is None else shutil.disk_usage(folder).free

    def close(self) -> None:
        """Close the file and let other processes have it."""
        with self._mutex, _translated(self.name):
            self._connection.close()
            if self._file_lock:
                self._file_lock.close()

    def _version(self, part: str) -> int:
        if not self.is_readonly:
            self.execute(_PARTS)
        elif not self.execute("SELECT 1 FROM sqlite_schema WHERE name = 'parts'"):
            return 0
        rows = self.execute("SELECT version FROM parts WHERE name = ?", (part,))
        return int(rows[0][0]) if rows else 0


def open_database(path: Path | None, readonly: bool = False) -> Database:
    """Open the file, made if it is missing, or a database in memory for None.

    The one process that may write locks `path`.lock until it ends. `readonly` needs an existing
    file and no lock. Raises StoreError.
    """
    if path is None:
        return Database(_connect(":memory:", "the store in memory"), "memory", False, None)
    name = str(path)
    if readonly:
        if not path.is_file():
            raise StoreUnwritable(f"{name} does not exist; it is made by the first run")
        connection = _connect(f"{path.absolute().as_uri()}?mode=ro", name)
        return Database(connection, name, True, None)
    lock = _lock(path)
    try:
        connection = _connect(f"{path.absolute().as_uri()}?mode=rwc", name)
        with _translated(name):
            connection.execute("PRAGMA journal_mode = WAL")
            # A transaction is sent only once its record is safe, even from a power cut.
            connection.execute("PRAGMA synchronous = FULL")
            _check(connection, name)
    except BaseException:
        lock.close()
        raise
    return Database(connection, name, False, lock)


def _connect(target: str, name: str) -> sqlite3.Connection:
    with _translated(name):
        return sqlite3.connect(
            target,
            uri=target.startswith("file:"),
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )


def _check(connection: sqlite3.Connection, name: str) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise StoreCorrupt(_damage(name, found))


def _lock(path: Path) -> TextIO:
    """Take the lock of a file that may not exist yet, or raise StoreError."""
    place = path.with_name(f"{path.name}.lock")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.fdopen(os.open(place, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="ascii")
    except OSError as error:
        raise StoreUnwritable(
            f"{place} cannot be written: {error.strerror}; mend the folder's permissions, or name "
            "a writable one in INFERNET_DATA_DIR"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = lock.read(20).strip() or "unknown"
        lock.close()
        raise StoreInUse(
            f"{path} is in use by process {holder}; stop it first, or give each process a key of "
            "its own: two with one key would spoil each other's transactions"
        ) from None
    # The number only helps people; a full disk must not keep the lock from being taken.
    with suppress(OSError):
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
    # SQLite gives its own files the mode of the first one, which so belongs to the owner alone.
    with suppress(OSError):
        path.touch(mode=0o600)
    return lock


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Turn what SQLite raises into a StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise _trouble(name, error) from None


def _trouble(name: str, error: sqlite3.Error) -> Exception:
    """Return what an error of SQLite means."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGED:
        return StoreCorrupt(_damage(name, str(error)))
    if code in _BUSY:
        return StoreInUse(
            f"{name} was kept busy by another program for over {_BUSY_SECONDS:.0f} s; end it"
        )
    if code in _UNWRITABLE:
        return StoreUnwritable(
            f"{name}: {error} ({error.sqlite_errorname}); make room on the disk, and check "
            "that file and folder can be written"
        )
    # All else is a mistake in a statement.
    return error


def _damage(name: str, what: str) -> str:
    return (
        f"{name} is damaged: {what}; restore it from a backup, or move it away and start again "
        "once no transaction of this account is pending: everything else is read from the chain"
    )
