"""The table of results: what is counted, what is open, and what a restart finds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from infernet.store.checks import Checks, Coverage, Finding, Result, coverage_of
from infernet.store.database import open_database

ROOT, OTHER = b"\x0a" * 32, b"\x0b" * 32
RESULT = Result(bytes(32), b"\x01" * 32, ROOT, False, 2.5, 1_000, 7)


def result(number: int, **fields: object) -> Result:
    return replace(RESULT, assertion_id=number.to_bytes(32), **fields)


def checks() -> Checks:
    return Checks(open_database(None))


def test_everything_seen_is_counted_by_model_and_fate() -> None:
    table = checks()
    fates = [Finding.UNCHECKED, Finding.UNSAMPLED, Finding.UNHELD, Finding.UNCHECKED]
    table.add((result(i), fate) for i, fate in enumerate(fates))
    table.add([(result(9, program_root=OTHER), Finding.UNCHECKED)])
    table.conclude(result(0).assertion_id, Finding.TRUE)
    table.conclude(result(3).assertion_id, Finding.FALSE, is_open=True)
    table.conclude(result(9).assertion_id, Finding.LATE)
    first = Coverage(seen=4, sampled=2, checked=2, skipped=1, unheld=1, late=0, false=1)
    second = Coverage(seen=1, sampled=1, late=1)
    assert table.coverage() == {ROOT: first, OTHER: second}
    assert first + second == Coverage(5, 3, 2, 1, 1, 1, 1)


def test_open_results_are_due_at_their_time_and_what_is_concluded_is_not_open() -> None:
    table = checks()
    table.add((result(i), Finding.UNCHECKED) for i in range(3))
    table.conclude(result(0).assertion_id, Finding.TRUE)
    table.postpone(result(1).assertion_id, 50, has_failed=True)
    assert table.open(Finding.UNCHECKED, 49) == [result(2)]
    assert table.open(Finding.UNCHECKED, 50) == [result(2), result(1, tries=1)]
    table.conclude(result(2).assertion_id, Finding.FALSE, is_open=True)
    assert table.open(Finding.FALSE, 0) == [result(2)]


def test_an_input_that_appears_wakes_its_task_and_restarts_one_window() -> None:
    table = checks()
    other = result(3, task_id=b"\x02" * 32)
    table.add((each, Finding.UNCHECKED) for each in (result(1), result(2), other))
    for each in (result(1), result(2), other):
        table.postpone(each.assertion_id, 500)
    for _ in range(2):
        table.reveal(RESULT.task_id, result(1).assertion_id, 9_999)
    assert table.open(Finding.UNCHECKED, 0) == [result(1, window_end=9_999), result(2)]


def test_a_reveal_reopens_once_what_was_given_up_before_it() -> None:
    table = checks()
    for number, finding in enumerate((Finding.LATE, Finding.MOOT, Finding.TRUE)):
        each = result(number)
        table.add([(each, Finding.UNCHECKED)])
        table.conclude(each.assertion_id, finding)
        table.reveal(each.task_id, each.assertion_id, 9_999)
    assert [each.assertion_id[-1] for each in table.open(Finding.UNCHECKED, 0)] == [0, 1]
    assert not table.miss(result(0).assertion_id, 9_999)
    assert table.miss(result(0).assertion_id, 10_000)
    table.reveal(RESULT.task_id, result(0).assertion_id, 9_999)
    assert table.open(Finding.UNCHECKED, 0) == [result(1, window_end=9_999)]


def test_what_a_reorganisation_took_back_can_come_again() -> None:
    table = checks()
    table.add([(result(1), Finding.UNCHECKED)])
    table.forget(result(1).assertion_id)
    assert not table.knows(result(1).assertion_id)
    table.add([(result(1, block=8), Finding.UNCHECKED)])
    assert table.last_block() == 8


def test_counts_and_open_results_survive_a_restart_and_readers_need_no_lock(
    tmp_path: Path,
) -> None:
    path = tmp_path / "account.sqlite"
    database = open_database(path)
    table = Checks(database)
    table.add((result(i), Finding.UNCHECKED) for i in range(2))
    table.conclude(result(0).assertion_id, Finding.TRUE)
    reader = open_database(path, readonly=True)
    assert coverage_of(reader)[ROOT].checked == 1
    reader.close()
    database.close()
    again = Checks(open_database(path))
    assert again.open(Finding.UNCHECKED, 0) == [result(1)]
    assert again.coverage()[ROOT] == Coverage(seen=2, sampled=2, checked=1)


def test_a_file_without_the_table_has_no_coverage() -> None:
    assert coverage_of(open_database(None)) == {}


def test_a_flood_stays_on_disk_and_the_most_deserving_are_read() -> None:
    table = checks()
    table.add((result(i, is_own=True, value=99.0), Finding.UNCHECKED) for i in range(20_000))
    table.add((result(30_000 + i, value=float(i)), Finding.UNCHECKED) for i in range(3))
    assert table.coverage()[ROOT].seen == 20_003
    found = table.open(Finding.UNCHECKED, 0)
    assert len(found) == 5_000
    assert [each.value for each in found[:4]] == [2.0, 1.0, 0.0, 99.0]
