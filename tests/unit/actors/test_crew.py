"""A crew: who works when, on what, and how failures come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from infernet.actors.attempt import attempt_all, each_of
from infernet.actors.crew import Crew, Work
from infernet.chain.errors import InsufficientBalance, Reverted

WAIT_SECONDS = 10


def work(name: str, act: Callable[[], bool], deadline: int = 10, is_urgent: bool = False) -> Work:
    return Work(name.encode(), act, deadline, is_urgent)


def failing(error: Exception) -> Callable[[], bool]:
    def act() -> bool:
        raise error

    return act


def ignore(error: Reverted) -> None:
    pass


def harvest(crew: Crew) -> bool:
    """Return what works came to, once they have something to tell."""
    crew.wait(threading.Event(), WAIT_SECONDS)
    return crew.attempt_all([], ignore)


def test_without_threads_the_urgent_come_first_and_then_the_nearest_deadline() -> None:
    done: list[str] = []

    def note(name: str) -> Callable[[], bool]:
        return lambda: bool(done.append(name))

    works = [
        work("late", note("late"), 90),
        work("soon", note("soon"), 20),
        work("game", note("game"), 80, is_urgent=True),
    ]
    assert Crew().attempt_all(works, ignore) is False
    assert done == ["game", "soon", "late"]


def test_works_wait_side_by_side() -> None:
    crew, barrier = Crew(3), threading.Barrier(3)

    def meet() -> bool:
        barrier.wait(WAIT_SECONDS)
        return True

    assert crew.attempt_all([work(name, meet) for name in "abc"], ignore) is False
    assert harvest(crew)
    assert crew.dismiss(WAIT_SECONDS) == 0


def test_nobody_works_twice_on_a_matter_at_a_time() -> None:
    crew, begun, gate = Crew(2), [], threading.Event()

    def act() -> bool:
        begun.append(1)
        return gate.wait(WAIT_SECONDS)

    for _ in range(3):
        crew.attempt_all([work("one", act)], ignore)
    assert crew.is_busy_with(b"one")
    gate.set()
    assert harvest(crew)
    assert not crew.is_busy_with(b"one")
    assert crew.dismiss(WAIT_SECONDS) == 0
    assert len(begun) == 1


def test_an_urgent_work_does_not_wait_behind_long_ones() -> None:
    crew, gate, moved = Crew(2), threading.Event(), threading.Event()
    long = [work(f"long {n}", lambda: gate.wait(WAIT_SECONDS)) for n in range(5)]
    crew.attempt_all(long, ignore)
    crew.attempt_all([work("game", lambda: bool(moved.set()), is_urgent=True)], ignore)
    assert moved.wait(WAIT_SECONDS)
    assert not gate.is_set()
    gate.set()
    crew.dismiss(WAIT_SECONDS)


@pytest.mark.parametrize("workers", [0, 2])
def test_what_fails_hinders_nothing_else_and_is_told_once(workers: int) -> None:
    crew, done = Crew(workers), threading.Event()
    works = [
        work("bad", failing(ZeroDivisionError("engine"))),
        work("good", lambda: bool(done.set())),
    ]
    with pytest.raises(ZeroDivisionError, match="engine"):
        crew.attempt_all(works, ignore)
        harvest(crew)
    assert done.wait(WAIT_SECONDS)
    assert crew.attempt_all([], ignore) is False
    crew.dismiss(WAIT_SECONDS)


def test_errors_of_several_classes_come_as_a_group() -> None:
    poor, bug = InsufficientBalance("poor"), KeyError("bug")
    works = [failing(poor), failing(bug), failing(InsufficientBalance("poor too"))]
    with pytest.raises(ExceptionGroup) as caught:
        attempt_all(works, ignore)
    assert each_of(caught.value) == (poor, bug)
    assert each_of(poor) == (poor,)


def test_being_overtaken_is_no_failure() -> None:
    heard: list[Reverted] = []
    overtaken = Reverted("claim", "WrongTaskStatus", {}, "Look again.")
    early = Reverted("finalise", "DeadlineNotPassed", {}, "Wait.")
    assert attempt_all([failing(overtaken), failing(early)], heard.append) is False
    assert heard == [overtaken]


def test_a_dismissed_crew_leaves_what_takes_too_long_and_begins_nothing() -> None:
    crew, gate, at_work, begun = Crew(1), threading.Event(), threading.Event(), []

    def long() -> bool:
        at_work.set()
        return gate.wait(WAIT_SECONDS)

    crew.attempt_all([work("long", long)], ignore)
    assert at_work.wait(WAIT_SECONDS)
    crew.attempt_all([work("next", lambda: bool(begun.append(1)), 99)], ignore)
    began = time.monotonic()
    assert crew.dismiss(0.3) == 1
    assert time.monotonic() - began < 5
    gate.set()
    time.sleep(0.1)
    assert begun == []


def test_waiting_ends_when_it_is_time_to_stop() -> None:
    crew, stop = Crew(1), threading.Event()
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    crew.wait(stop, WAIT_SECONDS)
    assert time.monotonic() - began < 5
    crew.dismiss(1)
