"""Runs that end the process: they cost their own results, and no others."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from infernet.actors.crew import Crew
from infernet.actors.holdings import Run
from infernet.chain.market import Request
from infernet.chain.records import AssertionId, Seconds
from infernet.chain.wallet import Wallet
from infernet.store.database import Database, open_database
from tests.stage import FEE, Stage
from tests.unit.fisherman.lies import assert_output, events, false, tell_truth


class Death(BaseException):
    """Stands for a signal that nobody catches."""


def poison(stage: Stage) -> bytes:
    """Return an input that kills whoever runs it."""
    return bytes([stage.data[0] ^ 1]) + stage.data[1:]


def lie_about(stage: Stage, data: bytes) -> AssertionId:
    """Assert a false result on an input that travels along."""
    market = stage.contracts.market
    stage.nonce += 1
    deadline = Seconds(stage.chain.next_timestamp() + 10**6)
    request = Request(stage.root, FEE, deadline, stage.nonce)
    task_id, _ = market.request_with_input(stage.wallet(), request, data, FEE)
    return assert_output(stage, task_id, false(stage.truth(data).output))


def watch_until_death(stage: Stage, wallet: Wallet, database: Database) -> bool:
    """Let a fresh process look a few times; return whether it died."""

    def start(data: bytes, iterations: int = 1) -> Run:
        if data == poison(stage):
            raise Death
        return stage.truth(data)

    fisherman = stage.fisherman(wallet, start_run=start, database=database)
    try:
        for _ in range(3):
            fisherman.tick()
    except Death:
        return True
    return False


def test_a_deadly_run_costs_its_own_result_and_no_other(stage: Stage, tmp_path: Path) -> None:
    lie_about(stage, poison(stage))
    lie, wallet = lie_about(stage, stage.data), stage.wallet()
    deaths = 0
    for _ in range(5):
        database = open_database(tmp_path / "account.sqlite")
        deaths += watch_until_death(stage, wallet, database)
        database.close()
    assert deaths == 3
    assert [r.what for r in stage.reports if r.event == "check_failed"]
    assert len(stage.contracts.games.challenges(assertionId=lie)) == 1


def test_what_was_in_work_at_a_death_is_run_alone_and_others_wait(stage: Stage) -> None:
    tell_truth(stage, 3)
    fisherman = stage.fisherman(stage.wallet())
    means, checker = fisherman._means, fisherman._checker
    fisherman._watch.look()
    crew = checker._crew = Crew(3)
    first = checker.works()[0].matter
    task_id = stage.contracts.market.assertion(AssertionId(first)).task_id
    means.tries.begin(task_id)
    begun, release = threading.Event(), threading.Event()

    def slow_check() -> bool:
        begun.set()
        return not release.wait(30)

    (alone,) = checker.works()
    assert alone.matter == first
    crew.attempt_all([replace(alone, act=slow_check)], lambda _: None)
    assert begun.wait(30)
    assert checker.works() == []
    means.tries.succeed(task_id)
    release.set()
    assert crew.dismiss(30) == 0
    assert len(checker.works()) == 3
    assert events(stage) == []
