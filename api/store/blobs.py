"""Inputs in the gateway's file, each once and called by its Merkle root.

An input is written with the task that needs it, in one transaction and with one wait for the disk.
Nothing that a client says becomes the name of a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from infernet.audit.receipt import root_of
from infernet.store.database import Database

from ..errors import BlobDamaged, NoRoom

_STEPS = ("CREATE TABLE inputs (root BLOB PRIMARY KEY, data BLOB NOT NULL)",)
# Looked at in one transaction; acceptances wait that long.
_GROUP = 64


class Blobs:
    """The inputs of one file. Threads may share this; writing joins the transaction around it.

    `reader`: another connection to the file, which waits for no writer; None: the same. Raises
    StoreError.
    """

    def __init__(self, database: Database, most_bytes: int, reader: Database | None = None) -> None:
        self.most_bytes = most_bytes
        self._database, self._reader = database, reader or database
        database.install("inputs", _STEPS)
        self._used = self._count()

    @property
    def used_bytes(self) -> int:
        """Return how much the inputs hold."""
        return self._used

    def fresh(self, inputs: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        """Return those, by root, that are not here yet. Raises NoRoom if they are too much."""
        found = {root: data for root, data in inputs.items() if not self._holds(root)}
        size = sum(map(len, found.values()))
        if self._used + size > self.most_bytes:
            raise NoRoom(
                f"inputs of open tasks fill {self._used} of {self.most_bytes} bytes; send "
                "again once some are final, or allow more on this gateway"
            )
        return found

    def add(self, inputs: Mapping[bytes, bytes]) -> None:
        """Store what `fresh` returned in the same transaction."""
        for root, data in inputs.items():
            self._database.execute("INSERT INTO inputs VALUES (?, ?)", (root, data))
            # Of a transaction that fails, this is put right by the next collection.
            self._used += len(data)

    def get(self, root: bytes) -> bytes | None:
        """Return the bytes of a root, None if they are not here; BlobDamaged if they differ."""
        rows = self._reader.execute("SELECT data FROM inputs WHERE root = ?", (root,))
        if not rows:
            return None
        data = bytes(rows[0][0])
        if root_of(data) != root:
            raise BlobDamaged(
                f"the input 0x{root.hex()} in {self._reader.name} does not hash to its name; check "
                "the disk, and restore the file from a backup"
            )
        return data

    def collect(self, is_needed: Callable[[bytes], bool]) -> int:
        """Remove inputs that are not needed; return how many bytes came free."""
        roots = [row[0] for row in self._reader.execute("SELECT root FROM inputs")]
        freed = 0
        for at in range(0, len(roots), _GROUP):
            with self._database.transaction():
                for root in roots[at : at + _GROUP]:
                    if not is_needed(root):
                        freed += self._remove(root)
        with self._database.transaction():
            self._used = self._count()
        return freed

    def _remove(self, root: bytes) -> int:
        sql = "DELETE FROM inputs WHERE root = ? RETURNING LENGTH(data)"
        return sum(int(row[0]) for row in self._database.execute(sql, (root,)))

    def _holds(self, root: bytes) -> bool:
        return bool(self._database.execute("SELECT 1 FROM inputs WHERE root = ?", (root,)))

    def _count(self) -> int:
        rows = self._database.execute("SELECT COALESCE(SUM(LENGTH(data)), 0) FROM inputs")
        return int(rows[0][0])
