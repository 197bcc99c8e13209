"""The journal of signed transactions, written before they leave the process.

A nonce is a slot for one action. Its attempts are signed transactions with this nonce and this
action that differ in fees alone, so at most one of them can ever be on chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .database import Database, Row

_GIGA = 10**9
_STEPS = (
    """CREATE TABLE slots (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        sender TEXT NOT NULL,
        nonce INTEGER NOT NULL,
        kind TEXT NOT NULL,
        recipient TEXT,
        value_wei TEXT NOT NULL,
        data BLOB,
        data_bytes INTEGER NOT NULL,
        gas INTEGER NOT NULL,
        state TEXT NOT NULL,
        reported INTEGER NOT NULL DEFAULT 0,
        block INTEGER,
        hash BLOB,
        timestamp INTEGER,
        gas_used INTEGER NOT NULL DEFAULT 0,
        fee_gwei INTEGER NOT NULL DEFAULT 0,
        fee_rest_wei INTEGER NOT NULL DEFAULT 0,
        succeeded INTEGER,
        contract TEXT
    )""",
    "CREATE UNIQUE INDEX one_action_per_nonce ON slots (sender, nonce) WHERE state <> 'abandoned'",
    "CREATE INDEX unsettled ON slots (sender, state) WHERE state IN ('open', 'mined', 'taken')",
    """CREATE TABLE attempts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        slot INTEGER NOT NULL REFERENCES slots (id),
        hash BLOB NOT NULL,
        max_fee_wei TEXT NOT NULL,
        tip_wei TEXT NOT NULL,
        raw BLOB,
        UNIQUE (slot, hash)
    )""",
)
_COLUMNS = (
    "id, nonce, kind, recipient, value_wei, data_bytes, gas, state, block, hash, timestamp, "
    "gas_used, fee_gwei, fee_rest_wei, succeeded, contract"
)


class SlotState(StrEnum):
    """Where a slot stands."""

    OPEN = "open"
    MINED = "mined"
    TAKEN = "taken"
    SETTLED = "settled"
    LOST = "lost"
    ABANDONED = "abandoned"


ENDS = (SlotState.SETTLED, SlotState.LOST, SlotState.ABANDONED)


@dataclass(frozen=True, slots=True)
class Action:
    """What a transaction does. `recipient`: None creates a contract."""

    kind: str
    data: bytes
    recipient: str | None
    value_wei: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed transaction of a slot; fees in wei for each unit of gas."""

    hash: bytes
    raw: bytes
    max_fee_wei: int
    tip_wei: int


@dataclass(frozen=True, slots=True)
class Inclusion:
    """What became of a slot in a block."""

    block: int
    hash: bytes
    timestamp: int
    gas_used: int
    fee_wei: int
    has_succeeded: bool
    contract: str | None


@dataclass(frozen=True, slots=True)
class Slot:
    """A nonce and the action it is for, without its bytes."""

    id: int
    nonce: int
    kind: str
    recipient: str | None
    value_wei: int
    data_bytes: int
    gas: int
    state: SlotState
    block: int | None
    inclusion: Inclusion | None


@dataclass(frozen=True, slots=True)
class Totals:
    """What an account's transactions came to."""

    included: int
    failed: int
    gas_used: int
    fee_wei: int
    unsettled: int


