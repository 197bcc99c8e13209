"""The statements that make the gateway's tables, and rows as records."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from infernet.chain.records import Address, AssertionId, ProgramRoot, Seconds, TaskId, Wei
from infernet.store.database import Row

from .records import ChainEvent, Order, Standing, TaskEvent, TaskRow, TaskState

# New versions append; what is here never changes. Amounts that pass 63 bits are text.
STEPS = (
    """CREATE TABLE tasks (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        id BLOB NOT NULL UNIQUE, account TEXT, model TEXT NOT NULL,
        program_root BLOB NOT NULL, input_root BLOB NOT NULL, requester TEXT NOT NULL,
        nonce TEXT NOT NULL, iterations INTEGER NOT NULL, fee_wei TEXT NOT NULL,
        deadline INTEGER NOT NULL, signature BLOB,
        accepted_at INTEGER NOT NULL, trouble TEXT NOT NULL DEFAULT '',
        is_failed INTEGER NOT NULL DEFAULT 0, is_counted INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL, attempt INTEGER NOT NULL, slashed INTEGER NOT NULL, executor TEXT,
        assertion_id BLOB, output BLOB, claim_deadline INTEGER, window_end INTEGER,
        requested_block INTEGER NOT NULL, requested_tx BLOB NOT NULL,
        asserted_block INTEGER NOT NULL, asserted_tx BLOB NOT NULL,
        closed_block INTEGER NOT NULL, closed_tx BLOB NOT NULL)""",
    "CREATE INDEX tasks_by_account ON tasks (account, sequence)",
    "CREATE INDEX tasks_by_state ON tasks (state, sequence)",
    "CREATE INDEX tasks_by_requester ON tasks (requester, state, deadline)",
    "CREATE INDEX tasks_by_executor ON tasks (executor, sequence)",
    "CREATE INDEX tasks_by_program ON tasks (program_root, sequence)",
    "CREATE INDEX tasks_by_input ON tasks (input_root, state)",
    "CREATE INDEX tasks_unsent ON tasks (sequence) WHERE requested_block = 0 AND is_failed = 0",
    """CREATE TABLE task_events (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        task_id BLOB NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, data TEXT NOT NULL,
        block INTEGER NOT NULL, place INTEGER NOT NULL, tx BLOB NOT NULL, time INTEGER NOT NULL,
        is_gone INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX task_events_by_task ON task_events (task_id, sequence)",
    "CREATE UNIQUE INDEX task_events_on_chain ON task_events (block, place, tx) "
    "WHERE block > 0 AND is_gone = 0",
    # Ids of results and games are hashes over what they belong to, so no fork changes a row.
    "CREATE TABLE matters (id BLOB PRIMARY KEY, task_id BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE idempotency (
        account TEXT NOT NULL, key TEXT NOT NULL, body_hash BLOB NOT NULL, task_ids BLOB NOT NULL,
        at INTEGER NOT NULL, PRIMARY KEY (account, key)) WITHOUT ROWID""",
    "CREATE TABLE spending (account TEXT PRIMARY KEY, wei TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE followed (only INTEGER PRIMARY KEY CHECK (only = 1), source TEXT NOT NULL, "
    "block INTEGER NOT NULL)",
)

ORDER_COLUMNS = (
    "id, account, model, program_root, input_root, requester, nonce, iterations, fee_wei, "
    "deadline, signature"
)
STANDING_COLUMNS = (
    "state, attempt, slashed, executor, assertion_id, output, claim_deadline, window_end, "
    "requested_block, requested_tx, asserted_block, asserted_tx, closed_block, closed_tx"
)
TASK_COLUMNS = f"sequence, accepted_at, trouble, {ORDER_COLUMNS}, {STANDING_COLUMNS}"
EVENT_COLUMNS = "sequence, task_id, kind, state, data, block, place, tx, time"


def order_values(order: Order) -> tuple[object, ...]:
    """Return a row's values for ORDER_COLUMNS."""
    return (
        order.id,
        order.account,
        order.model,
        order.program_root,
        order.input_root,
        order.requester,
        str(order.nonce),
        order.iterations,
        str(order.fee_wei),
        order.deadline,
        order.signature,
    )


def standing_values(standing: Standing) -> tuple[object, ...]:
    """Return a row's values for STANDING_COLUMNS."""
    return tuple(getattr(standing, name) for name in STANDING_COLUMNS.split(", "))


def task_of(row: Row) -> TaskRow:
    """Return the task in a row of TASK_COLUMNS."""
    sequence, accepted_at, trouble, *rest = row
    order, standing = rest[:11], rest[11:]
    return TaskRow(sequence, _order(order), Seconds(accepted_at), _standing(standing), trouble)


def event_of(row: Row) -> TaskEvent:
    """Return the event in a row of EVENT_COLUMNS."""
    sequence, task_id, kind, state, data, block, place, tx, time = row
    where = (block, place, tx, Seconds(time))
    return TaskEvent(sequence, TaskId(task_id), kind, TaskState(state), json.loads(data), *where)


def order_of_request(event: ChainEvent, models: dict[bytes, str]) -> Order:
    """Return what others asked of the market, as its `Requested` tells it."""
    data = event.data
    root = bytes.fromhex(data["programRoot"][2:])
    return Order(
        event.task_id,
        None,
        models.get(root, ""),
        ProgramRoot(root),
        bytes.fromhex(data["inputRoot"][2:]),
        Address(data["requester"]),
        int(data["nonce"]),
        int(data["iterations"]),
        Wei(int(data["fee"])),
        Seconds(data["deadline"]),
    )


def marks(columns: str) -> str:
    """Return as many question marks as there are columns."""
    return ", ".join("?" * len(columns.split(", ")))


def assignments(columns: str) -> str:
    """Return the columns of an UPDATE."""
    return ", ".join(f"{name} = ?" for name in columns.split(", "))


def _order(values: Iterable[Any]) -> Order:
    id_, account, model, program, input_, requester, nonce, iterations, fee, deadline, signed = (
        values
    )
    return Order(
        TaskId(id_),
        account,
        model,
        ProgramRoot(program),
        input_,
        Address(requester),
        int(nonce),
        iterations,
        Wei(int(fee)),
        Seconds(deadline),
        signed,
    )


def _standing(values: Iterable[Any]) -> Standing:
    state, attempt, slashed, executor, assertion_id, *rest = values
    who = None if executor is None else Address(executor)
    result = None if assertion_id is None else AssertionId(assertion_id)
    return Standing(TaskState(state), attempt, slashed, who, result, *rest)
