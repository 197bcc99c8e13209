"""Inputs on disk: by their hash alone, within a quota, gone only when nobody needs them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from api.errors import BlobDamaged, NoRoom
from api.store.blobs import Blobs
from infernet.audit.receipt import root_of
from infernet.store.database import Database, open_database

DATA = b"some input " * 40
ROOT = root_of(DATA)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(open_database(tmp_path / "gateway.sqlite")) as found:
        yield found


def put(blobs: Blobs, database: Database, *inputs: bytes) -> None:
    with database.transaction():
        blobs.add(blobs.fresh({root_of(data): data for data in inputs}))


def test_a_blob_is_kept_once_and_found_by_its_root(database: Database) -> None:
    blobs = Blobs(database, 10**6)
    put(blobs, database, DATA)
    put(blobs, database, DATA)
    assert blobs.get(ROOT) == DATA
    assert blobs.get(bytes(32)) is None
    assert blobs.used_bytes == len(DATA)
    assert Blobs(database, 10**6).used_bytes == len(DATA)


def test_a_reader_sees_what_is_committed(database: Database, tmp_path: Path) -> None:
    blobs = Blobs(database, 10**6)
    with closing(open_database(tmp_path / "gateway.sqlite", readonly=True)) as reader:
        watched = Blobs(database, 10**6, reader)
        with database.transaction():
            blobs.add(blobs.fresh({ROOT: DATA}))
            assert watched.get(ROOT) is None
        assert watched.get(ROOT) == DATA


def test_a_full_quota_refuses_and_leaves_nothing_behind(database: Database) -> None:
    blobs = Blobs(database, len(DATA) + 10)
    put(blobs, database, DATA)
    with pytest.raises(NoRoom, match="inputs of open tasks fill"):
        put(blobs, database, DATA, b"more than ten bytes")
    assert blobs.used_bytes == len(DATA)
    put(blobs, database, DATA, b"ten bytes.")
    assert blobs.used_bytes == len(DATA) + 10


def test_a_transaction_that_fails_gives_its_room_back(database: Database) -> None:
    blobs = Blobs(database, 10**6)
    with pytest.raises(OSError, match="torn"), database.transaction():
        blobs.add(blobs.fresh({ROOT: DATA}))
        raise OSError("torn")
    assert blobs.get(ROOT) is None
    blobs.collect(lambda root: True)
    assert blobs.used_bytes == 0
    put(blobs, database, DATA)
    assert blobs.get(ROOT) == DATA


def test_what_was_changed_on_disk_is_not_handed_out(database: Database) -> None:
    blobs = Blobs(database, 10**6)
    put(blobs, database, DATA)
    database.execute("UPDATE inputs SET data = ?", (DATA[:-1] + b"?",))
    with pytest.raises(BlobDamaged, match="does not hash to its name"):
        blobs.get(ROOT)


def test_collecting_spares_what_is_needed(database: Database) -> None:
    blobs = Blobs(database, 10**6)
    inputs = [number.to_bytes(2, "big") * 25 for number in range(200)]
    put(blobs, database, *inputs)
    needed = {root_of(data) for data in inputs[::3]}
    assert blobs.collect(needed.__contains__) == 50 * (200 - len(needed))
    assert blobs.used_bytes == 50 * len(needed)
    assert all((blobs.get(root_of(data)) == data) == (root_of(data) in needed) for data in inputs)


def test_threads_that_store_the_same_and_others_lose_nothing(database: Database) -> None:
    blobs = Blobs(database, 10**6)
    inputs = [bytes([number % 7]) * 100 for number in range(42)]
    threads = [threading.Thread(target=put, args=(blobs, database, data)) for data in inputs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert blobs.used_bytes == 700
    assert all(blobs.get(root_of(data)) == data for data in inputs)
