"""Inputs on disk: by their hash alone, within a quota, gone only when nobody needs them."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from api.errors import BlobDamaged, NoRoom
from api.store.blobs import Blobs
from infernet.audit.receipt import root_of

DATA = b"some input " * 40
ROOT = root_of(DATA)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_blob_is_found_by_its_root_in_folders_of_two_levels(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path, 10**6)
    blobs.put(ROOT, DATA)
    blobs.put(ROOT, DATA)
    name = ROOT.hex()
    assert files(tmp_path) == [tmp_path / name[0] / name[1] / name]
    assert blobs.get(ROOT) == DATA
    assert blobs.get(bytes(32)) is None
    assert blobs.used_bytes == len(DATA)
    assert Blobs(tmp_path, 10**6).used_bytes == len(DATA)


@pytest.mark.parametrize("name", [b"", b"../../../../etc/passwd", bytes(31), bytes(33)])
def test_nothing_but_a_root_becomes_a_path(tmp_path: Path, name: bytes) -> None:
    blobs = Blobs(tmp_path / "inputs", 10**6)
    with pytest.raises(ValueError, match="32 bytes"):
        blobs.put(name, DATA)
    escape = (b"/../../etc/" * 3)[:32]
    blobs.put(escape, DATA)
    assert all((tmp_path / "inputs") in path.parents for path in files(tmp_path))


def test_a_full_quota_refuses_and_leaves_nothing_behind(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path, len(DATA) + 10)
    blobs.put(ROOT, DATA)
    with pytest.raises(NoRoom, match="inputs of open tasks fill"):
        blobs.put(root_of(b"more than ten bytes"), b"more than ten bytes")
    assert len(files(tmp_path)) == 1
    assert blobs.used_bytes == len(DATA)


def test_a_failing_disk_gives_its_room_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = Blobs(tmp_path, 10**6)

    def broken(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="No space"):
        blobs.put(ROOT, DATA)
    monkeypatch.undo()
    assert files(tmp_path) == []
    assert blobs.used_bytes == 0
    blobs.put(ROOT, DATA)
    assert blobs.get(ROOT) == DATA


def test_what_was_changed_on_disk_is_not_handed_out(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path, 10**6)
    blobs.put(ROOT, DATA)
    blobs.path_of(ROOT).write_bytes(DATA[:-1] + b"?")
    with pytest.raises(BlobDamaged, match="does not hash to its name"):
        blobs.get(ROOT)


def test_collecting_spares_what_is_needed_or_pinned(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path, 10**6)
    kept, pinned, idle = (bytes([n]) * 50 for n in range(3))
    for data in (kept, pinned, idle):
        blobs.put(root_of(data), data)
    leftover = blobs.path_of(root_of(kept)).with_name(".1-1")
    leftover.write_bytes(b"half")
    old = time.time() - 10**5
    os.utime(leftover, (old, old))
    with blobs.pinned([root_of(pinned)]):
        blobs.collect(lambda root: root == root_of(kept))
        assert blobs.get(root_of(idle)) is None
        assert blobs.get(root_of(pinned)) == pinned
    assert not leftover.exists()
    blobs.collect(lambda root: root == root_of(kept))
    assert blobs.get(root_of(pinned)) is None
    assert blobs.get(root_of(kept)) == kept


def test_threads_that_store_the_same_and_others_lose_nothing(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path, 10**6)
    inputs = [bytes([number % 7]) * 100 for number in range(42)]
    threads = [threading.Thread(target=blobs.put, args=(root_of(data), data)) for data in inputs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(files(tmp_path)) == 7
    assert blobs.used_bytes == 700
    assert all(blobs.get(root_of(data)) == data for data in inputs)
