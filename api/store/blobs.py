"""Inputs in files that are called by their Merkle root, in folders of two levels.

Nothing that a client says becomes a path: a name is the hexadecimal digits of a hash computed here.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from infernet.audit.receipt import root_of

from ..errors import BlobDamaged, NoRoom

# Files of a process that died while it wrote are older than this, and those in use never are.
_FRESH_SECONDS = 3_600.0
_ROOT_BYTES = 32
_DIGITS = "0123456789abcdef"


class Blobs:
    """The files below one folder. One process writes; its threads may share this.

    Raises OSError where the disk fails.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder, self.most_bytes = folder, most_bytes
        self._lock = Lock()
        self._unsynced: set[Path] = set()
        self._pins: Counter[bytes] = Counter()
        self._number = 0
        _make_folders(folder)
        self._used = sum(path.stat().st_size for path in self._files())

    @property
    def used_bytes(self) -> int:
        """Return how much the files hold."""
        return self._used

    def path_of(self, root: bytes) -> Path:
        """Return where the blob of a root lies. Raises ValueError for what is no root."""
        if len(root) != _ROOT_BYTES:
            raise ValueError(f"a root has {_ROOT_BYTES} bytes, not {len(root)}")
        name = root.hex()
        return self.folder / name[0] / name[1] / name

    @contextmanager
    def pinned(self, roots: Iterable[bytes]) -> Iterator[None]:
        """Keep blobs from being collected, whether they are there already or come inside."""
        held = list(roots)
        with self._lock:
            self._pins.update(held)
        try:
            yield
        finally:
            with self._lock:
                self._pins.subtract(held)
                self._pins += Counter()

    def put(self, root: bytes, data: bytes) -> None:
        """Store the bytes whose root is given; they survive a power cut after `settle`.

        Raises NoRoom, and then nothing is stored.
        """
        path = self.path_of(root)
        with self._lock:
            # Of a file that is there, too: whoever put it may not have settled it yet.
            self._unsynced.add(path.parent)
        if path.exists():
            return
        number = self._reserve(len(data))
        fresh = path.with_name(f".{os.getpid()}-{number}")
        is_kept = False
        try:
            _write(fresh, data)
            with self._lock:
                if not path.exists():
                    fresh.rename(path)
                    is_kept = True
                    self._unsynced.add(path.parent)
        finally:
            if not is_kept:
                fresh.unlink(missing_ok=True)
                with self._lock:
                    self._used -= len(data)

    def settle(self) -> None:
        """Make all that was put so far survive a power cut."""
        with self._lock:
            folders, self._unsynced = self._unsynced, set()
        for folder in folders:
            _sync(folder)

    def get(self, root: bytes) -> bytes | None:
        """Return the bytes of a root, None if they are not here; BlobDamaged if they differ."""
        path = self.path_of(root)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        if root_of(data) != root:
            raise BlobDamaged(
                f"{path} does not hash to its name; remove it, and check the disk: the input of a "
                "task that is on chain is read from there"
            )
        return data

    def collect(self, is_needed: Callable[[bytes], bool]) -> int:
        """Remove blobs that are neither needed nor pinned; return how many bytes came free."""
        before = self._used
        for path in list(self._files()):
            if path.name.startswith("."):
                if time.time() - path.stat().st_mtime > _FRESH_SECONDS:
                    self._remove(path)
                continue
            root = bytes.fromhex(path.name)
            with self._lock:
                # Whoever accepts a task pins first and looks for the file afterwards.
                if not self._pins[root] and not is_needed(root):
                    self._remove(path)
        return before - self._used

    def _remove(self, path: Path) -> None:
        size = path.stat().st_size
        path.unlink()
        self._used -= size

    def _reserve(self, size: int) -> int:
        with self._lock:
            if self._used + size > self.most_bytes:
                raise NoRoom(
                    f"inputs of open tasks fill {self._used} of {self.most_bytes} bytes; send "
                    "again once some are final, or allow more on this gateway"
                )
            self._used += size
            self._number += 1
            return self._number

    def _files(self) -> Iterator[Path]:
        return (path for path in self.folder.glob("?/?/*") if path.is_file())


def _make_folders(top: Path) -> None:
    """Make all folders at once, so that storing a blob makes none."""
    top.mkdir(mode=0o700, parents=True, exist_ok=True)
    for first in _DIGITS:
        for second in _DIGITS:
            (top / first / second).mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync(top / first)
    _sync(top)
    _sync(top.parent)


def _write(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
