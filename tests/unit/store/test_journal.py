"""What the journal says is on disk, whole, wherever its process dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from infernet.store.database import Database, Row, open_database
from infernet.store.journal import (
    Action,
    Attempt,
    Inclusion,
    Journal,
    SlotState,
)

SENDER = "0xAb00000000000000000000000000000000000001"
GAME = "0x00000000000000000000000000000000000000c0"
DISSECT = Action("dissect", b"hashes" * 100, GAME, 0)
CLAIM = Action("claim", b"task", GAME, 10**20)


def attempt(seed: int) -> Attempt:
    return Attempt(bytes([seed]) * 32, bytes([seed]) * 500, 10**10 + seed, 10**9)


def included(seed: int, has_succeeded: bool = True) -> Inclusion:
    fee = 21_000 * 10**9 + seed
    return Inclusion(100 + seed, bytes([seed]) * 32, 10**9, 21_000, fee, has_succeeded, None)


def life(journal: Journal) -> list[Callable[[], object]]:
    """Return steps that bring slots to each of their ends; each step is to be whole."""
    return [
        lambda: journal.append(0, DISSECT, 10**6, attempt(1)),
        lambda: journal.add_attempt(1, attempt(2)),
        lambda: journal.include(1, included(2)),
        lambda: journal.append(1, CLAIM, 10**5, attempt(3)),
        lambda: journal.settle(1),
        lambda: journal.abandon(2),
        lambda: journal.append(1, DISSECT, 10**6, attempt(4)),
        lambda: journal.include(3, included(4)),
        lambda: journal.reopen(3),
        lambda: journal.revive(2, 3),
        lambda: journal.take(2, 120),
        lambda: journal.settle(2),
    ]


def content(database: Database) -> list[list[Row]]:
    return [database.execute(f"SELECT * FROM {table}") for table in ("slots", "attempts")]


@pytest.fixture(scope="module")
def expected() -> list[list[list[Row]]]:
    """Return what the journal holds before the first step and after each."""
    journal = Journal(open_database(None), SENDER)
    found = [content(journal.database)]
    for step in life(journal):
        step()
        found.append(content(journal.database))
    return found


def live_until(path: Path, statement: int, done: int) -> None:
    """Live through the steps, telling each to `done`; die before the given statement."""
    journal = Journal(open_database(path), SENDER)
    left = iter(range(statement))
    execute = Database.execute

    def execute_or_die(self: Database, *arguments: object) -> list[Row]:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(self, *arguments)  # type: ignore[arg-type]

    Database.execute = execute_or_die  # type: ignore[method-assign]
    for step in life(journal):
        step()
        os.write(done, b".")


def test_death_between_any_two_statements_leaves_whole_steps(
    tmp_path: Path, expected: list[list[list[Row]]]
) -> None:
    deaths = 0
    for statement in count():
        path = tmp_path / f"{statement}.sqlite"
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                live_until(path, statement, writer)
            finally:
                os._exit(0)
        os.close(writer)
        status = os.waitpid(child, 0)[1]
        told = len(os.read(reader, 100))
        os.close(reader)
        database = open_database(path)
        # What was told is there; the step after it is there as a whole, or not at all.
        assert content(database) in expected[told : told + 2]
        assert database.execute("PRAGMA integrity_check") == [("ok",)]
        Journal(database, SENDER).next_nonce()
        database.close()
        if not os.WIFSIGNALED(status):
            break
        deaths += 1
    assert told == len(expected) - 1
    assert deaths > 2 * len(expected)


def test_torn_write_is_undone(tmp_path: Path, expected: list[list[list[Row]]]) -> None:
    path = tmp_path / "whole.sqlite"
    database = open_database(path)
    for step in life(Journal(database, SENDER)):
        step()
    wal = Path(f"{path}-wal").read_bytes()
    main = path.read_bytes()
    torn = tmp_path / "torn.sqlite"
    seen = []
    for size in sorted({*range(0, len(wal), 2_003), len(wal) - 1, len(wal)}):
        for tail in (b"", bytes(300)):
            torn.write_bytes(main)
            Path(f"{torn}-wal").write_bytes(wal[:size] + tail)
            again = open_database(torn)
            tables = again.execute("SELECT name FROM sqlite_schema WHERE name = 'attempts'")
            if tables and again.execute("SELECT 1 FROM parts WHERE name = 'journal'"):
                seen.append(expected.index(content(again)))
            again.close()
            for left in torn.parent.glob("torn.sqlite*"):
                left.unlink()
    assert set(seen) == {expected.index(each) for each in expected}
    database.close()


def test_nonce_follows_the_last_slot_that_stands() -> None:
    journal = Journal(open_database(None), SENDER)
    assert (journal.next_nonce(), journal.settled_nonce()) == (0, 0)
    slot = journal.append(5, DISSECT, 1, attempt(1))
    assert journal.next_nonce() == 6
    journal.abandon(slot.id)
    assert journal.next_nonce() == 0
    assert journal.abandoned(5) == [slot.id]
    second = journal.append(5, CLAIM, 1, attempt(2))
    journal.include(second.id, included(2))
    journal.settle(second.id)
    assert (journal.next_nonce(), journal.settled_nonce()) == (6, 6)


def test_nonce_can_stand_for_one_action_only() -> None:
    journal = Journal(open_database(None), SENDER)
    journal.append(0, DISSECT, 1, attempt(1))
    with pytest.raises(Exception, match="UNIQUE"):
        journal.append(0, CLAIM, 1, attempt(2))
    assert [slot.kind for slot in journal.unsettled()] == ["dissect"]


def test_slot_remembers_its_action_until_it_settles() -> None:
    journal = Journal(open_database(None), SENDER)
    slot = journal.append(0, CLAIM, 77, attempt(1))
    journal.add_attempt(slot.id, attempt(2))
    assert journal.action(slot.id) == CLAIM
    assert journal.latest(slot.id) == attempt(2)
    assert journal.hashes(slot.id) == [attempt(2).hash, attempt(1).hash]
    assert journal.open_with(CLAIM) == [slot]
    assert journal.open_with(DISSECT) == []
    journal.include(slot.id, included(1))
    assert journal.open_with(CLAIM) == []
    assert journal.slot(slot.id).inclusion == included(1)
    journal.settle(slot.id)
    settled = journal.slot(slot.id)
    assert (settled.state, settled.value_wei) == (SlotState.SETTLED, CLAIM.value_wei)
    assert journal.unsettled() == []
    kept = journal.database.execute("SELECT data, raw FROM slots JOIN attempts ON slot = slots.id")
    assert kept == [(None, None), (None, None)]


def test_report_is_due_once() -> None:
    journal = Journal(open_database(None), SENDER)
    slot = journal.append(0, CLAIM, 1, attempt(1))
    assert [journal.include(slot.id, included(block)) for block in (1, 2, 2)] == [
        True,
        False,
        False,
    ]


def test_totals_are_exact_beyond_64_bits() -> None:
    journal = Journal(open_database(None), SENDER)
    dear = Inclusion(1, b"h" * 32, 1, 10, 9 * 10**18 + 7, True, None)
    for nonce in range(4):
        slot = journal.append(nonce, CLAIM, 1, attempt(nonce))
        journal.include(slot.id, dear)
    journal.append(4, CLAIM, 1, attempt(9))
    journal.include(1, included(1, has_succeeded=False))
    totals = journal.totals()
    assert totals.fee_wei == 3 * dear.fee_wei + included(1).fee_wei
    assert (totals.included, totals.failed, totals.unsettled) == (4, 1, 5)


def test_accounts_do_not_mix() -> None:
    database = open_database(None)
    mine, other = Journal(database, SENDER), Journal(database, "0x02")
    mine.append(3, CLAIM, 1, attempt(1))
    assert other.next_nonce() == 0
    assert other.unsettled() == other.open_with(CLAIM) == other.abandoned(3) == []
    assert other.totals().unsettled == 0
