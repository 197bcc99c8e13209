"""API keys: random, shown once, kept as hashes in a file of their own.

`access.sqlite` is not the gateway's file: keys outlive a store that is rebuilt from the chain, and
commands change them while the gateway serves, which only reads here.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from infernet.chain.records import Wei
from infernet.store.database import Database, Row, open_database

from .errors import Unauthenticated, UnknownKey

FILE_NAME = "access.sqlite"
# Of ASCII digits alone: `\d` would take those of every script.
_FORM = re.compile(r"inf_([0-9a-f]{12})_([0-9a-f]{64})", re.ASCII)
_ID_BYTES, _SECRET_BYTES = 6, 32
_NOBODY = bytes(32)
_COLUMNS = "id, name, hash, scopes, budget_wei, rate, created_at, expires_at, revoked_at"
_STEPS = (
    "CREATE TABLE api_keys (id TEXT PRIMARY KEY, name TEXT NOT NULL, hash BLOB NOT NULL, "
    "scopes TEXT NOT NULL, budget_wei TEXT, rate REAL, created_at INTEGER NOT NULL, "
    "expires_at INTEGER, revoked_at INTEGER) WITHOUT ROWID",
)


class Scope(StrEnum):
    """What a key allows. None of them includes another.

    TASKS_WRITE: have tasks accepted and paid. TASKS_READ: read inputs, results, receipts and
    events. ADMIN: read what is the operator's.
    """

    TASKS_WRITE = "tasks:write"
    TASKS_READ = "tasks:read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its secret. `id`: also of the account whose tasks it asks for.

    `budget_wei`: the most its tasks may cost, None: no limit. `rate`: requests per second, None:
    the gateway's. Times: Unix seconds of this machine, None: never.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    budget_wei: Wei | None
    rate: float | None
    created_at: int
    expires_at: int | None
    revoked_at: int | None

    def is_live(self, now: float) -> bool:
        """Return whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Keys:
    """The keys in one file. Threads may share it. Methods raise StoreError."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock
        database.install("access", _STEPS)

    @classmethod
    def reading(cls, folder: Path, clock: Callable[[], float] = time.time) -> Keys:
        """Open the file of a data folder, made if it is missing, to read what others change."""
        with changing(folder):
            pass
        return cls(open_database(folder / FILE_NAME, readonly=True), clock)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def create(
        self,
        name: str,
        scopes: Iterable[Scope],
        *,
        budget_wei: Wei | None = None,
        rate: float | None = None,
        seconds: int | None = None,
    ) -> tuple[Key, str]:
        """Make a key and return it with its text, which cannot be had again.

        `seconds`: until it expires.
        """
        id_, secret = secrets.token_hex(_ID_BYTES), secrets.token_hex(_SECRET_BYTES)
        now = int(self._clock())
        end = None if seconds is None else now + seconds
        key = Key(id_, name, frozenset(scopes), budget_wei, rate, now, end, None)
        # As text: an amount in wei may not fit into SQLite's numbers.
        budget = None if budget_wei is None else str(budget_wei)
        words = " ".join(sorted(key.scopes))
        row = (id_, name, _hash(secret), words, budget, rate, now, end, None)
        self._database.execute("INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return key, f"inf_{id_}_{secret}"

    def revoke(self, id_: str) -> Key:
        """End a key, for good and at once; raises UnknownKey."""
        sql = "UPDATE api_keys SET revoked_at = COALESCE(revoked_at, ?) WHERE id = ?"
        self._database.execute(sql, (int(self._clock()), id_))
        if (key := self.get(id_)) is None:
            raise UnknownKey(f"there is no key {id_[:40]}; `infernet api key list` shows all")
        return key

    def list(self) -> list[Key]:
        """Return all keys, the oldest first."""
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM api_keys ORDER BY created_at, id")
        return [_key(row) for row in rows]

    def get(self, id_: str) -> Key | None:
        """Return a key, None if there is none of that id."""
        row = self._row(id_)
        return None if row is None else _key(row)

    def check(self, text: str) -> Key:
        """Return the key of a text, or raise Unauthenticated.

        Takes as long for an id that nobody has as for a wrong secret, and tells neither apart.
        """
        form = _FORM.fullmatch(text)
        id_, secret = form.groups() if form else ("", "")
        row = self._row(id_)
        is_right = compare_digest(_hash(secret), _NOBODY if row is None else row[2])
        if row is None or not is_right:
            raise Unauthenticated(
                "this key is not one of this gateway; check that it was copied whole",
                was_shown=True,
            )
        return self._require_live(_key(row))

    def still(self, id_: str) -> Key:
        """Return a key as it stands now; raises Unauthenticated once it is revoked or expired."""
        key = self.get(id_)
        if key is None:
            raise Unauthenticated("this key is no more; ask for another", was_shown=True)
        return self._require_live(key)

    def _require_live(self, key: Key) -> Key:
        if not key.is_live(self._clock()):
            how = "expired" if key.revoked_at is None else "was revoked"
            raise Unauthenticated(
                f"key {key.id} {how}; have the gateway's operator make another", was_shown=True
            )
        return key

    def _row(self, id_: str) -> Row | None:
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM api_keys WHERE id = ?", (id_,))
        return rows[0] if rows else None


@contextmanager
def changing(folder: Path) -> Iterator[Keys]:
    """Give the keys of a data folder to whoever changes them; one process at a time."""
    with closing(Keys(open_database(folder / FILE_NAME))) as keys:
        yield keys


def _hash(secret: str) -> bytes:
    # 256 random bits need no slow hash: there is no list of likely ones to try.
    return sha256(secret.encode()).digest()


@lru_cache(maxsize=1_000)
def _key(row: Row) -> Key:
    id_, name, _, scopes, budget, rate, created, expires, revoked = row
    wei = None if budget is None else Wei(int(budget))
    named = frozenset(map(Scope, scopes.split()))
    return Key(id_, name, named, wei, rate, created, expires, revoked)
