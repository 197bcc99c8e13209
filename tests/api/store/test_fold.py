"""However the chain's events arrive, in parts or with detours, the rows come out the same."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from api.store.fold import standing_of
from api.store.records import ChainEvent, Finality, Order, TaskState
from api.store.tasks import Filters, TaskStore
from infernet.chain.records import Address, ProgramRoot, Seconds, TaskId, Wei

_MODELS: dict[bytes, str] = {}
_WHO = "0x" + "11" * 20
_KINDS = (
    "claimed",
    "claim_expired",
    "asserted",
    "revealed",
    "challenge_committed",
    "dissected",
    "game_lost",
    "assertion_voided",
    "slashed",
    "finalised",
    "fee_reclaimed",
)


def event(task: int, kind: str, block: int, result: int = 0, fork: int = 0) -> ChainEvent:
    """Return an event with every argument that any kind has."""
    data = {
        "programRoot": f"0x{bytes([9] * 32).hex()}",
        "inputRoot": f"0x{bytes([8] * 32).hex()}",
        "requester": _WHO,
        "nonce": "1",
        "iterations": 1,
        "fee": "5",
        "deadline": 1_000,
        "attempt": 1,
        "executor": _WHO,
        "claimDeadline": 500,
        "assertionId": f"0x{bytes([result + 1] * 32).hex()}",
        "gameId": f"0x{bytes([result + 101] * 32).hex()}",
        "output": "0x0102",
        "windowEnd": 800 + block,
    }
    task_id = TaskId(bytes([task] * 32))
    return ChainEvent(task_id, kind, data, block, 0, bytes([fork] * 32), Seconds(block))


@st.composite
def histories(draw: st.DrawFn) -> list[ChainEvent]:
    """Return a chain's events, one a block: each task is requested before all else."""
    count = draw(st.integers(1, 3))
    found = [event(task, "requested", task + 1) for task in range(count)]
    for block in range(count + 1, count + 1 + draw(st.integers(0, 20))):
        task, kind = draw(st.integers(0, count - 1)), draw(st.sampled_from(_KINDS))
        found.append(event(task, kind, block, draw(st.integers(0, 1))))
    return found


def own(task: int) -> Order:
    """Return a task as the gateway accepts it, before the chain shows it."""
    return Order(
        TaskId(bytes([task] * 32)),
        "me",
        "plain",
        ProgramRoot(bytes([9] * 32)),
        bytes([8] * 32),
        Address(_WHO),
        1,
        1,
        Wei(5),
        Seconds(1_000),
    )


def new_store() -> TaskStore:
    store = TaskStore.open(None, "a test")
    with store.database.transaction():
        store.accept([own(0)], Seconds(1), None, None)
    return store


def rows(store: TaskStore) -> object:
    """Return all that follows from the chain, and nothing of the way there."""
    tasks = {
        row.order.id: replace(row, sequence=0) for row in store.tasks(Filters(), None, 99).tasks
    }
    sql = "SELECT task_id, kind, state, block, tx FROM task_events WHERE is_gone = 0 AND block > 0"
    return tasks, sorted(store.database.execute(sql)), store.spent("me")


def follow(store: TaskStore, events: list[ChainEvent]) -> None:
    if events:
        store.chain.apply([], events, events[-1].block, _MODELS)


@settings(max_examples=60, deadline=None)
@given(histories(), st.data())
def test_any_split_of_the_events_gives_the_same_rows(
    events: list[ChainEvent], data: st.DataObject
) -> None:
    whole, parts = new_store(), new_store()
    follow(whole, events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=5)))
    for start, stop in zip([0, *cuts], [*cuts, len(events)], strict=True):
        follow(parts, events[start:stop])
    assert rows(parts) == rows(whole)
    whole.chain.forget()
    follow(whole, events)
    assert rows(whole) == rows(parts)


@settings(max_examples=60, deadline=None)
@given(histories(), histories(), st.data())
def test_a_detour_over_another_fork_leaves_no_trace_in_the_rows(
    events: list[ChainEvent], others: list[ChainEvent], data: st.DataObject
) -> None:
    straight, detour = new_store(), new_store()
    follow(straight, events)
    common = data.draw(st.integers(0, min(len(events), len(others))))
    fork = [replace(each, transaction=bytes([7] * 32)) for each in others[common:]]
    follow(detour, events[:common])
    follow(detour, fork)
    detour.chain.apply([each.key for each in fork], events[common:], events[-1].block, _MODELS)
    assert rows(detour) == rows(straight)


@settings(max_examples=60, deadline=None)
@given(histories())
def test_a_late_log_is_put_where_it_belongs(events: list[ChainEvent]) -> None:
    straight, late = new_store(), new_store()
    follow(straight, events)
    follow(late, events[:1] + events[2:])
    if len(events) > 1:
        follow(late, events[1:2])
    assert standings_of(late) == standings_of(straight)


def standings_of(store: TaskStore) -> object:
    return {row.order.id: row.standing for row in store.tasks(Filters(), None, 99).tasks}


def test_a_result_counts_as_final_only_once_it_is() -> None:
    told = [event(0, "requested", 1), event(0, "claimed", 2), event(0, "asserted", 3)]
    assert standing_of(told).finality is Finality.PENDING
    disputed = [*told, event(0, "challenge_committed", 4)]
    assert standing_of(disputed).state is TaskState.DISPUTED
    assert standing_of(disputed).finality is Finality.PENDING
    cleared = [*disputed, event(0, "game_lost", 5)]
    assert standing_of(cleared).state is TaskState.ASSERTED
    assert standing_of([*cleared, event(0, "finalised", 6)]).finality is Finality.FINAL
    void = [*disputed, event(0, "assertion_voided", 5)]
    assert standing_of(void).state is TaskState.SLASHED
    again = standing_of([*void, event(0, "slashed", 6)])
    assert (again.state, again.slashed, again.output) == (TaskState.QUEUED, 1, None)
    assert again.finality is Finality.NONE


def test_games_over_an_earlier_result_say_nothing_of_the_next() -> None:
    told = [event(0, "requested", 1), event(0, "asserted", 2), event(0, "slashed", 3)]
    told += [event(0, "asserted", 4, result=1), event(0, "challenge_committed", 5, result=0)]
    assert standing_of(told).state is TaskState.ASSERTED