class Journal:
    """The transactions of one account on one chain. Every method is durable when it returns."""

    def __init__(self, database: Database, sender: str) -> None:
        self.database = database
        self.sender = sender.lower()
        database.install("journal", _STEPS)

    def next_nonce(self) -> int:
        """Return the lowest nonce beyond all slots."""
        sql = "SELECT MAX(nonce) FROM slots WHERE sender = ? AND state <> 'abandoned'"
        last = self.database.execute(sql, (self.sender,))[0][0]
        return 0 if last is None else int(last) + 1

    def settled_nonce(self) -> int:
        """Return the lowest nonce beyond all slots that are over for good."""
        sql = "SELECT MAX(nonce) FROM slots WHERE sender = ? AND state IN ('settled', 'lost')"
        last = self.database.execute(sql, (self.sender,))[0][0]
        return 0 if last is None else int(last) + 1

    def append(self, nonce: int, action: Action, gas: int, attempt: Attempt) -> Slot:
        """Open a slot with its first attempt."""
        with self.database.transaction():
            rows = self.database.execute(
                "INSERT INTO slots (sender, nonce, kind, recipient, value_wei, data, data_bytes, "
                "gas, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open') RETURNING id",
                (
                    self.sender,
                    nonce,
                    action.kind,
                    action.recipient,
                    str(action.value_wei),
                    action.data,
                    len(action.data),
                    gas,
                ),
            )
            slot_id = int(rows[0][0])
            self.add_attempt(slot_id, attempt)
            return self.slot(slot_id)

    def add_attempt(self, slot_id: int, attempt: Attempt) -> None:
        """Add a signed transaction that may be sent in place of the earlier ones."""
        self.database.execute(
            "INSERT OR IGNORE INTO attempts (slot, hash, max_fee_wei, tip_wei, raw) "
            "VALUES (?, ?, ?, ?, ?)",
            (slot_id, attempt.hash, str(attempt.max_fee_wei), str(attempt.tip_wei), attempt.raw),
        )

    def include(self, slot_id: int, found: Inclusion) -> bool:
        """Note the block that holds one of a slot's attempts; return whether none ever did."""
        with self.database.transaction():
            news = "UPDATE slots SET reported = 1 WHERE id = ? AND reported = 0 RETURNING id"
            is_news = bool(self.database.execute(news, (slot_id,)))
            self.database.execute(
                "UPDATE slots SET state = 'mined', block = ?, hash = ?, timestamp = ?, "
                "gas_used = ?, fee_gwei = ?, fee_rest_wei = ?, succeeded = ?, contract = ? "
                "WHERE id = ?",
                (
                    found.block,
                    found.hash,
                    found.timestamp,
                    found.gas_used,
                    *divmod(found.fee_wei, _GIGA),
                    found.has_succeeded,
                    found.contract,
                    slot_id,
                ),
            )
        return is_news

    def reopen(self, slot_id: int) -> None:
        """Note that no block holds a slot's attempts any more."""
        self.database.execute(
            "UPDATE slots SET state = 'open', block = NULL, hash = NULL, timestamp = NULL, "
            "gas_used = 0, fee_gwei = 0, fee_rest_wei = 0, succeeded = NULL, contract = NULL "
            "WHERE id = ?",
            (slot_id,),
        )

    def take(self, slot_id: int, block: int) -> None:
        """Note that, as of `block`, another transaction of the account has the slot's nonce."""
        with self.database.transaction():
            self.reopen(slot_id)
            sql = "UPDATE slots SET state = 'taken', block = ? WHERE id = ?"
            self.database.execute(sql, (block, slot_id))

    def settle(self, slot_id: int) -> None:
        """Close a mined or taken slot for good and drop its bytes."""
        with self.database.transaction():
            self.database.execute(
                "UPDATE slots SET data = NULL, "
                "state = CASE state WHEN 'mined' THEN 'settled' ELSE 'lost' END WHERE id = ?",
                (slot_id,),
            )
            self.database.execute("UPDATE attempts SET raw = NULL WHERE slot = ?", (slot_id,))

    def abandon(self, slot_id: int) -> None:
        """Give up a slot, whose nonce is free again; its attempts stay known."""
        self.database.execute("UPDATE slots SET state = 'abandoned' WHERE id = ?", (slot_id,))

    def abandoned(self, nonce: int) -> list[int]:
        """Return the slots that were given up for a nonce."""
        sql = "SELECT id FROM slots WHERE sender = ? AND nonce = ? AND state = 'abandoned'"
        return [row[0] for row in self.database.execute(sql, (self.sender, nonce))]

    def revive(self, slot_id: int, instead_of: int) -> None:
        """Open an abandoned slot again in place of the one that has its nonce since."""
        with self.database.transaction():
            self.abandon(instead_of)
            self.reopen(slot_id)

    def slot(self, slot_id: int) -> Slot:
        """Return a slot as it stands."""
        sql = f"SELECT {_COLUMNS} FROM slots WHERE id = ?"
        return _slot(self.database.execute(sql, (slot_id,))[0])

    def unsettled(self) -> list[Slot]:
        """Return the slots that are not over, by nonce."""
        sql = (
            f"SELECT {_COLUMNS} FROM slots WHERE sender = ? "
            "AND state IN ('open', 'mined', 'taken') ORDER BY nonce"
        )
        return [_slot(row) for row in self.database.execute(sql, (self.sender,))]

    def open_with(self, action: Action) -> list[Slot]:
        """Return the open slots for exactly this action, by nonce."""
        sql = (
            f"SELECT {_COLUMNS} FROM slots WHERE sender = ? AND state = 'open' AND kind = ? "
            "AND recipient IS ? AND value_wei = ? AND data = ? ORDER BY nonce"
        )
        wanted = (self.sender, action.kind, action.recipient, str(action.value_wei), action.data)
        return [_slot(row) for row in self.database.execute(sql, wanted)]

    def action(self, slot_id: int) -> Action:
        """Return the action of an unsettled slot."""
        sql = "SELECT kind, data, recipient, value_wei FROM slots WHERE id = ?"
        kind, data, recipient, value = self.database.execute(sql, (slot_id,))[0]
        return Action(kind, data, recipient, int(value))

    def hashes(self, slot_id: int) -> list[bytes]:
        """Return the hashes of a slot's attempts, the latest first."""
        sql = "SELECT hash FROM attempts WHERE slot = ? ORDER BY id DESC"
        return [row[0] for row in self.database.execute(sql, (slot_id,))]

    def latest(self, slot_id: int) -> Attempt:
        """Return the attempt of an unsettled slot that pays most."""
        sql = (
            "SELECT hash, raw, max_fee_wei, tip_wei FROM attempts WHERE slot = ? "
            "ORDER BY id DESC LIMIT 1"
        )
        hash_, raw, max_fee, tip = self.database.execute(sql, (slot_id,))[0]
        return Attempt(hash_, raw, int(max_fee), int(tip))

    def totals(self) -> Totals:
        """Return what the account's transactions came to so far."""
        included, failed, gas, gwei, rest, unsettled = self.database.execute(
            "SELECT COUNT(succeeded), COALESCE(SUM(succeeded = 0), 0), COALESCE(SUM(gas_used), 0), "
            "COALESCE(SUM(fee_gwei), 0), COALESCE(SUM(fee_rest_wei), 0), "
            "COALESCE(SUM(state IN ('open', 'mined', 'taken')), 0) FROM slots WHERE sender = ?",
            (self.sender,),
        )[0]
        return Totals(included, failed, gas, gwei * _GIGA + rest, unsettled)


def _slot(row: Row) -> Slot:
    (
        id_,
        nonce,
        kind,
        recipient,
        value,
        data_bytes,
        gas,
        state,
        block,
        hash_,
        timestamp,
        gas_used,
        fee_gwei,
        fee_rest,
        succeeded,
        contract,
    ) = row
    inclusion = None
    if hash_ is not None:
        fee = fee_gwei * _GIGA + fee_rest
        inclusion = Inclusion(block, hash_, timestamp, gas_used, fee, bool(succeeded), contract)
    return Slot(
        id_,
        nonce,
        kind,
        recipient,
        int(value),
        data_bytes,
        gas,
        SlotState(state),
        block,
        inclusion,
    )
