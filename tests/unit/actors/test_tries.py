"""What counts as a bad end of a run, and what is taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from infernet.actors.tries import Tries
from infernet.chain.records import TaskId
from infernet.store.database import open_database

TASK = TaskId(b"\x01" * 32)


def tries() -> Tries:
    return Tries(open_database(None))


def test_a_run_that_returns_or_raises_is_not_held_against_its_task() -> None:
    book = tries()
    book.begin(TASK)
    with pytest.raises(ValueError), book.counted(TASK):
        assert book.count(TASK) == 2
        raise ValueError
    assert book.count(TASK) == 1
    with book.counted(TASK):
        pass
    assert book.count(TASK) == 0
    assert book.suspects() == frozenset()


def test_only_the_end_of_the_process_leaves_a_run_counted(tmp_path: Path) -> None:
    for deaths in range(1, 4):
        database = open_database(tmp_path / "account.sqlite")
        book = Tries(database)
        assert not book.is_hopeless(TASK)
        with pytest.raises(KeyboardInterrupt), book.counted(TASK):
            raise KeyboardInterrupt
        assert book.count(TASK) == deaths
        assert book.suspects() == (frozenset([TASK]) if deaths < 3 else frozenset())
        database.close()
    assert Tries(open_database(tmp_path / "account.sqlite")).is_hopeless(TASK)


def test_a_stop_takes_back_what_is_under_way_and_nothing_from_before(tmp_path: Path) -> None:
    other = TaskId(b"\x02" * 32)
    database = open_database(tmp_path / "account.sqlite")
    Tries(database).begin(other)
    book = Tries(database)
    with book.counted(TASK):
        pass
    for _ in range(5):
        book.begin(TASK)
        book.begin(TASK)
        book.begin(other)
        book.stop()
        assert (book.count(TASK), book.count(other)) == (0, 1)
    # A run that ends after all changes nothing any more.
    book.succeed(TASK)
    assert book.count(TASK) == 0
