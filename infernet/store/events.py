"""The logs of a deployment's contracts, kept as the chain gave them and found by their topics.

A pairing says which kind of log opens a matter and which kinds close it; what is open is kept up
to date as logs come and go, so that nobody has to look through the closed ones. The large data of
closed matters is given up once their end is settled: the chain has it still.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .database import Database
from .errors import StoreMismatch

# Blocks whose hashes are kept, to find where a reorganised chain leaves the one that was read.
KEPT_BLOCKS = 64

_STEPS = (
    "CREATE TABLE logs (block INTEGER NOT NULL, place INTEGER NOT NULL, address BLOB NOT NULL, "
    "topic0 BLOB NOT NULL, topic1 BLOB, topic2 BLOB, topic3 BLOB, data BLOB, "
    "tx BLOB NOT NULL, block_hash BLOB NOT NULL, PRIMARY KEY (block, place))",
    "CREATE INDEX logs_topic1 ON logs (topic0, topic1, block)",
    "CREATE INDEX logs_topic2 ON logs (topic0, topic2, block)",
    "CREATE INDEX logs_topic3 ON logs (topic0, topic3, block)",
    "CREATE INDEX logs_topic0 ON logs (topic0, block)",
    "CREATE TABLE log_blocks (block INTEGER PRIMARY KEY, hash BLOB NOT NULL)",
    "CREATE TABLE log_source (source TEXT NOT NULL)",
    "CREATE TABLE open_matters (kind TEXT NOT NULL, id BLOB NOT NULL, block INTEGER NOT NULL, "
    "place INTEGER NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID",
)
_COLUMNS = "block, place, address, topic0, topic1, topic2, topic3, data, tx, block_hash"


@dataclass(frozen=True, slots=True)
class Log:
    """A log as the chain gave it; `place`: its number within the block; no `data`: given up."""

    block: int
    place: int
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes | None
    transaction: bytes
    block_hash: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """A kind of log, and which of its topics (1 to 3) names the matter."""

    topic0: bytes
    id_topic: int


@dataclass(frozen=True, slots=True)
class Pairing:
    """What opens a matter of one kind and what closes it; `bulk`: the logs with large data."""

    kind: str
    opening: Mark
    closings: tuple[Mark, ...]
    bulk: Mark | None = None


class EventIndex:
    """The logs of one deployment up to a checkpoint. `source`: names chain and contracts.

    Raises StoreMismatch when the database holds the logs of another source.
    """

    def __init__(self, database: Database, source: str, pairings: Sequence[Pairing] = ()) -> None:
        self._database, self._pairings = database, pairings
        database.install("logs", _STEPS)
        self._require(source)

    @property
    def is_readonly(self) -> bool:
        """Return whether another process fills the index."""
        return self._database.is_readonly

    def checkpoints(self) -> list[tuple[int, bytes]]:
        """Return number and hash of the blocks that are known, the latest first."""
        rows = self._database.execute("SELECT block, hash FROM log_blocks ORDER BY block DESC")
        return [(int(number), bytes(block_hash)) for number, block_hash in rows]

    def replace(self, start: int, logs: Iterable[Log], stop: int, block_hash: bytes) -> None:
        """Let `logs` be all logs from block `start` to `stop`, whose hash is given.

        Blocks behind `stop` are forgotten.
        """
        with self._database.transaction():
            (last,) = self._database.execute("SELECT MAX(block) FROM log_blocks")[0]
            touched = self._touched(start)
            self._forget(start)
            rows = [_row(log) for log in logs]
            marks = ", ".join("?" * 10)
            self._database.execute_many(f"INSERT INTO logs ({_COLUMNS}) VALUES ({marks})", rows)
            if rows:
                touched |= self._touched(start)
            self._settle(touched)
            self._give_up((last or 0) - KEPT_BLOCKS, stop - KEPT_BLOCKS)
            sql = "INSERT INTO log_blocks VALUES (?, ?)"
            self._database.execute(sql, (stop, block_hash))
            self._database.execute(
                "DELETE FROM log_blocks WHERE block < "
                "(SELECT MAX(block) FROM log_blocks WHERE block <= ?)",
                (stop - KEPT_BLOCKS,),
            )

    def rewind(self, start: int) -> None:
        """Forget block `start` and all behind it."""
        with self._database.transaction():
            touched = self._touched(start)
            self._forget(start)
            self._settle(touched)

    def select(
        self,
        address: bytes,
        topic0: bytes,
        since_block: int = 0,
        topics: dict[int, bytes] | None = None,
        limit: int | None = None,
    ) -> list[Log]:
        """Return the logs of one kind from a block on, oldest first. `topics`: by number, 1 to 3.

        `limit`: how many at most.
        """
        named = sorted((topics or {}).items())
        also = "".join(f" AND topic{int(number)} = ?" for number, _ in named)
        sql = (
            f"SELECT {_COLUMNS} FROM logs WHERE topic0 = ? AND address = ? AND block >= ?{also} "
            f"ORDER BY block, place LIMIT {-1 if limit is None else int(limit)}"
        )
        values = (topic0, address, since_block, *(value for _, value in named))
        return [_log(row) for row in self._database.execute(sql, values)]

    def latest(
        self,
        address: bytes,
        topic0: bytes,
        limit: int,
        before: tuple[int, int] | None = None,
        topics: dict[int, bytes] | None = None,
    ) -> list[Log]:
        """Return the last logs of one kind, newest first. `before`: block and place of another."""
        named = sorted((topics or {}).items())
        also = "".join(f" AND topic{int(number)} = ?" for number, _ in named)
        also += " AND (block, place) < (?, ?)" if before else ""
        sql = (
            f"SELECT {_COLUMNS} FROM logs WHERE topic0 = ? AND address = ?{also} "
            f"ORDER BY block DESC, place DESC LIMIT {int(limit)}"
        )
        values = (topic0, address, *(value for _, value in named), *(before or ()))
        return [_log(row) for row in self._database.execute(sql, values)]

    def count(self, address: bytes, topic0: bytes, topics: dict[int, bytes] | None = None) -> int:
        """Return how many logs of one kind there are."""
        named = sorted((topics or {}).items())
        also = "".join(f" AND topic{int(number)} = ?" for number, _ in named)
        sql = f"SELECT COUNT(*) FROM logs WHERE topic0 = ? AND address = ?{also}"
        values = (topic0, address, *(value for _, value in named))
        return int(self._database.execute(sql, values)[0][0])

    def beginning(
        self, address: bytes, topic0: bytes, number: int, prefix: str, limit: int
    ) -> list[Log]:
        """Return logs of one kind whose topic `number` begins with these hexadecimal digits."""
        column = f"topic{int(number)}"
        low, high = (bytes.fromhex(prefix.ljust(64, digit)) for digit in "0f")
        sql = (
            f"SELECT {_COLUMNS} FROM logs WHERE topic0 = ? AND address = ? "
            f"AND {column} BETWEEN ? AND ? ORDER BY block, place LIMIT {int(limit)}"
        )
        return [_log(row) for row in self._database.execute(sql, (topic0, address, low, high))]

    def open_matters(self, kind: str, topics: dict[int, bytes] | None = None) -> list[Log]:
        """Return the logs that opened what is still open, oldest first."""
        named = sorted((topics or {}).items())
        also = "".join(f" AND topic{int(number)} = ?" for number, _ in named)
        columns = ", ".join(f"logs.{name}" for name in _COLUMNS.split(", "))
        sql = (
            f"SELECT {columns} FROM open_matters AS m CROSS JOIN logs "
            f"ON logs.block = m.block AND logs.place = m.place WHERE m.kind = ?{also} "
            "ORDER BY logs.block, logs.place"
        )
        values = (kind, *(value for _, value in named))
        return [_log(row) for row in self._database.execute(sql, values)]

    def _require(self, source: str) -> None:
        rows = self._database.execute("SELECT source FROM log_source")
        if not rows and not self.is_readonly:
            self._database.execute("INSERT INTO log_source VALUES (?)", (source,))
        elif rows and rows[0][0] != source:
            raise StoreMismatch(
                f"{self._database.name} holds the events of {rows[0][0]}, not of {source}; "
                "use another data folder, or name that deployment"
            )

    def _forget(self, start: int) -> None:
        self._database.execute("DELETE FROM logs WHERE block >= ?", (start,))
        self._database.execute("DELETE FROM log_blocks WHERE block >= ?", (start,))

    def _touched(self, start: int) -> set[tuple[int, bytes]]:
        """Return pairing and id of each matter that a log from block `start` on speaks of."""
        found = set()
        for number, pairing in enumerate(self._pairings):
            for mark in (pairing.opening, *pairing.closings):
                sql = f"SELECT topic{mark.id_topic} FROM logs WHERE topic0 = ? AND block >= ?"
                rows = self._database.execute(sql, (mark.topic0, start))
                found |= {(number, bytes(row[0])) for row in rows}
        return found

    def _settle(self, touched: set[tuple[int, bytes]]) -> None:
        """Write down whether each of these matters is open now."""
        for number, id_ in touched:
            pairing = self._pairings[number]
            opened = self._first(pairing.opening, id_)
            is_closed = any(self._first(mark, id_) for mark in pairing.closings)
            if opened and not is_closed:
                sql = "INSERT OR REPLACE INTO open_matters VALUES (?, ?, ?, ?)"
                self._database.execute(sql, (pairing.kind, id_, *opened))
            else:
                sql = "DELETE FROM open_matters WHERE kind = ? AND id = ?"
                self._database.execute(sql, (pairing.kind, id_))

    def _give_up(self, first: int, last: int) -> None:
        """Drop the large data of matters that were closed in these blocks."""
        for pairing in self._pairings:
            for mark in pairing.closings if pairing.bulk else ():
                assert pairing.bulk is not None
                sql = (
                    f"UPDATE logs SET data = NULL WHERE topic0 = ? AND topic{pairing.bulk.id_topic}"
                    f" IN (SELECT topic{mark.id_topic} FROM logs WHERE topic0 = ? "
                    "AND block BETWEEN ? AND ?)"
                )
                values = (pairing.bulk.topic0, mark.topic0, first, last)
                self._database.execute(sql, values)

    def _first(self, mark: Mark, id_: bytes) -> tuple[Any, ...] | None:
        sql = (
            f"SELECT block, place FROM logs WHERE topic0 = ? AND topic{mark.id_topic} = ? "
            "ORDER BY block, place LIMIT 1"
        )
        rows = self._database.execute(sql, (mark.topic0, id_))
        return rows[0] if rows else None


def _row(log: Log) -> tuple[object, ...]:
    topics = (*log.topics, None, None, None)[:4]
    return (log.block, log.place, log.address, *topics, log.data, log.transaction, log.block_hash)


def _log(row: tuple[Any, ...]) -> Log:
    block, place, address, *topics, data, transaction, block_hash = row
    given = tuple(topic for topic in topics if topic is not None)
    return Log(block, place, address, given, data, transaction, block_hash)
