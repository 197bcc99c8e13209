"""The gateway's file: migrations, idempotency, budgets, group commit."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from api.errors import BudgetExceeded, KeyReused, Stopping
from api.store.records import TaskState
from api.store.tables import STEPS
from api.store.tasks import FILE_NAME, Filters, Promise, TaskStore
from api.store.writer import Writer
from infernet.chain.records import Seconds, Wei
from infernet.store.database import open_database
from infernet.store.errors import StoreInUse, StoreMismatch

from .test_fold import event, follow, own

NOW = Seconds(10)


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    TaskStore.open(tmp_path, "here").close()
    database = open_database(tmp_path / FILE_NAME)
    database.execute("UPDATE parts SET version = ? WHERE name = 'gateway'", (len(STEPS) + 1,))
    database.close()
    with pytest.raises(StoreMismatch, match="newer version"):
        TaskStore.open(tmp_path, "here")


def test_a_file_of_another_chain_or_in_use_is_refused(tmp_path: Path) -> None:
    store = TaskStore.open(tmp_path, "here")
    with pytest.raises(StoreInUse):
        TaskStore.open(tmp_path, "here")
    store.close()
    with pytest.raises(StoreMismatch, match="not of there"):
        TaskStore.open(tmp_path, "there")
    TaskStore.open(tmp_path, "here").close()


def test_what_was_accepted_survives_a_restart(tmp_path: Path) -> None:
    store = TaskStore.open(tmp_path, "here")
    store.accept([own(1)], NOW, Promise("me", "k", b"body"), None)
    store.close()
    store = TaskStore.open(tmp_path, "here")
    assert [row.order for row in store.unsent(9)] == [own(1)]
    assert store.accept([own(2)], NOW, Promise("me", "k", b"body"), None) == ((own(1).id,), [])
    with pytest.raises(KeyReused):
        store.accept([own(2)], NOW, Promise("me", "k", b"other"), None)
    assert store.task(own(2).id) is None
    store.close()


def test_a_key_is_forgotten_after_its_time(tmp_path: Path) -> None:
    store = TaskStore.open(None, "here")
    store.accept([own(1)], NOW, Promise("me", "k", b"body"), None)
    store.forget_keys(NOW)
    assert store.accept([own(2)], NOW, Promise("me", "k", b"body"), None)[0] == (own(1).id,)
    store.forget_keys(Seconds(NOW + 1))
    assert store.accept([own(2)], NOW, Promise("me", "k", b"body"), None)[0] == (own(2).id,)


def test_a_fee_counts_once_whatever_becomes_of_the_task() -> None:
    store = TaskStore.open(None, "here")
    store.accept([own(1), own(2)], NOW, None, Wei(10))
    assert store.spent("me") == 10
    with pytest.raises(BudgetExceeded, match="10 of the account's 10 wei"):
        store.accept([own(3)], NOW, None, Wei(10))
    requested = event(1, "requested", 1)
    store.chain.apply([], [requested, event(1, "claimed", 2)], 2, {})
    assert store.spent("me") == 10
    reclaimed = event(1, "fee_reclaimed", 3)
    store.chain.apply([], [reclaimed], 3, {})
    assert store.spent("me") == 5
    store.chain.apply([reclaimed.key], [], 3, {})
    assert store.spent("me") == 10
    assert store.fail(own(2).id, NOW) is not None
    assert store.fail(own(2).id, NOW) is None
    assert store.spent("me") == 5


def test_a_task_given_up_that_the_chain_shows_after_all_follows_the_chain() -> None:
    store = TaskStore.open(None, "here")
    store.accept([own(1)], NOW, None, None)
    store.fail(own(1).id, NOW)
    requested = event(1, "requested", 1)
    store.chain.apply([], [requested], 1, {})
    row = store.task(own(1).id)
    assert row is not None and row.state is TaskState.QUEUED
    assert store.spent("me") == 5
    assert store.fail(own(1).id, NOW) is None
    store.chain.apply([requested.key], [], 1, {})
    row = store.task(own(1).id)
    assert row is not None and row.state is TaskState.FAILED
    assert store.spent("me") == 0


def test_an_input_is_needed_until_the_end_of_its_tasks_is_settled() -> None:
    store = TaskStore.open(None, "here")
    root = own(1).input_root
    assert not store.needs_input(root)
    store.accept([own(1)], NOW, None, None)
    assert store.needs_input(root)
    store.chain.apply([], [event(1, "requested", 1), event(1, "finalised", 2)], 2, {})
    assert store.needs_input(root), "a reorganisation may still open it"
    store.chain.apply([], [], 200, {})
    assert not store.needs_input(root)


def test_filters_choose_what_a_list_shows() -> None:
    store = TaskStore.open(None, "here")
    store.accept([own(1), own(2)], NOW, None, None)
    store.chain.apply(
        [], [event(3, "requested", 1), event(3, "claimed", 2)], 2, {bytes([9] * 32): "x"}
    )
    running = store.tasks(Filters(state=TaskState.RUNNING), None, 9).tasks
    assert [(row.order.model, row.order.account) for row in running] == [("x", None)]
    assert len(store.tasks(Filters(account="me", model="plain"), None, 9).tasks) == 2
    assert store.tasks(Filters(account="nobody"), None, 9).tasks == ()


def test_works_that_wait_are_written_together_and_refusals_fail_alone(tmp_path: Path) -> None:
    store = TaskStore.open(tmp_path, "here")
    writer, begin, commits = Writer(store.database), Event(), list[str]()
    store.database._connection.set_trace_callback(
        lambda sql: commits.append(sql) if sql == "COMMIT" else None
    )
    writer.post(begin.wait)
    done: list[Future[object]] = [
        writer.post(partial(store.accept, [own(n)], NOW, None, Wei(200))) for n in range(50)
    ]
    begin.set()
    errors = [future.exception(10) for future in done]
    assert sum(error is None for error in errors) == 40
    assert all(isinstance(error, BudgetExceeded) for error in errors if error)
    assert len(commits) <= 2
    writer.close()
    with pytest.raises(Stopping):
        writer.post(lambda: None)
    assert store.spent("me") == 200
    store.close()


def test_a_failing_disk_fails_the_whole_group_and_writes_nothing(tmp_path: Path) -> None:
    store = TaskStore.open(tmp_path, "here")
    writer, begin = Writer(store.database), Event()

    def broken() -> None:
        raise OSError(5, "Input/output error")

    writer.post(begin.wait)
    good = writer.post(lambda: store.accept([own(1)], NOW, None, None))
    bad = writer.post(broken)
    begin.set()
    assert isinstance(bad.exception(10), OSError)
    if store.task(own(1).id) is None:
        assert isinstance(good.exception(10), OSError)
    assert writer.post(lambda: store.accept([own(1)], NOW, None, None)).result(10)
    writer.close()
    store.close()


def test_no_number_of_tasks_of_strangers_hides_those_that_were_accepted() -> None:
    store = TaskStore.open(None, "here")
    follow(store, [event(task, "requested", task) for task in range(1, 40)])
    mine = replace(own(0), deadline=Seconds(900))
    with store.database.transaction():
        store.accept([mine], NOW, None, None)
    follow(store, [event(0, "requested", 40)])
    assert store.claimable(NOW, 5)[0].order.id == mine.id


def test_signed_tasks_of_a_key_that_wait_are_counted_apart() -> None:
    store = TaskStore.open(None, "here")
    signed = [replace(own(task), signature=bytes(65)) for task in (1, 2, 3)]
    with store.database.transaction():
        store.accept([own(0), *signed], NOW, None, None)
    assert store.count_unsent_signed("me") == 3
    assert store.count_unsent_signed("others") == 0
    follow(store, [event(2, "requested", 40)])
    store.fail(signed[2].id, NOW)
    assert store.count_unsent_signed("me") == 1
