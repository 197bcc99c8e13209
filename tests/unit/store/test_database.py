"""One process writes an account's file, and every fault of file or disk is named."""

from __future__ import annotations

import os
import resource
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from infernet.store.closed import Closed
from infernet.store.database import Database, account_file, open_database
from infernet.store.errors import (
    StoreCorrupt,
    StoreError,
    StoreInUse,
    StoreMismatch,
    StoreUnwritable,
)

NOBODY = 65_534
TABLE = "CREATE TABLE numbers (number INTEGER PRIMARY KEY)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return account_file(tmp_path / "data", 31_337, "0xABcd")


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = open_database(path)
    database.install("numbers", [TABLE])
    yield database
    database.close()


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a process of its own and return its wait status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


def numbers(database: Database) -> list[int]:
    return [row[0] for row in database.execute("SELECT number FROM numbers ORDER BY number")]


def insert(database: Database, number: int) -> None:
    database.execute("INSERT INTO numbers VALUES (?)", (number,))


def test_name_tells_chain_and_account(path: Path) -> None:
    assert path.name == "31337-0xabcd.sqlite"


def test_file_is_durable_and_the_owners_alone(database: Database, path: Path) -> None:
    assert database.execute("PRAGMA journal_mode") == [("wal",)]
    assert database.execute("PRAGMA synchronous") == [(2,)]
    for each in path.parent.iterdir():
        assert each.stat().st_mode & 0o777 == 0o600, each


def test_second_writer_is_refused_and_told_who_holds_the_file(
    database: Database, path: Path
) -> None:
    with pytest.raises(StoreInUse, match=f"in use by process {os.getpid()}; stop it first"):
        open_database(path)


def test_lock_dies_with_its_process(path: Path) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        held = open_database(path)
        held.install("numbers", [TABLE])
        os.write(writer, b"open")
        signal.pause()
    try:
        assert os.read(reader, 4) == b"open"
        with pytest.raises(StoreInUse, match=f"process {child};"):
            open_database(path)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    database = open_database(path)
    assert numbers(database) == []
    database.close()


def test_readers_see_what_is_written_beside_and_after_the_writer(
    database: Database, path: Path
) -> None:
    reader = open_database(path, readonly=True)
    insert(database, 1)
    reader.install("numbers", [TABLE])
    assert numbers(reader) == [1]
    with pytest.raises(StoreUnwritable, match="readonly"):
        insert(reader, 2)
    reader.close()
    database.close()
    late = open_database(path, readonly=True)
    assert numbers(late) == [1]
    late.close()


def test_reader_of_nothing_is_told(path: Path) -> None:
    with pytest.raises(StoreUnwritable, match="made by the first run"):
        open_database(path, readonly=True)
    assert not path.parent.exists()


def test_transaction_is_whole_or_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.transaction():
        insert(database, 1)
        with database.transaction():
            insert(database, 2)
        raise ZeroDivisionError
    assert numbers(database) == []
    database.execute_many("INSERT INTO numbers VALUES (?)", [(1,), (2,)])
    assert numbers(database) == [1, 2]


def test_threads_share_a_connection(database: Database) -> None:
    def add_in_pairs(first: int) -> None:
        for number in range(first, first + 50):
            with database.transaction():
                insert(database, number)
                insert(database, -number)

    threads = [Thread(target=add_in_pairs, args=(1 + 50 * i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(abs, numbers(database))) == [n for n in range(1, 301) for _ in "ab"]


def test_tables_are_brought_forward_and_never_back(database: Database, path: Path) -> None:
    insert(database, 7)
    newer = [TABLE, "ALTER TABLE numbers ADD COLUMN name TEXT NOT NULL DEFAULT 'x'"]
    reader = open_database(path, readonly=True)
    with pytest.raises(StoreMismatch, match="start the miner or fisherman once"):
        reader.install("numbers", newer)
    database.install("numbers", newer)
    assert database.execute("SELECT * FROM numbers") == [(7, "x")]
    for each in (database, reader):
        with pytest.raises(StoreMismatch, match="written by a newer version"):
            each.install("numbers", [TABLE])
    reader.close()


def test_failed_migration_leaves_the_old_tables(database: Database) -> None:
    insert(database, 7)
    broken = [TABLE, "ALTER TABLE numbers ADD COLUMN name TEXT", "nonsense"]
    with pytest.raises(Exception, match="syntax error"):
        database.install("numbers", broken)
    assert database.execute("SELECT * FROM numbers") == [(7,)]
    database.install("numbers", [TABLE])


def test_file_that_is_no_database_is_named(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"anything but a database" * 1000)
    for readonly in (False, True):
        with pytest.raises(StoreCorrupt, match="restore it from a backup"):
            open_database(path, readonly).execute("SELECT 1 FROM sqlite_schema")


def test_damaged_page_is_found_at_the_start(path: Path) -> None:
    database = open_database(path)
    database.install("numbers", [TABLE])
    database.execute_many("INSERT INTO numbers VALUES (?)", [(n,) for n in range(20_000)])
    database.close()
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = bytes(range(256)) * 16
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt, match="damaged"):
        open_database(path)
    # The lock is free again.
    path.unlink()
    open_database(path).close()


def test_folder_that_cannot_be_written_is_named() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)

        def refuse() -> None:
            if os.geteuid() == 0:
                os.setuid(NOBODY)
            with pytest.raises(StoreUnwritable, match="mend the folder's permissions"):
                open_database(folder / "a.sqlite")
            with pytest.raises(StoreUnwritable, match="mend the folder's permissions"):
                open_database(folder / "inner" / "a.sqlite")

        assert in_child(refuse) == 0


def test_full_disk_is_told_and_what_was_written_stays(path: Path) -> None:
    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        database = open_database(path)
        database.install("blobs", ["CREATE TABLE blobs (number INTEGER, content BLOB)"])
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        written = 0
        with pytest.raises(StoreUnwritable, match="make room on the disk"):
            for written in range(100):
                sql = "INSERT INTO blobs VALUES (?, ?)"
                database.execute(sql, (written, bytes(10_000)))
        assert 0 < written < 99
        with pytest.raises(StoreUnwritable), database.transaction():
            database.execute("INSERT INTO blobs VALUES (-1, ?)", (bytes(100_000),))
        count = "SELECT COUNT(*), MIN(number) FROM blobs"
        assert database.execute(count) == [(written, 0)]
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        database.execute("INSERT INTO blobs VALUES (?, ?)", (written, bytes(10_000)))
        assert database.execute(count) == [(written + 1, 0)]

    assert in_child(fill) == 0
    database = open_database(path)
    assert database.execute("PRAGMA integrity_check") == [("ok",)]
    database.close()


def test_closed_matters_stay_closed(path: Path) -> None:
    first = open_database(path)
    closed = Closed(first)
    closed.add("task", b"a")
    closed.add("task", b"a")
    closed.add("assertion", b"b")
    first.close()
    again = open_database(path)
    closed = Closed(again)
    assert closed.contains("task", b"a")
    assert not closed.contains("assertion", b"a")
    assert (closed.count("task"), closed.count("nothing")) == (1, 0)
    again.close()


def test_memory_needs_no_file() -> None:
    closed = Closed(open_database(None))
    closed.add("task", b"a")
    assert closed.contains("task", b"a")
    assert not Closed(open_database(None)).contains("task", b"a")


def test_every_fault_has_one_root() -> None:
    for fault in (StoreInUse, StoreUnwritable, StoreCorrupt, StoreMismatch):
        assert issubclass(fault, StoreError)
        assert fault.exit_code == StoreError.exit_code
