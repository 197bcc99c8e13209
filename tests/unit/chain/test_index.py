"""Logs in SQLite: found by topics, open or closed, however the chain is cut and grown again."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infernet.store.database import open_database
from infernet.store.errors import StoreMismatch
from infernet.store.events import KEPT_BLOCKS, EventIndex, Log, Mark, Pairing

HERE = b"\x01" * 20
OPENED, CLOSED, VOIDED, CARRIED = (bytes([kind]) * 32 for kind in range(1, 5))
PAIRINGS = (
    Pairing("matter", Mark(OPENED, 1), (Mark(CLOSED, 1), Mark(VOIDED, 2)), Mark(CARRIED, 1)),
)


def name(number: int) -> bytes:
    return number.to_bytes(32, "big")


def log(block: int, place: int, *topics: bytes, data: bytes = b"") -> Log:
    return Log(block, place, HERE, topics, data, name(block), name(block + 1000))


def index_of(logs: list[Log], stop: int) -> EventIndex:
    index = EventIndex(open_database(None), "here", PAIRINGS)
    index.replace(0, logs, stop, name(stop))
    return index


def everything(index: EventIndex) -> list[list[Log]]:
    kinds = [index.select(HERE, kind) for kind in (OPENED, CLOSED, VOIDED, CARRIED)]
    return [*kinds, index.open_matters("matter")]


EVENTS = st.lists(
    st.tuples(st.sampled_from([OPENED, CLOSED, VOIDED, CARRIED]), st.integers(0, 3)), max_size=3
)
CHAINS = st.lists(st.tuples(st.integers(0, 6), st.lists(EVENTS, min_size=1, max_size=4)))


@settings(max_examples=60, deadline=None)
@given(CHAINS)
def test_however_a_chain_was_cut_and_grown_the_index_is_that_of_its_end(
    growths: list[tuple[int, list[list[tuple[bytes, int]]]]],
) -> None:
    index, blocks = index_of([], 0), [[]]
    for depth, growth in growths:
        start = max(1, len(blocks) - depth)
        blocks = blocks[:start]
        if depth:
            index.rewind(start)
        for events in growth:
            number = len(blocks)
            logs = [
                log(number, place, kind, name(7) if kind == VOIDED else name(who), name(who))
                for place, (kind, who) in enumerate(events)
            ]
            blocks.append(logs)
            index.replace(number, logs, number, name(number))
    whole = index_of([found for logs in blocks for found in logs], len(blocks) - 1)
    assert everything(index) == everything(whole)


def test_logs_are_found_by_any_topic_and_block() -> None:
    logs = [log(n, 0, OPENED, name(n), name(n % 2), name(n % 3)) for n in range(1, 13)]
    index = index_of(logs, 12)
    assert index.select(HERE, OPENED, topics={1: name(5)}) == [logs[4]]
    assert index.select(HERE, OPENED, 6, {2: name(0), 3: name(0)}) == [logs[5], logs[11]]
    assert index.select(HERE, OPENED, 12) == logs[11:]
    assert index.select(HERE, OPENED, limit=1) == logs[:1]
    assert index.select(b"\x02" * 20, OPENED) == []
    assert index.open_matters("matter", {3: name(1)}) == [x for x in logs if x.topics[3] == name(1)]


def test_a_log_of_the_same_block_may_close_what_it_opened() -> None:
    index = index_of([log(1, 0, OPENED, name(1)), log(1, 1, CLOSED, name(1))], 1)
    assert index.open_matters("matter") == []


def test_large_data_is_given_up_once_the_end_of_its_matter_is_settled() -> None:
    carried = [log(1, n, CARRIED, name(n), data=b"large") for n in range(4)]
    index = index_of(carried, 1)
    index.replace(2, [log(2, 0, CLOSED, name(1)), log(2, 1, VOIDED, name(9), name(2))], 2, name(2))
    for number in range(3, 3 + KEPT_BLOCKS):
        index.replace(number, [], number, name(number))
        is_settled = number - 2 >= KEPT_BLOCKS
        kept = [found.data is not None for found in index.select(HERE, CARRIED)]
        assert kept == ([True, False, False, True] if is_settled else [True] * 4)


def test_checkpoints_reach_back_as_far_as_blocks_may_be_replaced() -> None:
    index = index_of([], 0)
    for number in range(1, 500):
        index.replace(number, [], number, name(number))
        oldest = index.checkpoints()[-1][0]
        assert oldest <= max(0, number - KEPT_BLOCKS)
    assert len(index.checkpoints()) <= KEPT_BLOCKS + 1


def test_a_database_of_another_deployment_is_refused(tmp_path: Path) -> None:
    database = open_database(tmp_path / "store")
    EventIndex(database, "here")
    EventIndex(database, "here")
    with pytest.raises(StoreMismatch, match="the events of here, not of there"):
        EventIndex(database, "there")
    database.close()


def test_an_index_outlives_its_process(tmp_path: Path) -> None:
    database = open_database(tmp_path / "store")
    EventIndex(database, "here", PAIRINGS).replace(0, [log(3, 0, OPENED, name(1))], 4, name(4))
    beside = EventIndex(open_database(tmp_path / "store", readonly=True), "here", PAIRINGS)
    assert beside.is_readonly
    database.close()
    again = EventIndex(open_database(tmp_path / "store"), "here", PAIRINGS)
    for index in (beside, again):
        assert index.checkpoints() == [(4, name(4))]
        assert len(index.open_matters("matter")) == 1


def history(tasks: int, still_open: int) -> EventIndex:
    """Return the index of so many closed tasks and a few open ones behind them."""
    index = index_of([], 0)
    for first in range(0, tasks, 1000):
        logs = []
        for task in range(first, min(first + 1000, tasks)):
            block, kinds = task + 1, [OPENED, CARRIED]
            kinds += [CLOSED] if task < tasks - still_open else []
            logs += [log(block, i, kind, name(task), name(0)) for i, kind in enumerate(kinds)]
        index.replace(first + 1, logs, min(first + 1000, tasks), name(first))
    return index


def seconds_of_a_look(index: EventIndex, tasks: int) -> float:
    """Return how long a player takes to see what is open and what is new."""
    began = perf_counter()
    for _ in range(20):
        assert len(index.open_matters("matter", {2: name(0)})) == 8
        assert len(index.select(HERE, OPENED, tasks - 64)) == 65
        assert len(index.select(HERE, CARRIED, topics={1: name(tasks - 1)}, limit=1)) == 1
    return (perf_counter() - began) / 20


def test_a_long_history_does_not_slow_a_look() -> None:
    short, long = (seconds_of_a_look(history(tasks, 8), tasks) for tasks in (300, 10_000))
    # What grew with the history would be 33 times as slow.
    assert long < 8 * short + 0.001


@pytest.mark.slow
def test_a_hundred_thousand_tasks_do_not_slow_a_look(capsys: pytest.CaptureFixture[str]) -> None:
    began = perf_counter()
    index = history(100_000, 8)
    filled = perf_counter() - began
    look = seconds_of_a_look(index, 100_000)
    with capsys.disabled():
        print(f"\n100,000 tasks: indexed in {filled:.1f} s, a look takes {look * 1000:.2f} ms")
    assert look < 0.02


def test_the_latest_logs_come_newest_first_and_page_by_page():
    index = index_of(
        [log(block, place, OPENED, name(0)) for block in (1, 2) for place in range(3)], 2
    )
    places = []
    before = None
    while page := index.latest(HERE, OPENED, 2, before):
        places += [(each.block, each.place) for each in page]
        before = places[-1]
    assert places == [(2, 2), (2, 1), (2, 0), (1, 2), (1, 1), (1, 0)]


def test_logs_are_counted_and_found_by_the_first_digits_of_a_topic():
    ids = [bytes([number]) * 32 for number in (0x10, 0x1F, 0x20)]
    index = index_of([log(1, place, OPENED, id_) for place, id_ in enumerate(ids)], 1)
    assert index.count(HERE, OPENED) == 3
    assert index.count(HERE, OPENED, {1: ids[0]}) == 1
    assert [each.topics[1] for each in index.beginning(HERE, OPENED, 1, "1", 9)] == ids[:2]
    assert [each.topics[1] for each in index.beginning(HERE, OPENED, 1, "1f1", 9)] == ids[1:2]
    assert len(index.beginning(HERE, OPENED, 1, "", 2)) == 2
